/** Waits with an end and a name: a story that hangs must say what it was waiting for. */
import { type CommandContext, throwIfInterrupted } from "../command.ts";
import { CliError, EXIT } from "../exit_codes.ts";
import { formatDuration } from "../output/units.ts";
import { poll } from "../wait.ts";

/** A story that did not go as it should; `hint` is what a person can do. */
export class DemoError extends CliError {
  constructor(message: string, hint: string) {
    super(message, { code: "demo", exitCode: EXIT.failed, hint });
  }
}

export interface WaitOptions {
  /** What is waited for, as in "Waited 30 s for … in vain". */
  readonly what: string;
  readonly timeoutMs: number;
  readonly everyMs: number;
}

/** Asks again until there is something; throws when time is up. */
export async function waitFor<T>(
  context: CommandContext,
  options: WaitOptions,
  attempt: () => Promise<T | null>,
): Promise<T> {
  const { clock, interrupted: signal } = context;
  const found = await poll({ clock, signal, ...options }, attempt);
  if (found !== null) return found;
  throwIfInterrupted(context);
  const time = formatDuration(options.timeoutMs, context.language);
  const { waited, failedHint } = context.texts.demo;
  throw new DemoError(waited(options.what, time), failedHint);
}
