// Where a box samples a map. It reads the fields of a convention and knows no names. It computes the
// same as `roicrop.sampling`, in the same order and with the same roundings, so to the last bit.

/** @typedef {(value: number) => number} Real rounds to the precision of the coordinates */
/** @typedef {Record<string, any>} Row the fields of a convention */
/** @typedef {"sample" | "point" | "piece" | "cell"} Kind what a bin is made of */
/**
 * One axis of a box, in index coordinates: integer i is the centre of cell i. `step` is the distance
 * from bin to bin, `length` the size after the minimum, `count` the samples per bin, and `cells`
 * RoIPool's first and last cell.
 * @typedef {{row: Row, kind: Kind, real: Real, size: number, bins: number, begin: number,
 *   end: number, length: number, step: number, count: number, cells: [number, number] | null}} Axis
 */
/**
 * A sample along one axis; for RoIPool a cell, for an integral a piece.
 * @typedef {{index: number, position: number, inside: boolean, readAt: number, low: number,
 *   high: number, weightLow: number, weightHigh: number, share: number}} Sample
 */
/** Cosine and sine of the angle that turns a box counter-clockwise, and its centre. @typedef {{cos: number, sin: number, y: number, x: number}} Turn */
/** @typedef {{row: Row, kind: Kind, y: Axis, x: Axis, refused: string, turn: Turn | null}} Plan */

/** @param {Row} row @returns {Kind} */
export function kindOf(row) {
  if (row.operator === "pool") return "cell";
  if (row.positions === "corners" && row.sampling_ratio === 1) return "point";
  return row.sampling_ratio === "exact" ? "piece" : "sample";
}

/**
 * The plan for a box: x1, y1, x2, y2 in pixels of the network's image, or fractions if normalized; or
 * centre x and y, width, height and angle if the convention turns boxes. Sizes of the map in
 * cells and of the output in bins are height and width; scale is in cells per pixel.
 * @param {Row} row @param {number[]} box @param {[number, number]} size
 * @param {[number, number]} bins @param {number} scale @param {Real} real @returns {Plan}
 */
export function planOf(row, box, size, bins, scale, real) {
  const isTurned = row.operator === "align-rotated";
  const numbers = box.map(real);
  const [y, x] = [0, 1].map((n) => {
    if (isTurned) return ownAxis(numbers[3 - n], row, scale, size[n], bins[n], real);
    return axisOf(numbers[1 - n], numbers[3 - n], row, scale, size[n], bins[n], real);
  });
  const isAdaptive = row.sampling_ratio === "adaptive";
  const rule =
    row.reversed_boxes === "raise-if-adaptive" && isAdaptive ? "raise" : row.reversed_boxes;
  let refused = rule === "raise" && (y.length < 0 || x.length < 0) ? "reversed boxes" : "";
  if (isAdaptive && rule !== "nothing" && y.count * x.count < 0) {
    refused ||= "boxes that are reversed along one axis only";
  }
  const hasNone = isTurned ? y.count <= 0 || x.count <= 0 : y.count === 0 || x.count === 0;
  if ((isAdaptive || isTurned) && hasNone) y.count = x.count = 0;
  const turn = isTurned ? turnOf(numbers, row, scale, real) : null;
  return { row, kind: y.kind, y, x, refused, turn };
}

/** The rotation of a box about its centre. @param {number[]} box @param {Row} row @param {number} scale @param {Real} real @returns {Turn} */
function turnOf([centerX, centerY, , , angle], row, scale, real) {
  const radians = row.angle === "degrees" ? real((angle * Math.PI) / 180) : angle;
  const turned = row.clockwise ? -radians : radians;
  const half = real(row.offset_after);
  const [y, x] = [centerY, centerX].map((v) => real(real(v * real(scale)) + half));
  return { cos: real(Math.cos(turned)), sin: real(Math.sin(turned)), y, x };
}

/** An axis of a turned box, from its centre. @param {number} side @param {Row} row @param {number} scale @param {number} size @param {number} bins @param {Real} real */
function ownAxis(side, row, scale, size, bins, real) {
  const axis = blank(row, size, bins, real);
  const given = real(side * real(scale));
  axis.length = atLeast(given, row, real);
  axis.begin = real(-axis.length / 2);
  axis.end = real(axis.begin + given);
  return along(axis);
}

/**
 * @param {number} low @param {number} high @param {Row} row @param {number} scale
 * @param {number} size @param {number} bins @param {Real} real @returns {Axis}
 */
function axisOf(low, high, row, scale, size, bins, real) {
  const axis = blank(row, size, bins, real);
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
    if (axis.kind === "cell") return cellsOf(axis);
    axis.length = atLeast(real(real(axis.end - axis.begin) + real(row.added_cell)), row, real);
    middle = axis.begin + 0.5 * axis.length;
  }
  if (row.positions === "corners") {
    const apart = pointsApart(row);
    const steps = apart * (bins - 1) + row.sampling_ratio - 1;
    axis.count = row.sampling_ratio;
    if (steps) axis.step = real(real(axis.length / real(steps)) * real(apart));
    else axis.begin = real(middle);
    return axis;
  }
  return along(axis);
}

/** @param {Row} row @param {number} size @param {number} bins @param {Real} real @returns {Axis} */
function blank(row, size, bins, real) {
  const numbers = { begin: 0, end: 0, length: 0, step: 0, count: 0 };
  return { row, kind: kindOf(row), real, size, bins, ...numbers, cells: null };
}

/** An axis with samples inside its bins. @param {Axis} axis @returns {Axis} */
function along(axis) {
  const { row } = axis;
  axis.step = axis.real(axis.length / axis.bins);
  if (row.sampling_ratio === "adaptive") {
    axis.count = whole(Math.ceil(axis.step));
    if (row.min_samples) axis.count = Math.max(axis.count, row.min_samples);
  } else if (row.sampling_ratio !== "exact") axis.count = row.sampling_ratio;
  return axis;
}

/** RoIPool's axis. @param {Axis} axis @returns {Axis} */
function cellsOf(axis) {
  const { begin, end, bins, real } = axis;
  const rounded = axis.row.rounding === "half-away" ? halfAway : halfEven;
  let [first, last] = [whole(rounded(begin)), whole(rounded(end))];
  let length = real(Math.max(last - first + 1, 1));
  if (axis.row.rounding === "none") {
    [first, last] = [whole(Math.floor(begin)), whole(Math.ceil(end)) - 1];
    length = atLeast(real(end - begin), axis.row, real);
  }
  return { ...axis, length, step: real(length / bins), cells: [first, last] };
}

/** How many points apart the first points of two bins are, with points from corner to corner. @param {Row} row */
export function pointsApart(row) {
  return Math.max(row.sampling_ratio - (row.shared ? 1 : 0), 1);
}

/** The bins' edges, where cell i goes from i − ½ to i + ½. @param {Axis} axis */
export function edgesOf(axis) {
  const { row, cells } = axis;
  const before = row.positions === "corners" && !row.shared ? 0.5 / pointsApart(row) : 0;
  const begin = cells && row.rounding !== "none" ? cells[0] : axis.begin;
  const step = axis.kind === "piece" ? axis.length / axis.bins : axis.step;
  return range(0, axis.bins + 1).map((p) => begin + (p - before) * step - (cells ? 0.5 : 0));
}

/** RoIPool: the first cell of a bin and its end cell (exclusive), on the map. @param {Axis} axis @param {number} p */
export function cellRange(axis, p) {
  const { real, step, begin, size } = axis;
  const [from, to] = [real(real(p) * step), real(real(p + 1) * step)];
  if (axis.row.rounding === "none") {
    if (!(axis.length > 0)) return [0, 0];
    const first = whole(Math.floor(real(from + begin)));
    return [clip(first, 0, size), clip(whole(Math.ceil(real(to + begin))), 0, size)];
  }
  const [first] = axis.cells ?? [0];
  return [clip(Math.floor(from) + first, 0, size), clip(Math.ceil(to) + first, 0, size)];
}

/** The samples of a bin; if there are very many, only those in range. @param {Axis} axis @param {number} p @returns {Sample[]} */
export function samplesOf(axis, p) {
  if (axis.kind === "cell") {
    const [from, to] = cellRange(axis, p);
    return range(from, to).map((cell) => read(cell, cell, 1, axis, (v) => v));
  }
  if (axis.kind === "piece") return piecesOf(axis, p);
  let [from, to] = [0, Math.max(axis.count, 0)];
  if (to > 64) [from, to] = inRange(axis, p);
  return range(from, to).map((i) => read(i, positionOf(axis, p, i), 1, axis, axis.real));
}

/**
 * The samples (y, x) of a bin of a turned box, which count only if both are in range.
 * @param {Plan} plan @param {Turn} turn @param {number} p @param {number} q @returns {[Sample, Sample][]}
 */
export function turnedSamples({ y, x }, turn, p, q) {
  const { real } = y;
  const places = range(0, x.count).map((j) => positionOf(x, q, j));
  return range(0, y.count).flatMap((i) => {
    const v = positionOf(y, p, i);
    return places.map((u, j) => {
      const atY = real(real(real(v * turn.cos) - real(u * turn.sin)) + turn.y);
      const atX = real(real(real(v * turn.sin) + real(u * turn.cos)) + turn.x);
      const [a, b] = [read(i, atY, 1, y, real), read(j, atX, 1, x, real)];
      a.inside = b.inside = a.inside && b.inside;
      if (!a.inside) a.weightLow = a.weightHigh = b.weightLow = b.weightHigh = 0;
      return [a, b];
    });
  });
}

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

/** The pieces of a bin, cut at the cells' centres. @param {Axis} axis @param {number} p */
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

/** @type {(index: number, at: number, share: number, axis: Axis, real: Real) => Sample} */
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

/** @type {(v: number, low: number, high: number) => number} */
const clip = (v, low, high) => Math.min(Math.max(v, low), high);
/** An integer clamped to the range of a C int. @type {Real} */
const whole = (v) => (Number.isNaN(v) ? 0 : clip(v, 1 - 2 ** 31, 2 ** 31 - 1));
/** @type {Real} */
const halfAway = (v) => Math.trunc(v) + (Math.abs(v % 1) >= 0.5 ? Math.sign(v) : 0);
/** @type {Real} */
const halfEven = (v) => (Math.abs(v % 1) === 0.5 ? 2 * Math.round(v / 2) : Math.round(v));
/** @type {(from: number, to: number) => number[]} */
const range = (from, to) => Array.from({ length: Math.max(to - from, 0) }, (_, n) => from + n);
/** A size after the convention's minimum. @type {(length: number, row: Row, real: Real) => number} */
const atLeast = (length, row, real) =>
  row.min_size === null ? length : Math.max(length, real(row.min_size));
