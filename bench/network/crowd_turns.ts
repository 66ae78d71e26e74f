/** Turns of the devices that a process of a crowd stands for. */
import type { Clock } from "../../platform/ports.ts";

/** So many looks at the connection may bring something before the next one acts all the same. */
const LOOKS_MAX = 64;

/**
 * Lets the runs of a process act one after the other, and each only when its connection has nothing more to say: else a step that takes each of 250 devices 30 ms would keep
 * all their sessions from answering for as long as it takes them together, which no device on its own would know.
 */
export class Turns {
  readonly #clock: Pick<Clock, "schedule">;
  #waiting: (() => void)[] = [];
  #at = 0;
  #looks = 0;
  #hasHeard = false;

  constructor(clock: Pick<Clock, "schedule">) {
    this.#clock = clock;
  }

  /** Something has come over the connection. */
  heard(): void {
    this.#hasHeard = true;
  }

  /** Does it when its turn has come. */
  take(act: () => void): void {
    this.#waiting.push(act);
    if (this.#waiting.length === 1) this.#look();
  }

  #look(): void {
    this.#hasHeard = false;
    this.#clock.schedule(0, () => this.#next());
  }

  #next(): void {
    if (this.#hasHeard && this.#looks++ < LOOKS_MAX) return this.#look();
    this.#looks = 0;
    this.#waiting[this.#at++]!();
    if (this.#at === this.#waiting.length) {
      this.#waiting = [];
      this.#at = 0;
    } else this.#look();
  }
}
