/**
 * The Trainer port: trains and evaluates networks somewhere (workers in production, the same engine inline in tests and the simulator).
 * Equal jobs give equal bits on one machine, whatever runs beside them: a round that is resumed after a crash must not differ.
 */
import type { Measured, Metric } from "./metrics.ts";
import type { Network } from "./network.ts";
import type { Parameters } from "./parameters.ts";

/** Examples in memory, as the engine wants them. */
export interface Dataset {
  /** Numbers per example: rows × columns × channels of the network's input. */
  readonly exampleLength: number;
  readonly count: number;
  /**
   * `count × exampleLength` values. Bytes stand for value / 255 (images keep a quarter of the memory); floats for themselves.
   */
  readonly inputs: Uint8Array<ArrayBuffer> | Float32Array<ArrayBuffer>;
  /** Class numbers, one per example, for cross-entropy; `count × outputs` floats for squared error. */
  readonly labels: Uint8Array<ArrayBuffer> | Float32Array<ArrayBuffer>;
}

/** Stochastic gradient descent over one device's examples: what FedAvg's ClientUpdate does. */
export interface TrainingJob {
  readonly network: Network;
  /** Where it starts; not changed. */
  readonly parameters: Parameters;
  readonly dataset: Dataset;
  /** Which examples of the dataset are this device's; all of them when absent. Each < dataset.count. */
  readonly indices?: Uint32Array<ArrayBuffer>;
  /** E: passes over the examples, 1–1,000. */
  readonly epochs: number;
  /** B: examples per step, 1–1,024; the last step of an epoch takes what is left. */
  readonly batchSize: number;
  /** η > 0. */
  readonly learningRate: number;
  /** Classical momentum in [0, 1), absent for none; starts at zero. */
  readonly momentum?: number;
  /** μ of FedProx ≥ 0: adds μ/2 · |w − parameters|² to the loss. Absent for none. */
  readonly proximal?: number;
  /** Order of examples, per epoch: 32 bytes. Equal seeds give equal orders. */
  readonly seed: Uint8Array<ArrayBuffer>;
}

export interface TrainingOutcome {
  /** Where it ended: new parameters, not the difference. */
  readonly parameters: Parameters;
  /** Mean loss over the last epoch, measured before each step. */
  readonly loss: number;
  readonly steps: number;
  readonly examples: number;
}

export interface EvaluationJob {
  readonly network: Network;
  readonly parameters: Parameters;
  readonly dataset: Dataset;
  readonly indices?: Uint32Array<ArrayBuffer>;
  /** What to measure besides loss and accuracy; nothing when absent. They must go with the network: see `problemOfMetrics`. */
  readonly metrics?: readonly Metric[];
}

export interface Evaluation {
  readonly examples: number;
  /** Mean loss. */
  readonly loss: number;
  /** Share of examples whose largest output is the label, for cross-entropy; null for squared error. */
  readonly accuracy: number | null;
  /** The job's metrics by name; absent when it asked for none. */
  readonly measured?: Measured;
}

/** How far a job is, in steps; told at most about ten times a second. */
export type TrainingProgress = (done: number, total: number) => void;

export interface Trainer {
  /**
   * Rejects with a `TrainingError` when the job is impossible (shapes that do not fit, a label out of range) or the numbers left the
   * finite ones, and when `signal` aborts.
   */
  train(
    job: TrainingJob,
    options?: { readonly signal?: AbortSignal; readonly onProgress?: TrainingProgress },
  ): Promise<TrainingOutcome>;
  evaluate(job: EvaluationJob, options?: { readonly signal?: AbortSignal }): Promise<Evaluation>;
  /** Ends workers. Jobs under way reject. */
  close(): void;
}

/** A job that cannot be done, or whose numbers left the finite ones. */
export class TrainingError extends Error {
  override readonly name = "TrainingError";
  constructor(
    message: string,
    readonly reason: "impossible" | "diverged" | "aborted" | "closed",
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
