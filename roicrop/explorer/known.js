// The fields of a convention, and their values, that the planner supports.

/** @typedef {(value: any) => boolean} Knows */
/** @type {(...values: any[]) => Knows} */
const oneOf =
  (...values) =>
  (value) =>
    values.includes(value);
/** @type {Knows} */
const number = (value) => typeof value === "number";
/** @type {Knows} */
const whatever = () => true;

/** Field → whether the planner supports a value of it. @type {Record<string, Knows>} */
const KNOWN = {
  operator: oneOf("align", "pool", "align-rotated"),
  angle: oneOf("degrees", "radians"),
  clockwise: oneOf(true, false),
  offset_before: number,
  offset_after: number,
  added_pixel: number,
  added_cell: number,
  clipped: oneOf(true, false),
  min_size: (value) => value === null || number(value),
  aligned_min_size: whatever,
  sampling_ratio: (value) => value === "adaptive" || value === "exact" || number(value),
  positions: oneOf("scaled-step", "step-scaled", "fraction", "corners"),
  min_samples: number,
  sample_at: number,
  shared: oneOf(true, false),
  border: oneOf("clamp", "repeat", "inside", "continue", "zero", "extrapolate"),
  rounding: oneOf("half-away", "half-even", "none"),
  mode: oneOf("avg", "max"),
  max_over: oneOf("samples", "corners"),
  max_start: number,
  void: number,
  void_max: number,
  reversed_boxes: oneOf("mirror", "raise", "raise-if-adaptive", "nothing"),
  normalized: oneOf(true, false),
  inner: oneOf(true, false),
  interpolation: oneOf("bilinear", "nearest"),
  order: whatever, // the layout of the framework's own argument
  level_rule: whatever, // the page is told the map of each box
  options: whatever, // the settings that a row accepts
};

/** What the planner does not support in a convention, given its fields that are not at their defaults. @param {Record<string, any>} fields */
export function unknownOf(fields) {
  for (const [name, value] of Object.entries(fields)) {
    if (!(name in KNOWN) || !KNOWN[name](value)) return `${name} = ${JSON.stringify(value)}`;
  }
  return "";
}
