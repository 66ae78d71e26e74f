/** How a story is told: steps as events, waiting that says what for, and a stopwatch. */
import type { CommandContext } from "../command.ts";
import { formatCount, formatDuration } from "../output/units.ts";
import { waitFor } from "./wait_for.ts";

/** Tells one story in the language of whoever listens. */
export class Teller {
  readonly #context: CommandContext;
  readonly #everyMs: number;

  /** Looks every `everyMs` whether what is waited for is there. */
  constructor(context: CommandContext, everyMs: number) {
    this.#context = context;
    this.#everyMs = everyMs;
  }

  /** One step: `name` and `fields` for machines, `text` for people. */
  say(name: string, fields: Record<string, unknown>, text: string): void {
    this.#context.output.event({ type: "step", name, ...fields }, () => text);
  }

  /** A duration for people. */
  time(ms: number): string {
    return formatDuration(ms, this.#context.language);
  }

  /** A whole number for people. */
  count(value: number): string {
    return formatCount(value, this.#context.language);
  }

  /** Asks until there is something. @throws {CliError} that says what was waited for when time is up */
  wait<T>(what: string, timeoutMs: number, attempt: () => Promise<T | null>): Promise<T> {
    return waitFor(this.#context, { what, timeoutMs, everyMs: this.#everyMs }, attempt);
  }

  /** How long `work` takes, ms. */
  async stopwatch(work: () => Promise<unknown>): Promise<number> {
    const { clock } = this.#context;
    const startedMs = clock.monotonicMs();
    await work();
    return Math.round(clock.monotonicMs() - startedMs);
  }
}
