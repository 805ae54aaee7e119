// What the page holds: boxes, maps, photographs and conventions, as Python wrote them.

import { unknownOf } from "./known.js";
import { planOf } from "./planner.js";
import { Pooling } from "./pooling.js";

/** @typedef {import("./planner.js").Row} Row */
/** @typedef {[number, number, number, number]} Corners x1, y1, x2, y2 */
/** @typedef {[number, number]} Pair along y and along x */
/**
 * `angle` is for a box that is turned; its corners are those before the rotation.
 * @typedef {{number: number, image: number, xyxy: Corners, angle?: number, map: Record<string, number | null>,
 *   id?: string, label?: string, score?: number}} Box
 */
/** @typedef {{number: number, name: string, on_image: string | null, photo: string | null}} Picture */
/**
 * @typedef {{number: number, level: string | null, size: Pair, scale: number, input_scale: Pair,
 *   pixels: Pair, channels: string[]}} FeatureMap
 */
/**
 * @typedef {{key: string, name: string, label: string, program: string, surprise: string,
 *   words: string[], fields: Row}} Convention
 */
/** @typedef {[number, number, number]} Colour */
/**
 * @typedef {{features: string | null, boxes: string, options: string[], of_moved: string[],
 *   fractions_of: string[], by_rule: boolean, photo: string | null}} Command
 */
/**
 * @typedef {object} Content
 * @property {string} features
 * @property {string} source
 * @property {string} dtype
 * @property {string} coordinates
 * @property {boolean} normalized
 * @property {string} angle the unit of boxes that have one
 * @property {Pair} output_size
 * @property {number} most_bins
 * @property {number[]} channels
 * @property {string} left_out
 * @property {Row} defaults
 * @property {number} aligned_offset
 * @property {Convention[]} conventions
 * @property {{conventions: string[], bin: Pair | null, channel: number}} start
 * @property {Command} command
 * @property {{map: Colour[], bins: Colour[], odd: Colour[]}} palette
 * @property {Box[]} boxes
 * @property {Picture[]} images
 * @property {FeatureMap[]} maps
 */

/** @type {Content} */
export const content = JSON.parse(document.getElementById("content")?.textContent ?? "");

const images = new Map(content.images.map((image) => [image.number, image]));
const maps = new Map(content.maps.map((map) => [map.number, map]));

/** Numbers that JSON lacks. @type {Record<string, number>} */
const SPECIAL = { nan: NaN, inf: Infinity, "-inf": -Infinity };

/** A row with its special numbers. @param {Row} fields @returns {Row} */
function revived(fields) {
  const entries = Object.entries(fields);
  return Object.fromEntries(entries.map(([name, value]) => [name, SPECIAL[value] ?? value]));
}

const defaults = revived(content.defaults);

/** Why a convention is not offered, if it is not. @param {Convention} convention */
function lacking(convention) {
  const unknown = unknownOf(revived(convention.fields));
  if (unknown) return `does not support ${unknown}`;
  if (!content.command.by_rule) return "";
  const rule = { ...defaults, ...convention.fields }.level_rule;
  return rule in content.boxes[0].map ? "" : `has no levels by the rule of ${rule}`;
}

/** The conventions that the page can compute, by key. */
export const offered = new Map(
  content.conventions.filter((each) => !lacking(each)).map((each) => [each.key, each]),
);

/** The conventions that it cannot compute, and why. */
export const notOffered = content.conventions
  .filter((each) => lacking(each))
  .map((each) => `${each.label}: the page ${lacking(each)}`);

/** Whether boxes have an angle. */
export const isTurned = content.boxes[0].angle !== undefined;

/** The settings that may replace a convention's own rules. @typedef {{ratio: number | "adaptive" | "exact" | null, aligned: boolean | null, mode: "avg" | "max" | null}} Asked */

/**
 * A convention's fields with the settings that it accepts applied, as by `resolve`.
 * @param {Convention} convention @param {Asked} asked @returns {{row: Row, words: string[], not: string[]}}
 */
export function rowOf(convention, asked) {
  const row = { ...defaults, ...revived(convention.fields) };
  const words = [...convention.words];
  /** @type {string[]} */
  const not = [];
  if (isTurned && row.angle !== content.angle) words.push("--angle", content.angle);
  if (asked.ratio !== null && asked.ratio !== row.sampling_ratio) {
    if (row.options.includes("sampling_ratio")) {
      row.sampling_ratio = asked.ratio;
      words.push("--sampling-ratio", `${asked.ratio}`);
    } else not.push("takes no other number of samples");
  }
  if (asked.aligned !== null && asked.aligned !== (row.offset_after === content.aligned_offset)) {
    if (row.options.includes("aligned")) {
      row.offset_after = asked.aligned ? content.aligned_offset : 0;
      row.min_size = asked.aligned ? row.aligned_min_size : 1;
      words.push(asked.aligned ? "--aligned" : "--no-aligned");
    } else not.push("cannot be aligned otherwise");
  }
  if (asked.mode !== null && asked.mode !== row.mode) {
    if (!row.options.includes("mode")) not.push("takes nothing else of a bin");
    else if (row.sampling_ratio !== "exact") {
      row.mode = asked.mode;
      words.push("--mode", asked.mode);
    } else not.push("has no maximum, because it is an integral");
  }
  if (row.sampling_ratio === "exact" && isTurned) {
    row.sampling_ratio = revived(convention.fields).sampling_ratio ?? defaults.sampling_ratio;
    words.splice(words.indexOf("--sampling-ratio"), 2);
    not.push("has no exact integral");
  }
  if (row.sampling_ratio === "exact" && row.mode === "max") {
    row.mode = "avg";
    words.push("--mode", "avg");
  }
  return { row, words, not };
}

/** @param {Box} box */
export function imageOf(box) {
  return /** @type {Picture} */ (images.get(box.image));
}

/** The map that a convention takes a box from, if any. @param {Box} box @param {Row} row */
export function mapOf(box, row) {
  const number = box.map[content.command.by_rule ? row.level_rule : Object.keys(box.map)[0]];
  return number === null ? null : (maps.get(number) ?? null);
}

/** Corners in pixels of the original image. @param {Corners} xyxy @param {FeatureMap} map @returns {Corners} */
export function pixelsOf(xyxy, map) {
  const [height, width] = map.pixels;
  const [x1, y1, x2, y2] = xyxy;
  return content.normalized ? [x1 * width, y1 * height, x2 * width, y2 * height] : xyxy;
}

/** The inverse of `pixelsOf`. @param {Corners} pixels @param {FeatureMap} map @returns {Corners} */
export function fromPixels(pixels, map) {
  const [height, width] = map.pixels;
  const [x1, y1, x2, y2] = pixels;
  return content.normalized ? [x1 / width, y1 / height, x2 / width, y2 / height] : pixels;
}

/** Cells per pixel of the original image. @param {FeatureMap} map @param {Row} row @returns {Pair} */
export function cellsPerPixel(map, row) {
  if (row.normalized) return [map.size[0] / map.pixels[0], map.size[1] / map.pixels[1]];
  return [map.input_scale[0] * map.scale, map.input_scale[1] * map.scale];
}

/** A box in the form that the planner takes. @param {Corners} xyxy @param {number | null} angle @param {FeatureMap} map @param {Row} row */
function planned(xyxy, angle, map, row) {
  const corners = pixelsOf(xyxy, map);
  if (!row.normalized) {
    const [y, x] = map.input_scale;
    const [x1, y1, x2, y2] = [corners[0] * x, corners[1] * y, corners[2] * x, corners[3] * y];
    if (angle === null) return [x1, y1, x2, y2];
    return [(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1, inUnit(angle, row.angle)];
  }
  if (content.normalized) return xyxy;
  const inner = Number(row.inner);
  const [height, width] = map.pixels.map((side) => side - inner);
  const [x1, y1, x2, y2] = corners;
  return [x1 / width, y1 / height, (x2 - inner) / width, (y2 - inner) / height];
}

/** An angle of the file in another unit. @param {number} angle @param {string} unit */
export function inUnit(angle, unit) {
  if (unit === content.angle) return angle;
  return unit === "radians" ? angle * (Math.PI / 180) : angle * (180 / Math.PI);
}

/** @type {(value: number) => number} */
const real = content.coordinates === "float32" ? Math.fround : (value) => value;

/**
 * A box pooled from a map: `channel` is a place in `content.channels`.
 * @param {Corners} xyxy @param {number | null} angle @param {FeatureMap} map @param {Row} row
 * @param {Pair} bins @param {number} channel
 */
export function pooled(xyxy, angle, map, row, bins, channel) {
  const plan = planOf(row, planned(xyxy, angle, map, row), map.size, bins, map.scale, real);
  const [height, width] = map.size;
  return new Pooling(plan, { values: featuresOf(map, channel), height, width });
}

/** @type {Map<string, ArrayLike<number>>} */
const decodedChannels = new Map();

/** One channel of a map, decoded when it is first needed. @param {FeatureMap} map @param {number} channel */
export function featuresOf(map, channel) {
  const key = `${map.number},${channel}`;
  let values = decodedChannels.get(key);
  if (!values) {
    const text = atob(map.channels[channel]);
    const { buffer } = Uint8Array.from(text, (letter) => letter.charCodeAt(0));
    const view = new DataView(buffer);
    const decode = DECODED[content.dtype];
    const [height, width] = map.size;
    const bytes = buffer.byteLength / (height * width);
    values = Float64Array.from({ length: height * width }, (_, i) => decode(view, i * bytes));
    decodedChannels.set(key, values);
  }
  return values;
}

/** @type {Record<string, (view: DataView, at: number) => number>} */
const DECODED = {
  float16: (view, at) => half(view.getUint16(at, true)),
  float32: (view, at) => view.getFloat32(at, true),
  float64: (view, at) => view.getFloat64(at, true),
};

/** A float16 from its bits. @param {number} bits */
function half(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction ? NaN : sign * Infinity;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}
