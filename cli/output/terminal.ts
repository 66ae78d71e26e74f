/** The terminal as the commands see it: lines out, lines to standard error, colours, width. Tests hand in their own. */
import pc from "picocolors";

/** In less than that nothing is readable. */
const COLUMNS_MIN = 40;

export type Colors = ReturnType<typeof pc.createColors>;

export interface Terminal {
  /** Writes a line to standard output. */
  out(line: string): void;
  /** Writes bytes to standard output as they are. */
  outBytes(bytes: Uint8Array): void;
  /** Writes a line to standard error. */
  err(line: string): void;
  /** Writes to standard error without ending the line. */
  errRaw(text: string): void;
  /** Whether somebody reads standard output as it appears. */
  readonly outIsTerminal: boolean;
  /** Whether somebody sees standard error. */
  readonly errIsTerminal: boolean;
  /** Whether somebody can answer questions. */
  readonly inIsTerminal: boolean;
  readonly colors: Colors;
  /** Columns. */
  readonly width: number;
  /** Columns that tables keep to; absent where nobody has said how wide it is, as in files and pipes: there each row stays on its line. */
  readonly tableWidth?: number;
  readonly rows: number;
}

const utf8 = new TextEncoder();

function writeAll(stream: { writeSync(bytes: Uint8Array): number }, bytes: Uint8Array): void {
  let rest = bytes;
  try {
    while (rest.length > 0) rest = rest.subarray(stream.writeSync(rest));
  } catch (error) {
    // `submind search … | head` closes the pipe early: that is no error of ours.
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}

function sizeOf(): { readonly columns: number; readonly rows: number } {
  try {
    return Deno.consoleSize();
  } catch {
    return { columns: 100, rows: 40 };
  }
}

/**
 * The real terminal. Colours only for eyes, and never when NO_COLOR or `--no-color` says so. `columns` is what COLUMNS says; else the terminal's own width
 * counts.
 */
export function systemTerminal(
  options: { readonly color: boolean; readonly columns?: string },
): Terminal {
  const outIsTerminal = Deno.stdout.isTerminal();
  const { columns, rows } = sizeOf();
  const said = /^[1-9]\d{0,3}$/.test(options.columns ?? "") ? Number(options.columns) : undefined;
  const tableWidth = said ?? (outIsTerminal ? columns : undefined);
  return {
    out: (line) => writeAll(Deno.stdout, utf8.encode(`${line}\n`)),
    outBytes: (bytes) => writeAll(Deno.stdout, bytes),
    err: (line) => writeAll(Deno.stderr, utf8.encode(`${line}\n`)),
    errRaw: (text) => writeAll(Deno.stderr, utf8.encode(text)),
    outIsTerminal,
    errIsTerminal: Deno.stderr.isTerminal(),
    inIsTerminal: Deno.stdin.isTerminal(),
    colors: pc.createColors(options.color && outIsTerminal),
    width: Math.max(COLUMNS_MIN, said ?? columns),
    ...(tableWidth !== undefined && { tableWidth: Math.max(COLUMNS_MIN, tableWidth) }),
    rows,
  };
}
