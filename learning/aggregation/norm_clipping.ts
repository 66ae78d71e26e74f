/**
 * Norm clipping: every update is shortened to at most `norm` before the weighted mean. Sun, Kairouz, Suresh, McMahan: "Can You Really
 * Backdoor Federated Learning?", 2019 (arXiv 1911.07963), section 4. Bounds what one client can do, does not tell liars from others.
 */
import { invariant } from "../../platform/invariant.ts";
import type { AggregationRule } from "./rule.ts";
import { normOf, normsOf } from "./tiles.ts";
import { type Share, summingRule } from "./weighted_sum.ts";

/** The rule with a bound > 0 on the Euclidean norm of each update. Streams. */
export function normClipping(options: { readonly norm: number }): AggregationRule {
  const bound = options.norm;
  invariant(bound > 0, () => `Cannot clip norms: bound is ${bound}, expected > 0`);
  const share = (norm: number, weight: number): Share => ({
    factor: weight * clippingFactor(norm, bound),
    weight,
  });
  return summingRule({
    name: "normClipping",
    shareOf: ({ values, weight }) => share(normOf(values), weight),
    *sharesOf(source) {
      const norms = yield* normsOf(source);
      return Array.from(norms, (norm, client) => share(norm, source.weight(client)));
    },
  });
}

/** What a vector of this norm is multiplied with so that its norm is at most `bound`. */
export function clippingFactor(norm: number, bound: number): number {
  return norm > bound ? bound / norm : 1;
}
