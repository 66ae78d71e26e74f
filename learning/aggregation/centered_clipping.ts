/**
 * Centered clipping: from a start v, every step adds the mean of the updates' differences to v, each shortened to at most τ. Karimireddy, He,
 * Jaggi: "Learning from History for Byzantine Robust Optimization", ICML 2021, algorithm 2. The start is no change (zero); clients that
 * send momenta instead of differences get the paper's guarantee. Weights are not read.
 */
import { invariant } from "../../platform/invariant.ts";
import type { Parameters } from "../parameters.ts";
import { type AggregationRule, ruleOf } from "./rule.ts";
import { clippingFactor } from "./norm_clipping.ts";
import { distancesTo } from "./point_distances.ts";
import { TILE_LENGTH } from "./tiles.ts";
import { finiteResult, type Reading, requireClients, type UpdateSource } from "./update_source.ts";
import { sumOfSource } from "./weighted_sum.ts";

const RULE = "centeredClipping";

/** The rule; `radius` is τ > 0, `iterations` the steps, 1–100 (default 3). Reads all updates twice per step. */
export function centeredClipping(
  options: { readonly radius: number; readonly iterations?: number },
): AggregationRule {
  const { radius, iterations = 3 } = options;
  invariant(
    radius > 0 && Number.isInteger(iterations) && iterations >= 1 && iterations <= 100,
    () =>
      `Cannot clip around a centre: radius ${radius}, iterations ${iterations}; expected > 0 and 1 to 100`,
  );
  return ruleOf({
    name: RULE,
    clientsMin: 1,
    weighted: false,
    workingBytes: ({ clients, count }) => 4 * count + 20 * TILE_LENGTH + 40 * clients,
    *steps(source) {
      requireClients(source, 1, RULE);
      let centre = new Float32Array(source.count);
      for (let step = 0; step < iterations; step++) centre = yield* moved(source, centre, radius);
      return finiteResult(centre, RULE);
    },
    begin: null,
  });
}

/** v + Σ fᵢ (xᵢ − v), reckoned as (1 − Σ fᵢ) v + Σ fᵢ xᵢ. */
function* moved(
  source: UpdateSource,
  centre: Parameters,
  radius: number,
): Reading<Parameters> {
  const factors = (yield* distancesTo(source, centre))
    .map((distance) => clippingFactor(distance, radius) / source.clients);
  const kept = 1 - factors.reduce((sum, factor) => sum + factor, 0);
  // The divisor of the sum is the sum of weights: one.
  const shares = Array.from(factors, (factor, i) => ({ factor, weight: i === 0 ? 1 : 0 }));
  const next = yield* sumOfSource(source, shares, RULE);
  for (let i = 0; i < next.length; i++) next[i] = next[i]! + kept * centre[i]!;
  return next;
}
