/** What the trainer and its workers say to each other. One job at a time per worker; bulky data is shared or handed over, not copied twice. */
import type {
  Dataset,
  Evaluation,
  EvaluationJob,
  TrainingError,
  TrainingJob,
  TrainingOutcome,
} from "../learning/trainer.ts";

/** A job whose examples stand in shared memory. */
export type SharedJob<Job extends EvaluationJob> = Omit<Job, "dataset"> & {
  readonly dataset: Pick<Dataset, "exampleLength" | "count"> & {
    readonly inputs: SharedNumbers;
    readonly labels: SharedNumbers;
  };
};

export type SharedNumbers = Uint8Array<SharedArrayBuffer> | Float32Array<SharedArrayBuffer>;

/** To a worker: do this. `stop` becomes 1 when nobody wants the outcome any more. */
export type TrainingRequest =
  & { readonly stop: Int32Array<SharedArrayBuffer> }
  & (
    | { readonly type: "train"; readonly job: SharedJob<TrainingJob> }
    | { readonly type: "evaluate"; readonly job: SharedJob<EvaluationJob> }
  );

/** From a worker. `progress` any number of times, then one of the others. */
export type TrainingReply =
  | { readonly type: "progress"; readonly done: number; readonly total: number }
  | { readonly type: "outcome"; readonly outcome: TrainingOutcome | Evaluation }
  | { readonly type: "failed"; readonly reason: TrainingError["reason"]; readonly message: string };
