/** A plan that this device can carry out: its task's network, its rule and its optimiser, made once per run. */
import type { Crypto } from "../../platform/ports.ts";
import { encodeCanonical } from "../../protocols/codec.ts";
import type { ContentHash } from "../../protocols/ids.ts";
import type { AggregationRule } from "../aggregation/rule.ts";
import { bufferedMean } from "../aggregation/buffered_mean.ts";
import { aggregationOf, createRule } from "../aggregation/rules.ts";
import { initialParameters } from "../engine/initial.ts";
import { parameterLayout } from "../engine/shapes.ts";
import { problemOfMetrics } from "../metrics.ts";
import type { Network } from "../network.ts";
import type { ParameterLayout } from "../parameters.ts";
import { initialState } from "../strategies/server_optimiser.ts";
import { createStrategy, type RunningStrategy, strategyOf } from "../strategies/strategy.ts";
import type { LearningTask } from "../task.ts";
import { problemOfBuffering } from "./buffered.ts";
import { problemOfGrid } from "./grid_plan.ts";
import type { ModelState } from "./model_state.ts";
import type { RunPlan, RunPrivacy } from "./plan.ts";
import { problemOfSumCompression } from "./sum_compression.ts";

export interface OpenedPlan {
  readonly plan: RunPlan;
  readonly task: LearningTask;
  readonly network: Network;
  readonly layout: ParameterLayout;
  readonly strategy: RunningStrategy;
  /** Null with one secure sum, which is a mean by itself. */
  readonly rule: AggregationRule | null;
  /** What follows from the results so far, in runs whose rounds differ: see `atRound`. Absent before any round. */
  readonly form?: RoundForm;
}

/** What one round does otherwise than the one before, worked out alike by all from public numbers. */
export interface RoundForm {
  /** Of rotations and choices that all devices share; 32 bytes. */
  readonly seed: Uint8Array;
  /**
   * What the rounds before have shown of the lengths of updates: the clipping length with adaptive clipping, the typical length of an update with
   * compressed sums. Null in the first round.
   */
  readonly tuning: number | null;
}

/** Names a network: devices whose task makes another one of the same options must not train together. */
export function networkHash(
  network: Network,
  crypto: Pick<Crypto, "sha256Hex">,
): ContentHash {
  return crypto.sha256Hex(encodeCanonical(network)) as ContentHash;
}

/** Throws a `RangeError` that says why this device cannot carry out the plan. */
export function openPlan(
  plan: RunPlan,
  { tasks, crypto }: {
    readonly tasks: readonly LearningTask[];
    readonly crypto: Pick<Crypto, "sha256Hex">;
  },
): OpenedPlan {
  const task = tasks.find(({ name }) => name === plan.task);
  if (task === undefined) {
    const known = tasks.map(({ name }) => name).join(", ");
    throw new RangeError(
      `Cannot learn "${plan.task}": this device knows ${known}; a newer version of submind may know it`,
    );
  }
  const network = task.network(plan.options);
  if (networkHash(network, crypto) !== plan.networkHash) {
    throw new RangeError(
      `Cannot learn "${plan.task}": this version of submind makes another network for it than the plan names`,
    );
  }
  const { aggregation } = plan;
  const problem = problemOfMetrics(network, task.metrics ?? []) ?? problemOfChoices(plan);
  if (problem !== undefined) throw new RangeError(`Cannot learn "${plan.task}": ${problem}`);
  const strategy = createStrategy(strategyOf(plan.strategy));
  return {
    plan,
    task,
    network,
    layout: parameterLayout(network),
    strategy,
    rule: !("rule" in aggregation)
      ? null
      : strategy.buffer !== null
      ? bufferedMean()
      : createRule(aggregationOf(aggregation.rule)),
  };
}

/** Choices of a plan that do not go together; undefined when they do. */
function problemOfChoices(plan: RunPlan): string | undefined {
  const { aggregation, privacy } = plan;
  if (aggregation.type === "grid") return problemOfGrid(plan, aggregation);
  const buffering = problemOfBuffering(plan);
  if (buffering !== undefined) return buffering;
  const compression = problemOfSumCompression(plan);
  if (compression !== undefined) return `its ${compression}`;
  if (privacy === null) return undefined;
  const noise = aggregation.type === "clear" ? "central" : "distributed";
  if (privacy.noise !== noise) {
    return `its noise is "${privacy.noise}", expected "${noise}" with aggregation "${aggregation.type}"`;
  }
  const adaptive = problemOfAdaptiveClipping(privacy);
  if (adaptive !== undefined) return adaptive;
  // In groups each sum has its own noise, and a rule over the sums spends nothing more; a rule over updates is no sum that noise could hide.
  if (aggregation.type === "clear" && aggregation.rule.name !== "weightedMean") {
    return `it promises privacy with the rule "${aggregation.rule.name}", and what one device changes is known of "weightedMean" only; take that, or secure groups`;
  }
  return undefined;
}

function problemOfAdaptiveClipping(
  { adaptive, noiseMultiplier, clip }: RunPrivacy,
): string | undefined {
  if (adaptive === undefined) return undefined;
  const { countDeviation, least, most } = adaptive;
  if (2 * countDeviation <= noiseMultiplier) {
    return `its count of clipped updates has noise ${countDeviation}, expected more than half of the noise multiplier, ${
      noiseMultiplier / 2
    }`;
  }
  if (least <= clip && clip <= most) return undefined;
  return `its clipping length begins at ${clip}, expected ${least} to ${most}`;
}

/** The model before the first round. */
export function firstModel({ plan, network, layout, strategy }: OpenedPlan): ModelState {
  return {
    parameters: initialParameters(network, new Uint8Array(plan.seed)),
    optimiser: initialState(strategy.optimiser, layout.count),
  };
}
