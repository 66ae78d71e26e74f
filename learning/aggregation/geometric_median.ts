/**
 * Geometric median by the smoothed Weiszfeld algorithm: the point with the least sum of weighted distances to all updates. Pillutla, Kakade,
 * Harchaoui: "Robust Aggregation for Federated Learning" (RFA), IEEE Transactions on Signal Processing 70, 2022, algorithm 2. Bears liars
 * whose weights together are less than half: plans that use it bound the weights.
 */
import { invariant } from "../../platform/invariant.ts";
import type { Parameters } from "../parameters.ts";
import { type AggregationRule, ruleOf } from "./rule.ts";
import { TILE_LENGTH } from "./tiles.ts";
import { type Reading, requireClients, type UpdateSource } from "./update_source.ts";
import { distancesTo } from "./point_distances.ts";
import { sumOfSource } from "./weighted_sum.ts";

const RULE = "geometricMedian";

export interface GeometricMedianOptions {
  /** ν > 0: distances below it count as it, so that an update the point falls on does not take all. Default 1e-6. */
  readonly smoothing?: number;
  /** Most steps, 1–1,000; RFA needs 3 to 5. Default 100. */
  readonly iterations?: number;
  /** Stops when a step makes the sum of distances shrink by less than this share. Default 1e-7; 0 goes on while it shrinks at all. */
  readonly tolerance?: number;
}

/** The rule. Reads all updates twice per step and keeps one vector more than the result. */
export function geometricMedian(options: GeometricMedianOptions = {}): AggregationRule {
  const { smoothing = 1e-6, iterations = 100, tolerance = 1e-7 } = options;
  invariant(
    smoothing > 0 && iterations >= 1 && iterations <= 1_000 && tolerance >= 0,
    () =>
      `Cannot take a geometric median: smoothing ${smoothing}, iterations ${iterations}, tolerance ${tolerance}; expected > 0, 1 to 1,000, >= 0`,
  );
  return ruleOf({
    name: RULE,
    clientsMin: 1,
    weighted: true,
    workingBytes: ({ clients, count }) => 4 * count + 20 * TILE_LENGTH + 48 * clients,
    *steps(source) {
      requireClients(source, 1, RULE);
      const weights = Float64Array.from({ length: source.clients }, (_, i) => source.weight(i));
      let point = yield* meanBy(source, weights);
      let before = Infinity;
      for (let step = 0; step < iterations; step++) {
        const distances = yield* distancesTo(source, point);
        const sum = distances.reduce((total, distance, i) => total + weights[i]! * distance, 0);
        if (sum >= before * (1 - tolerance)) break;
        before = sum;
        point = yield* meanBy(
          source,
          distances.map((distance, i) => weights[i]! / Math.max(smoothing, distance)),
        );
      }
      return point;
    },
    begin: null,
  });
}

function* meanBy(
  source: UpdateSource,
  factors: Float64Array<ArrayBuffer>,
): Reading<Parameters> {
  const shares = Array.from(factors, (factor) => ({ factor, weight: factor }));
  return yield* sumOfSource(source, shares, RULE);
}
