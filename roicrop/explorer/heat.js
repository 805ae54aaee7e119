// The map on a canvas: the photograph, the cells over it, their borders, numbers and rulers.

import { content, featuresOf, imageOf } from "./content.js";
import { colourOf, css, rangeOf, readableOn, themed } from "./colour.js";
import { brief, fixed } from "./numbers.js";
import { toX, toY } from "./view.js";

/** @typedef {import("./view.js").View} View */
/** @typedef {import("./content.js").FeatureMap} FeatureMap */
/** @typedef {import("./content.js").Pair} Pair */

/** @type {Map<string, HTMLCanvasElement>} */
const drawn = new Map();

/** One channel of a map, with one pixel per cell. @param {FeatureMap} map @param {number} channel */
export function heatOf(map, channel) {
  const key = `${map.number},${channel}`;
  let canvas = drawn.get(key);
  if (!canvas) {
    const [height, width] = map.size;
    canvas = document.createElement("canvas");
    Object.assign(canvas, { width, height });
    const values = featuresOf(map, channel);
    const range = rangeOf(map, channel);
    const pixels = new ImageData(width, height);
    for (let i = 0; i < width * height; i++)
      pixels.data.set([...colourOf(values[i], range), 255], 4 * i);
    canvas.getContext("2d")?.putImageData(pixels, 0, 0);
    if (drawn.size > 64) drawn.clear();
    drawn.set(key, canvas);
  }
  return canvas;
}

/** @type {Map<number, HTMLImageElement>} */
const photographs = new Map();

/** The photograph of an image, once it is decoded. @param {import("./content.js").Picture} image @param {() => void} ready */
export function photographOf(image, ready) {
  if (!image.photo) return null;
  let photograph = photographs.get(image.number);
  if (!photograph) {
    photograph = new Image();
    photograph.addEventListener("load", ready);
    photograph.src = image.photo;
    photographs.set(image.number, photograph);
  }
  return photograph.complete && photograph.naturalWidth ? photograph : null;
}

const NUMBERS_FROM = 30; // pixels per cell

/**
 * @param {CanvasRenderingContext2D} ink @param {View} view @param {FeatureMap} map
 * @param {number} channel @param {import("./content.js").Box} box @param {Pair} perPixel
 * @param {number} fade how strongly the photograph is seen @param {() => void} ready
 */
export function drawMap(ink, view, map, channel, box, perPixel, fade, ready) {
  const [height, width] = map.size;
  const place = /** @type {const} */ ([
    toX(view, -0.5),
    toY(view, -0.5),
    width * view.cell,
    height * view.cell,
  ]);
  stripes(ink, view);
  const photograph = photographOf(imageOf(box), ready);
  ink.save();
  if (photograph) {
    const [y, x] = perPixel;
    const [tall, wide] = map.pixels;
    ink.imageSmoothingQuality = "high";
    ink.drawImage(photograph, place[0], place[1], wide * x * view.cell, tall * y * view.cell);
    ink.globalAlpha = 1 - fade;
  }
  ink.imageSmoothingEnabled = false;
  ink.drawImage(heatOf(map, channel), ...place);
  ink.restore();
  borders(ink, view, map.size);
  ink.strokeStyle = themed("ink");
  ink.lineWidth = 1.5;
  ink.strokeRect(...place);
  if (view.cell >= NUMBERS_FROM) numbers(ink, view, map, channel, photograph ? fade : 0);
}

/** @param {CanvasRenderingContext2D} ink @param {View} view */
function stripes(ink, view) {
  ink.fillStyle = themed("outside");
  ink.fillRect(0, 0, view.width, view.height);
  ink.strokeStyle = themed("stripe");
  ink.lineWidth = 2;
  ink.beginPath();
  for (let x = -view.height; x < view.width; x += 10) {
    ink.moveTo(x, view.height);
    ink.lineTo(x + view.height, 0);
  }
  ink.stroke();
}

/** The visible rows and columns. @param {View} view @param {Pair} size */
export function inSight(view, size) {
  const rows = [view.top, view.top + view.height / view.cell];
  const columns = [view.left, view.left + view.width / view.cell];
  return [rows, columns].map(([low, high], n) => ({
    from: Math.max(Math.floor(low + 0.5), 0),
    to: Math.min(Math.ceil(high + 0.5), size[n]),
  }));
}

/** @param {CanvasRenderingContext2D} ink @param {View} view @param {Pair} size */
function borders(ink, view, size) {
  const shown = Math.min(Math.max((view.cell - 4) / 18, 0), 1);
  if (!shown) return;
  const [rows, columns] = inSight(view, size);
  ink.strokeStyle = `rgba(255, 255, 255, ${0.28 * shown})`;
  ink.lineWidth = 1;
  ink.beginPath();
  for (let i = rows.from + 1; i < rows.to; i++) {
    ink.moveTo(toX(view, columns.from - 0.5), toY(view, i - 0.5));
    ink.lineTo(toX(view, columns.to - 0.5), toY(view, i - 0.5));
  }
  for (let i = columns.from + 1; i < columns.to; i++) {
    ink.moveTo(toX(view, i - 0.5), toY(view, rows.from - 0.5));
    ink.lineTo(toX(view, i - 0.5), toY(view, rows.to - 0.5));
  }
  ink.stroke();
}

/** @param {CanvasRenderingContext2D} ink @param {View} view @param {FeatureMap} map @param {number} channel @param {number} fade */
function numbers(ink, view, map, channel, fade) {
  const [rows, columns] = inSight(view, map.size);
  const values = featuresOf(map, channel);
  const range = rangeOf(map, channel);
  const size = Math.min(view.cell / 3, 14);
  const most = Math.max(Math.abs(range.low), Math.abs(range.high));
  const decimals = Math.max((view.cell > 64 ? 2 : 1) - Math.floor(Math.log10(most || 1)), 0);
  ink.font = `${size}px ${themed("font")}`;
  ink.textAlign = "center";
  ink.textBaseline = "middle";
  ink.lineWidth = 3;
  ink.lineJoin = "round";
  for (let row = rows.from; row < rows.to; row++) {
    for (let column = columns.from; column < columns.to; column++) {
      const value = values[row * map.size[1] + column];
      const at = /** @type {const} */ ([toX(view, column), toY(view, row)]);
      const text =
        Number.isFinite(value) && decimals <= 6 ? fixed(value, decimals) : brief(value, 2);
      const colour = colourOf(value, range);
      ink.fillStyle = readableOn(colour);
      if (fade > 0.15) {
        ink.strokeStyle =
          ink.fillStyle === "#ffffff" ? "rgba(0,0,0,0.55)" : "rgba(255,255,255,0.6)";
        ink.strokeText(text, ...at, view.cell - 4);
      }
      ink.fillText(text, ...at, view.cell - 4);
    }
  }
}

const RULER = 28;

/** The numbers of rows and columns at the edges. @param {CanvasRenderingContext2D} ink @param {View} view @param {Pair} size */
export function rulers(ink, view, size) {
  const [rows, columns] = inSight(view, size);
  const step = [1, 2, 5, 10, 20, 50, 100].find((n) => n * view.cell >= 26) ?? 200;
  ink.font = `11px ${themed("font")}`;
  ink.textBaseline = "middle";
  ink.textAlign = "center";
  ink.fillStyle = themed("ground");
  ink.fillRect(0, 0, RULER, view.height);
  ink.fillRect(0, view.height - 16, view.width, 16);
  ink.fillStyle = themed("muted");
  for (let i = Math.ceil(rows.from / step) * step; i < rows.to; i += step) {
    if (toY(view, i) < view.height - 20) ink.fillText(`${i}`, RULER / 2 - 2, toY(view, i));
  }
  for (let i = Math.ceil(columns.from / step) * step; i < columns.to; i += step) {
    if (toX(view, i) > RULER + 8) ink.fillText(`${i}`, toX(view, i), view.height - 7);
  }
}

/** @param {number} value @param {FeatureMap} map @param {number} channel */
export function groundOf(value, map, channel) {
  const colour = colourOf(value, rangeOf(map, channel));
  return { background: css(colour), ink: readableOn(colour) };
}

/** The name of a channel. @param {number} channel */
export function channelName(channel) {
  return `channel ${content.channels[channel]}`;
}
