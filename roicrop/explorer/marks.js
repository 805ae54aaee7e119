// The marks over the map: the box, its bins, and the cells that one of them reads.

import { css, themed } from "./colour.js";
import { content } from "./content.js";
import { brief } from "./numbers.js";
import { cellRange, edgesOf } from "./planner.js";
import { toX, toY } from "./view.js";

/** @typedef {import("./view.js").View} View */
/** @typedef {import("./content.js").Pair} Pair */
/** @typedef {import("./pooling.js").Pooling} Pooling */
/** @typedef {import("./pooling.js").Bin} Bin */
/** @typedef {import("./pooling.js").Term} Term */
/** @typedef {import("./planner.js").Turn} Turn */
/** @typedef {[number, number, number, number]} Rectangle top, left, bottom, right in index coordinates */
/** @typedef {Pair[]} Outline corners, y and x each, in order around it */

const MOST_SPECKS = 8000;
const INK = "#181c22";
const MOVED = "#ffbe3c";
const LOST = "#e81e2c";

/**
 * All marks over one map. `box` is its true outline; `chosen` is the term whose cells are shown.
 * @param {CanvasRenderingContext2D} ink @param {View} view @param {Pooling} pooling
 * @param {Outline} box @param {Pair} at the framed bin @param {Term | null} chosen
 * @param {Pair | null} cell that is pointed at @param {number} nth of the conventions
 */
export function drawMarks(ink, view, pooling, box, at, chosen, cell, nth) {
  const colour = css(content.palette.bins[nth]);
  drawBox(ink, view, box);
  const bins = outlines(pooling);
  specks(ink, view, pooling);
  for (const line of bins.lines) stroke(ink, view, line, 1.25, colour);
  frame(ink, view, bins.whole, 2, colour);
  const bin = pooling.bin(...at);
  if (pooling.plan.kind === "cell") pool(ink, view, pooling, bin, box, colour);
  else {
    frame(ink, view, bins.of(...at), 6, "rgba(24, 28, 34, 0.55)");
    frame(ink, view, bins.of(...at), 3.5, colour);
    if (pooling.plan.kind === "piece") pieces(ink, view, pooling, bin);
    if (chosen) lines(ink, view, chosen);
    samples(ink, view, pooling, bin);
    if (chosen) weights(ink, view, chosen);
  }
  handles(ink, view, box);
  if (!cell) return;
  const [row, column] = cell;
  frame(
    ink,
    view,
    rectangle([row - 0.5, column - 0.5, row + 0.5, column + 0.5]),
    2,
    "#ffffff",
    [5, 3],
  );
}

/** The box alone. @param {CanvasRenderingContext2D} ink @param {View} view @param {Outline} box */
export function drawBox(ink, view, box) {
  frame(ink, view, box, 8, "rgba(24, 28, 34, 0.6)");
  frame(ink, view, box, 6, "#ffffff");
  handles(ink, view, box);
}

/** @param {Rectangle} of @returns {Outline} */
function rectangle([top, left, bottom, right]) {
  return [
    [top, left],
    [top, right],
    [bottom, right],
    [bottom, left],
  ];
}

/** Places on a box's own axes → places on the map. @param {Turn | null} turn @param {Outline} own @returns {Outline} */
export function turned(turn, own) {
  if (!turn) return own;
  const { cos, sin, y, x } = turn;
  return own.map(([v, u]) => [v * cos - u * sin + y, v * sin + u * cos + x]);
}

/** The inverse: a place on the map → on the box's own axes. @param {Turn | null} turn @param {Pair} at @returns {Pair} */
export function turnedBack(turn, [atY, atX]) {
  if (!turn) return [atY, atX];
  const { cos, sin, y, x } = turn;
  const [down, across] = [atY - y, atX - x];
  return [down * cos + across * sin, across * cos - down * sin];
}

/** The bins on the map. @param {Pooling} pooling */
export function outlines({ plan }) {
  const [y, x] = [edgesOf(plan.y), edgesOf(plan.x)];
  const [top, bottom] = [y[0], y[y.length - 1]];
  const [left, right] = [x[0], x[x.length - 1]];
  /** @type {(of: Rectangle) => Outline} */
  const on = (of) => turned(plan.turn, rectangle(of));
  const whole = on([top, left, bottom, right]);
  /** @type {(p: number, q: number) => Outline} */
  const of = (p, q) => on([y[p], x[q], y[p + 1], x[q + 1]]);
  const inner = [
    ...y.slice(1, -1).map((at) =>
      turned(plan.turn, [
        [at, left],
        [at, right],
      ]),
    ),
    ...x.slice(1, -1).map((at) =>
      turned(plan.turn, [
        [top, at],
        [bottom, at],
      ]),
    ),
  ];
  return { whole, of, lines: inner };
}

/** The bin that holds index coordinates, if one does. @param {Pooling} pooling @param {Pair} place @returns {Pair | null} */
export function binAt({ plan }, place) {
  const at = turnedBack(plan.turn, place);
  const found = [plan.y, plan.x].map((axis, n) => {
    const edges = edgesOf(axis);
    return edges.slice(1).findIndex((edge, p) => {
      const [low, high] = [Math.min(edge, edges[p]), Math.max(edge, edges[p])];
      return at[n] >= low && at[n] <= high;
    });
  });
  return found[0] < 0 || found[1] < 0 ? null : [found[0], found[1]];
}

/** The term whose weights are easiest to see, shown if no term is chosen. @param {Pooling} pooling @param {Bin} bin @returns {Term | null} */
export function plainest(pooling, bin) {
  if (pooling.plan.kind === "cell") return null;
  let found = null;
  let best = [0, 0, 0];
  let looked = 0;
  for (const term of pooling.terms(bin)) {
    if (++looked > 3000) break;
    if (!term.taps.length) continue;
    const least = Math.min(...term.taps.map((tap) => tap.weight));
    const rank = [term.taps.length, Math.round(term.share * 1e6), least];
    const place = rank.findIndex((value, n) => value !== best[n]);
    if (place >= 0 && rank[place] > best[place]) [found, best] = [term, rank];
  }
  return found;
}

/** @param {CanvasRenderingContext2D} ink @param {View} view @param {Outline} of @param {number} width @param {string} colour @param {number[]} [dash] */
function frame(ink, view, of, width, colour, dash = []) {
  ink.lineWidth = width;
  ink.strokeStyle = colour;
  ink.lineJoin = "miter";
  ink.setLineDash(dash);
  ink.beginPath();
  for (const [y, x] of of) ink.lineTo(toX(view, x), toY(view, y));
  ink.closePath();
  ink.stroke();
  ink.setLineDash([]);
}

/** @param {CanvasRenderingContext2D} ink @param {View} view @param {Outline} of from, to @param {number} width @param {string} colour */
function stroke(ink, view, [[y0, x0], [y1, x1]], width, colour) {
  ink.lineWidth = width;
  ink.strokeStyle = colour;
  ink.beginPath();
  ink.moveTo(toX(view, x0), toY(view, y0));
  ink.lineTo(toX(view, x1), toY(view, y1));
  ink.stroke();
}

/** @param {CanvasRenderingContext2D} ink @param {number} x @param {number} y @param {number} radius @param {string} fill @param {string} [edge] */
function dot(ink, x, y, radius, fill, edge) {
  ink.beginPath();
  ink.arc(x, y, radius, 0, 2 * Math.PI);
  ink.fillStyle = fill;
  ink.fill();
  if (!edge) return;
  ink.strokeStyle = edge;
  ink.lineWidth = 1.5;
  ink.stroke();
}

/** The samples of all bins, small. @param {CanvasRenderingContext2D} ink @param {View} view @param {Pooling} pooling */
function specks(ink, view, pooling) {
  if (pooling.plan.kind === "piece") return;
  for (const [y, x] of pooling.everyPair(MOST_SPECKS)) {
    const out = !y.inside || !x.inside;
    dot(
      ink,
      toX(view, x.position),
      toY(view, y.position),
      1.6,
      out ? LOST : "rgba(255, 255, 255, 0.75)",
    );
  }
}

/** @param {CanvasRenderingContext2D} ink @param {View} view @param {Pooling} pooling @param {Bin} bin */
function samples(ink, view, pooling, bin) {
  const { y: ofY, x: ofX } = pooling.plan;
  const apart = Math.min(
    ...[ofY, ofX].map((axis) => Math.abs(axis.step) / Math.max(axis.count, 1)),
  );
  const radius = Math.min(Math.max(0.35 * apart * view.cell, 1.5), 5);
  if (bin.listed > MOST_SPECKS) return;
  for (const { y, x } of pooling.terms(bin)) {
    const at = /** @type {const} */ ([toX(view, x.position), toY(view, y.position)]);
    if (!y.inside || !x.inside) {
      cross(ink, ...at, radius);
    } else if (y.readAt !== y.position || x.readAt !== x.position) {
      const to = /** @type {const} */ ([toX(view, x.readAt), toY(view, y.readAt)]);
      ink.strokeStyle = MOVED;
      ink.lineWidth = 2;
      ink.beginPath();
      ink.moveTo(...at);
      ink.lineTo(...to);
      ink.stroke();
      dot(ink, ...to, 2.5, MOVED);
      dot(ink, ...at, radius, MOVED, INK);
    } else dot(ink, ...at, radius, "#ffffff", INK);
  }
}

/** @param {CanvasRenderingContext2D} ink @param {number} x @param {number} y @param {number} radius */
function cross(ink, x, y, radius) {
  for (const [width, colour] of /** @type {[number, string][]} */ ([
    [4.5, "#ffffff"],
    [2.5, LOST],
  ])) {
    ink.lineWidth = width;
    ink.strokeStyle = colour;
    ink.beginPath();
    ink.moveTo(x - radius, y - radius);
    ink.lineTo(x + radius, y + radius);
    ink.moveTo(x - radius, y + radius);
    ink.lineTo(x + radius, y - radius);
    ink.stroke();
  }
}

/** A sample's lines to its cells; a thicker line means a larger weight. @param {CanvasRenderingContext2D} ink @param {View} view @param {Term} term */
function lines(ink, view, { y, x, taps }) {
  for (const [more, colour] of /** @type {[number, string][]} */ ([
    [2.5, INK],
    [0, "#ffffff"],
  ])) {
    for (const tap of taps) {
      const width = 1.2 + 7 * Math.min(Math.abs(tap.weight), 1) + more;
      stroke(
        ink,
        view,
        [
          [y.readAt, x.readAt],
          [tap.row, tap.column],
        ],
        width,
        colour,
      );
    }
  }
}

/** The weight of each cell of a sample. @param {CanvasRenderingContext2D} ink @param {View} view @param {Term} term */
function weights(ink, view, { y: atY, x: atX, taps }) {
  for (const tap of taps) {
    const [x, y] = [toX(view, tap.column), toY(view, tap.row)];
    dot(ink, x, y, 3, "#ffffff", INK);
    const [right, down] = [tap.column >= atX.readAt ? 1 : -1, tap.row >= atY.readAt ? 1 : -1];
    if (view.cell >= 30) label(ink, view, brief(tap.weight, 2), x + 14 * right, y + 14 * down);
  }
}

/** @param {CanvasRenderingContext2D} ink @param {View} view @param {string} text @param {number} x @param {number} y */
function label(ink, view, text, x, y) {
  ink.font = `600 12px ${themed("font")}`;
  ink.textAlign = "center";
  ink.textBaseline = "middle";
  const half = ink.measureText(text).width / 2 + 4;
  const at = Math.min(Math.max(x, half + 28), view.width - half);
  ink.fillStyle = "rgba(24, 28, 34, 0.85)";
  ink.fillRect(at - half, y - 8.5, 2 * half, 17);
  ink.fillStyle = "#ffffff";
  ink.fillText(text, at, y);
}

/** @param {CanvasRenderingContext2D} ink @param {View} view @param {Pooling} pooling @param {Bin} bin */
function pieces(ink, view, pooling, bin) {
  const { y, x } = outlineOf(pooling, bin);
  for (const at of cuts(y))
    stroke(
      ink,
      view,
      [
        [at, x[0]],
        [at, x[1]],
      ],
      1,
      "#ffffff",
    );
  for (const at of cuts(x))
    stroke(
      ink,
      view,
      [
        [y[0], at],
        [y[1], at],
      ],
      1,
      "#ffffff",
    );
}

/** @param {Pooling} pooling @param {Bin} bin */
function outlineOf(pooling, { p, q }) {
  const [[top, left], , [bottom, right]] = outlines(pooling).of(p, q);
  return { y: [top, bottom], x: [left, right] };
}

/** The integers between two ends. @param {number[]} ends */
function cuts([low, high]) {
  const found = [];
  for (let i = Math.ceil(low); i < high && found.length < 200; i++) found.push(i);
  return found;
}

/** RoIPool: the bin's cells, the winning ones, and how far edges moved. @param {CanvasRenderingContext2D} ink @param {View} view @param {Pooling} pooling @param {Bin} bin @param {Outline} box @param {string} colour */
function pool(ink, view, pooling, bin, box, colour) {
  const { y, x, row } = pooling.plan;
  const [top, bottom] = cellRange(y, bin.p);
  const [left, right] = cellRange(x, bin.q);
  if (row.mode === "max" && pooling.bins[0] * pooling.bins[1] <= 400) {
    for (let p = 0; p < y.bins; p++) {
      for (let q = 0; q < x.bins; q++) winner(ink, view, pooling, pooling.bin(p, q), 1, [4, 3]);
    }
  }
  if (top < bottom && left < right) {
    const cells = rectangle([top - 0.5, left - 0.5, bottom - 0.5, right - 0.5]);
    frame(ink, view, cells, 6, "rgba(24, 28, 34, 0.55)");
    frame(ink, view, cells, 3.5, colour);
  }
  winner(ink, view, pooling, bin, 3, []);
  if (y.cells && x.cells && row.rounding !== "none")
    arrows(ink, view, box, y.cells, x.cells, colour);
}

/** @param {CanvasRenderingContext2D} ink @param {View} view @param {Pooling} pooling @param {Bin} bin @param {number} width @param {number[]} dash */
function winner(ink, view, pooling, bin, width, dash) {
  const [first] = pooling.winners(bin);
  if (!first) return;
  const [row, column] = [first.y.low, first.x.low];
  const inset = 0.5 - Math.min(4 / view.cell, 0.2);
  const cell = rectangle([row - inset, column - inset, row + inset, column + inset]);
  frame(ink, view, cell, width, "#ffffff", dash);
}

/** @param {CanvasRenderingContext2D} ink @param {View} view @param {Outline} box @param {Pair} rows @param {Pair} columns @param {string} colour */
function arrows(ink, view, [[top, left], , [bottom, right]], rows, columns, colour) {
  const [middleY, middleX] = [(top + bottom) / 2, (left + right) / 2];
  const moves = /** @type {[Rectangle, number][]} */ ([
    [[top, middleX, rows[0] - 0.5, middleX], top - (rows[0] - 0.5)],
    [[bottom, middleX, rows[1] + 0.5, middleX], rows[1] + 0.5 - bottom],
    [[middleY, left, middleY, columns[0] - 0.5], left - (columns[0] - 0.5)],
    [[middleY, right, middleY, columns[1] + 0.5], columns[1] + 0.5 - right],
  ]);
  for (const [line, outwards] of moves) {
    if (Math.abs(outwards) < 0.05) continue;
    const ends = /** @type {Outline} */ ([line.slice(0, 2), line.slice(2)]);
    stroke(ink, view, ends, 4, INK);
    stroke(ink, view, ends, 2.5, colour);
    const [x, y] = [toX(view, line[3]), toY(view, line[2])];
    const [dy, dx] = [Math.sign(line[2] - line[0]), Math.sign(line[3] - line[1])];
    head(ink, x, y, dx, dy, colour);
    if (view.cell < 16) continue;
    const across = line[0] === line[2];
    const text = `${outwards > 0 ? "+" : ""}${brief(outwards, 3)} cells`;
    label(ink, view, text, across ? x : x + 52, across ? y - 16 : y);
  }
}

/** The head of an arrow. @param {CanvasRenderingContext2D} ink @param {number} x @param {number} y @param {number} dx @param {number} dy @param {string} colour */
function head(ink, x, y, dx, dy, colour) {
  ink.beginPath();
  ink.moveTo(x, y);
  ink.lineTo(x - 9 * dx - 6 * dy, y - 9 * dy - 6 * dx);
  ink.lineTo(x - 9 * dx + 6 * dy, y - 9 * dy + 6 * dx);
  ink.closePath();
  ink.fillStyle = colour;
  ink.fill();
  ink.strokeStyle = INK;
  ink.lineWidth = 1.5;
  ink.stroke();
}

/** The handles that move the corners. @param {CanvasRenderingContext2D} ink @param {View} view @param {Outline} box */
function handles(ink, view, box) {
  ink.lineWidth = 1.5;
  for (const [y, x] of box) {
    const at = /** @type {const} */ ([toX(view, x) - 5, toY(view, y) - 5, 10, 10]);
    ink.fillStyle = "#ffffff";
    ink.fillRect(...at);
    ink.strokeStyle = INK;
    ink.strokeRect(...at);
  }
}
