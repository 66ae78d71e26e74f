/**
 * Weighted mean: Σ nᵢ xᵢ / Σ nᵢ. McMahan, Moore, Ramage, Hampson, Agüera y Arcas: "Communication-Efficient Learning of Deep Networks from
 * Decentralized Data", AISTATS 2017, algorithm 1. Bears no liar: one update moves it anywhere.
 */
import type { AggregationRule } from "./rule.ts";
import { summingRuleOfWeights } from "./weighted_sum.ts";

/** The rule of FedAvg. Streams. */
export function weightedMean(): AggregationRule {
  return summingRuleOfWeights("weightedMean", (weight) => ({ factor: weight, weight }));
}
