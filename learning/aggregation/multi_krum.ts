/**
 * Multi-Krum: the plain mean of the `keep` updates with the best Krum scores. Blanchard, El Mhamdi, Guerraoui, Stainer: "Machine Learning
 * with Adversaries: Byzantine Tolerant Gradient Descent", NIPS 2017, section 4. Bears f liars of n ≥ 2f + 3. Weights are not read.
 */
import { invariant } from "../../platform/invariant.ts";
import { type AggregationRule, ruleOf } from "./rule.ts";
import { krumClientsMin, krumOrder } from "./krum.ts";
import { pairwiseDistancesBytes } from "./pairwise_distances.ts";
import { requireClients } from "./update_source.ts";
import { SUM_WORKING_BYTES, sumOfSource } from "./weighted_sum.ts";

const RULE = "multiKrum";

/** The rule; `faulty` is f ≥ 0, `keep` ≥ 1 is how many are averaged. Needs keep ≤ n − f, else a liar is sure to be among them. */
export function multiKrum(
  options: { readonly faulty: number; readonly keep: number },
): AggregationRule {
  const { faulty, keep } = options;
  invariant(
    Number.isInteger(keep) && keep >= 1,
    () => `Cannot choose by multi-Krum: keep is ${keep}, expected an integer >= 1`,
  );
  const clientsMin = Math.max(krumClientsMin(faulty), keep + faulty);
  return ruleOf({
    name: RULE,
    clientsMin,
    weighted: false,
    workingBytes: ({ clients }) =>
      Math.max(pairwiseDistancesBytes(clients), SUM_WORKING_BYTES + 24 * clients),
    *steps(source) {
      requireClients(source, clientsMin, `${RULE} with ${faulty} faulty keeping ${keep}`);
      // In the order of clients, not of scores: then the sum does not depend on ties.
      const kept = (yield* krumOrder(source, faulty)).slice(0, keep).sort((a, b) => a - b);
      const one = { factor: 1, weight: 1 };
      return yield* sumOfSource(
        {
          clients: kept.length,
          count: source.count,
          weight: () => 1,
          read: (index, start, into) => source.read(kept[index]!, start, into),
        },
        kept.map(() => one),
        RULE,
      );
    },
    begin: null,
  });
}
