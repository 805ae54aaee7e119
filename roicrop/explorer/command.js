// The command that draws the current view: the same box, bin and channel under the same rules.

import { content, imageOf, isTurned } from "./content.js";
import { shownAngle, shownBox, shownCorners, state } from "./state.js";

/** @typedef {import("./content.js").Pair} Pair */
/** @typedef {import("./state.js").Seen} Seen */

/** A word quoted for a shell, whatever it contains. @param {string} word */
export function quoted(word) {
  return /^[\w./:,=+@%-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** Whether BOXES can be read again, and has the box where it is shown. */
function isInFile() {
  return !state.moved && state.angle === null && content.command.boxes !== "-";
}

/**
 * `roicrop show` or `explain` for one convention.
 * @param {"show" | "explain"} verb @param {Seen} seen @param {Pair} bin @param {string[]} output
 */
function commandOf(verb, { row, words, map }, bin, output) {
  const { command } = content;
  const isFraction = row.normalized || content.normalized;
  const box = shownBox();
  let reading = isInFile() ? command.options : [...command.of_moved];
  let rules = words;
  const [x1, y1, x2, y2] = shownCorners();
  if (!isInFile()) {
    reading.push(
      "--boxes-format",
      "csv",
      "--box-format",
      isTurned ? "cxcywha" : "xyxy",
      ...(content.normalized ? ["--normalized"] : []),
    );
    if (isFraction) reading.push(...command.fractions_of);
    const { on_image: image } = imageOf(box);
    if (image !== null) reading.push("--on-image", image);
    if (map && map.level !== null) {
      reading.push("--level-column", "level");
      rules = dropped(rules, "--level-rule");
    }
    if (x2 < x1 || y2 < y1) reading.push("--on-bad-box", "keep");
  } else if (!isFraction) reading = dropped(reading, "--image-size");
  const taken = [
    "roicrop",
    verb,
    command.features ?? "",
    isInFile() ? command.boxes : "-",
    ...output,
    ...rules,
    "--output-size",
    state.bins.join("x"),
    "--channel",
    `${content.channels[state.channel]}`,
    "--box",
    isInFile() ? `${box.number}` : "0",
    "--bin",
    bin.join(","),
    ...(verb === "show" && command.photo !== null ? ["--photo", command.photo] : []),
    ...reading,
  ];
  const line = taken.map(quoted).join(" ");
  if (isInFile()) return line;
  const level = map && map.level !== null ? [",level", `,${map.level}`] : ["", ""];
  const turned = [(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1, shownAngle()];
  const [names, numbers] = isTurned
    ? ["cx,cy,w,h,angle", turned]
    : ["x1,y1,x2,y2", [x1, y1, x2, y2]];
  const rows = [`${names}${level[0]}`, `${numbers.join(",")}${level[1]}`];
  return `printf '%s\\n' ${rows.map(quoted).join(" ")} | ${line}`;
}

/** The words without an option and its value. @param {string[]} words @param {string} option */
function dropped(words, option) {
  const at = words.indexOf(option);
  return at < 0 ? words : [...words.slice(0, at), ...words.slice(at + 2)];
}

/** The commands that draw the current view. @param {Seen[]} seen @param {Pair} bin */
export function drawing(seen, bin) {
  const name = `box-${shownBox().number}`;
  return seen
    .filter((each) => each.values)
    .map((each, n) =>
      commandOf("show", each, bin, [
        "-o",
        seen.length > 1 ? `${name}-${n + 1}.png` : `${name}.png`,
      ]),
    )
    .join(" && ");
}

/** The command that prints the sum of a bin. @param {Seen} seen @param {Pair} bin */
export function explaining(seen, bin) {
  return commandOf("explain", seen, bin, []);
}

/** Copy a text, or select it for copying if that is not allowed. @param {string} text @param {HTMLTextAreaElement} place */
export async function copyText(text, place) {
  place.hidden = false;
  place.value = text;
  place.select();
  try {
    await navigator.clipboard.writeText(text);
    return "Copied:";
  } catch {
    return "Copy this with Ctrl+C:";
  }
}
