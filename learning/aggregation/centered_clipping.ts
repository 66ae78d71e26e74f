/**
 * Centered clipping: from a start v, every step adds the mean of the updates' differences to v, each shortened to at most τ. Karimireddy, He,
 * Jaggi: "Learning from History for Byzantine Robust Optimization", ICML 2021, algorithm 2. The start is no change (zero); clients that
 * send momenta instead of differences get the paper's guarantee. Weights are not read.
 */
import { invariant } from "../../platform/invariant.ts";
import type { AggregationRule } from "./rule.ts";
import { clippingFactor } from "./norm_clipping.ts";
import { distancesTo, forEachPart } from "./point_distances.ts";
import { TILE_LENGTH } from "./tiles.ts";
import { finiteResult, requireClients, type UpdateSource } from "./update_source.ts";

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
  return {
    name: RULE,
    clientsMin: 1,
    weighted: false,
    workingBytes: ({ clients, count }) => 8 * count + 12 * TILE_LENGTH + 8 * clients,
    aggregate(source) {
      requireClients(source, 1, RULE);
      const centre = new Float64Array(source.count);
      for (let step = 0; step < iterations; step++) moveCentre(source, centre, radius);
      return finiteResult(Float32Array.from(centre), RULE);
    },
    begin: null,
  };
}

function moveCentre(
  source: UpdateSource,
  centre: Float64Array<ArrayBuffer>,
  radius: number,
): void {
  const factors = distancesTo(source, centre)
    .map((distance) => clippingFactor(distance, radius) / source.clients);
  const moved = new Float64Array(TILE_LENGTH);
  forEachPart(source, (client, start, part) => {
    const factor = factors[client]!;
    if (client === 0) moved.fill(0);
    for (let i = 0; i < part.length; i++) moved[i]! += factor * (part[i]! - centre[start + i]!);
    if (client < source.clients - 1) return;
    for (let i = 0; i < part.length; i++) centre[start + i]! += moved[i]!;
  });
}
