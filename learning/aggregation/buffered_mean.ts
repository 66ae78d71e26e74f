/**
 * The mean of a buffer: Σ sᵢ xᵢ / n, where sᵢ is what staleness leaves of an update. Nguyen et al.: "Federated Learning with Buffered Asynchronous Aggregation",
 * AISTATS 2022, algorithm 1: the sum over the number of updates, so that old ones make the step shorter instead of lending their weight to the others.
 */
import type { AggregationRule } from "./rule.ts";
import { summingRuleOfWeights } from "./weighted_sum.ts";

/** The rule of FedBuff. Streams. */
export function bufferedMean(): AggregationRule {
  return summingRuleOfWeights("bufferedMean", (weight) => ({ factor: weight, weight: 1 }));
}
