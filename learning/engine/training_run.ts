/** Jobs step by step: whoever drives them decides when to pause, to tell how far it is, and to stop. */
import { seededStream } from "../data/seeded_stream.ts";
import { measuredOf } from "../metrics.ts";
import { isFinite } from "../parameters.ts";
import {
  type Evaluation,
  type EvaluationJob,
  TrainingError,
  type TrainingJob,
  type TrainingOutcome,
} from "../trainer.ts";
import type { Engine } from "./engine.ts";
import { checkEvaluation, checkTraining, examplesOf } from "./jobs.ts";

/** A job under way on an engine that nobody else uses meanwhile. */
export interface Run<Outcome> {
  /** Steps in all. */
  readonly total: number;
  /** Steps done. */
  readonly done: number;
  /** The next step; only while `done < total`. Throws a `TrainingError` ("diverged") when the numbers left the finite ones. */
  step(): void;
  /** Only when `done === total`. */
  outcome(): Outcome;
}

/** Chooses an engine for a job; the job is checked before it is asked. */
export type EngineFor<Job> = (job: Job) => Engine;

/** Examples per step of an evaluation. */
export const EVALUATION_BATCH = 64;

/** Begins ClientUpdate of FedAvg: E epochs of minibatch SGD in a fresh order each. Throws a `TrainingError` when the job is impossible. */
export function startTraining(
  job: TrainingJob,
  engineFor: EngineFor<TrainingJob>,
): Run<TrainingOutcome> {
  checkTraining(job);
  const { dataset, epochs, batchSize, learningRate, momentum = 0, proximal = 0 } = job;
  const order = examplesOf(job);
  const perEpoch = Math.ceil(order.length / batchSize);
  const total = epochs * perEpoch;
  const engine = engineFor(job);
  engine.load(job.parameters);
  let done = 0;
  let loss = 0;
  return {
    total,
    get done() {
      return done;
    },
    step() {
      const inEpoch = done % perEpoch;
      if (inEpoch === 0) {
        shuffle(order, job.seed, done / perEpoch);
        loss = 0;
      }
      const from = inEpoch * batchSize;
      const to = Math.min(from + batchSize, order.length);
      const lost = engine.step(dataset, order, from, to, { learningRate, momentum, proximal });
      if (!Number.isFinite(lost)) throw diverged(done + 1, total, job);
      loss += lost;
      done++;
    },
    outcome() {
      const parameters = engine.read();
      if (!isFinite(parameters)) throw diverged(total, total, job);
      return { parameters, loss: loss / order.length, steps: total, examples: order.length };
    },
  };
}

/** Begins an evaluation. Throws a `TrainingError` when the job is impossible. */
export function startEvaluation(
  job: EvaluationJob,
  engineFor: EngineFor<EvaluationJob>,
): Run<Evaluation> {
  checkEvaluation(job);
  const order = examplesOf(job);
  const total = Math.ceil(order.length / EVALUATION_BATCH);
  const engine = engineFor(job);
  engine.load(job.parameters);
  const { metrics = [] } = job;
  const sums = metrics.map(() => 0);
  let done = 0;
  let [loss, correct] = [0, 0];
  return {
    total,
    get done() {
      return done;
    },
    step() {
      const from = done * EVALUATION_BATCH;
      const to = Math.min(from + EVALUATION_BATCH, order.length);
      const part = engine.evaluate(job.dataset, order, from, to, metrics);
      loss += part.loss;
      correct += part.correct;
      for (const [i, sum] of part.sums.entries()) sums[i]! += sum;
      done++;
    },
    outcome() {
      if (!Number.isFinite(loss)) {
        throw new TrainingError(
          "Cannot evaluate: the loss is not finite; the parameters or the inputs are too large",
          "diverged",
        );
      }
      const accuracy = job.network.loss.type === "crossEntropy" ? correct / order.length : null;
      return {
        examples: order.length,
        loss: loss / order.length,
        accuracy,
        ...measuredOf(metrics, sums, order.length),
      };
    },
  };
}

/** Fisher and Yates' shuffle by the job's seed. Every epoch shuffles the order of the one before, so it follows from all of them. */
function shuffle(order: Uint32Array, seed: Uint8Array, epoch: number): void {
  const random = seededStream(seed).fork(`epoch ${epoch}`);
  for (let i = order.length - 1; i > 0; i--) {
    const other = random.below(i + 1);
    const index = order[i]!;
    order[i] = order[other]!;
    order[other] = index;
  }
}

function diverged(step: number, total: number, { learningRate }: TrainingJob): TrainingError {
  return new TrainingError(
    `Cannot train on: at step ${step} of ${total} the numbers left the finite ones; learning rate is ${learningRate}, try a smaller one, and look for NaN among the inputs`,
    "diverged",
  );
}
