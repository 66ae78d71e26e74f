/**
 * Federated averaging in one process, as algorithm 1 of McMahan et al. 2017 has it: for experiments, where what matters is how many rounds a choice
 * needs. No network, no secrecy; the same engine, rules and strategies as real rounds. Equal seeds give equal bits, whatever runs beside.
 */
import { invariant } from "../../platform/invariant.ts";
import { weightedMean } from "../aggregation/weighted_mean.ts";
import { sample } from "../data/draws.ts";
import type { Partition } from "../data/partition.ts";
import { seededStream } from "../data/seeded_stream.ts";
import { initialParameters } from "../engine/initial.ts";
import { measuredOf, type Metric, sumOf } from "../metrics.ts";
import type { Network } from "../network.ts";
import type { Parameters } from "../parameters.ts";
import {
  initialState,
  type OptimiserState,
  type ServerOptimiser,
} from "../strategies/server_optimiser.ts";
import type { Dataset, Evaluation, Trainer, TrainingJob, TrainingOutcome } from "../trainer.ts";

/** Test examples per evaluation job. Fixed, so that sums of losses do not depend on how many run at once. */
const EVALUATION_PART = 1_000;

/** Everything that fixes what an experiment computes, and where. */
export interface Federation {
  readonly network: Network;
  readonly training: Dataset;
  readonly test: Dataset;
  readonly partition: Partition;
  /** C in [0, 1]: share of the clients in each round; at least one takes part. */
  readonly fraction: number;
  readonly local: Pick<
    TrainingJob,
    "epochs" | "batchSize" | "learningRate" | "momentum" | "proximal"
  >;
  readonly optimiser: ServerOptimiser;
  /** 32 bytes: initial parameters, choice of clients, order of examples. */
  readonly seed: Uint8Array;
  /** What is measured besides loss and accuracy; nothing when absent. */
  readonly metrics?: readonly Metric[];
  readonly trainer: Trainer;
  /** Jobs handed to the trainer at once; changes no result. */
  readonly parallel: number;
}

/** Where an experiment stands after `round` rounds. */
export interface FederationState {
  readonly round: number;
  readonly parameters: Parameters;
  readonly optimiser: OptimiserState;
}

/** What one round showed. */
export interface SimulatedRound {
  readonly state: FederationState;
  /** Mean of the clients' losses in their last epoch, by examples. */
  readonly trainingLoss: number;
  /** Of the new parameters, on all of `test`. */
  readonly evaluation: Evaluation;
  readonly clients: number;
}

/** Before the first round. Throws a `TrainingError` for an impossible network. */
export function startFederation(
  { network, seed, optimiser }: Pick<Federation, "network" | "seed" | "optimiser">,
): FederationState {
  const parameters = initialParameters(network, seed);
  return { round: 0, parameters, optimiser: initialState(optimiser, parameters.length) };
}

/**
 * The next round. Rejects as the trainer, the rule and the optimiser do: a `TrainingError` when a client's numbers left the finite ones, an
 * `OptimiserError` when the server's did.
 */
export async function simulateRound(
  federation: Federation,
  state: FederationState,
  options: { readonly signal?: AbortSignal } = {},
): Promise<SimulatedRound> {
  const { partition, optimiser } = federation;
  const random = seededStream(federation.seed).fork(`round ${state.round + 1}`);
  const chosen = sample(partition.length, clientsPerRound(federation), random.fork("clients"));
  const sum = weightedMean().begin!(state.parameters.length);
  let [loss, examples] = [0, 0];
  const train = (client: number) =>
    federation.trainer.train({
      network: federation.network,
      parameters: state.parameters,
      dataset: federation.training,
      indices: partition[client]!,
      ...federation.local,
      seed: random.fork(`client ${client}`).bytes(32),
    }, options);
  await inOrder([...chosen], federation.parallel, train, (outcome: TrainingOutcome) => {
    const values = difference(outcome.parameters, state.parameters);
    sum.add({ values, weight: outcome.examples });
    loss += outcome.loss * outcome.examples;
    examples += outcome.examples;
  });
  const update = sum.finish();
  const step = optimiser.step({ state: state.optimiser, parameters: state.parameters, update });
  const next = {
    round: state.round + 1,
    parameters: step.parameters,
    optimiser: step.state,
  };
  return {
    state: next,
    trainingLoss: loss / examples,
    evaluation: await evaluateAll(federation, step.parameters, options),
    clients: chosen.length,
  };
}

/** Clients in each round: max(⌊C · K⌉, 1). */
export function clientsPerRound(
  { fraction, partition }: Pick<Federation, "fraction" | "partition">,
): number {
  invariant(
    fraction >= 0 && fraction <= 1,
    () => `Cannot choose clients: fraction is ${fraction}, expected 0 to 1`,
  );
  return Math.max(1, Math.round(fraction * partition.length));
}

/** Measures parameters on all test examples, in parts that run beside each other. */
export async function evaluateAll(
  federation: Pick<Federation, "network" | "test" | "metrics" | "trainer" | "parallel">,
  parameters: Parameters,
  options: { readonly signal?: AbortSignal } = {},
): Promise<Evaluation> {
  const { network, test, trainer, metrics = [] } = federation;
  const starts = Array.from(
    { length: Math.ceil(test.count / EVALUATION_PART) },
    (_, i) => i * EVALUATION_PART,
  );
  let [examples, loss, correct] = [0, 0, 0];
  const sums = metrics.map(() => 0);
  let counted = true;
  const evaluate = (start: number) => {
    const length = Math.min(EVALUATION_PART, test.count - start);
    const indices = Uint32Array.from({ length }, (_, i) => start + i);
    return trainer.evaluate({ network, parameters, dataset: test, indices, metrics }, options);
  };
  await inOrder(starts, federation.parallel, evaluate, (part: Evaluation) => {
    examples += part.examples;
    loss += part.loss * part.examples;
    if (part.accuracy === null) counted = false;
    else correct += Math.round(part.accuracy * part.examples);
    for (const [i, metric] of metrics.entries()) {
      sums[i]! += sumOf(metric, part.measured, part.examples);
    }
  });
  return {
    examples,
    loss: loss / examples,
    accuracy: counted ? correct / examples : null,
    ...measuredOf(metrics, sums, examples),
  };
}

/** Runs `work` for every item, `parallel` at a time, and hands the outcomes on in the order of the items: sums come out the same bits. */
async function inOrder<Item, Outcome>(
  items: readonly Item[],
  parallel: number,
  work: (item: Item) => Promise<Outcome>,
  take: (outcome: Outcome) => void,
): Promise<void> {
  const running: Promise<Outcome>[] = [];
  let next = 0;
  try {
    while (next < items.length || running.length > 0) {
      while (running.length < parallel && next < items.length) running.push(work(items[next++]!));
      take(await running.shift()!);
    }
  } finally {
    // After a failure the others still end; what they say is not wanted any more.
    await Promise.allSettled(running);
  }
}

function difference(after: Parameters, before: Parameters): Parameters {
  const values = new Float32Array(after.length);
  for (let i = 0; i < values.length; i++) values[i] = after[i]! - before[i]!;
  return values;
}
