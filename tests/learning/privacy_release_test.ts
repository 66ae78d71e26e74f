/** What leaves a device: clipped, rounded, noised integers, and what the sum of them means. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type AdaptiveClipping,
  belowBit,
  nextClip,
  splitNoise,
} from "../../learning/privacy/adaptive_clipping.ts";
import { centralMechanism } from "../../learning/privacy/central_noise.ts";
import { clipFlat, lengthOf } from "../../learning/privacy/clipping.ts";
import { rdpOfMechanism } from "../../learning/privacy/mechanism.ts";
import { RDP_ORDERS, rdpSubsampledGaussian } from "../../learning/privacy/rdp.ts";
import {
  contributionsLeast,
  decodeSum,
  encodeUpdate,
  type Release,
  releaseOf,
  type ReleasePlan,
  roundedLength,
} from "../../learning/privacy/release.ts";
import { seededRandom } from "../../platform/seeded_random.ts";

const PLAN: ReleasePlan = {
  noise: "discreteGaussian",
  noiseMultiplier: 1,
  clip: 2,
  dimension: 500,
  contributionsLeast: 8,
};

function update(count: number, seed: string, length: number): Float32Array<ArrayBuffer> {
  const random = seededRandom(seed);
  const values = Float32Array.from({ length: count }, () => random.float() - 0.5);
  const factor = length / lengthOf(values);
  return values.map((value) => value * factor);
}

Deno.test("clipping never leaves an update longer than the bound, and leaves short ones alone", () => {
  fc.assert(fc.property(
    fc.float32Array({ noNaN: true, noDefaultInfinity: true, minLength: 1, maxLength: 50 }),
    fc.double({ min: 1e-3, max: 1e3, noNaN: true }),
    (values, clip) => {
      const clipped = new Float32Array(values);
      const { norm, factor } = clipFlat(clipped, clip);
      assert(lengthOf(clipped) <= clip);
      if (norm <= clip) assert.deepEqual(clipped, new Float32Array(values));
      else assert(lengthOf(clipped) > clip * 0.999);
      assert(factor <= 1 && factor >= 0);
    },
  ));
});

Deno.test("an update with NaN or infinities is refused", () => {
  for (const wrong of [NaN, Infinity, -Infinity]) {
    assert.throws(() => clipFlat(Float32Array.of(1, wrong), 1), RangeError);
  }
});

Deno.test("before noise no device's integers are longer than the sensitivity that is paid for", () => {
  // A coarse scale is where rounding could lengthen them; huge noise multipliers would hide it, tiny ones do not.
  for (const scale of [0.5, 3, 40]) {
    const release = releaseOf({ ...PLAN, noiseMultiplier: 1e-6, scale, contributionsLeast: 1 });
    for (let i = 0; i < 20; i++) {
      const { integers } = encodeUpdate(update(500, `u${i}`, 5), release, seededRandom(i));
      const length = Math.hypot(...integers);
      assert(length <= release.sensitivity, `scale ${scale}: ${length} > ${release.sensitivity}`);
      assert(release.sensitivity <= roundedLength(2 * scale, 500));
    }
  }
});

Deno.test("a rounding that lengthens a vector too much is thrown away", () => {
  // A hundred halves: about one rounding in fifty sets more than sixty of them to one.
  const release = releaseOf({
    ...PLAN,
    noiseMultiplier: 1e-6,
    clip: 5,
    dimension: 100,
    scale: 1,
    contributionsLeast: 1,
  });
  const halves = new Float32Array(100).fill(0.4999);
  for (let seed = 0; seed < 400; seed++) {
    const { integers } = encodeUpdate(halves.slice(), release, seededRandom(seed));
    assert(Math.hypot(...integers) <= release.sensitivity, `seed ${seed}`);
  }
});

Deno.test("rounding is unbiased: the mean of many sums is the update", () => {
  const release = releaseOf({ ...PLAN, dimension: 4, noiseMultiplier: 0.01, scale: 2 });
  const truth = [0.3, -0.7, 0.11, 0.9];
  const sum = new Int32Array(4);
  const times = 10_000;
  for (let i = 0; i < times; i++) {
    encodeUpdate(Float32Array.from(truth), release, seededRandom(`bias ${i}`)).integers
      .forEach((value, k) => sum[k] = sum[k]! + value);
  }
  decodeSum(sum, times, release).mean.forEach((value, k) => {
    assert(Math.abs(value - truth[k]!) < 0.015, `${value}, expected ${truth[k]}`);
  });
});

/** Sum of several devices' integers. */
function sumOf(release: Release, devices: number, seed: string): Int32Array {
  const sum = new Int32Array(release.length);
  for (let device = 0; device < devices; device++) {
    const values = new Float32Array(release.plan.dimension);
    encodeUpdate(values, release, seededRandom(`${seed} ${device}`)).integers
      .forEach((value, i) => sum[i] = sum[i]! + value);
  }
  return sum;
}

Deno.test("with the fewest devices the sum carries the noise that is accounted for, with more a little more", () => {
  for (const noise of ["discreteGaussian", "skellam"] as const) {
    const least = contributionsLeast({ participants: 12, dropout: 1 / 3 });
    assert.equal(least, 8);
    const release = releaseOf({ ...PLAN, noise, dimension: 20_000, contributionsLeast: least });
    const target = release.plan.noiseMultiplier * release.sensitivity;
    for (const [devices, factor] of [[8, 1], [12, Math.sqrt(1.5)]] as const) {
      const sum = sumOf(release, devices, noise);
      const deviation = Math.sqrt(sum.reduce((all, value) => all + value * value, 0) / sum.length);
      assert(
        Math.abs(deviation / (target * factor) - 1) < 0.025,
        `${noise}: ${deviation / target}`,
      );
    }
  }
});

Deno.test("integers in a sum mean what the updates' mean is, within the noise", () => {
  const devices = 40;
  const plan = { ...PLAN, noiseMultiplier: 0.1, contributionsLeast: devices };
  const release = releaseOf(plan);
  const sum = new Int32Array(release.length);
  const mean = new Float64Array(500);
  for (let device = 0; device < devices; device++) {
    const values = update(500, `mean ${device}`, 1.5);
    values.forEach((value, i) => mean[i] = mean[i]! + value / devices);
    encodeUpdate(values, release, seededRandom(`mean noise ${device}`)).integers
      .forEach((value, i) => sum[i] = sum[i]! + value);
  }
  const decoded = decodeSum(sum, devices, release);
  assert.equal(decoded.bits, null);
  const deviation = 0.1 * 2 / devices;
  const off = Math.hypot(...decoded.mean.map((value, i) => value - mean[i]!));
  assert(off < 1.3 * deviation * Math.sqrt(500), `${off}`);
});

Deno.test("encoding is the same for equal seeds, and no number passes the bound for the modulus", () => {
  const release = releaseOf(PLAN);
  const [a, b] = [1, 1].map((seed) =>
    encodeUpdate(update(500, "same", 3), release, seededRandom(seed))
  );
  assert.deepEqual(a, b);
  assert(a!.integers.every((value) => Math.abs(value) <= release.magnitudeMax));
});

Deno.test("a release costs what a Gaussian of its noise multiplier costs, to a millionth", () => {
  const release = releaseOf({ ...PLAN, dimension: 1_663_370, contributionsLeast: 500 });
  const curve = rdpOfMechanism(release.mechanism, { rate: 1 });
  const central = rdpOfMechanism(
    centralMechanism({ clip: 2, noiseMultiplier: 1, dimension: 1_663_370 }),
    { rate: 1 },
  );
  RDP_ORDERS.forEach((order, i) => {
    const gaussian = rdpSubsampledGaussian({ samplingRate: 1, noiseMultiplier: 1 }, order);
    if (Number.isInteger(order)) assert(Math.abs(curve[i]! / gaussian - 1) < 1e-6);
    // Rounding to the lattice costs, and little.
    assert(central[i]! >= gaussian && central[i]! < gaussian * 1.006);
  });
});

Deno.test("a plan whose integers do not fit, or without sense, is refused by name", () => {
  assert.throws(
    () => releaseOf({ ...PLAN, scale: 2 ** 29 }),
    /integers reach \d+, expected less than/,
  );
  assert.throws(() => releaseOf({ ...PLAN, clip: 0 }), /clipping length is 0, expected/);
  assert.throws(() => releaseOf({ ...PLAN, noiseMultiplier: NaN }), /noise multiplier is NaN/);
  assert.throws(() => releaseOf({ ...PLAN, dimension: 1.5 }), /dimension is 1.5/);
  assert.throws(() => releaseOf({ ...PLAN, noise: "skellam", countDeviation: 2 }), /Skellam/);
  const release = releaseOf(PLAN);
  assert.throws(
    () => encodeUpdate(new Float32Array(3), release, seededRandom(1)),
    /update of 3 numbers, expected 500/,
  );
});

const ADAPTIVE: AdaptiveClipping = {
  quantile: 0.5,
  rate: 0.2,
  countDeviation: 2,
  least: 1e-3,
  most: 1e3,
};

Deno.test("the clipping length finds the quantile of the devices' lengths, from far below and far above", () => {
  const devices = 100;
  for (const start of [0.01, 50]) {
    const random = seededRandom(`adaptive ${start}`);
    let clip = start;
    for (let round = 0; round < 150; round++) {
      let bits = (random.float() - 0.5) * 2 * ADAPTIVE.countDeviation;
      // Lengths are uniform in [0, 4): the median is 2.
      for (let i = 0; i < devices; i++) bits += belowBit(random.float() * 4, clip);
      clip = nextClip(clip, { bits, participants: devices }, ADAPTIVE);
    }
    assert(Math.abs(clip - 2) < 0.4, `from ${start}: ${clip}`);
  }
});

Deno.test("the clipping length stays within its bounds, however wild the count", () => {
  fc.assert(fc.property(
    fc.double({ min: -1e12, max: 1e12, noNaN: true }),
    fc.integer({ min: 1, max: 1_000 }),
    (bits, participants) => {
      const clip = nextClip(1, { bits, participants }, ADAPTIVE);
      assert(clip >= ADAPTIVE.least && clip <= ADAPTIVE.most && clip < 1.6 && clip > 0.6);
    },
  ));
});

Deno.test("update and count together cost what the noise multiplier alone would", () => {
  const z = 1.3;
  const forUpdate = splitNoise(z, 2);
  assert(forUpdate > z);
  // RDP of two Gaussian releases adds up: 1/z² = 1/z_Δ² + 1/(2σ_b)².
  assert(Math.abs(1 / forUpdate ** 2 + 1 / 4 ** 2 - 1 / z ** 2) < 1e-12);
  assert.throws(() => splitNoise(4, 2), /the count's noise is 2, expected more than half/);
});

Deno.test("the count of devices below rides in the same sum, and is paid for in it", () => {
  const devices = 8;
  const plan = { ...PLAN, countDeviation: 2, contributionsLeast: devices };
  const release = releaseOf(plan);
  const without = releaseOf(PLAN);
  assert.equal(release.length, 501);
  assert(release.sensitivity > without.sensitivity);
  const mechanism = release.mechanism;
  assert(mechanism.kind === "discreteGaussian" && mechanism.dimension === 501);
  // Noise of the update alone: splitNoise of the whole, which is what its sensitivity gets.
  const deviation = Math.sqrt(release.variancePerDevice * devices);
  assert(Math.abs(deviation / release.updateLength / splitNoise(1, 2) - 1) < 1e-3);

  let squares = 0;
  const times = 120;
  for (let i = 0; i < times; i++) {
    const sum = new Int32Array(release.length);
    for (let device = 0; device < devices; device++) {
      // Six of eight are shorter than the clipping length.
      const values = update(500, `count ${device}`, device < 6 ? 1 : 4);
      encodeUpdate(values, release, seededRandom(`count ${i} ${device}`)).integers
        .forEach((value, k) => sum[k] = sum[k]! + value);
    }
    squares += (decodeSum(sum, devices, release).bits! - 2) ** 2;
  }
  const found = Math.sqrt(squares / times);
  assert(found > 1.65 && found < 2.5, `noise on the count: ${found}`);
});
