/**
 * The MaskWork port on other cores. A vector is cut into one stretch for each worker; all jobs are applied to each stretch, so that nothing has to be added up in the end. Keys are made in equal shares. Workers start
 * with the first large vector, or some keys, and end when they were idle for a while. What a worker that dies had in hand is done here, in small pieces.
 */
import { maskKeys, type MaskOrder } from "../learning/secure/mask_keys.ts";
import { applyMasks, type MaskJob, type MaskWork } from "../learning/secure/mask_work.ts";
import type { ApplyRequest, KeysRequest, MaskReply, MaskRequest } from "./mask_messages.ts";
import { nodeMaskStream } from "./mask_stream.ts";
import { nodeCrypto } from "./node_crypto.ts";

export interface WorkerMaskWorkOptions {
  /** Stretches at the same time, ≥ 1. Default: one core is left for everything else. */
  readonly workersMax?: number;
  /** Workers end after this long without work. Default 60,000 ms. */
  readonly idleMs?: number;
  /** Numbers times jobs below which handing over costs more than it saves. Default 2^18, less than a millisecond's work. */
  readonly inlineBelow?: number;
  /** Keys below which the same holds. Default 8. */
  readonly keysInlineBelow?: number;
  /** Starts a worker; replaced in tests. Default: `mask_worker.ts`. */
  readonly startWorker?: () => Worker;
}

/** Numbers of one block of the stream: stretches begin where a block does. */
const BLOCK_NUMBERS = 16;
/** Numbers masked here at once when a worker has died: a few milliseconds with many jobs. */
const PIECE_NUMBERS = 8 * 1024;
/** Keys made here at once then: a millisecond. */
const PIECE_KEYS = 8;

type Reply<Type extends MaskReply["type"]> = Extract<MaskReply, { readonly type: Type }>;

/** What a worker has in hand. */
interface Asked {
  readonly resolve: (reply: MaskReply) => void;
  readonly reject: (error: Error) => void;
}

interface Lane {
  readonly worker: Worker;
  readonly asked: Map<number, Asked>;
}

/** A worker has died: what it had in hand is to be done here. Caught in `#ask`. */
class DeadWorkerError extends Error {
  override readonly name = "DeadWorkerError";
}

/** The adapter for devices. */
export class WorkerMaskWork implements MaskWork {
  readonly #options: Required<WorkerMaskWorkOptions>;
  readonly #masks = nodeMaskStream();
  readonly #crypto = nodeCrypto({ workersMax: 0 });
  readonly #lanes: Lane[] = [];
  #parts = 0;
  #idleTimer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor(options: WorkerMaskWorkOptions = {}) {
    this.#options = {
      workersMax: options.workersMax ?? Math.max(1, navigator.hardwareConcurrency - 1),
      idleMs: options.idleMs ?? 60_000,
      inlineBelow: options.inlineBelow ?? 2 ** 18,
      keysInlineBelow: options.keysInlineBelow ?? PIECE_KEYS,
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

  async keys(orders: readonly MaskOrder[]): Promise<readonly MaskJob[]> {
    if (this.#closed) throw closed();
    if (orders.length < this.#options.keysInlineBelow) return maskKeys(this.#crypto, orders);
    clearTimeout(this.#idleTimer);
    const step = Math.ceil(orders.length / this.#options.workersMax);
    const shares: Promise<readonly MaskJob[]>[] = [];
    for (let from = 0; from < orders.length; from += step) {
      shares.push(this.#keysOf(shares.length, orders.slice(from, from + step)));
    }
    const jobs = (await Promise.all(shares)).flat();
    this.#rest();
    return jobs;
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
      stretches.push(this.#applyTo(stretches.length, { target, from, jobs, length: step }));
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
    for (const { worker, asked } of this.#lanes.splice(0)) {
      worker.terminate();
      for (const { reject } of asked.values()) reject(closed());
    }
  }

  /** The keys of a share of the orders. */
  async #keysOf(at: number, orders: readonly MaskOrder[]): Promise<readonly MaskJob[]> {
    const request: KeysRequest = { type: "keys", part: this.#parts++, orders };
    const reply = await this.#ask<"keys">(at, request, []);
    if (reply !== undefined) return reply.jobs;
    const jobs: MaskJob[] = [];
    for (let from = 0; from < orders.length; from += PIECE_KEYS) {
      if (this.#closed) throw closed();
      jobs.push(...maskKeys(this.#crypto, orders.slice(from, from + PIECE_KEYS)));
      await this.pause();
    }
    return jobs;
  }

  /** Masks the numbers of a vector from `from` on, `length` of them or as many as there are. */
  async #applyTo(
    at: number,
    { target, from, length, jobs }: {
      readonly target: Uint32Array<ArrayBuffer>;
      readonly from: number;
      readonly length: number;
      readonly jobs: readonly MaskJob[];
    },
  ): Promise<void> {
    const words = target.slice(from, from + length);
    const to = from + words.length;
    const counter = from / BLOCK_NUMBERS;
    const request: ApplyRequest = { type: "apply", part: this.#parts++, words, jobs, counter };
    const reply = await this.#ask<"apply">(at, request, [words.buffer]);
    if (reply !== undefined) return target.set(reply.words, from);
    // The target still is what it was: only a reply changes it.
    for (let at = from; at < to; at += PIECE_NUMBERS) {
      if (this.#closed) throw closed();
      const piece = target.subarray(at, Math.min(to, at + PIECE_NUMBERS));
      applyMasks(piece, jobs, this.#masks, at / BLOCK_NUMBERS);
      await this.pause();
    }
  }

  /** Has the worker of a place do it; undefined when there is none, or when it dies over it. */
  async #ask<Type extends MaskReply["type"]>(
    at: number,
    request: MaskRequest & { readonly type: Type },
    transfer: Transferable[],
  ): Promise<Reply<Type> | undefined> {
    const lane = this.#lane(at);
    if (lane === undefined) return undefined;
    const { promise, resolve, reject } = Promise.withResolvers<MaskReply>();
    lane.asked.set(request.part, { resolve, reject });
    lane.worker.postMessage(request, transfer);
    try {
      return await promise as Reply<Type>;
    } catch (error) {
      if (error instanceof DeadWorkerError) return undefined;
      throw error;
    }
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
    const lane: Lane = { worker, asked: new Map() };
    worker.onmessage = ({ data }: MessageEvent<MaskReply>) => {
      const asked = lane.asked.get(data.part);
      lane.asked.delete(data.part);
      asked?.resolve(data);
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
    const asked = [...lane.asked.values()];
    lane.asked.clear();
    for (const { reject } of asked) reject(new DeadWorkerError("a worker that masks has died"));
  }

  #rest(): void {
    clearTimeout(this.#idleTimer);
    if (this.#closed || this.#lanes.some(({ asked }) => asked.size > 0)) return;
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
