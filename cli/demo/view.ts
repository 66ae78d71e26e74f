/** The three nodes side by side, live, on a terminal. Elsewhere it stays silent: the steps of the story say enough. */
import type { CommandContext } from "../command.ts";
import type { NodeStatus } from "../../actors/handle.ts";

/** One column: null stands for a node that is not there. */
export interface Column {
  readonly name: string;
  readonly status: NodeStatus | null;
}

export interface View {
  draw(columns: readonly Column[], blocksMax: number): void;
  /** Leaves the last picture and goes on below it. */
  end(): void;
}

const BAR = 16;

/** A view that redraws itself in place. */
export function createView(context: CommandContext): View {
  const { output } = context;
  const { terminal } = output;
  if (output.json || !terminal.outIsTerminal) return { draw() {}, end() {} };
  let lines = 0;
  return {
    draw(columns, blocksMax) {
      const picture = pictureOf(context, columns, blocksMax);
      // Up over the last picture, then each line anew.
      const up = lines === 0 ? "" : `\u001b[${lines}A`;
      terminal.outBytes(
        new TextEncoder().encode(up + picture.map((line) => `\u001b[2K${line}\n`).join("")),
      );
      lines = picture.length;
    },
    end() {
      lines = 0;
    },
  };
}

function pictureOf(
  context: CommandContext,
  columns: readonly Column[],
  blocksMax: number,
): readonly string[] {
  const { terminal } = context.output;
  const { bold, red, green, dim } = terminal.colors;
  const texts = context.texts.demo;
  const width = Math.max(BAR + 4, Math.floor(Math.min(terminal.width, 96) / columns.length));
  const cell = (text: string, paint: (text: string) => string) =>
    paint(text.slice(0, width - 2).padEnd(width));
  const row = (make: (column: Column) => string) => columns.map(make).join("");
  return [
    row(({ name, status }) =>
      cell(`${status === null ? "✗" : "●"} ${name}`, status === null ? red : bold)
    ),
    row(({ status }) => cell(bar(status?.blocks ?? 0, blocksMax), status === null ? dim : green)),
    row(({ status }) => cell(status === null ? "" : `${status.blocks} ${texts.blocks}`, String)),
    row(({ status }) =>
      cell(status === null ? "" : `${status.peersConnected} ${texts.peers}`, dim)
    ),
  ];
}

function bar(value: number, max: number): string {
  const full = max === 0 ? 0 : Math.min(BAR, Math.round((value / max) * BAR));
  return "█".repeat(full) + "░".repeat(BAR - full);
}
