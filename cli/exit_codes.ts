/** How the program ends: documented numbers for scripts, and the one error class that carries them. */

export const EXIT = {
  ok: 0,
  /** Tried and failed. */
  failed: 1,
  /** The arguments or the configuration make no sense. */
  usage: 2,
  /** The command needs a running node and there is none. */
  notRunning: 3,
  /** The node understood and said no. */
  refused: 4,
  /** Ended by Ctrl-C before it was done. */
  interrupted: 130,
} as const;

export type ExitCode = typeof EXIT[keyof typeof EXIT];

/** What a person is told instead of a stack trace. Caught in `main.ts` only. */
export class CliError extends Error {
  override readonly name = "CliError";
  /** Stable for machines: "notRunning", "notFound", "badConfig", … */
  readonly code: string;
  readonly exitCode: ExitCode;
  /** What to do about it; empty when there is nothing to add. */
  readonly hint: string;

  constructor(
    message: string,
    options: {
      readonly code: string;
      readonly exitCode: ExitCode;
      readonly hint?: string;
      readonly cause?: unknown;
    },
  ) {
    super(message, { cause: options.cause });
    this.code = options.code;
    this.exitCode = options.exitCode;
    this.hint = options.hint ?? "";
  }
}
