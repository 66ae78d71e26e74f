/** Whose turn it is, and where tasks run. The production pump is here; the simulated world brings its own. */
import type { Clock } from "../../platform/ports.ts";
import type { TaskOutcome } from "./actor.ts";

/** Something that can be given a turn: an actor with commands waiting. */
export interface Turn {
  /** Handles a bounded number of commands. True: there is more, and the dispatcher gives another turn later. */
  run(): boolean;
}

/** What an actor system asks of its host. */
export interface Dispatcher {
  /** `turn` has work. Called once; again only after `run` returned false. Must not run it inside this call. */
  ready(turn: Turn): void;
  /** Starts `task` and calls `settled` once. */
  perform<T>(task: () => Promise<T> | T, settled: (outcome: TaskOutcome<T>) => void): void;
  /** The outside was called (an ask was answered, a listener ran): a simulated host lets it react before it goes on. */
  outsideCalled?(): void;
}

/** How long turns may run before sockets and timers get theirs, ms. */
export const FAIRNESS_BUDGET_MS = 4;

/**
 * Production: turns run in microtasks, so that a quiet node answers at once; after `budgetMs` of work the pump waits for a
 * macrotask, so that a busy node still hears its sockets and timers. Microtasks that keep waking each other share one budget.
 */
export function pump(clock: Clock, budgetMs: number = FAIRNESS_BUDGET_MS): Dispatcher {
  return new Pump(clock, budgetMs);
}

class Pump implements Dispatcher {
  readonly #clock: Clock;
  readonly #budgetMs: number;
  readonly #drain = (): void => this.#run();
  #turns: Turn[] = [];
  #next: Turn[] = [];
  #at = 0;
  #drainQueued = false;
  /** When this slice (everything between two macrotasks) must end; 0 between slices. */
  #sliceEndsMs = 0;

  constructor(clock: Clock, budgetMs: number) {
    this.#clock = clock;
    this.#budgetMs = budgetMs;
  }

  ready(turn: Turn): void {
    this.#next.push(turn);
    if (this.#drainQueued) return;
    this.#drainQueued = true;
    queueMicrotask(this.#drain);
  }

  perform<T>(task: () => Promise<T> | T, settled: (outcome: TaskOutcome<T>) => void): void {
    runTask(task, settled);
  }

  #run(): void {
    if (this.#sliceEndsMs === 0) {
      this.#sliceEndsMs = this.#clock.monotonicMs() + this.#budgetMs;
      this.#clock.schedule(0, () => this.#startSlice());
    }
    for (;;) {
      if (this.#at === this.#turns.length) {
        if (this.#next.length === 0) break;
        this.#turns.length = 0;
        this.#at = 0;
        [this.#turns, this.#next] = [this.#next, this.#turns];
      }
      const turn = this.#turns[this.#at++]!;
      if (turn.run()) this.#next.push(turn);
      // The macrotask that is scheduled already goes on from here; `drainQueued` stays set until then.
      if (this.#clock.monotonicMs() >= this.#sliceEndsMs) return;
    }
    this.#drainQueued = false;
  }

  #startSlice(): void {
    this.#sliceEndsMs = 0;
    if (this.#at < this.#turns.length || this.#next.length > 0) {
      this.#drainQueued = true;
      this.#run();
    } else {
      this.#drainQueued = false;
    }
  }
}

/** Runs a task whether it answers now or later, throws or rejects; `settled` hears once. */
export function runTask<T>(
  task: () => Promise<T> | T,
  settled: (outcome: TaskOutcome<T>) => void,
): void {
  let started: Promise<T> | T;
  try {
    started = task();
  } catch (error) {
    settled({ ok: false, error });
    return;
  }
  if (!isThenable(started)) {
    settled({ ok: true, value: started });
    return;
  }
  started.then(
    (value) => settled({ ok: true, value }),
    (error: unknown) => settled({ ok: false, error }),
  );
}

function isThenable<T>(value: Promise<T> | T): value is Promise<T> {
  return typeof value === "object" && value !== null &&
    typeof (value as { then?: unknown }).then === "function";
}
