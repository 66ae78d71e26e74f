/**
 * The mean of a buffer: Σ sᵢ xᵢ / n, where sᵢ is what staleness leaves of an update. Nguyen et al.: "Federated Learning with Buffered Asynchronous Aggregation",
 * AISTATS 2022, algorithm 1: the sum over the number of updates, so that old ones make the step shorter instead of lending their weight to the others.
 */
import { type AggregationRule, ruleOf } from "./rule.ts";
import { type ClientUpdate, requireClients } from "./update_source.ts";
import { TILE_LENGTH } from "./tiles.ts";
import { type Share, streamSum, sumOfSource } from "./weighted_sum.ts";

const RULE = "bufferedMean";

/** The rule of FedBuff. Streams. */
export function bufferedMean(): AggregationRule {
  return ruleOf({
    name: RULE,
    clientsMin: 1,
    weighted: true,
    workingBytes: () => 12 * TILE_LENGTH,
    *steps(source) {
      requireClients(source, 1, RULE);
      const shares = Array.from(
        { length: source.clients },
        (_, client) => shareOf({ weight: source.weight(client) }),
      );
      return yield* sumOfSource(source, shares, RULE);
    },
    begin: (count) => streamSum({ rule: RULE, count, shareOf }),
  });
}

function shareOf({ weight }: Pick<ClientUpdate, "weight">): Share {
  return { factor: weight, weight: 1 };
}
