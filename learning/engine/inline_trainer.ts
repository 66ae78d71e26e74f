/**
 * The Trainer port on the thread that asks: for tests, the simulator, and inside workers. Between steps it lets others have a turn as often as
 * the host wants it to.
 */
import {
  type Evaluation,
  type EvaluationJob,
  type Trainer,
  TrainingError,
  type TrainingJob,
  type TrainingOutcome,
  type TrainingProgress,
} from "../trainer.ts";
import type { Engine } from "./engine.ts";
import { EnginePool } from "./engine_pool.ts";
import { EVALUATION_BATCH, type Run, startEvaluation, startTraining } from "./training_run.ts";

export interface InlineTrainerOptions {
  /**
   * Called after every step; the job goes on when it resolves, at once when it gives nothing. Default: a turn of the microtask queue after each
   * step, which needs no clock and is the same in every simulated run.
   */
  readonly pause?: () => Promise<void> | undefined;
  /** Whether the listener should be told now; asked after every step but the last, which is always told. Default: a hundred times per job. */
  readonly isProgressDue?: (done: number, total: number) => boolean;
}

interface JobOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: TrainingProgress;
}

/** An engine for a job, and what to do with it afterwards. */
interface Borrowed {
  readonly engine: Engine;
  readonly giveBack: () => void;
}

/** How often progress is told when nobody has a clock. */
const PROGRESS_PER_JOB = 100;

/** Trains and evaluates here. Jobs that run at the same time take turns. */
export class InlineTrainer implements Trainer {
  readonly #pause: () => Promise<void> | undefined;
  readonly #isProgressDue: (done: number, total: number) => boolean;
  readonly #engines = new EnginePool();
  #closed = false;

  constructor(options: InlineTrainerOptions = {}) {
    this.#pause = options.pause ?? (() => Promise.resolve());
    this.#isProgressDue = options.isProgressDue ?? isHundredth;
  }

  train(job: TrainingJob, options: JobOptions = {}): Promise<TrainingOutcome> {
    const borrow = () =>
      this.#engines.take(job.network, {
        batchSize: job.batchSize,
        momentum: (job.momentum ?? 0) > 0,
        proximal: (job.proximal ?? 0) > 0,
      });
    return this.#run(borrow, (engine) => startTraining(job, engine), options);
  }

  evaluate(
    job: EvaluationJob,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<Evaluation> {
    const borrow = () =>
      this.#engines.take(job.network, {
        batchSize: EVALUATION_BATCH,
        momentum: false,
        proximal: false,
      });
    return this.#run(borrow, (engine) => startEvaluation(job, engine), options);
  }

  close(): void {
    this.#closed = true;
    this.#engines.clear();
  }

  async #run<Outcome>(
    borrow: () => Borrowed,
    start: (engineFor: () => Engine) => Run<Outcome>,
    { signal, onProgress }: JobOptions,
  ): Promise<Outcome> {
    let borrowed: Borrowed | undefined;
    this.#check(signal);
    try {
      const run = start(() => (borrowed = borrow()).engine);
      while (run.done < run.total) {
        run.step();
        const { done, total } = run;
        if (done === total || this.#isProgressDue(done, total)) onProgress?.(done, total);
        const paused = this.#pause();
        if (paused !== undefined) await paused;
        this.#check(signal);
      }
      return run.outcome();
    } finally {
      borrowed?.giveBack();
      if (this.#closed) this.#engines.clear();
    }
  }

  #check(signal: AbortSignal | undefined): void {
    if (this.#closed) throw new TrainingError("Cannot train: the trainer is closed", "closed");
    if (signal?.aborted !== true) return;
    throw new TrainingError("The training job was aborted", "aborted", { cause: signal.reason });
  }
}

/** True when another hundredth of the steps is done. */
function isHundredth(done: number, total: number): boolean {
  const parts = (steps: number) => Math.floor(steps * PROGRESS_PER_JOB / total);
  return parts(done) > parts(done - 1);
}
