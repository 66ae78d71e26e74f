/**
 * The MaskWork port on other cores. A vector is cut into one stretch for each worker; all jobs are applied to each stretch, so that nothing has to be added up in the end. Workers start
 * with the first large vector and end when they were idle for a while. What a worker that dies had in hand is done here, in small pieces.
 */
import { applyMasks, type MaskJob, type MaskWork } from "../learning/secure/mask_work.ts";
import type { MaskReply, MaskRequest } from "./mask_messages.ts";
import { nodeMaskStream } from "./mask_stream.ts";

export interface WorkerMaskWorkOptions {
  /** Stretches at the same time, ≥ 1. Default: one core is left for everything else. */
  readonly workersMax?: number;
  /** Workers end after this long without work. Default 60,000 ms. */
  readonly idleMs?: number;
  /** Numbers times jobs below which handing over costs more than it saves. Default 2^18, less than a millisecond's work. */
  readonly inlineBelow?: number;
  /** Starts a worker; replaced in tests. Default: `mask_worker.ts`. */
  readonly startWorker?: () => Worker;
}

/** Numbers of one block of the stream: stretches begin where a block does. */
const BLOCK_NUMBERS = 16;
/** Numbers masked here at once when a worker has died: a few milliseconds with many jobs. */
const PIECE_NUMBERS = 64 * 1024;

/** A stretch of a vector on its way. */
interface Stretch {
  readonly target: Uint32Array<ArrayBuffer>;
  readonly from: number;
  readonly to: number;
  readonly jobs: readonly MaskJob[];
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

interface Lane {
  readonly worker: Worker;
  readonly stretches: Map<number, Stretch>;
}

/** The adapter for devices. */
export class WorkerMaskWork implements MaskWork {
  readonly #options: Required<WorkerMaskWorkOptions>;
  readonly #masks = nodeMaskStream();
  readonly #lanes: Lane[] = [];
  #parts = 0;
  #idleTimer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor(options: WorkerMaskWorkOptions = {}) {
    this.#options = {
      workersMax: options.workersMax ?? Math.max(1, navigator.hardwareConcurrency - 1),
      idleMs: options.idleMs ?? 60_000,
      inlineBelow: options.inlineBelow ?? 2 ** 18,
      startWorker: options.startWorker ?? startMaskWorker,
    };
    const { workersMax } = this.#options;
    if (!Number.isInteger(workersMax) || workersMax < 1) {
      throw new RangeError(
        `Cannot mask with ${workersMax} workers: expected an integer of at least 1`,
      );
    }
  }

  /** Workers that run now. */
  get workers(): number {
    return this.#lanes.length;
  }

  async apply(target: Uint32Array<ArrayBuffer>, jobs: readonly MaskJob[]): Promise<void> {
    if (this.#closed) throw closed();
    if (target.length * jobs.length < this.#options.inlineBelow) {
      return applyMasks(target, jobs, this.#masks);
    }
    clearTimeout(this.#idleTimer);
    const { workersMax } = this.#options;
    const blocks = Math.ceil(target.length / BLOCK_NUMBERS);
    const step = Math.ceil(blocks / workersMax) * BLOCK_NUMBERS;
    const stretches: Promise<void>[] = [];
    for (let from = 0; from < target.length; from += step) {
      const to = Math.min(target.length, from + step);
      stretches.push(this.#ask(stretches.length, { target, from, to, jobs }));
    }
    await Promise.all(stretches);
    this.#rest();
  }

  pause(): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, 0));
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#idleTimer);
    for (const { worker, stretches } of this.#lanes.splice(0)) {
      worker.terminate();
      for (const { reject } of stretches.values()) reject(closed());
    }
  }

  async #ask(
    at: number,
    { target, from, to, jobs }: Omit<Stretch, "resolve" | "reject">,
  ): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const stretch: Stretch = { target, from, to, jobs, resolve, reject };
    const lane = this.#lane(at);
    if (lane === undefined) return await this.#here(stretch);
    const part = this.#parts++;
    lane.stretches.set(part, stretch);
    const words = target.slice(from, to);
    const request: MaskRequest = { part, words, jobs, counter: from / BLOCK_NUMBERS };
    lane.worker.postMessage(request, [words.buffer]);
    await promise;
  }

  /** The worker of a place; undefined where none can be started. */
  #lane(at: number): Lane | undefined {
    const known = this.#lanes[at];
    if (known !== undefined) return known;
    let worker: Worker;
    try {
      worker = this.#options.startWorker();
    } catch {
      return undefined;
    }
    const lane: Lane = { worker, stretches: new Map() };
    worker.onmessage = ({ data }: MessageEvent<MaskReply>) => {
      const stretch = lane.stretches.get(data.part);
      if (stretch === undefined) return;
      lane.stretches.delete(data.part);
      stretch.target.set(data.words, stretch.from);
      stretch.resolve();
    };
    worker.onerror = (event) => {
      event.preventDefault();
      this.#onDeath(lane);
    };
    worker.onmessageerror = () => this.#onDeath(lane);
    this.#lanes.push(lane);
    return lane;
  }

  #onDeath(lane: Lane): void {
    lane.worker.terminate();
    const at = this.#lanes.indexOf(lane);
    if (at >= 0) this.#lanes.splice(at, 1);
    const stretches = [...lane.stretches.values()];
    lane.stretches.clear();
    // The target still is what it was: only a reply changes it.
    for (const stretch of stretches) {
      this.#here(stretch).then(stretch.resolve, stretch.reject);
    }
  }

  async #here({ target, from, to, jobs }: Stretch): Promise<void> {
    for (let at = from; at < to; at += PIECE_NUMBERS) {
      if (this.#closed) throw closed();
      const piece = target.subarray(at, Math.min(to, at + PIECE_NUMBERS));
      applyMasks(piece, jobs, this.#masks, at / BLOCK_NUMBERS);
      await this.pause();
    }
  }

  #rest(): void {
    clearTimeout(this.#idleTimer);
    if (this.#closed || this.#lanes.some(({ stretches }) => stretches.size > 0)) return;
    this.#idleTimer = setTimeout(() => {
      for (const { worker } of this.#lanes.splice(0)) worker.terminate();
    }, this.#options.idleMs);
  }
}

function startMaskWorker(): Worker {
  return new Worker(new URL("./mask_worker.ts", import.meta.url), { type: "module" });
}

function closed(): Error {
  return new Error("Cannot mask: the mask work is closed");
}
