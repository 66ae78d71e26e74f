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
/** Beside its name a value has at least so many columns, else it stands below. */
const VALUE_COLUMNS_MIN = 20;

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
  return wrapped(pieces.join(BETWEEN), { width, indent: INDENT }).join("\n");
}

/**
 * Text in lines of at most `width` columns, those after the first one indented. What stands between two middle dots stays together where it fits. A word that
 * is longer than a line is left whole: an id or an address in two parts could not be copied.
 */
export function wrapped(
  text: string,
  { width, indent = "" }: { readonly width: number; readonly indent?: string },
): readonly string[] {
  const lines: string[] = [];
  /** Adds text to the last line where it fits there, else begins another one. */
  const add = (more: string, between: string) => {
    const last = lines.at(-1);
    const joined = last === undefined ? more : `${last}${between}${more}`;
    if (last === undefined || lengthOf(joined) <= width) lines.splice(-1, 1, joined);
    else lines.push(indent + more);
  };
  for (const piece of text.split(BETWEEN)) {
    if (lengthOf(indent + piece) <= width) add(piece, BETWEEN);
    else {
      const [first = "", ...words] = piece.split(/( +)/);
      add(first, BETWEEN);
      for (let i = 0; i < words.length; i += 2) add(words[i + 1]!, words[i]!);
    }
  }
  return lines;
}

/** Lines as the terminal has room for them; where nobody sees how much there is, as they are. */
export function inLines(
  { tableWidth = Infinity }: Pick<Terminal, "tableWidth">,
  lines: readonly string[],
): readonly string[] {
  return lines.flatMap((line) =>
    lengthOf(line) <= tableWidth ? [line] : wrapped(line, { width: tableWidth, indent: INDENT })
  );
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

/** Names and values, one pair a line. In a terminal that is too narrow for a value it goes on below where it began; one with no room there stands below its name. */
export function formatPairs(
  terminal: Terminal,
  pairs: readonly (readonly [name: string, value: string])[],
): string {
  const { tableWidth = Infinity, colors } = terminal;
  const names = Math.max(0, ...pairs.map(([name]) => name.length));
  const room = tableWidth - names - INDENT.length;
  return pairs.flatMap(([name, text]) => {
    const value = printable(text);
    const beside = wrapped(value, { width: room });
    const fits = beside.every((line) => lengthOf(line) <= room);
    if (fits && (beside.length === 1 || room >= VALUE_COLUMNS_MIN)) {
      return beside.map((line, i) =>
        `${colors.dim((i === 0 ? name : "").padEnd(names))}${INDENT}${line}`
      );
    }
    const below = wrapped(value, { width: tableWidth - INDENT.length });
    return [colors.dim(name), ...below.map((line) => INDENT + line)];
  }).join("\n");
}

// Our own colours (SGR sequences) stay; every other control character but tab and line feed becomes visible.
// deno-lint-ignore no-control-regex
const CONTROLS = /\u001b(?!\[[0-9;]*m)|[\u0000-\u0008\u000b-\u001a\u001c-\u001f\u007f-\u009f]/g;

/** Text of others as it may reach a terminal: control characters could move the cursor, rename the window or worse. */
export function printable(text: string): string {
  return text.replaceAll(CONTROLS, "�");
}

/** The same for names and titles, which stand in a line with other things: no colour of theirs, and no line of their own. */
export function printableLine(text: string): string {
  return printable(text.replaceAll(/[\t\n]+/g, " ").replaceAll("\u001b", "�"));
}

function withoutTrailingSpace(text: string): string {
  return text.split("\n").map((line) => line.trimEnd()).join("\n");
}
