// What a plan's bins come to on one channel of a map, in float64, and how much each cell counts.

import { exactEdges, samplesOf } from "./planner.js";

/** @typedef {import("./planner.js").Plan} Plan */
/** @typedef {import("./planner.js").Axis} Axis */
/** @typedef {import("./planner.js").Sample} Sample */
/** @typedef {{values: ArrayLike<number>, height: number, width: number}} Features one channel */
/** @typedef {{row: number, column: number, weight: number}} Tap a cell and what it counts there */
/**
 * One thing that a bin is made of: a pair of samples, pieces or cells.
 * @typedef {{y: Sample, x: Sample, taps: Tap[], share: number, value: number}} Term
 */
/**
 * One bin: `count` is that of its terms along y and x, `left` how many of these are not listed;
 * `sum` and `divisor` are NaN for a maximum.
 * @typedef {{p: number, q: number, y: Sample[], x: Sample[], count: [number, number],
 *   left: number, isVoid: boolean, zero: boolean, sum: number, divisor: number, value: number}} Bin
 */

/** A plan with the samples of its bins, which are found once. */
export class Pooling {
  /** @param {Plan} plan @param {Features} features */
  constructor(plan, features) {
    this.plan = plan;
    this.features = features;
    this.y = sidesOf(plan.y);
    this.x = sidesOf(plan.x);
  }

  /** @returns {[number, number]} */
  get bins() {
    return [this.plan.y.bins, this.plan.x.bins];
  }

  /** @param {number} p @param {number} q @returns {Bin} */
  bin(p, q) {
    const { row, kind } = this.plan;
    const [y, x] = [this.y[p], this.x[q]];
    const isVoid = y.isVoid || x.isVoid;
    const zero = y.zero || x.zero;
    /** @type {[number, number]} */
    const count = [y.count, x.count];
    const left = count[0] * count[1] - y.samples.length * x.samples.length;
    const bin = { p, q, y: y.samples, x: x.samples, count, left, isVoid, zero };
    if (isVoid) {
      const value = row.mode === "avg" ? row.void : row.void_max;
      return { ...bin, sum: NaN, divisor: NaN, value };
    }
    if (row.mode === "avg") {
      const divisor = kind === "piece" ? y.length * x.length : this.#divisor(bin);
      const sum = this.#sum(y, x);
      return { ...bin, sum, divisor, value: divisor ? sum / divisor : 0 };
    }
    const start = zero ? Math.max(row.max_start, 0) : row.max_start;
    return { ...bin, sum: NaN, divisor: NaN, value: this.#largest(y, x, start) };
  }

  /** Every bin's value, row by row. */
  values() {
    const [height, width] = this.bins;
    const rows = Array.from({ length: height }, (_, p) => p);
    return rows.map((p) => Array.from({ length: width }, (_, q) => this.bin(p, q).value));
  }

  /** The terms of a bin, those out of range included. @param {Bin} bin @returns {Generator<Term>} */
  *terms(bin) {
    for (const y of bin.y) for (const x of bin.x) yield this.#term(y, x);
  }

  /**
   * Bins that a cell feeds, and how much it counts there: in an average, or in what a maximum is.
   * @param {number} row @param {number} column
   */
  fedBy(row, column) {
    const fed = [];
    const isAverage = this.plan.row.mode === "avg";
    for (const [p, y] of this.y.entries()) {
      if (!y.weights.has(row)) continue;
      for (const [q, x] of this.x.entries()) {
        if (!x.weights.has(column)) continue;
        const bin = this.bin(p, q);
        if (bin.isVoid) continue;
        let share = this.#inLargest(bin, row, column);
        if (isAverage) {
          const weight = at(y.weights, row) * at(x.weights, column);
          share = bin.divisor ? weight / bin.divisor : 0;
        }
        if (share) fed.push({ p, q, share });
      }
    }
    return fed;
  }

  /** The terms that a maximum is. @param {Bin} bin */
  winners(bin) {
    if (bin.isVoid || this.plan.row.mode === "avg") return [];
    return [...this.terms(bin)].filter((term) => term.value === bin.value);
  }

  /** What a cell counts in the term that a maximum is. @param {Bin} bin @param {number} row @param {number} column */
  #inLargest(bin, row, column) {
    const byCorner = this.plan.kind !== "cell" && this.plan.row.max_over === "corners";
    for (const { taps } of this.winners(bin)) {
      for (const { weight, ...tap } of taps) {
        const isIt = !byCorner || weight * this.feature(row, column) === bin.value;
        if (tap.row === row && tap.column === column && isIt) return weight;
      }
    }
    return 0;
  }

  /** @param {number} row @param {number} column */
  feature(row, column) {
    return this.features.values[row * this.features.width + column];
  }

  /** Samples are divided by how many the frameworks count, listed or not. @param {{y: Sample[], x: Sample[]}} bin */
  #divisor({ y, x }) {
    const { kind, y: ofY, x: ofX } = this.plan;
    return kind === "cell" ? y.length * x.length : ofY.count * ofX.count;
  }

  /** @param {Side} y @param {Side} x */
  #sum(y, x) {
    let sum = 0;
    for (const [row, weightY] of y.weights) {
      let line = 0;
      for (const [column, weightX] of x.weights) line += weightX * this.feature(row, column);
      sum += weightY * line;
    }
    return sum;
  }

  /** @param {Side} y @param {Side} x @param {number} start */
  #largest(y, x, start) {
    let best = start;
    for (const a of y.samples) {
      for (const b of x.samples) {
        if (!a.inside || !b.inside) continue;
        const { value } = this.#term(a, b);
        if (value > best) best = value; // NaN never is
      }
    }
    return best;
  }

  /** @param {Sample} y @param {Sample} x @returns {Term} */
  #term(y, x) {
    const corner = this.plan.row.mode === "max" && this.plan.row.max_over === "corners";
    /** @type {Tap[]} */
    const taps = [];
    let value = corner && this.plan.kind !== "cell" ? NaN : 0;
    for (const [row, weightY] of cellsRead(y)) {
      for (const [column, weightX] of cellsRead(x)) {
        const weight = weightY * weightX;
        const product = weight * this.feature(row, column);
        taps.push({ row, column, weight });
        if (!corner || this.plan.kind === "cell") value += product;
        else if (!(value >= product)) value = Number.isNaN(product) ? value : product;
      }
    }
    return { y, x, taps, share: y.share * x.share, value };
  }
}

/**
 * One bin along one axis: what each cell counts in all, and `length`, that of an exact integral.
 * @typedef {{samples: Sample[], weights: Map<number, number>, count: number, length: number,
 *   isVoid: boolean, zero: boolean}} Side
 */

/** @param {Axis} axis */
function sidesOf(axis) {
  return Array.from({ length: axis.bins }, (_, p) => sideOf(axis, p));
}

/** @param {Axis} axis @param {number} p @returns {Side} */
function sideOf(axis, p) {
  const samples = samplesOf(axis, p);
  const weights = new Map();
  for (const sample of samples) {
    for (const [cell, weight] of cellsRead(sample)) {
      weights.set(cell, at(weights, cell) + weight * sample.share);
    }
  }
  const sampled = axis.kind === "sample" || axis.kind === "point";
  const count = sampled ? Math.max(axis.count, 0) : samples.length;
  const side = { samples, weights, count, length: 0, isVoid: false, zero: false };
  if (axis.kind === "cell") return { ...side, isVoid: samples.length === 0 };
  if (axis.kind === "piece") {
    const [one, other] = exactEdges(axis, p);
    return { ...side, length: Math.abs(other - one), isVoid: one === other };
  }
  const inside = samples.filter((sample) => sample.inside);
  const isVoid = axis.row.border === "extrapolate" ? inside.length !== axis.count : axis.count === 0;
  let zero = axis.row.mode === "max" && inside.length !== axis.count && !isVoid;
  if (axis.row.mode === "max" && axis.row.max_over === "corners") {
    zero ||= inside.some((sample) => !sample.weightLow || !sample.weightHigh);
  }
  return { ...side, isVoid, zero };
}

/** The cells that a sample reads, with their weights. @param {Sample} sample @returns {[number, number][]} */
export function cellsRead(sample) {
  /** @type {[number, number][]} */
  const both = [
    [sample.low, sample.weightLow],
    [sample.high, sample.weightHigh],
  ];
  return both.filter(([, weight]) => weight !== 0);
}

/** @param {Map<number, number>} weights @param {number} cell */
function at(weights, cell) {
  return weights.get(cell) ?? 0;
}
