/** Tables for people. Columns are separated by space, not by lines: they stay readable in small windows and in mails. */
import Table from "cli-table3";
import type { Terminal } from "./terminal.ts";

const NO_LINES = {
  "top": "",
  "top-mid": "",
  "top-left": "",
  "top-right": "",
  "bottom": "",
  "bottom-mid": "",
  "bottom-left": "",
  "bottom-right": "",
  "left": "",
  "left-mid": "",
  "mid": "",
  "mid-mid": "",
  "right": "",
  "right-mid": "",
  "middle": "  ",
};

/** Values that say nothing: left out where room is short. */
const NOTHING = new Set(["", "–"]);
const BETWEEN = " · ";
const INDENT = "  ";

/**
 * A table with a head line. In a terminal that is too narrow for it each row is a few lines instead: names with their values, as many as fit beside each
 * other, and nothing is lost but what is empty.
 */
export function formatTable(
  terminal: Terminal,
  head: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const table = new Table({
    head: head.map((text) => terminal.colors.dim(text)),
    chars: NO_LINES,
    style: { "padding-left": 0, "padding-right": 0, head: [], border: [], compact: true },
  });
  const cells = rows.map((row) => row.map(printable));
  table.push(...cells);
  const text = withoutTrailingSpace(table.toString());
  const { tableWidth = Infinity } = terminal;
  if (text.split("\n").every((line) => lengthOf(line) <= tableWidth)) return text;
  return cells.map((row) => formatRecord(terminal, { head, row, width: tableWidth })).join("\n");
}

/** One row as names and values, no line wider than `width` that need not be. */
function formatRecord(
  { colors }: Terminal,
  { head, row, width }: {
    readonly head: readonly string[];
    readonly row: readonly string[];
    readonly width: number;
  },
): string {
  const pieces = row.flatMap((value, i) => {
    const name = head[i] ?? "";
    if (i > 0 && NOTHING.has(withoutColours(value))) return [];
    return [name === "" ? value : `${colors.dim(name)} ${value}`];
  });
  const lines: string[] = [];
  /** Adds text to the last line where it fits there, else begins another one. */
  const add = (text: string, between: string) => {
    const last = lines.at(-1);
    const joined = last === undefined ? text : `${last}${between}${text}`;
    if (last === undefined || lengthOf(joined) <= width) lines.splice(-1, 1, joined);
    else lines.push(INDENT + text);
  };
  for (const piece of pieces) {
    const fits = lengthOf(INDENT + piece) <= width;
    if (fits) add(piece, BETWEEN);
    else piece.split(" ").forEach((word, i) => add(word, i === 0 ? BETWEEN : " "));
  }
  return lines.join("\n");
}

// deno-lint-ignore no-control-regex
const COLOURS = /\u001b\[[0-9;]*m/g;

/** The text alone. */
export function withoutColours(text: string): string {
  return text.replaceAll(COLOURS, "");
}

/** Columns that a line takes. */
function lengthOf(line: string): number {
  return [...withoutColours(line)].length;
}

/** Names and values, one pair a line. */
export function formatPairs(
  terminal: Terminal,
  pairs: readonly (readonly [name: string, value: string])[],
): string {
  const width = Math.max(0, ...pairs.map(([name]) => name.length));
  return pairs.map(([name, value]) =>
    `${terminal.colors.dim(name.padEnd(width))}  ${printable(value)}`
  ).join("\n");
}

// Our own colours (SGR sequences) stay; every other control character but tab and line feed becomes visible.
// deno-lint-ignore no-control-regex
const CONTROLS = /\u001b(?!\[[0-9;]*m)|[\u0000-\u0008\u000b-\u001a\u001c-\u001f\u007f-\u009f]/g;

/** Text of others as it may reach a terminal: control characters could move the cursor, rename the window or worse. */
export function printable(text: string): string {
  return text.replaceAll(CONTROLS, "�");
}

function withoutTrailingSpace(text: string): string {
  return text.split("\n").map((line) => line.trimEnd()).join("\n");
}
