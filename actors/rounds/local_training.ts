/** This device's own examples, and training on them as the plan wants it: the same in every kind of run. */
import type { Parameters } from "../../learning/parameters.ts";
import type { Dataset, TrainingOutcome } from "../../learning/trainer.ts";
import { publicKeyOf } from "../../protocols/ids.ts";
import type { Context } from "../kernel/actor.ts";
import type { Of, RunActorState, RunDependencies } from "./run_state.ts";

/**
 * The training of one round, to be done outside the actor; its steps come back as `trainingStep`. The order of the examples follows from the
 * plan, the round and the device: a round that is resumed trains the same.
 */
export function localTraining(
  context: Context<Of<"trainingStep">>,
  { opened, trainer, crypto, self }: Pick<
    RunDependencies,
    "opened" | "trainer" | "crypto" | "self"
  >,
  { round, parameters, dataset }: {
    readonly round: number;
    /** Where it starts. */
    readonly parameters: Parameters;
    readonly dataset: Dataset;
  },
): () => Promise<TrainingOutcome> {
  const { local } = opened.plan;
  const onStep = context.inlet((
    { done, total }: { readonly done: number; readonly total: number },
  ) => ({ type: "trainingStep", done, total }));
  const number = new Uint8Array(4);
  new DataView(number.buffer).setUint32(0, round);
  const seed = crypto.sha256(opened.plan.seed, number, publicKeyOf(self));
  return () =>
    trainer.train(
      {
        network: opened.network,
        parameters,
        dataset,
        epochs: local.epochs,
        batchSize: Math.min(local.batchSize, Math.max(1, dataset.count)),
        learningRate: local.learningRate,
        ...(local.momentum !== null && { momentum: local.momentum }),
        ...(local.proximal !== null && { proximal: local.proximal }),
        ...opened.strategy.clients,
        seed,
      },
      { onProgress: (done, total) => onStep({ done, total }) },
    );
}

/** What a device notes of its own training for a round, for itself; null where it is not known any more. */
export interface OwnTraining {
  readonly loss: number | null;
  /** What compressing the update cost, `compressionError`; null, too, where nothing is compressed. */
  readonly compressionError: number | null;
}

/** Somebody may have brought examples since: with them this device takes part in the next attempt, buffer or round. */
export function lookAgain(
  context: Context<Of<"examplesRead">>,
  state: Pick<RunActorState, "looking">,
  deps: Pick<RunDependencies, "examples">,
): void {
  if (state.looking) return;
  state.looking = true;
  context.perform(() => deps.examples(), (outcome) => ({ type: "examplesRead", outcome }));
}
