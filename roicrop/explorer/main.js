// The page: draws the current choice, and lets parts of the drawing be chosen.

import { cellsPerPixel, content, notOffered, offered, pooled, rowOf, mapOf } from "./content.js";
import { copyText, drawing, explaining } from "./command.js";
import { showControls, startControls } from "./controls.js";
import { byId, element } from "./dom.js";
import { showList, startList, nameOf } from "./list.js";
import { brief } from "./numbers.js";
import { Pane } from "./pane.js";
import { download, pictureOf } from "./picture.js";
import {
  asHash,
  fromHash,
  hover,
  largestBin,
  onChange,
  seen,
  set,
  shownBox,
  state,
} from "./state.js";
import { zoomed } from "./view.js";
import { legendOf } from "./words.js";

/** @typedef {import("./content.js").Pair} Pair */
/** @typedef {import("./state.js").Seen} Seen */

/** @type {Pane[]} */
let panes = [];
/** @type {Seen[]} */
let shown = [];

const command = element("textarea", { rows: "3", readonly: true, "aria-label": "The command" });
command.hidden = true;
const said = element("p", { id: "said", role: "status" });

/** The framed bin: the one pointed at, the one chosen, or the one with the largest value. @returns {Pair} */
function framed() {
  return hover.bin ?? state.bin ?? largestBin(shown[0].values);
}

function draw() {
  shown = state.conventions.map(seen);
  if (panes.length !== shown.length) {
    panes = shown.map((_, nth) => new Pane(nth, draw));
    byId("panes").replaceChildren(...panes.map((pane) => pane.element));
    byId("panes").classList.toggle("two", panes.length > 1);
  }
  const bin = framed();
  const all = shown.map(Pane.spans).filter((each) => each !== null);
  const spans = all.length ? union(all) : null;
  for (const [n, pane] of panes.entries()) {
    pane.show(shown[n], bin, spans, () => copy(explaining(shown[n], bin)));
  }
  showControls();
  showList();
  showCell();
  showLegend();
  remember();
}

/** @param {[Pair, Pair][]} all @returns {[Pair, Pair]} */
function union(all) {
  const [y, x] = [0, 1].map(
    (n) =>
      /** @type {Pair} */ ([
        Math.min(...all.map((each) => each[n][0])),
        Math.max(...all.map((each) => each[n][1])),
      ]),
  );
  return [y, x];
}

/** The bins that the cell under the pointer feeds. */
function showCell() {
  const { cell } = hover;
  const place = byId("cell");
  const first = shown[0];
  if (!cell || !first.pooling) {
    place.textContent =
      `One square is a cell of the feature map${pixelsOfCell(first)}. ` +
      "Point at a bin to see what it reads, or at a cell to see which bins it feeds.";
    return;
  }
  const value = brief(first.pooling.feature(...cell));
  const fed = shown
    .filter(({ values }) => values)
    .map(({ pooling, convention }) => {
      const bins = pooling?.fedBy(...cell) ?? [];
      const some = bins
        .slice(0, 6)
        .map(({ p, q, share }) => `bin ${p},${q} with ${brief(share, 3)}`);
      const more = bins.length > 6 ? ` and ${bins.length - 6} more` : "";
      const name = shown.length > 1 ? ` by ${convention.label}` : "";
      return `${bins.length ? `feeds ${some.join(", ")}${more}` : "feeds no bin"}${name}`;
    });
  place.textContent = `Cell [${cell.join(", ")}] is ${value}: ${fed.join("; ")}.`;
}

/** The size of a cell in pixels of the image. @param {Seen} seen */
function pixelsOfCell({ map, row }) {
  if (!map) return "";
  const [height, width] = cellsPerPixel(map, row).map((cells) => brief(1 / cells, 3));
  return `, which stands for ${width}×${height} pixels of the image`;
}

function showLegend() {
  const poolings = shown.map(({ pooling }) => pooling).filter((each) => each !== null);
  const entries = new Map(poolings.flatMap(legendOf));
  byId("legend").replaceChildren(
    ...[...entries].map(([mark, text]) => element("span", {}, element("i", { class: mark }), text)),
  );
}

/** Keep the view in the address, if the page is allowed to. */
function remember() {
  try {
    history.replaceState(null, "", asHash());
  } catch {
    // a page inside another has no address of its own
  }
}

/** @param {string} text */
async function copy(text) {
  said.textContent = await copyText(text, command);
}

function save() {
  const bin = framed();
  const each = panes.map((pane, n) => ({
    seen: shown[n],
    canvas: pane.canvas,
    heading: `${pane.heading.textContent}: ${pane.gives.textContent}`,
    more: `${shown[n].convention.label}: ${shown[n].convention.program}`,
  }));
  download(pictureOf(each, bin), `box-${shownBox().number}.png`);
}

/** @param {number} factor */
function zoom(factor) {
  const { view } = panes[0];
  if (view) set({ view: zoomed(view, factor, view.width / 2, view.height / 2) });
}

function start() {
  const images = content.images.length > 1 ? `, ${content.images.length} images` : "";
  byId("about").textContent =
    `${content.boxes.length} boxes of ${content.source} on ${content.features}${images}. ` +
    "A box becomes a grid of bins, and each bin pools the cells of the map that it covers.";
  byId("left-out").hidden = !content.left_out;
  byId("left-out").textContent =
    `Left out to keep the page small: ${content.left_out}. --max-size makes room.`;
  byId("not-offered").textContent = notOffered.length
    ? `Not offered: ${notOffered.join("; ")}.`
    : "";
  startList();
  startControls({
    save,
    zoom,
    copy: () => copy(drawing(shown, framed())),
    map: () => shown[0]?.map ?? null,
  });
  byId("controls").after(said, command);
  set(fromHash(location.hash));
  onChange(draw);
  addEventListener("hashchange", () => {
    if (location.hash !== asHash()) set(fromHash(location.hash));
  });
  addEventListener("resize", draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  draw();
  document.title = `roicrop: ${nameOf(shownBox())}`;
}

start();

/** For scripts and tests: what a convention computes for a box. */
Object.assign(globalThis, {
  roicrop: {
    content,
    conventions: [...offered.keys()],
    state: () => state,
    set,
    /** @param {number} k @param {string} key @param {import("./content.js").Asked} [asked] @param {Pair} [bins] */
    pool: (
      k,
      key,
      asked = { ratio: null, aligned: null, mode: null },
      bins = content.output_size,
    ) => {
      const box = content.boxes[k];
      const convention = /** @type {import("./content.js").Convention} */ (offered.get(key));
      const { row } = rowOf(convention, asked);
      const map = mapOf(box, row);
      return map && pooled(box.xyxy, box.angle ?? null, map, row, bins, state.channel);
    },
  },
});
