/**
 * What a device hands to the secure sum: its clipped update as integers, with its part of the noise on top. Everything that decides the
 * cost is fixed by the plan before anybody trains (`releaseOf`); `encodeUpdate` then keeps to it whatever the update is.
 */
import { invariant } from "../../platform/invariant.ts";
import type { Random } from "../../platform/ports.ts";
import type { Parameters } from "../parameters.ts";
import { belowBit, bitWeight } from "./adaptive_clipping.ts";
import { clipFlat, type Clipped } from "./clipping.ts";
import { discreteGaussian } from "./discrete_gaussian.ts";
import type { Mechanism } from "./mechanism.ts";
import { skellam } from "./skellam.ts";
import type { IntegerNoise } from "./table_noise.ts";
import { Words } from "./words.ts";

/** What the plan of a run says about a release. */
export interface ReleasePlan {
  readonly noise: "discreteGaussian" | "skellam";
  /** Standard deviation of the sum's noise ÷ sensitivity, > 0. */
  readonly noiseMultiplier: number;
  /** Longest update of a device, L2. */
  readonly clip: number;
  /** Numbers in an update. */
  readonly dimension: number;
  /** Fewest honest devices that are in every sum that comes about: see `contributionsLeast`. */
  readonly contributionsLeast: number;
  /** Integers per unit; absent for one so fine that rounding costs at most 1 % (`scaleFor`). */
  readonly scale?: number;
  /** With adaptive clipping σ_b, the noise on the count of devices below: the vector gets one number more. */
  readonly countDeviation?: number;
}

/** Numbers that follow from the plan, alike on all devices. */
export interface Release {
  readonly plan: ReleasePlan;
  /** Integers per unit of the update. */
  readonly scale: number;
  /** Numbers of the integer vector: those of the update, and one more with adaptive clipping. */
  readonly length: number;
  /** Longest integer vector of a device's update, before noise. */
  readonly updateLength: number;
  /** ± this is the last number with adaptive clipping; 0 without. */
  readonly bitWeight: number;
  /** Longest integer vector of a device, before noise: its L2 sensitivity. */
  readonly sensitivity: number;
  /** Variance of each device's noise on each coordinate. */
  readonly variancePerDevice: number;
  /** What the sum costs. */
  readonly mechanism: Mechanism;
  /** No number of one device's integers is larger, but for a chance of 2^−100. For the modulus of the secure sum. */
  readonly magnitudeMax: number;
}

/** Tries, each of which succeeds with probability 1 − e^(−1/2) or more, before rounding toward zero, which never lengthens. */
const ROUNDING_TRIES = 30;
/** Standard deviations beyond which a discrete Gaussian or Skellam number lies with a chance below 2^−100. */
const DEVIATIONS_MAX = 13;
/** Integers of one device stay below 2^30, so that noise is added without overflow. */
const MAGNITUDE_LIMIT = 2 ** 30;

/**
 * Fewest honest devices in a sum: of `participants` a share of `dropout` may fall away and `colluders` may leave out their noise. At
 * least 1.
 */
export function contributionsLeast(
  options: {
    readonly participants: number;
    /** In [0, 1). */
    readonly dropout: number;
    readonly colluders?: number;
  },
): number {
  const { participants, dropout, colluders = 0 } = options;
  // 0.7 × 10 is 6.999… in doubles.
  return Math.max(1, Math.floor(participants * (1 - dropout) + 1e-9) - colluders);
}

/** The coarsest power of two (integers per unit) at which rounding adds at most 1 % to the sensitivity and each device's σ is 3 or more. */
export function scaleFor(plan: Omit<ReleasePlan, "scale">): number {
  const { clip, dimension, noiseMultiplier, contributionsLeast } = plan;
  let scale = 2 ** -40;
  const fine = () => {
    const length = clip * scale;
    const deviation = noiseMultiplier * length / Math.sqrt(contributionsLeast);
    return roundedLength(length, dimension) <= 1.01 * length && deviation >= 3;
  };
  while (!fine() && scale < 2 ** 60) scale *= 2;
  return scale;
}

/** Everything that follows from a plan. Throws a `RangeError` when its noise cannot be drawn or its integers do not fit 31 bits. */
export function releaseOf(plan: ReleasePlan): Release {
  const { noise, noiseMultiplier, clip, dimension, contributionsLeast, countDeviation } = plan;
  checkPlan(plan);
  const scale = plan.scale ?? scaleFor(plan);
  const updateLength = roundedLength(clip * scale, dimension);
  const weight = countDeviation === undefined
    ? 0
    : bitWeight({ sensitivity: updateLength, noiseMultiplier, countDeviation });
  const length = dimension + (countDeviation === undefined ? 0 : 1);
  const sensitivity = Math.hypot(updateLength, weight);
  const variance = (noiseMultiplier * sensitivity) ** 2;
  const variancePerDevice = variance / contributionsLeast;
  const magnitudeMax = Math.ceil(sensitivity + DEVIATIONS_MAX * Math.sqrt(variancePerDevice) + 60);
  if (!(magnitudeMax < MAGNITUDE_LIMIT)) {
    throw new RangeError(
      `Cannot encode updates: integers reach ${magnitudeMax}, expected less than 2^30. Choose a smaller ` +
        `scale than ${scale} or less noise than ${noiseMultiplier}.`,
    );
  }
  const mechanism: Mechanism = noise === "skellam"
    ? { kind: "skellam", variance, dimension: length, sensitivity }
    : {
      kind: "discreteGaussian",
      variance: variancePerDevice,
      contributions: contributionsLeast,
      dimension: length,
      sensitivity,
    };
  return {
    plan,
    scale,
    length,
    updateLength,
    bitWeight: weight,
    sensitivity,
    variancePerDevice,
    mechanism,
    magnitudeMax,
  };
}

/** The sampler of one device's part of the noise. */
export function noiseOf(release: Release, random: Random): IntegerNoise {
  return release.plan.noise === "skellam"
    ? skellam(release.variancePerDevice, random)
    : discreteGaussian(release.variancePerDevice, random);
}

/** A device's integers, and what clipping found. */
export interface EncodedUpdate {
  readonly integers: Int32Array<ArrayBuffer>;
  readonly clipped: Clipped;
}

/**
 * Clips `update` (in place), scales and rounds it without bias, and adds the device's noise. The vector before noise is never longer than
 * `release.sensitivity`: a rounding that made it so is thrown away and done again (Kairouz, Liu, Steinke 2021, arXiv:2102.06387,
 * section 4.1). Chance comes from `random` only, so equal seeds give equal integers. Throws a `RangeError` when the update holds NaN or
 * infinities or has another dimension than planned.
 */
export function encodeUpdate(update: Parameters, release: Release, random: Random): EncodedUpdate {
  const { plan, scale, updateLength } = release;
  if (update.length !== plan.dimension) {
    throw new RangeError(
      `Cannot encode an update of ${update.length} numbers, expected ${plan.dimension}`,
    );
  }
  const clipped = clipFlat(update, plan.clip);
  const integers = new Int32Array(release.length);
  const words = new Words(random.fork("rounding"));
  let tries = 0;
  while (roundAtRandom(update, { scale, words, integers }) > updateLength) {
    if (++tries < ROUNDING_TRIES) continue;
    for (let i = 0; i < update.length; i++) integers[i] = Math.trunc(update[i]! * scale);
    break;
  }
  if (release.bitWeight > 0) {
    integers[update.length] = 2 * belowBit(clipped.norm, plan.clip) * release.bitWeight;
  }
  noiseOf(release, random.fork("noise")).addTo(integers);
  return { integers, clipped };
}

/** What the sum of `participants` devices' integers means. */
export interface DecodedSum {
  /** Mean update. */
  readonly mean: Parameters;
  /** Noisy Σ `belowBit`, for `nextClip`; null without adaptive clipping. */
  readonly bits: number | null;
}

/** Reads a sum of `encodeUpdate`'s integers. */
export function decodeSum(sum: Int32Array, participants: number, release: Release): DecodedSum {
  invariant(
    participants >= 1 && sum.length === release.length,
    () => `Cannot read ${sum.length} numbers of ${participants} devices as a sum`,
  );
  const factor = 1 / (release.scale * participants);
  const mean = new Float32Array(release.plan.dimension);
  for (let i = 0; i < mean.length; i++) mean[i] = sum[i]! * factor;
  const bits = release.bitWeight === 0 ? null : sum[mean.length]! / (2 * release.bitWeight);
  return { mean, bits };
}

/** Rounds up with the probability of the fraction; returns the length of the integers. */
function roundAtRandom(
  update: Parameters,
  { scale, words, integers }: {
    readonly scale: number;
    readonly words: Words;
    readonly integers: Int32Array;
  },
): number {
  let squares = 0;
  for (let i = 0; i < update.length; i++) {
    const value = update[i]! * scale;
    const floor = Math.floor(value);
    const integer = words.next() < (value - floor) * 2 ** 32 ? floor + 1 : floor;
    integers[i] = integer;
    squares += integer * integer;
  }
  return Math.sqrt(squares);
}

/**
 * How long a vector of length `length` may be after rounding, with probability 1 − β or for sure:
 * min(√(x² + d/4 + √(2 log(1/β)) (x + √d/2)), x + √d) (the same paper, proposition 22), for β = e^(−1/2), which makes the inner root 1.
 */
export function roundedLength(length: number, dimension: number): number {
  const root = Math.sqrt(dimension);
  const likely = Math.sqrt(length * length + dimension / 4 + length + root / 2);
  return Math.min(likely, length + root);
}

function checkPlan(plan: ReleasePlan): void {
  const { noise, noiseMultiplier, clip, dimension, contributionsLeast, countDeviation } = plan;
  const wrong = (name: string, value: number, expected: string): never => {
    throw new RangeError(`Cannot encode updates: ${name} is ${value}, expected ${expected}`);
  };
  if (!(noiseMultiplier > 0 && Number.isFinite(noiseMultiplier))) {
    wrong("noise multiplier", noiseMultiplier, "a finite number > 0");
  }
  if (!(clip > 0 && Number.isFinite(clip))) wrong("clipping length", clip, "a finite number > 0");
  if (!(Number.isInteger(dimension) && dimension >= 1)) {
    wrong("dimension", dimension, "an integer >= 1");
  }
  if (!(Number.isInteger(contributionsLeast) && contributionsLeast >= 1)) {
    wrong("number of devices that add noise", contributionsLeast, "an integer >= 1");
  }
  if (countDeviation !== undefined && noise === "skellam") {
    // What Skellam noise costs depends on the scale, and that moves with the clipping length.
    throw new RangeError("Cannot clip adaptively with Skellam noise: choose discreteGaussian");
  }
}
