// Pointer and keyboard on a map: pointing at cells and bins, dragging the box, zooming and panning.

import { cellsPerPixel, fromPixels, pixelsOf } from "./content.js";
import { ARROWS } from "./grid.js";
import { binAt, turnedBack } from "./marks.js";
import { hover, point, set, shownCorners, state } from "./state.js";
import { cellAt, middleOf, toIndex, toX, toY, zoomed } from "./view.js";

/** @typedef {import("./content.js").Corners} Corners */
/** @typedef {import("./content.js").Pair} Pair */
/** @typedef {import("./pane.js").Pane} Pane */
/** What follows the pointer: some of y1 and y2, and of x1 and x2; or the map. @typedef {{y: ("y1" | "y2")[], x: ("x1" | "x2")[]} | "map"} Grip */

const NEAR = 11; // pixels

/** @type {Exclude<Grip, "map">[]} */
const CORNERS = [
  { y: ["y1"], x: ["x1"] },
  { y: ["y1"], x: ["x2"] },
  { y: ["y2"], x: ["x2"] },
  { y: ["y2"], x: ["x1"] },
];

/** Whether a convex outline holds a place. @param {import("./marks.js").Outline} outline @param {Pair} at */
function holds(outline, [y, x]) {
  const sides = outline.map(([y0, x0], n) => {
    const [y1, x1] = outline[(n + 1) % outline.length];
    return Math.sign((x1 - x0) * (y - y0) - (y1 - y0) * (x - x0));
  });
  return !(sides.includes(1) && sides.includes(-1));
}

export class Pointer {
  /** @param {Pane} pane */
  constructor(pane) {
    this.pane = pane;
    /** @type {{grip: Grip, at: Pair, corners: Corners, view: [number, number, number], moved: boolean} | null} */
    this.drag = null;
    const { canvas } = pane;
    canvas.addEventListener("pointerdown", (event) => this.#press(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    canvas.addEventListener("pointerup", (event) => this.#release(event));
    canvas.addEventListener("pointercancel", () => (this.drag = null));
    canvas.addEventListener("pointerleave", () => point({ bin: null, cell: null, term: null }));
    canvas.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    canvas.addEventListener("keydown", (event) => this.#key(event));
    canvas.addEventListener("blur", () => point({ bin: null, cell: null, term: null }));
  }

  /** @param {PointerEvent} event */
  #press(event) {
    const { view } = this.pane;
    if (!view || event.button !== 0) return;
    this.pane.canvas.setPointerCapture(event.pointerId);
    this.drag = {
      grip: this.#grip(event),
      at: [event.offsetX, event.offsetY],
      corners: shownCorners(),
      view: middleOf(view),
      moved: false,
    };
  }

  /** What is under the pointer. @param {PointerEvent} event @returns {Grip} */
  #grip(event) {
    const { view, box } = this.pane;
    if (!view) return "map";
    const corners = box.map(([y, x]) =>
      Math.hypot(toX(view, x) - event.offsetX, toY(view, y) - event.offsetY),
    );
    const nearest = [2, 0, 1, 3].find((n) => corners[n] <= NEAR);
    if (nearest !== undefined) return CORNERS[nearest];
    return holds(box, toIndex(view, event.offsetX, event.offsetY))
      ? { y: ["y1", "y2"], x: ["x1", "x2"] }
      : "map";
  }

  /** @param {PointerEvent} event */
  #move(event) {
    const { view } = this.pane;
    if (!view) return;
    if (!this.drag) {
      this.#hover(event);
      return;
    }
    const [dx, dy] = [event.offsetX - this.drag.at[0], event.offsetY - this.drag.at[1]];
    if (Math.hypot(dx, dy) < 3 && !this.drag.moved) return;
    this.drag.moved = true;
    if (this.drag.grip === "map") {
      const [y, x, cell] = this.drag.view;
      set({ view: [y - dy / cell, x - dx / cell, cell] });
    } else this.#drag(this.drag.grip, this.drag.corners, dy / view.cell, dx / view.cell);
  }

  /** Move corners by fractions of a cell. @param {Exclude<Grip, "map">} grip @param {Corners} corners @param {number} dy @param {number} dx */
  #drag(grip, corners, dy, dx) {
    const { seen, view } = this.pane;
    if (!seen?.map || !view) return;
    const [y, x] = cellsPerPixel(seen.map, seen.row);
    const moved = [...pixelsOf(corners, seen.map)];
    const turn = seen.pooling?.plan.turn ?? null;
    if (turn && grip.y.length === 1) {
      // A turned box grows about its centre.
      const [down, across] = turnedBack({ ...turn, y: 0, x: 0 }, [dy, dx]);
      const [tall, wide] = [
        grip.y[0] === "y2" ? down / y : -down / y,
        grip.x[0] === "x2" ? across / x : -across / x,
      ];
      for (const [n, by] of [-wide, -tall, wide, tall].entries()) moved[n] += by;
    } else {
      for (const name of grip.y) moved[name === "y1" ? 1 : 3] += dy / y;
      for (const name of grip.x) moved[name === "x1" ? 0 : 2] += dx / x;
    }
    const steps = moved.map((v) => Math.round(v * 100) / 100);
    set({
      moved: fromPixels(/** @type {Corners} */ (steps), seen.map),
      view: state.view ?? middleOf(view),
    });
  }

  /** @param {PointerEvent} event */
  #release(event) {
    const { drag } = this;
    this.drag = null;
    if (!drag || drag.moved || !this.pane.view || !this.pane.seen?.pooling) return;
    const bin = binAt(
      this.pane.seen.pooling,
      toIndex(this.pane.view, event.offsetX, event.offsetY),
    );
    if (bin) set({ bin });
  }

  /** @param {PointerEvent} event */
  #hover(event) {
    const { view, seen } = this.pane;
    if (!view || !seen?.map || !seen.pooling) return;
    const at = toIndex(view, event.offsetX, event.offsetY);
    const bin = binAt(seen.pooling, at);
    const grip = this.#grip(event);
    const one = grip !== "map" && grip.y.length === 1 && grip.x.length === 1;
    const falling = grip !== "map" && (grip.y[0] === "y1") === (grip.x[0] === "x1");
    this.pane.canvas.style.cursor =
      grip === "map" ? "grab" : one ? (falling ? "nwse-resize" : "nesw-resize") : "move";
    point({ bin, cell: cellAt(at, seen.map.size), term: this.#nearest(bin, at, 12 / view.cell) });
  }

  /** The sample of a bin next to a place, if it is near. @param {Pair | null} bin @param {Pair} at @param {number} most @returns {Pair | null} */
  #nearest(bin, at, most) {
    const { pooling } = /** @type {import("./state.js").Seen} */ (this.pane.seen);
    if (!bin || !pooling || pooling.plan.kind === "cell") return null;
    /** @type {Pair | null} */
    let found = null;
    let best = most;
    if (pooling.bin(...bin).listed > 4000) return null;
    for (const [y, x] of pooling.pairs(...bin)) {
      const away = Math.hypot(y.position - at[0], x.position - at[1]);
      if (away < best) [best, found] = [away, [y.index, x.index]];
    }
    return found;
  }

  /** @param {WheelEvent} event */
  #wheel(event) {
    const { view } = this.pane;
    if (!view) return;
    event.preventDefault();
    set({ view: zoomed(view, 1.0015 ** -event.deltaY, event.offsetX, event.offsetY) });
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const { view, seen } = this.pane;
    if (!view || !seen?.map || !seen.pooling || event.ctrlKey || event.metaKey) return;
    const step = ARROWS[event.key];
    if (step && event.shiftKey) {
      const [y, x, cell] = middleOf(view);
      set({ view: [y + step[0], x + step[1], cell] });
    } else if (step) {
      const [height, width] = seen.map.size;
      const [y, x] = hover.cell ?? this.#middleCell();
      const cell = /** @type {Pair} */ ([
        Math.min(Math.max(y + step[0], 0), height - 1),
        Math.min(Math.max(x + step[1], 0), width - 1),
      ]);
      point({ cell, bin: binAt(seen.pooling, cell), term: null });
    } else if (event.key === "Enter" && hover.bin) set({ bin: hover.bin });
    else if (event.key === "+" || event.key === "=") set({ view: this.zoom(1.25) });
    else if (event.key === "-") set({ view: this.zoom(0.8) });
    else if (event.key === "0") set({ view: null });
    else return;
    event.preventDefault();
  }

  /** @returns {Pair} */
  #middleCell() {
    const [[top, left], , [bottom, right]] = this.pane.box;
    return [Math.round((top + bottom) / 2), Math.round((left + right) / 2)];
  }

  /** Zoom about the middle. @param {number} factor */
  zoom(factor) {
    const { view } = this.pane;
    return view ? zoomed(view, factor, view.width / 2, view.height / 2) : null;
  }
}
