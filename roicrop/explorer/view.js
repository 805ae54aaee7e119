// The visible part of the map: index coordinates, where cell i goes from i − ½ to i + ½, and pixels.

/** @typedef {import("./content.js").Pair} Pair */
/** Index coordinates of the upper left corner, and pixels per cell. @typedef {{top: number, left: number, cell: number, width: number, height: number}} View */

/** @param {View} view @param {number} y */
export function toY(view, y) {
  return (y - view.top) * view.cell;
}

/** @param {View} view @param {number} x */
export function toX(view, x) {
  return (x - view.left) * view.cell;
}

/** The index coordinates of a point in pixels. @param {View} view @param {number} x @param {number} y @returns {Pair} */
export function toIndex(view, x, y) {
  return [view.top + y / view.cell, view.left + x / view.cell];
}

/** The cell at index coordinates, if it is on the map. @param {Pair} at @param {Pair} size @returns {Pair | null} */
export function cellAt([y, x], [height, width]) {
  const [row, column] = [Math.round(y), Math.round(x)];
  return row >= 0 && row < height && column >= 0 && column < width ? [row, column] : null;
}

/** @param {[number, number, number]} at the middle, and pixels per cell @param {number} width @param {number} height @returns {View} */
export function viewAt([y, x, cell], width, height) {
  return { top: y - height / cell / 2, left: x - width / cell / 2, cell, width, height };
}

/** The middle of a view, and its pixels per cell. @param {View} view @returns {[number, number, number]} */
export function middleOf(view) {
  const [y, x] = toIndex(view, view.width / 2, view.height / 2);
  return [round(y), round(x), round(view.cell)];
}

/** @param {number} value */
function round(value) {
  return Math.round(value * 1000) / 1000;
}

/** The view that shows the spans of y and x with a margin, or for a box far away the map. @param {[Pair, Pair]} spans @param {Pair} size @param {number} width @param {number} height @returns {View} */
export function fitted(spans, size, width, height) {
  const seen = spans.map(([low, high], n) => {
    const margin = Math.max(0.12 * (high - low), 0.8);
    const beyond = Math.max(1.5 * size[n], 4);
    let [from, to] = [Math.max(low - margin, -beyond), Math.min(high + margin, size[n] + beyond)];
    if (from >= to) [from, to] = [-0.5, size[n] - 0.5];
    if (from > size[n] - 3) from = Math.max(size[n] - 4, -0.5);
    if (to < 2) to = Math.min(3, size[n] - 0.5);
    return [from, to];
  });
  const [[top, bottom], [left, right]] = seen;
  const cell = Math.min(width / (right - left), height / (bottom - top), 120);
  return viewAt([(top + bottom) / 2, (left + right) / 2, cell], width, height);
}

/** The view zoomed about a point in pixels. @param {View} view @param {number} factor @param {number} x @param {number} y @returns {[number, number, number]} */
export function zoomed(view, factor, x, y) {
  const cell = Math.min(Math.max(view.cell * factor, 0.5), 400);
  const [atY, atX] = toIndex(view, x, y);
  const top = atY - y / cell;
  const left = atX - x / cell;
  return middleOf({ ...view, top, left, cell });
}
