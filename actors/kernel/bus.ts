/** Topics for one-to-many events. */
import type { Topic } from "./actor.ts";

/**
 * Makes a topic. Its identity, not its name, decides who hears what. A `retained` topic tells its last event to everyone who
 * subscribes later: for facts that stay true until the next event, so that a restarted actor needs nobody to repeat them.
 */
export function topic<Event>(
  name: string,
  options: { readonly retained?: boolean } = {},
): Topic<Event> {
  return { name, retained: options.retained ?? false };
}

/** One who hears a topic. Must not throw. */
export type Subscriber = (event: unknown) => void;

/** Who hears which topic in one actor system, in the order in which they subscribed. */
export class Bus {
  readonly #subscribers = new Map<Topic<unknown>, readonly Subscriber[]>();
  readonly #last = new Map<Topic<unknown>, unknown>();

  /** Adds a subscriber. Returns a function that removes it; twice is harmless. */
  subscribe(to: Topic<unknown>, subscriber: Subscriber): () => void {
    this.#subscribers.set(to, [...(this.#subscribers.get(to) ?? []), subscriber]);
    if (this.#last.has(to)) subscriber(this.#last.get(to));
    return () => {
      const left = (this.#subscribers.get(to) ?? []).filter((other) => other !== subscriber);
      if (left.length > 0) this.#subscribers.set(to, left);
      else this.#subscribers.delete(to);
    };
  }

  /** Hands `event` to those who are subscribed now. Whoever subscribes meanwhile hears the next one. */
  publish(to: Topic<unknown>, event: unknown): void {
    if (to.retained) this.#last.set(to, event);
    const subscribers = this.#subscribers.get(to);
    if (subscribers === undefined) return;
    for (const subscriber of subscribers) subscriber(event);
  }
}
