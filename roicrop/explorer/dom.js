// Elements of the page. Text is always inserted as text, never as HTML.

/** @typedef {Node | string | null} Child */

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag @param {Record<string, string | boolean>} [attributes] @param {Child[]} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

/** The element of the page with this id. @param {string} id @returns {HTMLElement} */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`no element ${id}`);
  return found;
}

/** A table of texts under a heading. @param {string[]} head @param {string[][]} rows */
export function table(head, rows) {
  return element(
    "table",
    {},
    element(
      "thead",
      {},
      element("tr", {}, ...head.map((text) => element("th", { scope: "col" }, text))),
    ),
    element(
      "tbody",
      {},
      ...rows.map((row) => element("tr", {}, ...row.map((text) => element("td", {}, text)))),
    ),
  );
}

/** @param {string} label @param {() => void} press @param {string} [title] */
export function button(label, press, title) {
  const made = element(
    "button",
    { type: "button", ...(title ? { title, "aria-label": title } : {}) },
    label,
  );
  made.addEventListener("click", press);
  return made;
}
