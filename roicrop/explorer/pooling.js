// The values of a plan's bins on one channel of a map, in float64, and the weight of each cell.

import { exactEdges, samplesOf, turnedSamples } from "./planner.js";

/** @typedef {import("./planner.js").Plan} Plan */
/** @typedef {import("./planner.js").Axis} Axis */
/** @typedef {import("./planner.js").Sample} Sample */
/** @typedef {{values: ArrayLike<number>, height: number, width: number}} Features one channel */
/** @typedef {{row: number, column: number, weight: number}} Tap a cell and its weight in a term */
/**
 * One item that a bin is made of: a pair of samples, pieces or cells.
 * @typedef {{y: Sample, x: Sample, taps: Tap[], share: number, value: number}} Term
 */
/**
 * One bin: `count` is the number of its terms along y and x, `listed` how many of them are listed;
 * `sum` and `divisor` are NaN for a maximum.
 * @typedef {{p: number, q: number, count: [number, number], listed: number, isVoid: boolean,
 *   zero: boolean, sum: number, divisor: number, value: number}} Bin
 */

/** A plan with the samples of its bins, which are computed only once. */
export class Pooling {
  /** @param {Plan} plan @param {Features} features */
  constructor(plan, features) {
    this.plan = plan;
    this.features = features;
    /** The bins along each axis; empty for a turned box. */
    this.y = plan.turn ? [] : sidesOf(plan.y);
    this.x = plan.turn ? [] : sidesOf(plan.x);
    /** The samples of a turned box by their bin. @type {Map<string, [Sample, Sample][]>} */
    this.turned = new Map();
  }

  /** @returns {[number, number]} */
  get bins() {
    return [this.plan.y.bins, this.plan.x.bins];
  }

  /** @param {number} p @param {number} q @returns {Bin} */
  bin(p, q) {
    if (this.plan.turn) return this.#turnedBin(p, q);
    const { row, kind } = this.plan;
    const [y, x] = [this.y[p], this.x[q]];
    const isVoid = y.isVoid || x.isVoid;
    const zero = y.zero || x.zero;
    /** @type {[number, number]} */
    const count = [y.count, x.count];
    const bin = { p, q, count, listed: y.samples.length * x.samples.length, isVoid, zero };
    if (isVoid) {
      const value = row.mode === "avg" ? row.void : row.void_max;
      return { ...bin, sum: NaN, divisor: NaN, value };
    }
    if (row.mode === "avg") {
      const divisor = kind === "piece" ? y.length * x.length : this.#divisor(count);
      const sum = this.#sum(y, x);
      return { ...bin, sum, divisor, value: divisor ? sum / divisor : 0 };
    }
    const start = zero ? Math.max(row.max_start, 0) : row.max_start;
    return { ...bin, sum: NaN, divisor: NaN, value: this.#largest(y, x, start) };
  }

  /** A bin of a turned box, which is an average. @param {number} p @param {number} q @returns {Bin} */
  #turnedBin(p, q) {
    const { row, y, x } = this.plan;
    const bin = { p, q, count: /** @type {[number, number]} */ ([y.count, x.count]), zero: false };
    const listed = y.count * x.count;
    if (!listed) return { ...bin, listed, isVoid: true, sum: NaN, divisor: NaN, value: row.void };
    let sum = 0;
    for (const [a, b] of this.pairs(p, q)) sum += this.#term(a, b).value;
    return { ...bin, listed, isVoid: false, sum, divisor: listed, value: sum / listed };
  }

  /** The samples of a bin, as pairs of y and x. @param {number} p @param {number} q @returns {[Sample, Sample][]} */
  pairs(p, q) {
    const { turn } = this.plan;
    if (!turn) return [...this.#product(p, q)];
    const key = `${p},${q}`;
    const found = this.turned.get(key) ?? turnedSamples(this.plan, turn, p, q);
    this.turned.set(key, found);
    return found;
  }

  /** @param {number} p @param {number} q @returns {Generator<[Sample, Sample]>} */
  *#product(p, q) {
    for (const y of this.y[p].samples) for (const x of this.x[q].samples) yield [y, x];
  }

  /** Every bin's value, row by row. */
  values() {
    const [height, width] = this.bins;
    const rows = Array.from({ length: height }, (_, p) => p);
    return rows.map((p) => Array.from({ length: width }, (_, q) => this.bin(p, q).value));
  }

  /** The terms of a bin, those out of range included. @param {Bin} bin @returns {Generator<Term>} */
  *terms(bin) {
    const pairs = this.plan.turn ? this.pairs(bin.p, bin.q) : this.#product(bin.p, bin.q);
    for (const [y, x] of pairs) yield this.#term(y, x);
  }

  /**
   * The bins that a cell feeds, and its weight there: in the average, or in the largest term.
   * @param {number} row @param {number} column
   */
  fedBy(row, column) {
    if (this.plan.turn) return this.#fedByTurned(row, column);
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

  /** @param {number} row @param {number} column */
  #fedByTurned(row, column) {
    const fed = [];
    const [height, width] = this.bins;
    for (let p = 0; p < height; p++) {
      for (let q = 0; q < width; q++) {
        const bin = this.bin(p, q);
        let weight = 0;
        for (const { taps } of this.terms(bin)) {
          for (const tap of taps)
            if (tap.row === row && tap.column === column) weight += tap.weight;
        }
        if (weight) fed.push({ p, q, share: weight / bin.divisor });
      }
    }
    return fed;
  }

  /** The samples of the box, at most `most`; none for whole cells. @param {number} most @returns {[Sample, Sample][]} */
  everyPair(most) {
    const { kind, y, x } = this.plan;
    if (kind === "cell" || y.count * y.bins * x.count * x.bins > most) return [];
    const [height, width] = this.bins;
    const bins = Array.from({ length: height * width }, (_, n) => n);
    return bins.flatMap((n) => this.pairs(Math.floor(n / width), n % width));
  }

  /** The terms that equal the maximum. @param {Bin} bin */
  winners(bin) {
    if (bin.isVoid || this.plan.row.mode === "avg") return [];
    return [...this.terms(bin)].filter((term) => term.value === bin.value);
  }

  /** The weight of a cell in the largest term. @param {Bin} bin @param {number} row @param {number} column */
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

  /** The divisor: samples are divided by the frameworks' count, listed or not. @param {[number, number]} cells */
  #divisor(cells) {
    const { kind, y, x } = this.plan;
    return kind === "cell" ? cells[0] * cells[1] : y.count * x.count;
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
        if (value > best) best = value; // NaN never wins
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
 * One bin along one axis: the total weight of each cell, and `length`, for an exact integral.
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
  const isVoid =
    axis.row.border === "extrapolate" ? inside.length !== axis.count : axis.count === 0;
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
