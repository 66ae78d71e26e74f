/** Which rounds of a run are ready to be told: once, in order, and with what was measured, which comes a moment after the round itself. */
import type { RoundMetrics } from "../../actors/learning_handle.ts";

/** A device without held-out examples never measures: its rounds are told after this long, ms. */
const PATIENCE_MS = 5_000;

export class ToldRounds {
  #told = 0;
  /** When the oldest round that is not told was first seen. */
  #sinceMs: number | null = null;

  /** Rounds that can be told now and were not yet. */
  next(rounds: readonly RoundMetrics[], nowMs: number): readonly RoundMetrics[] {
    const ready: RoundMetrics[] = [];
    for (const metrics of rounds) {
      if (metrics.round <= this.#told) continue;
      this.#sinceMs ??= nowMs;
      const measured = metrics.accuracy !== null || metrics.loss !== null;
      if (!measured && nowMs - this.#sinceMs < PATIENCE_MS) break;
      ready.push(metrics);
      this.#told = metrics.round;
      this.#sinceMs = null;
    }
    return ready;
  }

  /** Whether nothing is left to tell of `rounds`. */
  isDone(rounds: readonly RoundMetrics[]): boolean {
    return rounds.every(({ round }) => round <= this.#told);
  }
}

/** Whether reading the rounds anew can tell more: some are missing, or the newest one is not measured. */
export function isIncomplete(rounds: readonly RoundMetrics[], round: number): boolean {
  const newest = rounds.at(-1);
  return rounds.length < round ||
    rounds.slice(-3).some(({ accuracy, loss }) => accuracy === null && loss === null) ||
    (newest !== undefined && newest.round < round);
}
