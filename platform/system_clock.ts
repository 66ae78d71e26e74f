/** The Clock of a real computer. */
import { clearImmediate, setImmediate } from "node:timers";
import { invariant } from "./invariant.ts";
import type { Clock } from "./ports.ts";

// Longer delays overflow the runtime's timers, which then fire at once; they are waited for in pieces.
const TIMER_MS_MAX = 2 ** 31 - 1;

/**
 * Work that schedules itself at once may go on for this long, ms. The runtime looks at its sockets when it has nothing else to do, or once in 61 turns: turns of 4 ms that
 * follow each other keep everybody on the network waiting for a quarter of a second, turns of 50 ms for three.
 */
const UNSEEN_MS = 16;

/** Wall clock, monotonic clock and timers of this process. `schedule(0, …)` lets pending input and output go first. */
export function systemClock(): Clock {
  const turns = new Turns();
  return {
    wallMs: () => Date.now(),
    monotonicMs: () => performance.now(),
    schedule(delayMs, callback) {
      invariant(delayMs >= 0, () => `Cannot schedule: delay is ${delayMs} ms, expected >= 0`);
      return delayMs === 0 ? turns.next(callback) : scheduleInPieces(delayMs, callback);
    },
  };
}

/** What is to be done at once, in order, with looks at the sockets in between. */
class Turns {
  /** Since when one turn has asked for another; null: sockets were looked at since. */
  #unseenFromMs: number | null = null;
  /** True within a turn. */
  #isRunning = false;
  /** Turns that wait for a look: later ones do not overtake them. */
  #looking = 0;

  /** Does it next; returns how to cancel that. */
  next(callback: () => void): () => void {
    const nowMs = performance.now();
    if (this.#isRunning) this.#unseenFromMs ??= nowMs;
    const isDue = this.#isRunning && nowMs - this.#unseenFromMs! >= UNSEEN_MS;
    if (!isDue && this.#looking === 0) {
      const immediate = setImmediate(() => this.#run(callback));
      return () => clearImmediate(immediate);
    }
    // Until a timer fires the runtime has nothing to do, and looks.
    this.#looking++;
    let isOver = false;
    const end = () => {
      if (!isOver) this.#looking--;
      isOver = true;
    };
    const timer = setTimeout(() => {
      end();
      this.#unseenFromMs = null;
      this.#run(callback);
    }, 0);
    return () => {
      clearTimeout(timer);
      end();
    };
  }

  #run(callback: () => void): void {
    this.#isRunning = true;
    try {
      callback();
    } finally {
      this.#isRunning = false;
    }
  }
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
