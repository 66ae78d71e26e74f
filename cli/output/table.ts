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

/** A table with a head line. */
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
  table.push(...rows.map((row) => row.map(printable)));
  return withoutTrailingSpace(table.toString());
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
