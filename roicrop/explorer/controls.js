// The controls above the maps: conventions, the channel, bins and samples, the view, and saving.

import { content, fromPixels, imageOf, isTurned, offered, pixelsOf } from "./content.js";
import { button, byId, element } from "./dom.js";
import { readRatio, set, shownAngle, shownBox, shownCorners, state } from "./state.js";

/** @typedef {import("./content.js").Corners} Corners */
/** @typedef {import("./content.js").FeatureMap} FeatureMap */

/** @type {(() => void)[]} */
const shows = [];

/** @param {string} label @param {HTMLElement} field */
function labelled(label, field) {
  return element("label", {}, element("span", {}, label), field);
}

/**
 * @param {string} label @param {[string, string][]} options value and text
 * @param {() => string} now @param {(value: string) => void} choose
 */
function chooser(label, options, now, choose) {
  const field = element(
    "select",
    {},
    ...options.map(([value, text]) => element("option", { value }, text)),
  );
  field.addEventListener("change", () => choose(field.value));
  shows.push(() => (field.value = now()));
  return labelled(label, field);
}

/** @param {{save: () => void, copy: () => void, zoom: (factor: number) => void, map: () => FeatureMap | null}} actions */
export function startControls({ save, copy, zoom, map }) {
  const conventions = [...offered.values()].map(
    (each) => /** @type {[string, string]} */ ([each.key, each.label]),
  );
  byId("controls").append(
    chooser(
      "Convention",
      conventions,
      () => state.conventions[0],
      (key) => set({ conventions: [key, ...state.conventions.slice(1)] }),
    ),
    chooser(
      "Compare with",
      [["", "nothing"], ...conventions],
      () => state.conventions[1] ?? "",
      (key) => set({ conventions: key ? [state.conventions[0], key] : [state.conventions[0]] }),
    ),
    chooser(
      "Channel",
      content.channels.map((channel, n) => [`${n}`, `${channel}`]),
      () => `${state.channel}`,
      (n) => set({ channel: Number(n) }),
    ),
    bins(),
    ratio(),
    chooser(
      "Aligned",
      [
        ["", "convention’s"],
        ["true", "yes"],
        ["false", "no"],
      ],
      () => `${state.aligned ?? ""}`,
      (value) => set({ aligned: value ? value === "true" : null }),
    ),
    chooser(
      "Each bin takes",
      [
        ["", "convention’s"],
        ["avg", "the average"],
        ["max", "the largest"],
      ],
      () => state.mode ?? "",
      (value) => set({ mode: /** @type {import("./state.js").State["mode"]} */ (value || null) }),
    ),
    fader(),
    corners(map),
    element(
      "div",
      { class: "buttons" },
      button("Whole box", () => set({ view: null }), "Show the whole box"),
      button("−", () => zoom(0.8), "Zoom out"),
      button("+", () => zoom(1.25), "Zoom in"),
      putBack(),
      button("Save picture", save, "Save the view as PNG"),
      ...(content.command.features === null
        ? [] // maps in memory, which no command reads
        : [button("Copy command", copy, "Copy the command that draws this")]),
    ),
  );
}

export function showControls() {
  for (const show of shows) show();
}

function bins() {
  const field = element("input", { size: "5", inputmode: "text", "aria-describedby": "bins-help" });
  field.addEventListener("change", () => {
    const found = field.value.trim().match(/^(\d+)(?:\s*[x×]\s*(\d+))?$/i);
    const pair = found && [Number(found[1]), Number(found[2] ?? found[1])];
    const fits = pair?.every((n) => n >= 1 && n <= content.most_bins);
    field.setAttribute("aria-invalid", `${!fits}`);
    if (pair && fits) set({ bins: [pair[0], pair[1]] });
  });
  field.title = `height × width, at most ${content.most_bins} each`;
  shows.push(() => {
    if (document.activeElement !== field) field.value = state.bins.join("×");
  });
  const help = element("span", { id: "bins-help", class: "hidden" }, field.title);
  return element("label", {}, element("span", {}, "Bins"), field, help);
}

function ratio() {
  const usual = ["", "1", "2", "3", "4", "6", "8", "adaptive", "exact"];
  const field = element("select");
  field.addEventListener("change", () => set({ ratio: readRatio(field.value) }));
  shows.push(() => {
    const now = `${state.ratio ?? ""}`;
    const values = usual.includes(now) ? usual : [...usual, now];
    field.replaceChildren(
      ...values.map((value) => element("option", { value }, value || "convention’s")),
    );
    field.value = now;
  });
  return labelled("Samples per bin", field);
}

function fader() {
  const field = element("input", { type: "range", min: "0", max: "1", step: "0.05" });
  field.addEventListener("input", () => set({ fade: Number(field.value) }));
  const made = labelled("Photograph", field);
  shows.push(() => {
    field.value = `${state.fade}`;
    made.hidden = imageOf(shownBox()).photo === null;
  });
  return made;
}

/** The corners as numbers. @param {() => FeatureMap | null} mapNow */
function corners(mapNow) {
  const names = ["x1", "y1", "x2", "y2"];
  const fields = names.map((name) =>
    element("input", { type: "number", step: "any", "aria-label": `${name} in pixels` }),
  );
  /** @param {number} n */
  const change = (n) => {
    const map = mapNow();
    const value = fields[n].valueAsNumber;
    if (!map || !Number.isFinite(value)) return;
    const pixels = /** @type {Corners} */ ([...pixelsOf(shownCorners(), map)]);
    pixels[n] = value;
    set({ moved: fromPixels(pixels, map) });
  };
  for (const [n, field] of fields.entries()) {
    field.addEventListener("change", () => change(n));
    field.addEventListener("keydown", (event) => {
      const map = mapNow();
      const by = { ArrowUp: 0.1, ArrowDown: -0.1 }[event.key];
      if (!map || by === undefined) return;
      event.preventDefault();
      const cell = map.pixels[n % 2 ? 0 : 1] / map.size[n % 2 ? 0 : 1];
      field.value = `${Math.round((field.valueAsNumber + by * cell) * 100) / 100}`;
      change(n);
    });
  }
  shows.push(() => {
    const map = mapNow();
    const pixels = map ? pixelsOf(shownCorners(), map) : [];
    for (const [n, field] of fields.entries()) {
      if (map && field.valueAsNumber !== pixels[n]) field.value = `${Number(pixels[n].toFixed(3))}`;
    }
  });
  const title = "Corners in pixels; the up and down arrow keys move a corner by a tenth of a cell";
  const legend = isTurned
    ? "Box before rotation: x1 y1 x2 y2, and its angle"
    : "Box, in pixels: x1 y1 x2 y2";
  return element(
    "fieldset",
    { title },
    element("legend", {}, legend),
    ...fields,
    isTurned ? angle() : null,
  );
}

function angle() {
  const field = element("input", { type: "number", step: "any", "aria-label": "angle" });
  field.addEventListener("change", () => {
    if (Number.isFinite(field.valueAsNumber)) set({ angle: field.valueAsNumber });
  });
  shows.push(() => {
    if (field.valueAsNumber !== shownAngle()) field.value = `${shownAngle()}`;
  });
  return field;
}

function putBack() {
  const made = button("Reset the box", () => set({ moved: null, angle: null }));
  shows.push(() => (made.hidden = state.moved === null && state.angle === null));
  return made;
}
