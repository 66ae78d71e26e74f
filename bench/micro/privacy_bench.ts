/**
 * Question: what does privacy cost in time? Noise for the CNN of the FedAvg paper (1,663,370 numbers) by each sampler, beside what is
 * usually taken instead (floating-point Gaussian by Box and Muller, which gives itself away by its digits) in the same run; a whole
 * update from clipping to integers; and the accountants.
 */
import { epsilonOf, noiseMultiplierFor } from "../../learning/privacy/accountant.ts";
import {
  discreteGaussian,
  exactDiscreteGaussian,
} from "../../learning/privacy/discrete_gaussian.ts";
import { encodeUpdate, releaseOf } from "../../learning/privacy/release.ts";
import { skellam } from "../../learning/privacy/skellam.ts";
import { seededRandom } from "../../platform/seeded_random.ts";
import { systemRandom } from "../../platform/system_random.ts";
import type { Figure } from "../harness.ts";

/** Noise must be nothing beside training, which takes seconds. */
const NOISE_MS_MAX = 500;
const ENCODE_MS_MAX = 1_000;
const PLD_MS_MAX = 1_000;

/** Milliseconds: noise, updates, accountants. */
export function run({ quick }: { readonly quick: boolean }): Promise<Figure[]> {
  const count = quick ? 10_000 : 1_663_370;
  const rounds = quick ? 1 : 5;
  const random = systemRandom();
  const floats = new Float32Array(count);
  const boxMullerMs = bestMs(rounds, () => {
    for (let i = 0; i < count; i++) {
      floats[i] = Math.sqrt(-2 * Math.log(1 - random.float())) *
        Math.cos(2 * Math.PI * random.float());
    }
  });
  const integers = new Int32Array(count);
  const samplers = [
    ["discrete Gaussian", discreteGaussian],
    ["Skellam", skellam],
    ["discrete Gaussian without a table", exactDiscreteGaussian],
  ] as const;
  const figures: Figure[] = samplers.map(([name, sampler]) => {
    const ms = bestMs(rounds, () => sampler(1_000_000, random).addTo(integers));
    return {
      name: `privacy: noise, ${name}`,
      value: ms,
      unit: "ms",
      ratio: boxMullerMs / ms,
      ...(quick || sampler === exactDiscreteGaussian ? {} : { limit: NOISE_MS_MAX }),
      note: `${count.toLocaleString("en")} numbers of variance 10⁶; ratio of Box–Muller to it`,
    };
  });
  const release = releaseOf({
    noise: "discreteGaussian",
    noiseMultiplier: 1,
    clip: 1,
    dimension: count,
    contributionsLeast: 70,
  });
  const seeded = seededRandom("privacy bench");
  const update = Float32Array.from({ length: count }, () => seeded.float() - 0.5);
  figures.push({
    name: "privacy: an update clipped, rounded and noised",
    value: bestMs(rounds, () => encodeUpdate(update.slice(), release, random)),
    unit: "ms",
    ...(quick ? {} : { limit: ENCODE_MS_MAX }),
    note: `${count.toLocaleString("en")} numbers`,
  });
  const plan = { samplingRate: 0.01, noiseMultiplier: 1.1, steps: 1_000, delta: 1e-5 };
  figures.push(
    {
      name: "privacy: ε by RDP",
      value: bestMs(rounds, () => epsilonOf(plan, "rdp")),
      unit: "ms",
      note: "a thousand rounds of one device in a hundred",
    },
    {
      name: "privacy: ε by PLD",
      value: bestMs(rounds, () => epsilonOf(plan, "pld")),
      unit: "ms",
      ...(quick ? {} : { limit: PLD_MS_MAX }),
      note: "the same",
    },
    {
      name: "privacy: the noise for ε = 1 by PLD",
      value: bestMs(1, () => noiseMultiplierFor(plan, 1, "pld")),
      unit: "ms",
      note: "the same rounds",
    },
  );
  return Promise.resolve(figures);
}

/** The shortest of several times, after one that warms up. */
function bestMs(rounds: number, body: () => void): number {
  let best = Infinity;
  for (let round = 0; round <= rounds; round++) {
    const startedMs = performance.now();
    body();
    if (round > 0) best = Math.min(best, performance.now() - startedMs);
  }
  return best;
}
