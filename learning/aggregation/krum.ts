/**
 * Krum: the one update that is nearest to its n − f − 2 nearest others. Blanchard, El Mhamdi, Guerraoui, Stainer: "Machine Learning with
 * Adversaries: Byzantine Tolerant Gradient Descent", NIPS 2017, section 4. Bears f liars of n ≥ 2f + 3. Weights are not read.
 */
import { invariant } from "../../platform/invariant.ts";
import { type AggregationRule, ruleOf } from "./rule.ts";
import { bestFirst, krumScores } from "./krum_scores.ts";
import { pairwiseDistances, pairwiseDistancesBytes } from "./pairwise_distances.ts";
import { TILE_LENGTH } from "./tiles.ts";
import { finiteResult, type Reading, requireClients, type UpdateSource } from "./update_source.ts";

const RULE = "krum";

/** The rule; `faulty` is f ≥ 0. */
export function krum(options: { readonly faulty: number }): AggregationRule {
  const { faulty } = options;
  const clientsMin = krumClientsMin(faulty);
  return ruleOf({
    name: RULE,
    clientsMin,
    weighted: false,
    workingBytes: ({ clients }) => pairwiseDistancesBytes(clients),
    *steps(source) {
      requireClients(source, clientsMin, `${RULE} with ${faulty} faulty`);
      const chosen = (yield* krumOrder(source, faulty))[0]!;
      const result = new Float32Array(source.count);
      for (let start = 0; start < source.count; start += TILE_LENGTH) {
        const length = Math.min(TILE_LENGTH, source.count - start);
        yield { start, length };
        source.read(chosen, start, result.subarray(start, start + length));
      }
      return finiteResult(result, RULE);
    },
    begin: null,
  });
}

/** 2f + 3: fewest clients among whom f may lie. */
export function krumClientsMin(faulty: number): number {
  invariant(
    Number.isInteger(faulty) && faulty >= 0,
    () => `Cannot choose by Krum: faulty is ${faulty}, expected an integer >= 0`,
  );
  return 2 * faulty + 3;
}

/** All clients, the one Krum would choose first. */
export function* krumOrder(
  source: UpdateSource,
  faulty: number,
): Reading<readonly number[]> {
  const distances = yield* pairwiseDistances(source);
  return bestFirst(yield* krumScores({ distances, clients: source.clients, faulty }));
}
