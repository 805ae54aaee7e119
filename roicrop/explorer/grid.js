// The pooled values as a table: pointing, a click or the arrow keys frame a bin.

import { content } from "./content.js";
import { element } from "./dom.js";
import { groundOf } from "./heat.js";
import { alike, brief } from "./numbers.js";
import { point, set, state } from "./state.js";

/** @typedef {import("./content.js").Pair} Pair */
/** @typedef {import("./state.js").Seen} Seen */

/** One table, which is updated, not made again, as long as its size stays the same. */
export class Grid {
  /** @param {number} nth of the conventions that are shown */
  constructor(nth) {
    this.table = element("table", { class: "grid", role: "grid" });
    this.table.style.setProperty("--bins", content.palette.bins[nth].join(", "));
    /** @type {HTMLTableCellElement[][]} */
    this.cells = [];
    this.table.addEventListener("pointerleave", () => point({ bin: null, term: null }));
    this.table.addEventListener("keydown", (event) => this.#move(event));
  }

  /** @param {Seen} seen @param {Pair} framed @param {Map<string, number>} fed bins that a cell feeds */
  show({ convention, map, values }, framed, fed) {
    if (!values || !map) {
      this.table.hidden = true;
      return;
    }
    this.table.hidden = false;
    this.table.setAttribute("aria-label", `Pooled values by ${convention.label}`);
    this.#make(values.length, values[0].length);
    const texts = alike(values, values[0].length > 7 ? 2 : 3);
    for (const [p, line] of values.entries()) {
      for (const [q, value] of line.entries()) {
        const cell = this.cells[p][q];
        const { background, ink } = groundOf(value, map, state.channel);
        const share = fed.get(`${p},${q}`);
        const isFramed = framed[0] === p && framed[1] === q;
        cell.textContent = values[0].length <= 14 ? texts[p][q] : "";
        cell.style.background = background;
        cell.style.color = ink;
        cell.classList.toggle("framed", isFramed);
        cell.classList.toggle("fed", share !== undefined);
        cell.tabIndex = isFramed ? 0 : -1;
        cell.setAttribute("aria-selected", `${isFramed}`);
        const gives =
          share === undefined ? "" : `, ${brief(share * 100, 3)} % from the cell pointed at`;
        cell.setAttribute("aria-label", `bin ${p},${q}: ${brief(value)}${gives}`);
        cell.title = `bin ${p},${q}: ${brief(value)}`;
      }
    }
  }

  /** @param {number} height @param {number} width */
  #make(height, width) {
    if (this.cells.length === height && this.cells[0].length === width) return;
    this.cells = Array.from({ length: height }, (_, p) =>
      Array.from({ length: width }, (_, q) => {
        const cell = element("td", { role: "gridcell" });
        cell.addEventListener("pointerenter", () => point({ bin: [p, q], cell: null, term: null }));
        cell.addEventListener("click", () => set({ bin: [p, q] }));
        cell.addEventListener("focus", () => set({ bin: [p, q] }));
        return cell;
      }),
    );
    this.table.classList.toggle("small", width > 7);
    this.table.replaceChildren(
      ...this.cells.map((line) => element("tr", { role: "row" }, ...line)),
    );
  }

  /** @param {KeyboardEvent} event */
  #move(event) {
    const step = ARROWS[event.key];
    const at = this.cells.flatMap((line, p) => line.map((cell, q) => ({ cell, p, q })));
    const here = at.find(({ cell }) => cell === document.activeElement);
    if (!step || !here) return;
    event.preventDefault();
    this.cells[here.p + step[0]]?.[here.q + step[1]]?.focus();
  }
}

/** The direction of each arrow key, down and across. @type {Record<string, Pair>} */
export const ARROWS = {
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
};
