/** What will happen, ordered by (time, sequence): equal times happen in the order in which they were asked for. */

export interface QueuedEvent {
  readonly atMs: number;
  readonly sequence: number;
  /** What kind of event, for the trace. */
  readonly label: string;
  /** Undefined once it has been cancelled. */
  run: (() => void) | undefined;
}

/** A binary heap. Cancelled events stay until they come up, or until half of the heap is cancelled. */
export class EventQueue {
  #heap: QueuedEvent[] = [];
  #sequence = 0;
  #cancelled = 0;

  /** Events that will happen. */
  get size(): number {
    return this.#heap.length - this.#cancelled;
  }

  /** Adds an event. Returns a function that cancels it; later calls of it do nothing. */
  add(atMs: number, label: string, run: () => void): () => void {
    const event: QueuedEvent = { atMs, sequence: this.#sequence++, label, run };
    this.#heap.push(event);
    this.#up(this.#heap.length - 1);
    return () => {
      if (event.run === undefined) return;
      event.run = undefined;
      this.#cancelled++;
      if (this.#cancelled > 1024 && this.#cancelled * 2 > this.#heap.length) this.#sweep();
    };
  }

  /** When the next event happens; undefined when nothing will. */
  nextMs(): number | undefined {
    this.#dropCancelled();
    return this.#heap[0]?.atMs;
  }

  /** Takes the next event. Its `run` is undefined afterwards: it can no longer be cancelled. */
  take(): { readonly event: QueuedEvent; readonly run: () => void } | undefined {
    this.#dropCancelled();
    const event = this.#heap[0];
    if (event === undefined || event.run === undefined) return undefined;
    const run = event.run;
    event.run = undefined;
    this.#removeFirst();
    return { event, run };
  }

  #dropCancelled(): void {
    while (this.#heap.length > 0 && this.#heap[0]!.run === undefined) {
      this.#removeFirst();
      this.#cancelled--;
    }
  }

  #removeFirst(): void {
    const last = this.#heap.pop()!;
    if (this.#heap.length === 0) return;
    this.#heap[0] = last;
    this.#down(0);
  }

  #sweep(): void {
    this.#heap = this.#heap.filter((event) => event.run !== undefined);
    this.#cancelled = 0;
    for (let i = (this.#heap.length >> 1) - 1; i >= 0; i--) this.#down(i);
  }

  #up(from: number): void {
    const heap = this.#heap;
    const event = heap[from]!;
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isEarlier(event, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = event;
  }

  #down(from: number): void {
    const heap = this.#heap;
    const event = heap[from]!;
    let at = from;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isEarlier(heap[child + 1]!, heap[child]!)) child++;
      if (!isEarlier(heap[child]!, event)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = event;
  }
}

function isEarlier(a: QueuedEvent, b: QueuedEvent): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.sequence < b.sequence);
}
