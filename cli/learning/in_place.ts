/** Lines that are drawn again where they were, on a terminal; elsewhere nothing. */
import { inLines, withoutColours } from "../output/table.ts";
import type { CommandContext } from "../command.ts";

export interface InPlace {
  draw(lines: readonly string[]): void;
  /** Takes the lines away, so that something else can be said there. */
  clear(): void;
}

const utf8 = new TextEncoder();

/** A place below what was said last. */
export function inPlace({ output }: CommandContext): InPlace {
  const { terminal } = output;
  if (output.json || !terminal.outIsTerminal) return { draw() {}, clear() {} };
  let drawn = 0;
  const up = () => drawn === 0 ? "" : `\u001b[${drawn}A\u001b[0J`;
  return {
    draw(lines) {
      const { width, rows } = terminal;
      // One column stays free, and one row: what has left the screen above cannot be drawn again.
      const fitting = inLines({ tableWidth: width - 1 }, lines).slice(0, Math.max(1, rows - 1));
      const text = up() + fitting.map((line) => `${clipped(line, width)}\n`).join("");
      drawn = fitting.length;
      terminal.outBytes(utf8.encode(text));
    },
    clear() {
      terminal.outBytes(utf8.encode(up()));
      drawn = 0;
    },
  };
}

/** A line that the terminal wraps would make the next picture begin too low. */
function clipped(line: string, width: number): string {
  return withoutColours(line).length < width
    ? line
    : [...withoutColours(line)].slice(0, width - 1).join("");
}
