// The current view as a PNG: the maps with their marks, and beside each its pooled values.

import { css, themed } from "./colour.js";
import { content } from "./content.js";
import { groundOf } from "./heat.js";
import { alike } from "./numbers.js";
import { shownBox, state } from "./state.js";
import { nameOf } from "./list.js";

/** @typedef {import("./state.js").Seen} Seen */
/** @typedef {import("./content.js").Pair} Pair */
/** @typedef {{seen: Seen, canvas: HTMLCanvasElement, heading: string, more: string}} Shown */

const [GAP, GRID, HEAD] = [24, 300, 64];

/** @param {Shown[]} shown @param {Pair} bin */
export function pictureOf(shown, bin) {
  const width = shown[0].canvas.clientWidth + GRID + 3 * GAP;
  const heights = shown.map(({ canvas }) => HEAD + Math.max(canvas.clientHeight, GRID) + GAP);
  const height = 44 + heights.reduce((sum, each) => sum + each, 0);
  const ratio = shown[0].canvas.width / shown[0].canvas.clientWidth;
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width: width * ratio, height: height * ratio });
  const ink = canvas.getContext("2d");
  if (!ink) throw new Error("no canvas");
  ink.scale(ratio, ratio);
  ink.fillStyle = themed("ground");
  ink.fillRect(0, 0, width, height);
  text(ink, nameOf(shownBox()), GAP, 32, 20, "ink");
  let top = 44;
  for (const [n, each] of shown.entries()) {
    text(ink, each.heading, GAP, top + 24, 15, "ink", width - 2 * GAP);
    text(ink, each.more, GAP, top + 46, 12, "muted", width - 2 * GAP);
    ink.drawImage(each.canvas, GAP, top + HEAD, each.canvas.clientWidth, each.canvas.clientHeight);
    const colour = css(content.palette.bins[n]);
    grid(ink, each.seen, bin, each.canvas.clientWidth + 2 * GAP, top + HEAD, colour);
    top += heights[n];
  }
  return canvas;
}

/** @param {CanvasRenderingContext2D} ink @param {Seen} seen @param {Pair} bin @param {number} left @param {number} top @param {string} colour of the frame */
function grid(ink, { values, map }, bin, left, top, colour) {
  if (!values || !map) return;
  const side = Math.min(GRID / values[0].length, GRID / values.length);
  const texts = alike(values, side < 36 ? 2 : 3);
  /** @param {number} p @param {number} q */
  const at = (p, q) => /** @type {const} */ ([left + q * side, top + p * side, side, side]);
  for (const [p, line] of values.entries()) {
    for (const [q, value] of line.entries()) {
      const ground = groundOf(value, map, state.channel);
      ink.fillStyle = ground.background;
      ink.fillRect(...at(p, q));
      if (side < 24) continue;
      ink.font = `${Math.min(side / 3.2, 14)}px ${themed("font")}`;
      ink.textAlign = "center";
      ink.textBaseline = "middle";
      ink.fillStyle = ground.ink;
      ink.fillText(texts[p][q], left + (q + 0.5) * side, top + (p + 0.5) * side, side - 3);
    }
  }
  ink.lineWidth = 3.5;
  ink.strokeStyle = colour;
  ink.strokeRect(...at(...bin));
}

/** @param {CanvasRenderingContext2D} ink @param {string} said @param {number} x @param {number} y @param {number} size @param {string} colour @param {number} [most] */
function text(ink, said, x, y, size, colour, most) {
  ink.font = `${size}px ${themed("font")}`;
  ink.textAlign = "left";
  ink.textBaseline = "alphabetic";
  ink.fillStyle = themed(colour);
  ink.fillText(said, x, y, most);
}

/** @param {HTMLCanvasElement} canvas @param {string} name */
export function download(canvas, name) {
  canvas.toBlob((blob) => {
    if (!blob) return;
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }, "image/png");
}
