/** What nats-server says, into our own log with its levels. */
import type { Log, LogLevel } from "../../platform/ports.ts";

const LEVELS: Readonly<Record<string, LogLevel>> = {
  TRC: "debug",
  DBG: "debug",
  INF: "debug",
  WRN: "warning",
  ERR: "error",
  FTL: "error",
};
const LINE = /^\[\d+\] (?:\S+ \S+ )?\[([A-Z]{3})\] (.*)$/;
const LINE_LENGTH_MAX = 1_000;

/** Passes lines on until the stream ends; resolves with the last one, which mostly says why it ended. */
export async function pipeLog(stream: ReadableStream<Uint8Array>, log: Log): Promise<string> {
  const decoder = new TextDecoder();
  let rest = "";
  let last = "";
  const take = (raw: string): void => {
    const line = raw.slice(0, LINE_LENGTH_MAX).trimEnd();
    if (line === "") return;
    const [, level = "", text = line] = LINE.exec(line) ?? [];
    last = text;
    log.write(LEVELS[level] ?? "debug", "nats-server", { line: text });
  };
  for await (const part of stream) {
    rest += decoder.decode(part, { stream: true });
    const lines = rest.split("\n");
    rest = (lines.pop() ?? "").slice(0, LINE_LENGTH_MAX);
    for (const line of lines) take(line);
  }
  take(rest);
  return last;
}
