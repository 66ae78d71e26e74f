/**
 * Verifies large sets of signatures on other cores. Workers start with the first large set and end when they were idle for
 * a while, so that a quiet node pays nothing. When a worker cannot start or dies, the pool says so and the caller
 * verifies by itself.
 */
import { type BatchReply, type BatchRequest, packBatch } from "./crypto_batch.ts";
import type { SignedMessage } from "./ports.ts";

export interface VerifyPoolOptions {
  readonly workersMax: number;
  /** Signatures a worker gets at once at most; smaller sets are divided among the workers, but not below `BATCH_MIN`. */
  readonly batchSize: number;
  /** Workers end after this long without work. */
  readonly idleMs: number;
  /** Starts a worker; replaced in tests. Default: `crypto_worker.ts`. */
  readonly startWorker?: () => Worker;
}

/** Below this, sending costs more than another core brings. Measured with two workers: 64 gives ×1.06, 256 and more ×1.5 to ×2. */
const BATCH_MIN = 128;

interface Job {
  readonly signed: readonly SignedMessage[];
  readonly from: number;
  readonly to: number;
  readonly done: (verdicts: Uint8Array | undefined) => void;
}

interface Lane {
  readonly worker: Worker;
  job: Job | null;
  /** It has answered: its modules are loaded. */
  ready: boolean;
}

/** A set of workers with one batch each at most; what waits is a list of ranges, not of copies. */
export class VerifyPool {
  readonly #options: VerifyPoolOptions;
  readonly #lanes: Lane[] = [];
  readonly #waiting: Job[] = [];
  #idleTimer: ReturnType<typeof setTimeout> | undefined;
  #broken = false;

  constructor(options: VerifyPoolOptions) {
    this.#options = options;
  }

  /** False once workers turned out not to work here. */
  get usable(): boolean {
    return !this.#broken && this.#options.workersMax > 0;
  }

  /** True when a worker is there that need not start first. */
  get warm(): boolean {
    return this.#lanes.some((lane) => lane.ready);
  }

  /** Starts the workers, each with a set of nothing, unless they run or are about to. */
  start(): void {
    if (!this.usable || this.#lanes.length > 0) return;
    for (let i = 0; i < this.#options.workersMax; i++) {
      this.#waiting.push({ signed: [], from: 0, to: 0, done: () => {} });
    }
    this.#pump();
  }

  /** Verdicts in order of input; undefined when the workers failed and the caller must do it. */
  async verify(signed: readonly SignedMessage[]): Promise<boolean[] | undefined> {
    const parts: Promise<Uint8Array | undefined>[] = [];
    const { batchSize, workersMax } = this.#options;
    const share = Math.ceil(signed.length / workersMax);
    const size = Math.min(batchSize, Math.max(BATCH_MIN, share));
    for (let from = 0; from < signed.length; from += size) {
      const to = Math.min(from + size, signed.length);
      parts.push(
        new Promise((done) => {
          this.#waiting.push({ signed, from, to, done });
        }),
      );
    }
    this.#pump();
    const verdicts: boolean[] = [];
    for (const part of await Promise.all(parts)) {
      if (part === undefined) return undefined;
      for (const verdict of part) verdicts.push(verdict === 1);
    }
    return verdicts;
  }

  /** Ends the workers. Batches that are under way are answered with "do it yourself". */
  close(): void {
    clearTimeout(this.#idleTimer);
    for (const lane of this.#lanes.splice(0)) {
      lane.worker.terminate();
      lane.job?.done(undefined);
    }
    for (const job of this.#waiting.splice(0)) job.done(undefined);
  }

  #pump(): void {
    clearTimeout(this.#idleTimer);
    while (this.#waiting.length > 0) {
      const lane = this.#freeLane();
      if (lane === undefined) break;
      const job = this.#waiting.shift() as Job;
      lane.job = job;
      const request: BatchRequest = { packed: packBatch(job.signed.slice(job.from, job.to)) };
      lane.worker.postMessage(request, [request.packed]);
    }
    if (this.#lanes.some((lane) => lane.job !== null)) return;
    if (this.#lanes.length > 0) {
      this.#idleTimer = setTimeout(() => this.close(), this.#options.idleMs);
    }
  }

  #freeLane(): Lane | undefined {
    const free = this.#lanes.find((lane) => lane.job === null);
    if (free !== undefined || this.#lanes.length >= this.#options.workersMax) return free;
    if (this.#broken) return undefined;
    try {
      return this.#startLane();
    } catch {
      this.#fail();
      return undefined;
    }
  }

  #startLane(): Lane {
    const worker = this.#options.startWorker?.() ??
      new Worker(new URL("./crypto_worker.ts", import.meta.url), { type: "module" });
    const lane: Lane = { worker, job: null, ready: false };
    worker.onmessage = (event: MessageEvent<BatchReply>) => {
      const job = lane.job;
      lane.job = null;
      lane.ready = true;
      job?.done(new Uint8Array(event.data.verdicts));
      this.#pump();
    };
    worker.onerror = (event) => {
      event.preventDefault();
      this.#fail();
    };
    this.#lanes.push(lane);
    return lane;
  }

  #fail(): void {
    this.#broken = true;
    this.close();
  }
}
