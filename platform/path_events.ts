/** What a path tells its one listener. What comes while nobody listens waits; nothing overtakes it, and nothing follows `closed`. */
import type { PathEvent } from "./transport.ts";

/** Between a path, which delivers, and its listener, who may come late or change. */
export class PathEvents {
  #listener: ((event: PathEvent) => void) | undefined;
  #waiting: PathEvent[] = [];
  #waitingBytes = 0;
  /** What waits is being told: a listener may cause the next event itself, by closing the path for one. */
  #telling = false;
  #closed = false;

  /** Bytes of the frames that wait for a listener. The path decides how many are too many. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** True while somebody listens. */
  get isHeard(): boolean {
    return this.#listener !== undefined;
  }

  /** Tells the listener, or keeps the event for the next one. */
  deliver(event: PathEvent): void {
    if (this.#closed) return;
    this.#closed = event.type === "closed";
    if (this.#listener !== undefined && !this.#telling) return this.#listener(event);
    this.#waiting.push(event);
    if (event.type === "frame") this.#waitingBytes += event.frame.length;
  }

  /** Sets the only listener, who is told what waits first. */
  listen(listener: (event: PathEvent) => void): void {
    this.#listener = listener;
    if (this.#telling) return;
    this.#telling = true;
    let told = 0;
    try {
      while (told < this.#waiting.length && this.#listener !== undefined) {
        const event = this.#waiting[told++]!;
        if (event.type === "frame") this.#waitingBytes -= event.frame.length;
        this.#listener(event);
      }
    } finally {
      this.#waiting.splice(0, told);
      this.#telling = false;
    }
  }

  /** From now on events wait for the next `listen`. */
  hold(): void {
    this.#listener = undefined;
  }
}
