/** The Clock of a real computer. */
import { invariant } from "./invariant.ts";
import type { Clock } from "./ports.ts";
import { inNextTurn } from "./turns.ts";

// Longer delays overflow the runtime's timers, which then fire at once; they are waited for in pieces.
const TIMER_MS_MAX = 2 ** 31 - 1;

/** Wall clock, monotonic clock and timers of this process. `schedule(0, …)` lets pending input and output go first. */
export function systemClock(): Clock {
  return {
    wallMs: () => Date.now(),
    monotonicMs: () => performance.now(),
    schedule(delayMs, callback) {
      invariant(delayMs >= 0, () => `Cannot schedule: delay is ${delayMs} ms, expected >= 0`);
      return delayMs === 0 ? inNextTurn(callback) : scheduleInPieces(delayMs, callback);
    },
  };
}

function scheduleInPieces(delayMs: number, callback: () => void): () => void {
  const startedMs = performance.now();
  let timer: ReturnType<typeof setTimeout>;
  const wait = (): void => {
    const leftMs = delayMs - (performance.now() - startedMs);
    if (leftMs <= TIMER_MS_MAX) timer = setTimeout(callback, Math.max(0, leftMs));
    else timer = setTimeout(wait, TIMER_MS_MAX);
  };
  wait();
  return () => clearTimeout(timer);
}
