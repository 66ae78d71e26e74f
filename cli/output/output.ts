/** Results for people or for machines. With `--json` standard output holds nothing but JSON: one value, or one per line. */
import type { Terminal } from "./terminal.ts";

export interface Output {
  readonly json: boolean;
  readonly terminal: Terminal;
  /** The result of a command: JSON for machines, `human()` for people. */
  result(value: unknown, human: () => string): void;
  /** One thing of many that happen over time: a JSON line for machines. */
  event(value: unknown, human: () => string): void;
  /** Remarks for people, on standard error so that pipes stay clean. Machines get none. */
  note(line: string): void;
}

/** JSON with bytes as base64, so that nothing turns into `{"0":1,…}`. */
export function toJson(value: unknown): string {
  return JSON.stringify(value, (_, item) => item instanceof Uint8Array ? item.toBase64() : item);
}

/** Writes to a terminal in one of the two forms. */
export function createOutput(terminal: Terminal, json: boolean): Output {
  const write = (value: unknown, human: () => string) => {
    if (json) return terminal.out(toJson(value));
    const text = human();
    if (text !== "") terminal.out(text);
  };
  return {
    json,
    terminal,
    result: write,
    event: write,
    note: (line) => {
      if (!json) terminal.err(line);
    },
  };
}
