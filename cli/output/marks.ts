/** Search snippets: hits come between U+0002 and U+0003 and are shown bold. */
import type { Colors } from "./terminal.ts";
import { printable } from "./table.ts";

// White space but the marks themselves.
// deno-lint-ignore no-control-regex
const SPACES = /[^\S\u0002\u0003]+/g;

/** Turns the marks of a snippet into bold text and the rest into one safe line. */
export function showMarks(snippet: string, colors: Colors): string {
  return snippet.replaceAll(SPACES, " ").trim().split("\u0002").map(
    (part, index) => {
      const end = part.indexOf("\u0003");
      // Text of a block could hold stray marks and colours of its own: neither gets through.
      if (index === 0 || end === -1) return harmless(part);
      return colors.bold(harmless(part.slice(0, end))) + harmless(part.slice(end + 1));
    },
  ).join("");
}

function harmless(text: string): string {
  return printable(text.replaceAll("\u0003", "").replaceAll("\u001b", "�"));
}
