/** Commands that are made only when their turn comes, and that belong to one life of their actor. */

/** An event or outcome together with the function that makes it a command. */
export class Deferred {
  readonly #toCommand: (value: never) => unknown;
  readonly value: unknown;

  constructor(toCommand: (value: never) => unknown, value: unknown) {
    this.#toCommand = toCommand;
    this.value = value;
  }

  command(): unknown {
    return this.#toCommand(this.value as never);
  }
}

/** Something that came unasked (an inlet was called, a topic spoke): the one kind that a full mailbox may lose. */
export class OutsideEvent extends Deferred {}

/** A timer of an actor; it stays here until its command is handled, so that cancelling works even after it fired. */
export class TimerEntry {
  readonly key: string;
  readonly message: unknown;
  /** Stops the clock's timer. */
  stop: () => void = () => {};
  cancelled = false;

  constructor(key: string, message: unknown) {
    this.key = key;
    this.message = message;
  }
}

/** The timers of one actor by key. */
export class Timers {
  #entries: Map<string, TimerEntry> | undefined;

  /** Makes `entry` the timer of its key; an earlier one is cancelled. */
  set(entry: TimerEntry): void {
    this.cancel(entry.key);
    (this.#entries ??= new Map()).set(entry.key, entry);
  }

  cancel(key: string): void {
    const entry = this.#entries?.get(key);
    if (entry === undefined) return;
    entry.cancelled = true;
    entry.stop();
    this.#entries?.delete(key);
  }

  /** The command of a timer that fired; undefined when it was cancelled meanwhile. */
  take(entry: TimerEntry): { readonly message: unknown } | undefined {
    if (entry.cancelled) return undefined;
    this.#entries?.delete(entry.key);
    return entry;
  }

  cancelAll(): void {
    if (this.#entries === undefined) return;
    for (const entry of this.#entries.values()) {
      entry.cancelled = true;
      entry.stop();
    }
    this.#entries = undefined;
  }
}
