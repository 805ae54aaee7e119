// One convention: the map with its marks, and the pooled values beside it.

import { cellsPerPixel, content, pixelsOf } from "./content.js";
import { element } from "./dom.js";
import { Grid } from "./grid.js";
import { drawMap, rulers } from "./heat.js";
import { drawBox, drawMarks, outlines, plainest, turned } from "./marks.js";
import { Pointer } from "./pointer.js";
import { brief } from "./numbers.js";
import { hover, set, shownBox, shownCorners, state } from "./state.js";
import { sumOf } from "./sums.js";
import { fitted, viewAt } from "./view.js";
import { WORDS, takes } from "./words.js";

/** @typedef {import("./content.js").Pair} Pair */
/** @typedef {import("./state.js").Seen} Seen */
/** @typedef {import("./marks.js").Outline} Outline */
/** @typedef {import("./view.js").View} View */

export class Pane {
  /** @param {number} nth of the conventions that are shown @param {() => void} redraw */
  constructor(nth, redraw) {
    this.nth = nth;
    this.redraw = redraw;
    this.grid = new Grid(nth);
    this.heading = element("h2");
    this.more = element("p", { class: "more" });
    this.canvas = element("canvas", { tabindex: "0", role: "application" });
    this.result = element("h2");
    this.gives = element("p", { class: "more" });
    this.sum = element("div");
    /** @type {View | null} */
    this.view = null;
    /** @type {Seen | null} */
    this.seen = null;
    this.element = element(
      "article",
      {},
      element("div", { class: "map" }, this.heading, this.more, this.canvas),
      element("div", { class: "pooled" }, this.result, this.gives, this.grid.table),
      this.sum,
    );
    new Pointer(this);
  }

  /** The span that a convention reads, so that two panes show the same part. @param {Seen} seen @returns {[Pair, Pair] | null} */
  static spans({ map, row, pooling }) {
    if (!map || !pooling) return null;
    const all = [...boxOn(map, row, pooling.plan.turn), ...outlines(pooling).whole];
    const [ys, xs] = [all.map(([y]) => y), all.map(([, x]) => x)];
    return [
      [Math.min(...ys), Math.max(...ys)],
      [Math.min(...xs), Math.max(...xs)],
    ];
  }

  /** @param {Seen} seen @param {Pair} bin @param {[Pair, Pair] | null} spans @param {() => void} explain */
  show(seen, bin, spans, explain) {
    this.seen = seen;
    const { convention, row, map, pooling, values, refused, not } = seen;
    const kind = pooling?.plan.kind ?? "sample";
    const words = WORDS[kind];
    this.heading.textContent = `${pooling?.plan.turn ? "Rotated " : ""}${words.operator} ${words.reads}`;
    const but = not.length ? ` It ${not.join(" and ")}.` : "";
    this.more.textContent = `${convention.label}: ${convention.program}. ${convention.surprise}${but}`;
    const fed = new Map();
    const pooled = hover.cell && pooling && values ? pooling.fedBy(...hover.cell) : [];
    for (const { p, q, share } of pooled) fed.set(`${p},${q}`, share);
    this.grid.show(seen, bin, fed);
    this.canvas.hidden = !map;
    this.#work(seen, bin, explain);
    if (!map || !pooling) {
      this.result.textContent = "No value";
      this.gives.textContent =
        "This convention’s level rule puts the box on no level, so its values are 0.";
      return;
    }
    if (refused) {
      this.result.textContent = "No value";
      this.gives.textContent = `${convention.label} refuses ${refused}.`;
    } else {
      const value = values ? values[bin[0]][bin[1]] : NaN;
      const way = takes(row, kind).replace(/^./, (letter) => letter.toUpperCase());
      this.result.textContent = `A bin is ${way.replace(/^T/, "t")}`;
      const count =
        kind === "sample" ? `, ${pooling.plan.y.count}×${pooling.plan.x.count} samples each` : "";
      this.gives.textContent = `${state.bins.join("×")} bins${count}; bin ${bin.join(",")} is ${brief(value, 4)}`;
    }
    this.#draw(seen, bin, spans);
  }

  /** Update the sum, without disturbing someone who is reading it. @param {Seen} seen @param {Pair} bin @param {() => void} explain */
  #work(seen, bin, explain) {
    if (this.sum.contains(document.activeElement)) return;
    const { pooling, values } = seen;
    this.sum.replaceChildren(
      ...(pooling && values ? [sumOf(seen, pooling.bin(...bin), explain)] : []),
    );
  }

  /** @param {Seen} seen @param {Pair} bin @param {[Pair, Pair] | null} spans */
  #draw({ map, row, pooling, refused, convention }, bin, spans) {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const ink = this.canvas.getContext("2d");
    if (!map || !pooling || !ink || !width) return;
    const ratio = devicePixelRatio || 1;
    Object.assign(this.canvas, {
      width: Math.round(width * ratio),
      height: Math.round(height * ratio),
    });
    ink.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.view = state.view
      ? viewAt(state.view, width, height)
      : fitted(
          spans ?? [
            [0, 1],
            [0, 1],
          ],
          map.size,
          width,
          height,
        );
    const perPixel = cellsPerPixel(map, row);
    drawMap(ink, this.view, map, state.channel, shownBox(), perPixel, state.fade, this.redraw);
    if (refused) drawBox(ink, this.view, this.box);
    else {
      const framed = pooling.bin(...bin);
      const chosen = this.#term(framed) ?? plainest(pooling, framed);
      drawMarks(ink, this.view, pooling, this.box, bin, chosen, hover.cell, this.nth);
    }
    rulers(ink, this.view, map.size);
    const value = brief(pooling.bin(...bin).value);
    this.canvas.setAttribute(
      "aria-label",
      `Feature map under ${convention.label}, ${map.size.join(" by ")} cells, channel ` +
        `${content.channels[state.channel]}; bin ${bin.join(",")} is ${value}. Arrow keys point at cells, ` +
        "Enter frames the bin there, plus and minus zoom, 0 shows the whole box.",
    );
  }

  /** The term under the pointer, in the table or on the map. @param {import("./pooling.js").Bin} bin */
  #term(bin) {
    const { term } = hover;
    if (!term || !this.seen?.pooling) return null;
    for (const each of this.seen.pooling.terms(bin)) {
      if (each.y.index === term[0] && each.x.index === term[1]) return each;
    }
    return null;
  }

  /** Where the box is on the map, in index coordinates. @returns {Outline} */
  get box() {
    const { map, row, pooling } = /** @type {Seen} */ (this.seen);
    const on = /** @type {import("./content.js").FeatureMap} */ (map);
    return boxOn(on, row, pooling?.plan.turn ?? null);
  }

  /** Show another part. @param {[number, number, number] | null} view */
  look(view) {
    set({ view });
  }
}

/**
 * The true outline of the box, starting with the corner that is upper left before it is turned.
 * @param {import("./content.js").FeatureMap} map @param {import("./content.js").Row} row
 * @param {import("./planner.js").Turn | null} turn @returns {Outline}
 */
function boxOn(map, row, turn) {
  const [x1, y1, x2, y2] = pixelsOf(shownCorners(), map);
  const [y, x] = cellsPerPixel(map, row);
  const [top, left, bottom, right] = [y1 * y - 0.5, x1 * x - 0.5, y2 * y - 0.5, x2 * x - 0.5];
  const center = { y: (top + bottom) / 2, x: (left + right) / 2 };
  const upright = /** @type {Outline} */ ([
    [top, left],
    [top, right],
    [bottom, right],
    [bottom, left],
  ]);
  if (!turn) return upright;
  const own = upright.map(([a, b]) => /** @type {Pair} */ ([a - center.y, b - center.x]));
  return turned({ ...turn, ...center }, own);
}
