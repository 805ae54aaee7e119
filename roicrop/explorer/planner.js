// Where a box samples a map. It reads the fields of a convention and knows no names; what
// `roicrop.sampling` computes, in the same order and rounded as often, so to the same bit.

/** @typedef {(value: number) => number} Real rounds to the precision of the coordinates */
/** @typedef {Record<string, any>} Row the fields of a convention */
/** @typedef {"sample" | "point" | "piece" | "cell"} Kind what a bin is made of */
/**
 * One axis of a box, in index coordinates: integer i is the center of cell i. `step` is from bin to
 * bin, `length` that after the minimum, `count` samples a bin, `cells` RoIPool's first and last.
 * @typedef {{row: Row, kind: Kind, real: Real, size: number, bins: number, begin: number,
 *   end: number, length: number, step: number, count: number, cells: [number, number] | null}} Axis
 */
/**
 * A sample along one axis; for RoIPool a cell, for an integral a piece.
 * @typedef {{index: number, position: number, inside: boolean, readAt: number, low: number,
 *   high: number, weightLow: number, weightHigh: number, share: number}} Sample
 */
/** @typedef {{row: Row, kind: Kind, y: Axis, x: Axis, refused: string}} Plan */

/** @typedef {(value: any) => boolean} Knows */
/** @type {(...values: any[]) => Knows} */
const oneOf = (...values) => (value) => values.includes(value);
/** @type {Knows} */
const number = (value) => typeof value === "number";
/** @type {Knows} */
const whatever = () => true;

/** Field → whether the planner knows a value of it. @type {Record<string, Knows>} */
const KNOWN = {
  operator: oneOf("align", "pool"),
  offset_before: number,
  offset_after: number,
  added_pixel: number,
  added_cell: number,
  clipped: oneOf(true, false),
  min_size: (value) => value === null || number(value),
  aligned_min_size: whatever,
  sampling_ratio: (value) => value === "adaptive" || value === "exact" || number(value),
  positions: oneOf("scaled-step", "step-scaled", "fraction", "corners"),
  min_samples: number,
  sample_at: number,
  shared: oneOf(true, false),
  border: oneOf("clamp", "repeat", "inside", "continue", "zero", "extrapolate"),
  rounding: oneOf("half-away", "half-even", "none"),
  mode: oneOf("avg", "max"),
  max_over: oneOf("samples", "corners"),
  max_start: number,
  void: number,
  void_max: number,
  reversed_boxes: oneOf("mirror", "raise"),
  normalized: oneOf(true, false),
  inner: oneOf(true, false),
  interpolation: oneOf("bilinear", "nearest"),
  order: whatever, // how a framework's own argument is laid out
  level_rule: whatever, // the map of a box is given
  options: whatever, // what else may be asked of a row
};

/** What is not known of a convention, by its fields that are not at default. @param {Row} fields */
export function unknownOf(fields) {
  for (const [name, value] of Object.entries(fields)) {
    if (!(name in KNOWN) || !KNOWN[name](value)) return `${name} = ${JSON.stringify(value)}`;
  }
  return "";
}

/** @param {Row} row @returns {Kind} */
export function kindOf(row) {
  if (row.operator === "pool") return "cell";
  if (row.positions === "corners" && row.sampling_ratio === 1) return "point";
  return row.sampling_ratio === "exact" ? "piece" : "sample";
}

/**
 * The plan for a box: x1, y1, x2, y2 in pixels of the network's image, or fractions if normalized.
 * Sizes of the map in cells and of the output in bins are height and width; scale is cells a pixel.
 * @param {Row} row @param {number[]} box @param {[number, number]} size
 * @param {[number, number]} bins @param {number} scale @param {Real} real @returns {Plan}
 */
export function planOf(row, box, size, bins, scale, real) {
  const [x1, y1, x2, y2] = box.map(real);
  const y = axisOf(y1, y2, row, scale, size[0], bins[0], real);
  const x = axisOf(x1, x2, row, scale, size[1], bins[1], real);
  let refused = "";
  if (row.reversed_boxes === "raise" && (y.length < 0 || x.length < 0)) refused = "reversed boxes";
  if (row.sampling_ratio === "adaptive") {
    if (y.count * x.count < 0) refused = "boxes that are reversed along one axis only";
    if (y.count === 0 || x.count === 0) y.count = x.count = 0;
  }
  return { row, kind: y.kind, y, x, refused };
}

/**
 * @param {number} low @param {number} high @param {Row} row @param {number} scale
 * @param {number} size @param {number} bins @param {Real} real @returns {Axis}
 */
function axisOf(low, high, row, scale, size, bins, real) {
  const kind = kindOf(row);
  const axis = { row, kind, real, size, bins, begin: 0, end: 0, length: 0, step: 0, count: 0 };
  let middle;
  if (row.normalized) {
    const span = real(size - 1);
    axis.begin = real(low * span);
    axis.end = real(high * span);
    axis.length = real(real(high - low) * span);
    middle = 0.5 * real(low + high) * span;
  } else {
    const before = real(row.offset_before);
    let begin = real(real(low + before) * real(scale));
    let end = real(real(real(high + before) + real(row.added_pixel)) * real(scale));
    if (row.clipped) {
      [begin, end] = [Math.min(begin, end), Math.max(begin, end)].map((v) => clip(v, 0, size));
    }
    axis.begin = real(begin + real(row.offset_after));
    axis.end = real(end + real(row.offset_after));
    if (kind === "cell") return cellsOf(axis);
    axis.length = real(real(axis.end - axis.begin) + real(row.added_cell));
    if (row.min_size !== null) axis.length = Math.max(axis.length, real(row.min_size));
    middle = axis.begin + 0.5 * axis.length;
  }
  if (row.positions === "corners") {
    const apart = pointsApart(row);
    const steps = apart * (bins - 1) + row.sampling_ratio - 1;
    axis.count = row.sampling_ratio;
    if (steps) axis.step = real(real(axis.length / real(steps)) * real(apart));
    else axis.begin = real(middle);
    return { ...axis, cells: null };
  }
  axis.step = real(axis.length / bins);
  if (row.sampling_ratio === "adaptive") {
    axis.count = whole(Math.ceil(axis.step));
    if (row.min_samples) axis.count = Math.max(axis.count, row.min_samples);
  } else if (row.sampling_ratio !== "exact") {
    axis.count = row.sampling_ratio;
  }
  return { ...axis, cells: null };
}

/** RoIPool's axis. @param {Omit<Axis, "cells">} axis @returns {Axis} */
function cellsOf(axis) {
  const { begin, end, bins, real } = axis;
  const rounded = axis.row.rounding === "half-away" ? halfAway : halfEven;
  let [first, last] = [whole(rounded(begin)), whole(rounded(end))];
  let length = real(Math.max(last - first + 1, 1));
  if (axis.row.rounding === "none") {
    [first, last] = [whole(Math.floor(begin)), whole(Math.ceil(end)) - 1];
    length = real(end - begin);
  }
  return { ...axis, length, step: real(length / bins), cells: [first, last] };
}

/** How many points on the first of the next bin lies, from corner to corner. @param {Row} row */
export function pointsApart(row) {
  return Math.max(row.sampling_ratio - (row.shared ? 1 : 0), 1);
}

/** The bins' edges, where cell i goes from i − ½ to i + ½. @param {Axis} axis */
export function edgesOf(axis) {
  const { row, cells } = axis;
  const before = row.positions === "corners" && !row.shared ? 0.5 / pointsApart(row) : 0;
  const begin = cells && row.rounding !== "none" ? cells[0] : axis.begin;
  const step = axis.kind === "piece" ? axis.length / axis.bins : axis.step;
  const shift = cells ? 0.5 : 0;
  return Array.from({ length: axis.bins + 1 }, (_, p) => begin + (p - before) * step - shift);
}

/** RoIPool: the first cell of a bin and the one after its last, on the map. @param {Axis} axis @param {number} p */
export function cellRange(axis, p) {
  const { real, row, cells, step } = axis;
  let from = real(real(p) * step);
  let to = real(real(p + 1) * step);
  if (row.rounding === "none") {
    from = whole(Math.floor(real(from + axis.begin)));
    to = whole(Math.ceil(real(to + axis.begin)));
    if (!(axis.length > 0)) from = to = 0;
  } else {
    const first = /** @type {[number, number]} */ (cells)[0];
    from = Math.floor(from) + first;
    to = Math.ceil(to) + first;
  }
  return [clip(from, 0, axis.size), clip(to, 0, axis.size)];
}

/**
 * What a bin is made of along one axis; of very many samples only those in range.
 * @param {Axis} axis @param {number} p @returns {Sample[]}
 */
export function samplesOf(axis, p) {
  if (axis.kind === "cell") {
    const [from, to] = cellRange(axis, p);
    return range(from, to).map((cell) => read(cell, cell, 1, axis, (v) => v));
  }
  if (axis.kind === "piece") return piecesOf(axis, p);
  let [from, to] = [0, Math.max(axis.count, 0)];
  if (to > SEARCH_FROM) [from, to] = inRange(axis, p);
  return range(from, to).map((i) => read(i, positionOf(axis, p, i), 1, axis, axis.real));
}

const SEARCH_FROM = 64;

/** Where sample i of bin p lies. @param {Axis} axis @param {number} p @param {number} i */
function positionOf(axis, p, i) {
  const { real, row, begin, step } = axis;
  if (row.positions === "corners") {
    const apart = pointsApart(row);
    return real(begin + real(real(p * apart + i) * real(step / real(apart))));
  }
  const half = real(real(i) + real(row.sample_at));
  const count = real(Math.max(axis.count, 1));
  if (row.positions === "fraction") {
    return real(begin + real(step * real(real(p) + real(half / count))));
  }
  const first = real(begin + real(real(p) * step));
  if (row.positions === "step-scaled") return real(first + real(real(step / count) * half));
  return real(first + real(real(half * step) / count));
}

/** The first sample in range and the one after the last, by bisection. @param {Axis} axis @param {number} p */
function inRange(axis, p) {
  /** @param {(v: number) => boolean} holds */
  const first = (holds) => {
    let [low, high] = [0, axis.count];
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (holds(positionOf(axis, p, middle))) high = middle;
      else low = middle + 1;
    }
    return low;
  };
  if (axis.step < 0) return [first((v) => v <= axis.size), first((v) => v < -1)];
  return [first((v) => v >= -1), first((v) => v > axis.size)];
}

/** A bin cut at the cells' centers. @param {Axis} axis @param {number} p */
function piecesOf(axis, p) {
  const [one, other] = exactEdges(axis, p);
  const low = Math.max(Math.min(one, other), -1);
  const high = Math.min(Math.max(one, other), axis.size);
  if (!(low < high)) return [];
  const first = Math.floor(low);
  return range(0, Math.ceil(high) - first).map((i) => {
    const a = Math.max(first + i, low);
    const b = Math.min(first + i + 1, high);
    return read(i, (a + b) * 0.5, b - a, axis, (v) => v);
  });
}

/** Where the exact integral begins and ends a bin. @param {Axis} axis @param {number} p */
export function exactEdges(axis, p) {
  const step = axis.length / axis.bins;
  return [axis.begin + p * step, axis.begin + (p + 1) * step];
}

/** Border → which positions are read. @type {Record<string, (v: number, size: number) => boolean>} */
const IN_RANGE = {
  clamp: (v, size) => v >= -1 && v <= size,
  repeat: () => true,
  inside: (v, size) => v >= 0 && v <= size - 1,
  continue: (v, size) => v >= 0 && v < size,
  zero: (v, size) => v > -1 && v < size,
  extrapolate: (v, size) => v >= 0 && v <= size - 1,
};

/**
 * @param {number} index @param {number} position @param {number} share @param {Axis} axis
 * @param {Real} real @returns {Sample}
 */
function read(index, position, share, axis, real) {
  const { row, size } = axis;
  const last = size - 1;
  const at = { index, position, share, inside: true, readAt: position };
  if (axis.kind === "cell") return { ...at, low: index, high: index, weightLow: 1, weightHigh: 0 };
  at.inside = IN_RANGE[row.border](position, size);
  if (row.interpolation === "nearest") {
    const cell = clip(halfAway(position), 0, last);
    return { ...at, low: cell, high: cell, weightLow: Number(at.inside), weightHigh: 0 };
  }
  const [fades, goesOn] = [row.border === "zero", row.border === "continue"];
  at.readAt = clip(position, fades ? -1 : 0, fades || goesOn ? size : last);
  let low = Math.floor(at.readAt);
  if (goesOn) low = Math.min(low, Math.max(last - 1, 0));
  const high = fades ? low + 1 : Math.min(low + 1, last);
  const above = real(at.readAt - low);
  const weightLow = at.inside && low >= 0 && low <= last ? real(1 - above) : 0;
  const weightHigh = at.inside && high <= last ? above : 0;
  return { ...at, low: clip(low, 0, last), high: clip(high, 0, last), weightLow, weightHigh };
}

const MOST_INT = 2 ** 31 - 1;
/** @type {(v: number, low: number, high: number) => number} */
const clip = (v, low, high) => Math.min(Math.max(v, low), high);
/** A whole number as a C int has it. @type {Real} */
const whole = (v) => (Number.isNaN(v) ? 0 : clip(v, -MOST_INT, MOST_INT));
/** @type {Real} */
const halfAway = (v) => Math.trunc(v) + (Math.abs(v % 1) >= 0.5 ? Math.sign(v) : 0);
/** @type {Real} */
const halfEven = (v) => (Math.abs(v % 1) === 0.5 ? 2 * Math.round(v / 2) : Math.round(v));
/** @type {(from: number, to: number) => number[]} */
const range = (from, to) => Array.from({ length: Math.max(to - from, 0) }, (_, n) => from + n);
