/** Times on the command line: "30s", "10min", "12h", "7d". */
import type { CommandContext } from "../command.ts";
import { CliError, EXIT } from "../exit_codes.ts";

const UNITS_MS: Readonly<Record<string, number>> = {
  s: 1_000,
  min: 60_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/**
 * The time that an option states, ms.
 *
 * @throws {CliError} "usage" when it is none, below a second, or above `maxMs` (`most` in words)
 */
export function timeOf(
  context: CommandContext,
  { option, text, maxMs, most }: {
    readonly option: string;
    readonly text: string;
    readonly maxMs: number;
    readonly most: string;
  },
): number {
  const texts = context.texts.mail;
  const [, number = "", unit = ""] = /^(\d{1,6})\s*(s|min|m|h|d)$/.exec(text.trim()) ?? [];
  const ms = Number(number) * (UNITS_MS[unit] ?? Number.NaN);
  const usage = (message: string) => new CliError(message, { code: "usage", exitCode: EXIT.usage });
  if (number === "" || Number.isNaN(ms)) throw usage(texts.badTime(option, text));
  if (ms < 1_000 || ms > maxMs) throw usage(texts.timeBounds(option, text, most));
  return ms;
}
