/** Integer noise: whether what is drawn has the distribution that is accounted for. Seeds are fixed: a failure is no bad luck. */
import assert from "node:assert/strict";
import {
  discreteGaussian,
  exactDiscreteGaussian,
} from "../../learning/privacy/discrete_gaussian.ts";
import { decideByWord, decideExactly } from "../../learning/privacy/exponential_coin.ts";
import { skellam } from "../../learning/privacy/skellam.ts";
import { type IntegerNoise, tableNoise } from "../../learning/privacy/table_noise.ts";
import { Words } from "../../learning/privacy/words.ts";
import { addCentralNoise, latticeStep } from "../../learning/privacy/central_noise.ts";
import { seededRandom } from "../../platform/seeded_random.ts";
import type { Random } from "../../platform/ports.ts";
import fixtures from "../fixtures/privacy/accounting.json" with { type: "json" };

const SAMPLERS = [
  ["discreteGaussian", discreteGaussian],
  ["discreteGaussian", exactDiscreteGaussian],
  ["skellam", skellam],
] as const;

function sample(noise: IntegerNoise, count: number): Int32Array {
  const values = new Int32Array(count);
  noise.addTo(values);
  return values;
}

/** Mean, variance and kurtosis of a sample. */
function moments(values: Int32Array) {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  let second = 0;
  let fourth = 0;
  for (const value of values) {
    second += (value - mean) ** 2;
    fourth += (value - mean) ** 4;
  }
  const variance = second / values.length;
  return { mean, variance, kurtosis: fourth / values.length / variance ** 2 };
}

Deno.test("noise follows the probabilities of the oracle (chi-square)", () => {
  const count = 200_000;
  for (const { variance, ...expected } of fixtures.noise) {
    for (const [kind, sampler] of SAMPLERS) {
      const drawn = sample(sampler(variance, seededRandom(`${kind} ${variance}`)), count);
      const counts = new Map<number, number>();
      for (const value of drawn) counts.set(value, (counts.get(value) ?? 0) + 1);
      // Cells with fewer than ten expected draws are put together.
      let chiSquare = 0;
      let cells = 0;
      let rest = count;
      let restExpected = count;
      const pmf = expected[kind];
      for (let k = 1 - pmf.length; k < pmf.length; k++) {
        const wanted = pmf[Math.abs(k)]! * count;
        if (wanted < 10) continue;
        const found = counts.get(k) ?? 0;
        chiSquare += (found - wanted) ** 2 / wanted;
        cells++;
        rest -= found;
        restExpected -= wanted;
      }
      if (restExpected > 1) {
        chiSquare += (rest - restExpected) ** 2 / restExpected;
        cells++;
      }
      const freedom = cells - 1;
      const limit = freedom + 4 * Math.sqrt(2 * freedom) + 8;
      assert(
        chiSquare < limit,
        `${kind} ${variance} (${sampler.name}): χ² is ${chiSquare}, expected below ${limit}`,
      );
    }
  }
});

Deno.test("noise has the moments it should, from small to large variances", () => {
  const count = 100_000;
  for (const variance of [0.05, 2, 1_000.5, 1e6, 2 ** 24 + 1, 2 ** 30]) {
    for (const [kind, sampler] of SAMPLERS) {
      const random = seededRandom(`moments ${kind} ${variance}`);
      const found = moments(sample(sampler(variance, random), count));
      const what = `${kind} ${variance} (${sampler.name})`;
      // Below 1 the discrete Gaussian's variance is visibly smaller than σ²: the oracle's probabilities cover that.
      if (kind === "discreteGaussian" && variance < 1) {
        assert(found.variance < variance, what);
        continue;
      }
      const kurtosis = kind === "skellam" ? 3 + 1 / variance : 3;
      const ofVariance = Math.sqrt((kurtosis - 1) / count);
      assert(
        Math.abs(found.mean) < 4.5 * Math.sqrt(variance / count),
        `${what}: mean ${found.mean}`,
      );
      const off = found.variance / variance - 1;
      assert(Math.abs(off) < 4.5 * ofVariance, `${what}: variance is off by ${off}`);
      if (variance >= 1) {
        assert(Math.abs(found.kurtosis - kurtosis) < 0.1, `${what}: kurtosis ${found.kurtosis}`);
      }
    }
  }
});

Deno.test("equal seeds give equal noise, and different ones do not", () => {
  for (const [, sampler] of SAMPLERS) {
    const [a, b, c] = ["x", "x", "y"].map((seed) => sample(sampler(100, seededRandom(seed)), 50));
    assert.deepEqual(a, b);
    assert.notDeepEqual(a, c);
  }
});

Deno.test("noise is added to what is there", () => {
  const values = new Int32Array(100).fill(1_000_000);
  skellam(4, seededRandom("added")).addTo(values);
  assert(values.every((value) => Math.abs(value - 1_000_000) < 30));
  assert(new Set(values).size > 3);
});

Deno.test("sums of distributed Skellam noise are Skellam noise of the whole variance", () => {
  const count = 200_000;
  const values = new Int32Array(count);
  for (let device = 0; device < 8; device++) {
    skellam(0.5, seededRandom(`part ${device}`)).addTo(values);
  }
  const { variance, kurtosis } = moments(values);
  assert(Math.abs(variance / 4 - 1) < 0.015, `${variance}`);
  assert(Math.abs(kurtosis - 3.25) < 0.06, `${kurtosis}`);
});

/** Random words that are given beforehand. */
function scripted(words: readonly number[]): Words {
  const bytes = new Uint8Array(65_536);
  new Uint32Array(bytes.buffer).set(words);
  return new Words({ bytes: () => bytes } as unknown as Random);
}

Deno.test("integers below a bound are drawn without a bias", () => {
  // Of 2^32 words one too many falls to 0 of 3: the word 0 is drawn again.
  assert.equal(scripted([0, 0x60000000]).below(3), 1);
  assert.equal(scripted([1]).below(3), 0);
  assert.equal(scripted([0xffffffff]).below(3), 2);
  assert.equal(scripted([0]).below(4), 0);
});

Deno.test("a coin's first word decides only what is certain", () => {
  assert.equal(decideByWord(0, 1), 1);
  assert.equal(decideByWord(2 ** 32 - 1, 1), 0);
  const edge = Math.floor(Math.exp(-1) * 2 ** 32);
  assert.equal(decideByWord(edge - 1, 1), 1);
  assert.equal(decideByWord(edge, 1), -1);
  assert.equal(decideByWord(edge + 1, 1), 0);
  // Too unlikely for 32 bits, and so unlikely that a double says 0.
  assert.equal(decideByWord(0, 50), -1);
  assert.equal(decideByWord(0, 800), -1);
  assert.equal(decideByWord(1, 800), 0);
});

Deno.test("what the first word leaves open is decided by as many bits as it takes", () => {
  // e^(−1) × 2^160 in words: 5e2d58d8 b3bcdf1a badec782 9054f90d da9805aa.
  const one = { numerator: 1n, denominator: 1n };
  const first = 0x5e2d58d8;
  const digits = [0xb3bcdf1a, 0xbadec782, 0x9054f90d, 0xda9805aa];
  assert.equal(decideByWord(first, 1), -1);
  assert.equal(decideExactly(first, one, scripted([0xb3bcdf19, 0xffffffff, 0, 0])), true);
  assert.equal(decideExactly(first, one, scripted([0xb3bcdf1b, 0, 0, 0])), false);
  // Equal in 160 bits: the next words decide (they are 0 and 2^32 − 1, e^(−1) lies between).
  assert.equal(decideExactly(first, one, scripted([...digits, 0, 0, 0, 0])), true);
  const above = new Array<number>(4).fill(0xffffffff);
  assert.equal(decideExactly(first, one, scripted([...digits, ...above])), false);
  // e^(−50) is 2^(−72.13…): 32 zeros are not enough to come up, 80 are.
  const fifty = { numerator: 50n, denominator: 1n };
  assert.equal(decideExactly(0, fifty, scripted([0, 0, 0, 0])), true);
  assert.equal(decideExactly(0, fifty, scripted([0, 0x01000000, 0, 0])), false);
});

Deno.test("a table of one value gives that value, and equal weights come up equally often", () => {
  assert.equal(tableNoise([1n << 120n], seededRandom("one")).draw(), 0);
  const third = tableNoise([1n << 120n, 1n << 120n], seededRandom("three"));
  const counts = [0, 0, 0];
  for (let i = 0; i < 30_000; i++) counts[third.draw() + 1]!++;
  for (const count of counts) assert(Math.abs(count - 10_000) < 400, `${counts}`);
});

Deno.test("central noise lies on a lattice, whatever the sum was, and has its deviation", () => {
  const deviation = 0.37;
  const sum = Float64Array.from({ length: 50_000 }, (_, i) => i * Math.PI);
  const noisy = sum.slice();
  addCentralNoise(noisy, deviation, seededRandom("central"));
  const step = latticeStep(deviation);
  assert(step < deviation / 2 ** 19 * 1.0001 && step > deviation / 2 ** 21);
  let squares = 0;
  noisy.forEach((value, i) => {
    assert(Number.isInteger(value / step));
    squares += (value - sum[i]!) ** 2;
  });
  assert(Math.abs(Math.sqrt(squares / sum.length) / deviation - 1) < 0.02);
});

Deno.test("variances that cannot be drawn are refused by name", () => {
  for (const variance of [0, -1, NaN, Infinity, 2 ** 50]) {
    for (const [, sampler] of SAMPLERS) {
      assert.throws(
        () => sampler(variance, seededRandom("x")),
        new RegExp(`variance is ${variance}`.replace("+", "\\+")),
      );
    }
  }
  assert.throws(() => latticeStep(0), /standard deviation is 0, expected/);
});
