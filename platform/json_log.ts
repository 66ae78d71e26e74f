/**
 * The Log port as one JSON object per line: {"time", "level", "message", …fields}. Lines are bounded, hold no control characters, and a
 * sink that fails costs its line, never the node.
 */
import type { Clock, Log, LogLevel } from "./ports.ts";

export interface JsonLogOptions {
  readonly clock: Pick<Clock, "wallMs">;
  /** Lines below this level are dropped. Default "info". */
  readonly level?: LogLevel;
  /** Takes one line including its line feed. Default: standard error. */
  readonly write?: (line: string) => void;
  /** Put into every line, for example the short device id. */
  readonly fields?: Readonly<Record<string, unknown>>;
}

/** Fields a line has at most; the rest is counted in `fieldsLeftOut`. */
export const LOG_FIELDS_MAX = 32;
/** Characters of a message or text field; longer ones are cut and marked. */
export const LOG_TEXT_MAX = 1_024;
const DEPTH_MAX = 4;
const ITEMS_MAX = 32;
const ORDER: readonly LogLevel[] = ["debug", "info", "warning", "error"];

/** Makes a log. Writing never throws, whatever the fields are. */
export function jsonLog(options: JsonLogOptions): Log {
  const least = ORDER.indexOf(options.level ?? "info");
  const write = options.write ?? writeToStandardError;
  return {
    write(level, message, fields) {
      if (ORDER.indexOf(level) < least) return;
      try {
        write(lineOf(options, level, message, fields) + "\n");
      } catch {
        // A closed pipe or a full disk must not take the node with it, and there is nowhere left to say so.
      }
    },
  };
}

/** A log that writes into a file, appending, with mode 0600. `close` releases it. */
export function jsonFileLog(
  options: Omit<JsonLogOptions, "write"> & { readonly path: string },
): Log & { close(): void } {
  const file = Deno.openSync(options.path, {
    append: true,
    create: true,
    write: true,
    mode: 0o600,
  });
  let open = true;
  const encoder = new TextEncoder();
  const log = jsonLog({
    ...options,
    write: (line) => {
      if (open) writeAll(file, encoder.encode(line));
    },
  });
  return {
    write: log.write,
    close() {
      if (!open) return;
      open = false;
      file.close();
    },
  };
}

function lineOf(
  options: JsonLogOptions,
  level: LogLevel,
  message: string,
  fields: Readonly<Record<string, unknown>> | undefined,
): string {
  const line: Record<string, unknown> = {
    time: new Date(options.clock.wallMs()).toISOString(),
    level,
    message: cut(message),
  };
  const entries = Object.entries({ ...options.fields, ...fields });
  for (const [key, value] of entries.slice(0, LOG_FIELDS_MAX)) {
    // A field must not pretend to be the time or the level of the line.
    const name = key in line ? `${key}_` : cut(key);
    line[name] = plain(value, 1);
  }
  if (entries.length > LOG_FIELDS_MAX) line.fieldsLeftOut = entries.length - LOG_FIELDS_MAX;
  return JSON.stringify(line);
}

function plain(value: unknown, depth: number): unknown {
  switch (typeof value) {
    case "string":
      return cut(value);
    case "number":
      return Number.isFinite(value) ? value : String(value);
    case "bigint":
    case "symbol":
    case "function":
      return cut(String(value));
    case "object":
      break;
    default:
      return value;
  }
  if (value === null) return null;
  // Bytes may be keys or bodies: their length is all a log may know.
  if (ArrayBuffer.isView(value)) return `${value.byteLength} bytes`;
  if (value instanceof Error) {
    return { name: value.name, message: cut(value.message), stack: cut(value.stack ?? "") };
  }
  if (depth >= DEPTH_MAX) return Array.isArray(value) ? "[…]" : "{…}";
  if (Array.isArray(value)) {
    const items = value.slice(0, ITEMS_MAX).map((item) => plain(item, depth + 1));
    return value.length > ITEMS_MAX ? [...items, `… ${value.length - ITEMS_MAX} more`] : items;
  }
  const entries = Object.entries(value).slice(0, ITEMS_MAX);
  return Object.fromEntries(entries.map(([key, inner]) => [cut(key), plain(inner, depth + 1)]));
}

function cut(text: string): string {
  if (text.length <= LOG_TEXT_MAX) return text.toWellFormed();
  const kept = text.slice(0, LOG_TEXT_MAX).toWellFormed();
  return `${kept}… (${text.length - LOG_TEXT_MAX} more)`;
}

function writeToStandardError(line: string): void {
  writeAll(Deno.stderr, new TextEncoder().encode(line));
}

function writeAll(target: { writeSync(bytes: Uint8Array): number }, bytes: Uint8Array): void {
  for (let offset = 0; offset < bytes.length;) {
    offset += target.writeSync(bytes.subarray(offset));
  }
}
