// The list of boxes, each with a thumbnail of its surroundings; searched by image, id or label.

import {
  content,
  imageOf,
  offered,
  pixelsOf,
  cellsPerPixel,
  inUnit,
  mapOf,
  rowOf,
} from "./content.js";
import { byId, element } from "./dom.js";
import { heatOf, photographOf } from "./heat.js";
import { set, state } from "./state.js";

/** @typedef {import("./content.js").Box} Box */

const MOST_LISTED = 300;
const [WIDE, TALL] = [72, 48];

const list = byId("list");
const search = /** @type {HTMLInputElement} */ (byId("search"));

/** The indices in `content.boxes` of the boxes that are listed. @type {number[]} */
let listed = [];

/** The name of a box. @param {Box} box */
export function nameOf(box) {
  return `Box ${box.number}${box.id === undefined ? "" : ` (id ${box.id})`}`;
}

/** @param {Box} box */
function moreOf(box) {
  const score = box.score === undefined ? null : `score ${Number(box.score.toPrecision(3))}`;
  const image = content.images.length > 1 ? `image ${imageOf(box).name}` : null;
  return [box.label ?? null, score, image].filter((text) => text !== null).join(" · ");
}

/** @param {Box} box */
function textOf(box) {
  return [`${box.number}`, box.id, box.label, imageOf(box).name].filter(
    (text) => text !== undefined,
  );
}

/** The boxes that a search finds: those whose texts contain every word. @param {string} words */
function found(words) {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  const all = content.boxes.map((_, k) => k);
  return all.filter((k) => {
    const texts = textOf(content.boxes[k]).map((text) => text.toLowerCase());
    return wanted.every((word) => texts.some((text) => text.includes(word)));
  });
}

/** Draws thumbnails when they become visible. */
const drawer = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    drawer.unobserve(target);
    const canvas = target.querySelector("canvas");
    if (canvas)
      thumbnail(canvas, content.boxes[Number(/** @type {HTMLElement} */ (target).dataset.box)]);
  }
});

function fill() {
  const all = found(search.value);
  listed = all.slice(0, MOST_LISTED);
  const items = listed.map((k) => {
    const box = content.boxes[k];
    const item = element(
      "li",
      { role: "option", id: `box-${k}`, "data-box": `${k}` },
      element("canvas", { width: `${2 * WIDE}`, height: `${2 * TALL}`, "aria-hidden": "true" }),
      element("span", {}, element("b", {}, nameOf(box)), element("small", {}, moreOf(box))),
    );
    item.addEventListener("click", () => set({ box: k }));
    return item;
  });
  drawer.disconnect();
  list.replaceChildren(...items);
  for (const item of items) drawer.observe(item);
  const more = all.length - listed.length;
  byId("more").textContent = !all.length
    ? "No box matches."
    : more
      ? `… and ${more} more: search for them.`
      : "";
}

/** The surroundings of a box on the photograph, or on the map. @param {HTMLCanvasElement} canvas @param {Box} box */
function thumbnail(canvas, box) {
  const ink = canvas.getContext("2d");
  const [first] = offered.values();
  const { row } = rowOf(first, { ratio: null, aligned: null, mode: null });
  const map = mapOf(box, row);
  if (!ink || !map) return;
  const photograph = photographOf(imageOf(box), () => thumbnail(canvas, box));
  const [y, x] = photograph ? [1, 1] : cellsPerPixel(map, row);
  const [x1, y1, x2, y2] = pixelsOf(box.xyxy, map);
  const [wide, tall] = [Math.abs(x2 - x1) * x, Math.abs(y2 - y1) * y];
  const radians = inUnit(box.angle ?? 0, "radians");
  const [cos, sin] = [Math.abs(Math.cos(radians)), Math.abs(Math.sin(radians))];
  const [across, down] = [wide * cos + tall * sin, wide * sin + tall * cos];
  const scale = Math.min(
    canvas.width / Math.max(across * 1.3, 3),
    canvas.height / Math.max(down * 1.3, 3),
  );
  if (!(scale > 0)) return;
  ink.setTransform(
    scale,
    0,
    0,
    scale,
    canvas.width / 2 - ((x1 + x2) / 2) * x * scale,
    canvas.height / 2 - ((y1 + y2) / 2) * y * scale,
  );
  ink.imageSmoothingEnabled = Boolean(photograph);
  ink.drawImage(photograph ?? heatOf(map, state.channel), 0, 0);
  ink.resetTransform();
  ink.lineWidth = 3;
  ink.strokeStyle = "#ffffff";
  ink.translate(canvas.width / 2, canvas.height / 2);
  ink.rotate(row.clockwise ? radians : -radians);
  ink.strokeRect((-wide * scale) / 2, (-tall * scale) / 2, wide * scale, tall * scale);
  ink.resetTransform();
}

export function showList() {
  for (const item of list.querySelectorAll("li")) {
    const chosen = Number(item.dataset.box) === state.box;
    if (chosen && item.getAttribute("aria-selected") !== "true") {
      list.setAttribute("aria-activedescendant", item.id);
      item.scrollIntoView({ block: "nearest", inline: "nearest" });
    }
    item.setAttribute("aria-selected", `${chosen}`);
  }
}

/** @param {number} by */
function step(by) {
  const at = listed.indexOf(state.box) + by;
  const next = listed[Math.min(Math.max(at, 0), listed.length - 1)];
  if (next !== undefined) set({ box: next });
}

export function startList() {
  search.addEventListener("input", () => {
    fill();
    if (listed.length && !listed.includes(state.box)) set({ box: listed[0] });
    else showList();
  });
  /** @param {KeyboardEvent} event */
  const move = (event) => {
    const by = {
      ArrowDown: 1,
      ArrowRight: 1,
      ArrowUp: -1,
      ArrowLeft: -1,
      PageDown: 10,
      PageUp: -10,
      Home: -Infinity,
      End: Infinity,
    }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    step(by);
  };
  list.addEventListener("keydown", move);
  document.addEventListener("keydown", (event) => {
    if (event.target === document.body) move(event); // no other element has the focus
  });
  search.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") list.focus();
  });
  fill();
}
