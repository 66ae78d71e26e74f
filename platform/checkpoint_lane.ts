/**
 * Has a worker write what SQLite's write-ahead log holds back into the database file, so that whoever stores much does not wait
 * for it. One lane serves any number of databases. The worker starts when it is asked to and ends when it was idle for a while,
 * so that a quiet node pays nothing; when it cannot start or dies, the lane says so and the caller checkpoints by itself.
 */
import { OrderedWorker } from "./ordered_worker.ts";

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

/** One worker, which answers in the order in which it was asked. */
export class CheckpointLane {
  readonly #worker: OrderedWorker<CheckpointRequest, CheckpointReply>;

  constructor(options: CheckpointLaneOptions = {}) {
    this.#worker = new OrderedWorker({
      startWorker: options.startWorker ?? startCheckpointWorker,
      idleMs: options.idleMs ?? 10_000,
      last: { type: "end", path: "" },
    });
  }

  /** True while a worker runs that has answered: its modules are loaded. */
  get ready(): boolean {
    return this.#worker.ready;
  }

  /** Starts the worker unless one runs, or has turned out not to work here. */
  start(): void {
    if (this.#worker.started) return;
    this.#worker.start();
    void this.#worker.ask({ type: "begin", path: "" });
  }

  /** Checkpoints a database once, without making anyone wait (PASSIVE). False when it failed or no worker is there. */
  async checkpoint(path: string): Promise<boolean> {
    const reply = await this.#worker.ask({ type: "checkpoint", path });
    return reply !== null && reply.problem === null;
  }

  /** Closes the worker's connection to a database. Resolves when none is left, also when the worker has died. */
  async release(path: string): Promise<void> {
    await Promise.all([this.#worker.ended, this.#worker.ask({ type: "release", path })]);
  }

  /** Closes what the worker has open and ends it. The lane may be used again. */
  async close(): Promise<void> {
    await this.#worker.close();
  }
}

function startCheckpointWorker(): Worker {
  return new Worker(new URL("./checkpoint_worker.ts", import.meta.url), { type: "module" });
}
