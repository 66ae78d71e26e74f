/**
 * Has a worker write what SQLite's write-ahead log holds back into the database file, so that whoever stores much does not wait
 * for it. One lane serves any number of databases. The worker starts when it is asked to and ends when it was idle for a while,
 * so that a quiet node pays nothing; when it cannot start or dies, the lane says so and the caller checkpoints by itself.
 */

/** What the worker is asked; it answers each with a `CheckpointReply`, in order. */
export interface CheckpointRequest {
  /** `begin`: nothing, to learn that the worker is there. `release`: to close the database; `end`: all of them. */
  readonly type: "begin" | "checkpoint" | "release" | "end";
  /** The database file; empty where none is meant. */
  readonly path: string;
}

export interface CheckpointReply {
  /** Why it could not be done; null when it was done, as far as other connections let it. */
  readonly problem: string | null;
}

export interface CheckpointLaneOptions {
  /** The worker ends after this long without work. Default 10,000 ms. */
  readonly idleMs?: number;
  /** Starts the worker; replaced in tests. Default: `checkpoint_worker.ts`. */
  readonly startWorker?: () => Worker;
}

/** Who waits for an answer; it gets null when the worker died before. */
type Waiting = (reply: CheckpointReply | null) => void;

/** One worker, which answers in the order in which it was asked. */
export class CheckpointLane {
  readonly #options: CheckpointLaneOptions;
  #worker: Worker | undefined;
  /** Of the worker that runs now. */
  #open: Waiting[] = [];
  #ready = false;
  #broken = false;
  #idleTimer: ReturnType<typeof setTimeout> | undefined;
  /** Resolved when no worker is on its way out. */
  #ended: Promise<unknown> = Promise.resolve();

  constructor(options: CheckpointLaneOptions = {}) {
    this.#options = options;
  }

  /** True while a worker runs that has answered: its modules are loaded. */
  get ready(): boolean {
    return this.#ready;
  }

  /** Starts the worker unless one runs, or has turned out not to work here. */
  start(): void {
    if (this.#broken || this.#worker !== undefined) return;
    try {
      this.#worker = this.#startWorker();
    } catch {
      this.#broken = true;
      return;
    }
    void this.#ask({ type: "begin", path: "" });
  }

  /** Checkpoints a database once, without making anyone wait (PASSIVE). False when it failed or no worker is there. */
  async checkpoint(path: string): Promise<boolean> {
    const reply = await this.#ask({ type: "checkpoint", path });
    return reply !== null && reply.problem === null;
  }

  /** Closes the worker's connection to a database. Resolves when none is left, also when the worker has died. */
  async release(path: string): Promise<void> {
    await Promise.all([this.#ended, this.#ask({ type: "release", path })]);
  }

  /** Closes what the worker has open and ends it. The lane may be used again. */
  async close(): Promise<void> {
    clearTimeout(this.#idleTimer);
    const worker = this.#worker;
    if (worker !== undefined) {
      const ended = this.#ask({ type: "end", path: "" });
      // From here on a new request starts anew. Whoever still waits is answered by the one that ends.
      const open = this.#open;
      this.#forget();
      worker.onmessage = ({ data }: MessageEvent<CheckpointReply>) => open.shift()?.(data);
      worker.onerror = (event) => {
        event.preventDefault();
        for (const waiting of open.splice(0)) waiting(null);
      };
      this.#ended = Promise.all([this.#ended, ended.then(() => worker.terminate())]);
    }
    await this.#ended;
  }

  #ask(request: CheckpointRequest): Promise<CheckpointReply | null> {
    const worker = this.#worker;
    if (worker === undefined) return Promise.resolve(null);
    clearTimeout(this.#idleTimer);
    return new Promise((answered) => {
      this.#open.push(answered);
      worker.postMessage(request);
    });
  }

  #startWorker(): Worker {
    const worker = this.#options.startWorker?.() ??
      new Worker(new URL("./checkpoint_worker.ts", import.meta.url), { type: "module" });
    worker.onmessage = ({ data }: MessageEvent<CheckpointReply>) => {
      this.#ready = true;
      this.#open.shift()?.(data);
      if (this.#open.length > 0) return;
      this.#idleTimer = setTimeout(() => void this.close(), this.#options.idleMs ?? 10_000);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      this.#fail();
    };
    return worker;
  }

  #fail(): void {
    this.#broken = true;
    clearTimeout(this.#idleTimer);
    this.#worker?.terminate();
    const open = this.#open;
    this.#forget();
    for (const waiting of open) waiting(null);
  }

  #forget(): void {
    this.#worker = undefined;
    this.#ready = false;
    this.#open = [];
  }
}
