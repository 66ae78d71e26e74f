/** A clock that stands still until a test moves it. */
import { type Dispatcher, runTask, type Turn } from "../../../actors/kernel/dispatcher.ts";
import type { Clock } from "../../../platform/ports.ts";

/** Virtual time: nothing happens unless `run` says so. */
export class TestTime implements Clock {
  nowMs = 0;
  #queue: { readonly dueMs: number; readonly order: number; readonly callback: () => void }[] = [];
  #order = 0;

  wallMs(): number {
    return 1_700_000_000_000 + this.nowMs;
  }
  monotonicMs(): number {
    return this.nowMs;
  }
  schedule(delayMs: number, callback: () => void): () => void {
    const entry = { dueMs: this.nowMs + Math.max(0, delayMs), order: this.#order++, callback };
    this.#queue.push(entry);
    return () => this.#queue = this.#queue.filter((other) => other !== entry);
  }
  /** Lets `ms` pass; promises of tasks settle in between. */
  async run(ms: number): Promise<void> {
    const untilMs = this.nowMs + ms;
    while (true) {
      await Promise.resolve();
      let next = this.#queue[0];
      for (const entry of this.#queue) {
        if (
          next === undefined || entry.dueMs < next.dueMs ||
          (entry.dueMs === next.dueMs && entry.order < next.order)
        ) next = entry;
      }
      if (next === undefined || next.dueMs > untilMs) break;
      this.#queue.splice(this.#queue.indexOf(next), 1);
      this.nowMs = Math.max(this.nowMs, next.dueMs);
      next.callback();
    }
    this.nowMs = untilMs;
  }
  dispatcher(): Dispatcher {
    const again = (turn: Turn): void => {
      if (turn.run()) this.schedule(0, () => again(turn));
    };
    return {
      ready: (turn) => void this.schedule(0, () => again(turn)),
      perform: (task, settled) => runTask(task, settled),
    };
  }
}
