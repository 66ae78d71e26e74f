/**
 * Turns of this thread, for work that goes on and lets others go first in between. All such work of a thread shares them: while one waits for a look at the
 * sockets, so do the others, or the runtime would have something to do and not look.
 */
import { clearImmediate, setImmediate } from "node:timers";

/**
 * Work that schedules itself at once may go on for this long, ms. The runtime looks at its sockets when it has nothing else to do, or once in 61 turns: turns of 4 ms that
 * follow each other keep everybody on the network waiting for a quarter of a second, turns of 50 ms for three.
 */
const UNSEEN_MS = 16;

/** Calls back in the next turn, in the order in which this was asked; returns how to cancel that. What is asked for within such a turn goes on with it. */
export function inNextTurn(callback: () => void): () => void {
  return turns.next(callback, turns.isRunning);
}

/** Lets others have their turn, for work of many parts that waits for nobody: `await othersTurn()` between them. */
export function othersTurn(): Promise<void> {
  return new Promise((resolve) => void turns.next(resolve, true));
}

/** What is to be done at once, in order, with looks at the sockets in between. */
class Turns {
  /** Since when one turn has asked for another; null: sockets were looked at since. */
  #unseenFromMs: number | null = null;
  #isRunning = false;
  /** Turns that wait for a look: later ones do not overtake them. */
  #looking = 0;

  /** True within a turn. */
  get isRunning(): boolean {
    return this.#isRunning;
  }

  /** Does it next; returns how to cancel that. `goesOn`: asked for by work that had the turn before. */
  next(callback: () => void, goesOn: boolean): () => void {
    const nowMs = performance.now();
    if (goesOn) this.#unseenFromMs ??= nowMs;
    const isDue = goesOn && nowMs - this.#unseenFromMs! >= UNSEEN_MS;
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

const turns = new Turns();
