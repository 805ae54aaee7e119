// The sum of one bin, worked through as `roicrop explain` does.

import { content } from "./content.js";
import { button, element, table } from "./dom.js";
import { brief, exact, operand } from "./numbers.js";
import { cellRange, exactEdges, pointsApart } from "./planner.js";
import { cellsRead } from "./pooling.js";
import { hover, point } from "./state.js";
import { WORDS, takes } from "./words.js";

/** @typedef {import("./planner.js").Axis} Axis */
/** @typedef {import("./planner.js").Sample} Sample */
/** @typedef {import("./pooling.js").Bin} Bin */
/** @typedef {import("./pooling.js").Pooling} Pooling */
/** @typedef {import("./state.js").Seen} Seen */

const MOST_TERMS = 64;

/** @param {Seen} seen @param {Bin} bin @param {() => void} copy copies the command that prints the same */
export function sumOf({ convention, row, pooling }, bin, copy) {
  if (!pooling) return element("section");
  const { kind } = pooling.plan;
  const heading = `Bin ${bin.p},${bin.q} by ${convention.label}`;
  const what = `is ${takes(row, kind)}: ${brief(bin.value)}`;
  return element(
    "section",
    { class: "sum", "aria-label": heading },
    element("h3", {}, heading, " ", element("small", {}, what)),
    element(
      "div",
      { class: "axes", tabindex: "0", role: "group", "aria-label": "Samples" },
      ...axes(pooling, bin),
    ),
    bin.isVoid ? null : terms(pooling, bin),
    ...result(pooling, bin),
    content.command.features === null ? null : button("Copy as roicrop explain", copy),
  );
}

/** @param {Pooling} pooling @param {Bin} bin */
function axes(pooling, bin) {
  const { plan } = pooling;
  if (plan.turn) return [turnedAxes(pooling, plan.turn, bin)];
  const sides = /** @type {const} */ ([
    ["y", "i", plan.y, bin.p, pooling.y[bin.p].samples, "rows"],
    ["x", "j", plan.x, bin.q, pooling.x[bin.q].samples, "columns"],
  ]);
  return sides.map(([name, index, axis, p, samples, cells]) => {
    const { said, head, rows } = { sample: sampled, point: sampled, piece: cut, cell: covered }[
      plan.kind
    ](name, index, axis, p, [...samples], cells);
    return element("div", {}, element("p", {}, said), rows.length ? table(head, rows) : null);
  });
}

/** The formulas for a place in the box, down and across from its centre, and on the map. @param {Pooling} pooling @param {import("./planner.js").Turn} turn @param {Bin} bin */
function turnedAxes(pooling, turn, bin) {
  const { y, x } = pooling.plan;
  const [cos, sin] = [operand(turn.cos), operand(turn.sin)];
  const lines = [
    `v = ${positionText("v", y, bin.p, "i")}`,
    `u = ${positionText("u", x, bin.q, "j")}`,
    `y = v × ${cos} − u × ${sin} + ${operand(turn.y)}`,
    `x = v × ${sin} + u × ${cos} + ${operand(turn.x)}`,
  ];
  const rows = pooling
    .pairs(bin.p, bin.q)
    .slice(0, MOST_TERMS)
    .map(([a, b]) => [
      `${a.index},${b.index}`,
      ...[a, b].flatMap((sample) => [exact(sample.position), a.inside ? movedText(y, sample) : ""]),
      a.inside ? "" : "out of range",
    ]);
  const said = lines.map((text) => element("p", {}, text));
  return element(
    "div",
    {},
    ...said,
    rows.length ? table(["i,j", "y", "", "x", "", ""], rows) : null,
  );
}

/** @typedef {(name: string, index: string, axis: Axis, p: number, samples: Sample[], cells: string) => {said: string, head: string[], rows: string[][]}} Side */

/** @type {Side} */
function sampled(name, index, axis, p, samples, cells) {
  return {
    said: `${name} = ${positionText(name, axis, p, index)}`,
    head: [index, name, "", cells, "weights"],
    rows: samples
      .slice(0, MOST_TERMS)
      .map((sample) => [
        `${sample.index}`,
        exact(sample.position),
        movedText(axis, sample),
        ...neighbours(sample),
      ]),
  };
}

/** @type {Side} */
function cut(name, index, axis, p, samples, cells) {
  const [low, high] = exactEdges(axis, p);
  return {
    said: `${name} from ${brief(low)} to ${brief(high)}, cut at the cells’ centres`,
    head: [index, "middle", "length", cells, "weights"],
    rows: samples
      .slice(0, MOST_TERMS)
      .map((sample) => [
        `${sample.index}`,
        brief(sample.position),
        brief(sample.share),
        ...neighbours(sample, brief),
      ]),
  };
}

/** @type {Side} */
function covered(name, _index, axis, p, _samples, cells) {
  const [first] = axis.cells ?? [0];
  const step = exact(axis.step);
  const from = axis.row.rounding === "none" ? `${exact(axis.begin)} + ` : "";
  const whole = axis.row.rounding === "none" ? "" : `${first} + `;
  const [low, high] = cellRange(axis, p);
  const on = low < high ? `${cells} ${low} … ${high - 1}` : `no ${cells}`;
  return {
    said:
      `${name}: first cell ${whole}⌊${from}${p} × ${step}⌋, cell after ${whole}⌈${from}${p + 1} × ${step}⌉; ` +
      `on the map: ${on}`,
    head: [],
    rows: [],
  };
}

/** The formula for a sample's place, with the box's numbers filled in. @param {string} name @param {Axis} axis @param {number} p @param {string} index */
function positionText(name, axis, p, index) {
  const { row } = axis;
  const begin = exact(axis.begin);
  const step = operand(axis.step);
  const half = row.sample_at ? `(${index} + ½)` : index;
  const count = exact(axis.count);
  if (row.positions === "scaled-step")
    return `${begin} + ${p} × ${step} + ${half} × ${step} / ${count}`;
  if (row.positions === "step-scaled")
    return `${begin} + ${p} × ${step} + (${step} / ${count}) × ${half}`;
  if (row.positions === "fraction") return `${begin} + ${step} × (${p} + ${half} / ${count})`;
  if (axis.kind === "point" && axis.bins === 1) {
    return `½ × (${name}1 + ${name}2)${row.normalized ? ` × (${axis.size} − 1)` : ""}`;
  }
  const apart = pointsApart(row);
  const place = axis.kind === "sample" ? `(${p * apart} + ${index})` : `${p}`;
  return `${begin} + ${place} × ${operand(axis.real(axis.step / apart))}`;
}

/** @param {Axis} axis @param {Sample} sample */
function movedText(axis, sample) {
  if (!sample.inside) return "out of range";
  if (axis.row.interpolation === "nearest") return `→ ${sample.low} rounded`;
  if (sample.readAt !== sample.position) return `→ ${exact(sample.readAt)} clamped`;
  if (sample.weightLow + sample.weightHigh !== 1) return "fading";
  return sample.weightHigh > 1 ? "extrapolated" : "";
}

/** The cells that a sample reads, and their weights. @param {Sample} sample @param {(value: number) => string} text */
function neighbours(sample, text = exact) {
  const read = cellsRead(sample);
  return [
    read.map(([cell]) => `${cell}`).join(", "),
    read.map(([, weight]) => text(weight)).join(", "),
  ];
}

/** A line for each cell of each term. @param {Pooling} pooling @param {Bin} bin */
function terms(pooling, bin) {
  const { kind } = pooling.plan;
  const body = element("tbody");
  let listed = 0;
  for (const term of pooling.terms(bin)) {
    if (listed++ >= MOST_TERMS) break;
    const at = /** @type {[number, number]} */ ([term.y.index, term.x.index]);
    const isLargest = Number.isNaN(bin.sum) && term.value === bin.value;
    const share = kind === "piece" ? [brief(term.share), brief(term.value * term.share)] : [];
    const total = [brief(term.value), ...share, isLargest ? "← the largest" : ""];
    const place = kind === "cell" ? [] : [at.join(",")];
    const reads = term.taps.map((tap) => {
      const feature = pooling.feature(tap.row, tap.column);
      const cell = `[${tap.row}, ${tap.column}]`;
      if (kind === "cell") return [cell];
      return [cell, brief(tap.weight), brief(feature), brief(tap.weight * feature)];
    });
    if (!reads.length) reads.push(["out of range", "", "", ""]);
    for (const [n, read] of reads.entries()) {
      const last = n === reads.length - 1;
      const texts = [
        ...(n === 0 ? place : place.map(() => "")),
        ...read,
        ...(last ? total : total.map(() => "")),
      ];
      const line = element("tr", {}, ...texts.map((text) => element("td", {}, text)));
      line.classList.toggle("first", n === 0);
      line.classList.toggle("chosen", hover.term?.join() === at.join());
      line.addEventListener("pointerenter", () => point({ term: at }));
      body.append(line);
    }
  }
  const columns =
    kind === "cell"
      ? ["[row, column]", "feature", ""]
      : [
          "i,j",
          "[row, column]",
          "weight",
          "feature",
          "product",
          "value",
          ...(kind === "piece" ? ["area", "value × area"] : []),
          "",
        ];
  const head = element("tr", {}, ...columns.map((text) => element("th", { scope: "col" }, text)));
  const more = bin.count[0] * bin.count[1] - Math.min(bin.listed, MOST_TERMS);
  const made = element("table", { class: "terms" }, element("thead", {}, head), body);
  made.addEventListener("pointerleave", () => point({ term: null }));
  return element(
    "div",
    {
      class: "scroll",
      tabindex: "0",
      role: "group",
      "aria-label": `What bin ${bin.p},${bin.q} reads`,
    },
    made,
    more > 0
      ? element("p", {}, `… ${more} more ${WORDS[kind].units} are not listed, but counted`)
      : null,
  );
}

/** The sum and its division, or the largest term. @param {Pooling} pooling @param {Bin} bin */
function result({ plan }, bin) {
  const { row, kind } = plan;
  /** @param {string} text @param {string} [strong] */
  const line = (text, strong = "") =>
    element("p", { class: "result" }, text, element("strong", {}, strong));
  if (bin.isVoid) {
    const none = {
      sample: "no samples",
      point: "no samples",
      piece: "a bin with zero size",
      cell: "no cells",
    };
    const why = bin.count[0] * bin.count[1] ? "a sample is outside" : none[kind];
    return [line(`${why}: the convention gives `, brief(bin.value))];
  }
  if (!Number.isNaN(bin.divisor)) {
    const counts = kind === "cell" ? bin.count : [plan.y.count, plan.x.count].map(exact);
    const by =
      kind === "piece" ? `${brief(bin.divisor)}, the bin’s area` : `(${counts.join(" × ")})`;
    return [line(`sum ${brief(bin.sum)} / ${by} = `, brief(bin.value))];
  }
  const notes = [];
  if (bin.zero) notes.push("0 takes part, for what has no weight or is out of range");
  if (row.max_start > LOWEST) notes.push(`the maximum starts from ${exact(row.max_start)}`);
  return [line(`the largest${notes.length ? ` (${notes.join("; ")})` : ""} is `, brief(bin.value))];
}

const LOWEST = -3.4028234663852886e38;
