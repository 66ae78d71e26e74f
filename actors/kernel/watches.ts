/** Who watches whom, from the side of one actor. */
import type { ExitReason } from "./actor.ts";

/** Both ends of a watch forget it when one of them ends a life, so that nothing is kept of actors long gone. */
export class Watches {
  #watchers: { readonly by: Watches; readonly tell: (reason: ExitReason) => void }[] = [];
  #watched: Set<Watches> | undefined;

  /** From now on `tell` hears when the actor of `target` ends. */
  add(target: Watches, tell: (reason: ExitReason) => void): void {
    target.#watchers.push({ by: this, tell });
    (this.#watched ??= new Set()).add(target);
  }

  /** This actor has ended: everyone who watches it hears. */
  tellEnd(reason: ExitReason): void {
    const watchers = this.#watchers;
    this.#watchers = [];
    for (const { by, tell } of watchers) {
      by.#watched?.delete(this);
      tell(reason);
    }
  }

  /** This actor's life ends: it watches nobody any more. */
  forgetWatched(): void {
    for (const target of this.#watched ?? []) {
      target.#watchers = target.#watchers.filter(({ by }) => by !== this);
    }
    this.#watched = undefined;
  }
}
