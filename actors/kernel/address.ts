/** Refs as the kernel makes them: a path that remembers which actor last answered to it. */
import type { Ref } from "./actor.ts";

/** What a ref can lead to. */
export interface Destination {
  /** False once it has ended for good; the path may then lead to a successor. */
  isOpen(): boolean;
  /** Takes one command. Never throws. */
  accept(message: unknown): void;
  /** The actor system it belongs to. */
  readonly home: object;
}

/** A path with a remembered destination, which is only a shortcut: the path decides. */
export class Address<Message> implements Ref<Message> {
  declare readonly __accepts?: (message: Message) => void;
  readonly path: string;
  // Private, so that comparing, printing or cloning a ref never walks into an actor.
  #destination: Destination | undefined;

  constructor(path: string) {
    this.path = path;
  }

  /** Where `ref` leads if it is known to be open and part of `home`. */
  static destinationOf(ref: Ref<never>, home: object): Destination | undefined {
    if (!(#destination in ref)) return undefined;
    const destination = ref.#destination;
    if (destination === undefined || destination.home !== home || !destination.isOpen()) {
      return undefined;
    }
    return destination;
  }

  /** Remembers where `ref` leads. */
  static remember(ref: Ref<never>, destination: Destination): void {
    if (#destination in ref) ref.#destination = destination;
  }
}

/** A ref to whoever lives at `path` ("node/storage"), now or later. For wiring a tree whose paths are known. */
export function refAt<Message>(path: string): Ref<Message> {
  return new Address<Message>(path);
}
