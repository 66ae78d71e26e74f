/**
 * Norm clipping: every update is shortened to at most `norm` before the weighted mean. Sun, Kairouz, Suresh, McMahan: "Can You Really
 * Backdoor Federated Learning?", 2019 (arXiv 1911.07963), section 4. Bounds what one client can do, does not tell liars from others.
 */
import { invariant } from "../../platform/invariant.ts";
import { type AggregationRule, ruleOf } from "./rule.ts";
import { requireClients } from "./update_source.ts";
import { normOf, normsOf, TILE_LENGTH } from "./tiles.ts";
import { streamSum, sumOfSource } from "./weighted_sum.ts";

const RULE = "normClipping";

/** The rule with a bound > 0 on the Euclidean norm of each update. Streams. */
export function normClipping(options: { readonly norm: number }): AggregationRule {
  const bound = options.norm;
  invariant(bound > 0, () => `Cannot clip norms: bound is ${bound}, expected > 0`);
  const share = (norm: number, weight: number) => ({
    factor: weight * clippingFactor(norm, bound),
    weight,
  });
  return ruleOf({
    name: RULE,
    clientsMin: 1,
    weighted: true,
    workingBytes: () => 12 * TILE_LENGTH,
    *steps(source) {
      requireClients(source, 1, RULE);
      const norms = yield* normsOf(source);
      const shares = Array.from(norms, (norm, client) => share(norm, source.weight(client)));
      return yield* sumOfSource(source, shares, RULE);
    },
    begin: (count) =>
      streamSum({
        rule: RULE,
        count,
        shareOf: ({ values, weight }) => share(normOf(values), weight),
      }),
  });
}

/** What a vector of this norm is multiplied with so that its norm is at most `bound`. */
export function clippingFactor(norm: number, bound: number): number {
  return norm > bound ? bound / norm : 1;
}
