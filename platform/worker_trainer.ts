/**
 * The Trainer port on other cores. Workers start with the first job and end when they were idle for a while; a device that does not train pays
 * nothing. Examples are put into shared memory once per data set, whatever the number of jobs and workers: a data set must not change after it
 * was handed in. A worker that dies is replaced, and its job begun anew, once.
 */
import {
  type Evaluation,
  type EvaluationJob,
  type Trainer,
  TrainingError,
  type TrainingJob,
  type TrainingOutcome,
  type TrainingProgress,
} from "../learning/trainer.ts";
import type {
  SharedJob,
  SharedNumbers,
  TrainingReply,
  TrainingRequest,
} from "./training_messages.ts";

export interface WorkerTrainerOptions {
  /** Jobs at the same time, ≥ 1. Default: one core is left for everything else. */
  readonly workersMax?: number;
  /** Workers end after this long without work. Default 60,000 ms. */
  readonly idleMs?: number;
  /** Starts a worker; replaced in tests. Default: `training_worker.ts`. */
  readonly startWorker?: () => Worker;
}

interface JobOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: TrainingProgress;
}

type Asked =
  | { readonly type: "train"; readonly job: SharedJob<TrainingJob> }
  | { readonly type: "evaluate"; readonly job: SharedJob<EvaluationJob> };

/** A job that waits or is under way. */
interface Task {
  readonly asked: Asked;
  readonly stop: Int32Array<SharedArrayBuffer>;
  readonly onProgress: TrainingProgress | undefined;
  readonly resolve: (outcome: TrainingOutcome | Evaluation) => void;
  readonly reject: (error: TrainingError) => void;
  /** Workers that died of it, or while they did it. */
  deaths: number;
}

interface Lane {
  readonly worker: Worker;
  task: Task | null;
}

/** A job is begun on this many workers at most; one that takes down two is given up. */
const DEATHS_MAX = 2;
/** Copied into shared memory at once, before others have a turn: about two milliseconds. */
const COPY_BYTES = 8 * 1024 * 1024;

export class WorkerTrainer implements Trainer {
  readonly #workersMax: number;
  readonly #idleMs: number;
  readonly #startWorker: () => Worker;
  readonly #lanes = new Set<Lane>();
  readonly #waiting: Task[] = [];
  /** The shared copy of each array; it goes when the array goes. */
  #shared = new WeakMap<Uint8Array | Float32Array, Promise<SharedNumbers>>();
  #idleTimer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor(options: WorkerTrainerOptions = {}) {
    this.#workersMax = options.workersMax ?? Math.max(1, navigator.hardwareConcurrency - 1);
    this.#idleMs = options.idleMs ?? 60_000;
    this.#startWorker = options.startWorker ?? startTrainingWorker;
    if (!Number.isInteger(this.#workersMax) || this.#workersMax < 1) {
      throw new RangeError(
        `Cannot train with ${this.#workersMax} workers: expected an integer of at least 1`,
      );
    }
  }

  /** Workers that run now. */
  get workers(): number {
    return this.#lanes.size;
  }

  async train(job: TrainingJob, options: JobOptions = {}): Promise<TrainingOutcome> {
    this.#check(options.signal);
    const shared = { ...job, dataset: await this.#share(job) };
    return await this.#ask({ type: "train", job: shared }, options) as TrainingOutcome;
  }

  async evaluate(
    job: EvaluationJob,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<Evaluation> {
    this.#check(options.signal);
    const shared = { ...job, dataset: await this.#share(job) };
    return await this.#ask({ type: "evaluate", job: shared }, options) as Evaluation;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#idleTimer);
    this.#shared = new WeakMap();
    const tasks = [...this.#lanes].flatMap(({ task }) => task ?? []).concat(this.#waiting);
    this.#waiting.length = 0;
    for (const { worker } of this.#lanes) worker.terminate();
    this.#lanes.clear();
    for (const task of tasks) task.reject(closed());
  }

  async #share({ dataset }: EvaluationJob): Promise<SharedJob<EvaluationJob>["dataset"]> {
    const { exampleLength, count, inputs, labels } = dataset;
    const [sharedInputs, sharedLabels] = await Promise.all(
      [inputs, labels].map((numbers) => {
        const known = this.#shared.get(numbers);
        if (known !== undefined) return known;
        const copied = copyIntoShared(numbers);
        this.#shared.set(numbers, copied);
        return copied;
      }),
    ) as [SharedNumbers, SharedNumbers];
    return { exampleLength, count, inputs: sharedInputs, labels: sharedLabels };
  }

  #ask(asked: Asked, { signal, onProgress }: JobOptions): Promise<TrainingOutcome | Evaluation> {
    this.#check(signal);
    const { promise, resolve, reject } = Promise.withResolvers<TrainingOutcome | Evaluation>();
    const stop = new Int32Array(new SharedArrayBuffer(4));
    const task: Task = { asked, stop, onProgress, resolve, reject, deaths: 0 };
    const onAbort = () => this.#abort(task, signal?.reason);
    signal?.addEventListener("abort", onAbort, { once: true });
    this.#waiting.push(task);
    this.#pump();
    return promise.finally(() => signal?.removeEventListener("abort", onAbort));
  }

  #abort(task: Task, cause: unknown): void {
    const waiting = this.#waiting.indexOf(task);
    if (waiting >= 0) this.#waiting.splice(waiting, 1);
    // A worker that is at it ends the job at its next step, and is free then.
    Atomics.store(task.stop, 0, 1);
    task.reject(aborted(cause));
  }

  #pump(): void {
    clearTimeout(this.#idleTimer);
    while (this.#waiting.length > 0) {
      const lane = this.#freeLane();
      if (lane === undefined) break;
      this.#begin(lane, this.#waiting.shift()!);
    }
    if (this.#lanes.size === 0 || [...this.#lanes].some(({ task }) => task !== null)) return;
    this.#idleTimer = setTimeout(() => {
      for (const { worker } of this.#lanes) worker.terminate();
      this.#lanes.clear();
    }, this.#idleMs);
  }

  #begin(lane: Lane, task: Task): void {
    lane.task = task;
    // A copy that is handed over: the caller's own stays, and a second attempt begins with the same.
    const parameters = task.asked.job.parameters.slice();
    const job = { ...task.asked.job, parameters };
    const request = { type: task.asked.type, job, stop: task.stop } as TrainingRequest;
    lane.worker.postMessage(request, [parameters.buffer]);
  }

  #freeLane(): Lane | undefined {
    const free = [...this.#lanes].find(({ task }) => task === null);
    if (free !== undefined || this.#lanes.size >= this.#workersMax) return free;
    let worker: Worker;
    try {
      worker = this.#startWorker();
    } catch (cause) {
      for (const task of this.#waiting.splice(0)) task.reject(dead("cannot be started", cause));
      return undefined;
    }
    const lane: Lane = { worker, task: null };
    worker.onmessage = ({ data }: MessageEvent<TrainingReply>) => this.#onReply(lane, data);
    worker.onerror = (event) => {
      event.preventDefault();
      this.#onDeath(lane, event.message);
    };
    worker.onmessageerror = () => this.#onDeath(lane, "a message could not be read");
    this.#lanes.add(lane);
    return lane;
  }

  #onReply(lane: Lane, reply: TrainingReply): void {
    const { task } = lane;
    if (task === null) return;
    if (reply.type === "progress") {
      if (Atomics.load(task.stop, 0) === 0) task.onProgress?.(reply.done, reply.total);
      return;
    }
    lane.task = null;
    if (reply.type === "outcome") task.resolve(reply.outcome);
    else task.reject(new TrainingError(reply.message, reply.reason));
    this.#pump();
  }

  #onDeath(lane: Lane, message: string): void {
    lane.worker.terminate();
    if (!this.#lanes.delete(lane)) return;
    const { task } = lane;
    if (task !== null && Atomics.load(task.stop, 0) === 0) {
      if (++task.deaths < DEATHS_MAX) this.#waiting.unshift(task);
      else task.reject(dead(`ended ${DEATHS_MAX} times during the job`, new Error(message)));
    }
    this.#pump();
  }

  #check(signal: AbortSignal | undefined): void {
    if (this.#closed) throw closed();
    if (signal?.aborted === true) throw aborted(signal.reason);
  }
}

function startTrainingWorker(): Worker {
  return new Worker(new URL("./training_worker.ts", import.meta.url), { type: "module" });
}

/** A copy in shared memory, made in pieces. */
async function copyIntoShared(numbers: Uint8Array | Float32Array): Promise<SharedNumbers> {
  const buffer = new SharedArrayBuffer(numbers.byteLength);
  const from = new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
  const to = new Uint8Array(buffer);
  for (let at = 0; at < from.length; at += COPY_BYTES) {
    if (at > 0) await new Promise<void>((resolve) => setTimeout(resolve, 0));
    to.set(from.subarray(at, at + COPY_BYTES), at);
  }
  return numbers instanceof Float32Array ? new Float32Array(buffer) : to;
}

function closed(): TrainingError {
  return new TrainingError("Cannot train: the trainer is closed", "closed");
}

function aborted(cause: unknown): TrainingError {
  return new TrainingError("The training job was aborted", "aborted", { cause });
}

function dead(what: string, cause: unknown): TrainingError {
  return new TrainingError(`Cannot train: the training worker ${what}`, "closed", { cause });
}
