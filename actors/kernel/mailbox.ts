/** The queue in front of an actor: a ring that grows up to its bound. Its owner decides what happens at the bound. */

const FIRST_SLOTS = 8;

/** First in, first out. Beside every message stands a tag: 0 for a command as it is, else the life it belongs to. */
export class Mailbox {
  #messages: unknown[] = [];
  #tags: number[] = [];
  #head = 0;
  /** Messages waiting. */
  length = 0;

  push(message: unknown, tag: number): void {
    if (this.length === this.#messages.length) this.#grow();
    const at = (this.#head + this.length) & (this.#messages.length - 1);
    this.#messages[at] = message;
    this.#tags[at] = tag;
    this.length++;
  }

  /** The tag of the oldest message; only while `length` > 0. */
  headTag(): number {
    return this.#tags[this.#head]!;
  }

  /** Takes the oldest message; only while `length` > 0. */
  shift(): unknown {
    const at = this.#head;
    const message = this.#messages[at];
    this.#messages[at] = undefined;
    this.#head = (at + 1) & (this.#messages.length - 1);
    this.length--;
    return message;
  }

  /** Takes out the oldest message for which `matches` holds; undefined when none does. Costs a walk over the queue. */
  take(
    matches: (message: unknown, tag: number) => boolean,
  ): { readonly message: unknown; readonly tag: number } | undefined {
    let found: { message: unknown; tag: number } | undefined;
    for (let left = this.length; left > 0; left--) {
      const tag = this.headTag();
      const message = this.shift();
      if (found === undefined && matches(message, tag)) found = { message, tag };
      else this.push(message, tag);
    }
    return found;
  }

  #grow(): void {
    const size = this.#messages.length;
    const messages = new Array<unknown>(size === 0 ? FIRST_SLOTS : size * 2).fill(undefined);
    const tags = new Array<number>(messages.length).fill(0);
    for (let i = 0; i < size; i++) {
      const from = (this.#head + i) & (size - 1);
      messages[i] = this.#messages[from];
      tags[i] = this.#tags[from]!;
    }
    this.#messages = messages;
    this.#tags = tags;
    this.#head = 0;
  }
}
