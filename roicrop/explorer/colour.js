// The colour of a value, in the map, in the bins and in saved pictures.

import { content, featuresOf } from "./content.js";

/** @typedef {import("./content.js").Colour} Colour */
/** @typedef {{low: number, high: number}} Range */

/** @type {Map<string, Range>} */
const ranges = new Map();

/** The smallest and the largest finite value of a channel. @param {import("./content.js").FeatureMap} map @param {number} channel @returns {Range} */
export function rangeOf(map, channel) {
  const key = `${map.number},${channel}`;
  const known = ranges.get(key);
  if (known) return known;
  let [low, high] = [Infinity, -Infinity];
  const values = featuresOf(map, channel);
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(values[i])) continue;
    low = Math.min(low, values[i]);
    high = Math.max(high, values[i]);
  }
  const found = low <= high ? { low, high } : { low: 0, high: 0 };
  ranges.set(key, found);
  return found;
}

/** @param {number} value @param {Range} range @returns {Colour} */
export function colourOf(value, { low, high }) {
  const { map, odd } = content.palette;
  if (Number.isNaN(value)) return odd[0];
  if (!Number.isFinite(value)) return odd[value > 0 ? 1 : 2];
  const share = high > low ? (value - low) / (high - low) : 0.5;
  const at = Math.min(Math.max(share, 0), 1) * (map.length - 1);
  const first = Math.min(Math.floor(at), map.length - 2);
  const [one, other] = [map[first], map[first + 1]];
  const mixed = one.map((v, i) => Math.round(v + (other[i] - v) * (at - first)));
  return /** @type {Colour} */ (mixed);
}

/** @param {Colour} colour @param {number} [alpha] */
export function css([red, green, blue], alpha = 1) {
  return `rgba(${red}, ${green}, ${blue}, ${alpha})`;
}

/** Ink or white, whichever is more readable on a colour. @param {Colour} background */
export function readableOn([red, green, blue]) {
  return 0.299 * red + 0.587 * green + 0.114 * blue > 140 ? "#181c22" : "#ffffff";
}

/** A colour of the page's style sheet, in light or dark mode. @param {string} name */
export function themed(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}
