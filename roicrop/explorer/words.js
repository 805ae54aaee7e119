// The words for each kind of plan.

/** @typedef {import("./planner.js").Kind} Kind */
/** @typedef {import("./content.js").Row} Row */

/** @type {Record<Kind, {operator: string, reads: string, unit: string, units: string, all: string}>} */
export const WORDS = {
  sample: {
    operator: "RoIAlign",
    reads: "reads between the cells",
    unit: "sample",
    units: "samples",
    all: "samples",
  },
  point: {
    operator: "Crop-and-resize",
    reads: "reads one point per bin",
    unit: "sample",
    units: "samples",
    all: "sample",
  },
  piece: {
    operator: "Exact RoIAlign",
    reads: "takes the integral over each bin",
    unit: "piece",
    units: "pieces",
    all: "pieces",
  },
  cell: {
    operator: "RoIPool",
    reads: "moves the box to whole cells",
    unit: "cell",
    units: "cells",
    all: "cells",
  },
};

/** How a bin is computed. @param {Row} row @param {Kind} kind */
export function takes(row, kind) {
  if (kind === "point" && row.max_over === "samples") return "its one sample";
  if (row.mode === "avg") return `the average of its ${WORDS[kind].all}`;
  if (kind !== "cell" && row.max_over === "corners")
    return "the largest weighted neighbour of its samples";
  return `the largest of its ${WORDS[kind].all}`;
}

/** The meaning of the colours and marks that are visible. @param {import("./pooling.js").Pooling} pooling @returns {[string, string][]} */
export function legendOf(pooling) {
  const { plan } = pooling;
  const { kind } = plan;
  /** @type {[string, string][]} */
  const found = [
    ["box", "the box at its exact position: drag it or its corners"],
    ["bins", "its bins; one is framed"],
  ];
  if (kind === "cell" && plan.row.mode === "max")
    found.push(["winner", "the cell whose value a bin takes"]);
  if (kind === "cell") found.push(["arrow", "how far an edge was moved; + is outward"]);
  else found.push(["sample", kind === "piece" ? "the middle of a piece" : "a sample"]);
  if (kind !== "cell")
    found.push(["lines", "the cells that it reads; thicker lines mean larger weights"]);
  if (kind === "cell" || kind === "piece") return found;
  const all = pooling.plan.turn
    ? pooling.everyPair(20_000).flat()
    : [...pooling.y, ...pooling.x].flatMap((side) => side.samples);
  const moved = all.some((sample) => sample.inside && sample.readAt !== sample.position);
  if (moved) found.push(["moved", "a sample beyond the outermost cell centres, read at the edge"]);
  if (all.some((sample) => !sample.inside)) found.push(["lost", "a sample out of range"]);
  return found;
}
