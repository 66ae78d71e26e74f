/**
 * Weighted mean: Σ nᵢ xᵢ / Σ nᵢ. McMahan, Moore, Ramage, Hampson, Agüera y Arcas: "Communication-Efficient Learning of Deep Networks from
 * Decentralized Data", AISTATS 2017, algorithm 1. Bears no liar: one update moves it anywhere.
 */
import { type AggregationRule, ruleOf } from "./rule.ts";
import { requireClients } from "./update_source.ts";
import { streamSum, sumOfSource } from "./weighted_sum.ts";
import { TILE_LENGTH } from "./tiles.ts";

const RULE = "weightedMean";

/** The rule of FedAvg. Streams. */
export function weightedMean(): AggregationRule {
  return ruleOf({
    name: RULE,
    clientsMin: 1,
    weighted: true,
    workingBytes: () => 12 * TILE_LENGTH,
    *steps(source) {
      requireClients(source, 1, RULE);
      const shares = Array.from({ length: source.clients }, (_, client) => {
        const weight = source.weight(client);
        return { factor: weight, weight };
      });
      return yield* sumOfSource(source, shares, RULE);
    },
    begin: (count) =>
      streamSum({
        rule: RULE,
        count,
        shareOf: ({ weight }) => ({ factor: weight, weight }),
      }),
  });
}
