// The state of the view: one object, which the address can hold after its #, and its listeners.

import { content, isTurned, mapOf, offered, pooled, rowOf } from "./content.js";

/** @typedef {import("./content.js").Corners} Corners */
/** @typedef {import("./content.js").Pair} Pair */
/** @typedef {import("./content.js").Row} Row */
/**
 * box: its index in `content.boxes`. bin: null means the one with the largest value. conventions: one
 * or two keys. channel: an index in `content.channels`. moved, angle: null means as in the file.
 * view: the index coordinates in the middle, and pixels per cell; null shows the whole box.
 * @typedef {{box: number, bin: Pair | null, conventions: string[], channel: number, bins: Pair,
 *   ratio: number | "adaptive" | "exact" | null, aligned: boolean | null, mode: "avg" | "max" | null,
 *   fade: number, moved: Corners | null, angle: number | null, view: [number, number, number] | null}} State
 */
/** What the pointer or the keyboard currently points at. @typedef {{bin: Pair | null, cell: Pair | null, term: Pair | null}} Hover */

/** @type {State} */
const START = {
  box: 0,
  bin: content.start.bin,
  conventions: content.start.conventions.filter((key) => offered.has(key)),
  channel: Math.max(content.channels.indexOf(content.start.channel), 0),
  bins: content.output_size,
  ratio: null,
  aligned: null,
  mode: null,
  fade: 0.2,
  moved: null,
  angle: null,
  view: null,
};
if (!START.conventions.length) START.conventions = [...offered.keys()].slice(0, 1);

/** @type {State} */
export let state = { ...START };
/** @type {Hover} */
export let hover = { bin: null, cell: null, term: null };

/** @type {(() => void)[]} */
const listeners = [];
let waiting = false;

/** @param {() => void} listener */
export function onChange(listener) {
  listeners.push(listener);
}

/** @param {Partial<State>} changes */
export function set(changes) {
  const other = changes.box !== undefined && changes.box !== state.box;
  state = { ...state, ...(other ? { moved: null, angle: null, view: null } : {}), ...changes };
  if (state.bin && state.bin.some((b, n) => b >= state.bins[n])) state.bin = null;
  if (other) hover = { bin: null, cell: null, term: null };
  tell();
}

/** @param {Partial<Hover>} changes */
export function point(changes) {
  const next = { ...hover, ...changes };
  if (JSON.stringify(next) === JSON.stringify(hover)) return;
  hover = next;
  tell();
}

function tell() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    for (const listener of listeners) listener();
  });
}

/** The box that is shown. */
export function shownBox() {
  return content.boxes[state.box];
}

/** Its corners, as the file has them or moved. */
export function shownCorners() {
  return state.moved ?? shownBox().xyxy;
}

/** Its angle, if boxes have one. */
export function shownAngle() {
  return state.angle ?? shownBox().angle ?? null;
}

/** What one convention computes for the box. @typedef {ReturnType<typeof seen>} Seen */

/** @param {string} key */
export function seen(key) {
  const convention = /** @type {import("./content.js").Convention} */ (offered.get(key));
  const { row, words, not } = rowOf(convention, state);
  const map = mapOf(shownBox(), row);
  const pooling = map && pooled(shownCorners(), shownAngle(), map, row, state.bins, state.channel);
  const refused = pooling?.plan.refused ?? "";
  const values = pooling && !refused ? pooling.values() : null;
  return { convention, row, words, not, map, pooling, refused, values };
}

/** The bin with the largest value. @param {number[][] | null} values @returns {Pair} */
export function largestBin(values) {
  /** @type {Pair} */
  let found = [0, 0];
  let best = -Infinity;
  for (const [p, line] of (values ?? []).entries()) {
    for (const [q, value] of line.entries()) if (value > best) [best, found] = [value, [p, q]];
  }
  return found;
}

/** The part of the address that holds the view: only the values that differ from the start. */
export function asHash() {
  const at = new URLSearchParams();
  at.set("box", `${shownBox().number}`);
  if (state.bin) at.set("bin", state.bin.join(","));
  at.set("convention", state.conventions.join(","));
  if (content.channels.length > 1) at.set("channel", `${content.channels[state.channel]}`);
  at.set("bins", state.bins.join("x"));
  if (state.ratio !== null) at.set("ratio", `${state.ratio}`);
  if (state.aligned !== null) at.set("aligned", `${state.aligned}`);
  if (state.mode !== null) at.set("mode", state.mode);
  if (state.fade !== START.fade) at.set("fade", `${state.fade}`);
  if (state.moved) at.set("corners", state.moved.join(","));
  if (state.angle !== null) at.set("angle", `${state.angle}`);
  if (state.view) at.set("view", state.view.join(","));
  return `#${at.toString().replaceAll("%2C", ",")}`;
}

/** The state that an address asks for; impossible values in it are ignored. @param {string} hash @returns {State} */
export function fromHash(hash) {
  const at = new URLSearchParams(hash.replace(/^#/, ""));
  /** @param {string} name @param {number} count */
  const numbers = (name, count, by = ",") => {
    const found = (at.get(name) ?? "").split(by).map((text) => (text.trim() ? Number(text) : NaN));
    return found.length === count && found.every(Number.isFinite) ? found : null;
  };
  /** @param {Pair} pair @param {number} least */
  const whole = (pair, least, most = Infinity) =>
    pair.every((n) => Number.isInteger(n) && n >= least && n <= most);
  const next = { ...START };
  const box = content.boxes.findIndex((each) => `${each.number}` === at.get("box"));
  if (box >= 0) next.box = box;
  const bins = /** @type {Pair | null} */ (numbers("bins", 2, "x"));
  if (bins && whole(bins, 1, content.most_bins)) next.bins = bins;
  const bin = /** @type {Pair | null} */ (numbers("bin", 2));
  if (bin && whole(bin, 0) && bin.every((b, n) => b < next.bins[n])) next.bin = bin;
  const keys = (at.get("convention") ?? "")
    .split(",")
    .filter((key) => offered.has(key))
    .slice(0, 2);
  if (keys.length) next.conventions = keys;
  const channel = content.channels.findIndex((each) => `${each}` === at.get("channel"));
  if (channel >= 0) next.channel = channel;
  next.ratio = readRatio(at.get("ratio") ?? "");
  next.aligned = { true: true, false: false }[at.get("aligned") ?? ""] ?? null;
  next.mode = /** @type {const} */ (["avg", "max"]).find((mode) => mode === at.get("mode")) ?? null;
  const fade = numbers("fade", 1);
  if (fade) next.fade = Math.min(Math.max(fade[0], 0), 1);
  next.moved = /** @type {Corners | null} */ (numbers("corners", 4));
  if (isTurned) next.angle = numbers("angle", 1)?.[0] ?? null;
  const view = /** @type {[number, number, number] | null} */ (numbers("view", 3));
  if (view && view[2] > 0) next.view = view;
  return next;
}

/** @param {string} text @returns {State["ratio"]} */
export function readRatio(text) {
  if (text === "adaptive" || text === "exact") return text;
  const number = Number(text);
  return Number.isInteger(number) && number >= 1 && number <= 256 ? number : null;
}
