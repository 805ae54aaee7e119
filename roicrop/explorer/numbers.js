// Numbers as text: exact where a rounding depends on them, and to a few digits elsewhere.

import { content } from "./content.js";

/** The fewest digits that reproduce a coordinate in its own precision. @param {number} value */
export function exact(value) {
  if (content.coordinates === "float64") return written(value);
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return written(short);
  }
  return written(value);
}

/** A number rounded to a few digits. @param {number} value */
export function brief(value, digits = 7) {
  return written(Number(value.toPrecision(digits)));
}

/** A number with a fixed number of decimals. @param {number} value @param {number} decimals */
export function fixed(value, decimals) {
  return value
    .toFixed(decimals)
    .replace(/^-(?=[0.]*$)/, "")
    .replace("-", "−");
}

/** The numbers of one table, all with as many decimals as give the largest `digits` digits. @param {number[][]} values @param {number} digits */
export function alike(values, digits) {
  const finite = values.flat().filter(Number.isFinite).map(Math.abs);
  const most = Math.max(...finite, 0);
  const decimals = most ? digits - 1 - Math.floor(Math.log10(most)) : 0;
  const plain = most < 10 ** 5 && decimals <= 5;
  return values.map((line) =>
    line.map((value) =>
      plain && Number.isFinite(value) ? fixed(value, Math.max(decimals, 0)) : brief(value, 2),
    ),
  );
}

/** A number after a minus or times sign. @param {number} value */
export function operand(value) {
  return value < 0 ? `(${exact(value)})` : exact(value);
}

/** @param {number} value */
function written(value) {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  return String(value).replace(/-/g, "−");
}
