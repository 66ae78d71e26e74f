/** The form for secure sums: levels that add up modulo 2^k, decoded to the sum of updates, for any number of devices. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { normalisedError } from "../../learning/compression/normalised_error.ts";
import { decodeSum, encodeForSum, rangeFor, sumBits } from "../../learning/compression/sum_form.ts";
import type { Parameters } from "../../learning/parameters.ts";
import { seededRandom } from "../../platform/seeded_random.ts";

function updateOf(count: number, seed: string | number, norm: number): Parameters {
  const random = seededRandom(seed);
  const update = Float32Array.from({ length: count }, () => random.float() - 0.5);
  const factor = norm / Math.sqrt(update.reduce((sum, x) => sum + x * x, 0));
  return update.map((value) => value * factor);
}

Deno.test("the sum of masked levels modulo 2^k decodes to the sum of updates, within the levels' distance", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 2, max: 700 }),
      fc.integer({ min: 4, max: 20 }),
      fc.nat(),
      (devices, count, bits, seed) => {
        const form = { range: 1.5, bits, seed: seededRandom(seed).bytes(32) };
        const mask = 2 ** sumBits(bits, devices) - 1;
        const total = new Float32Array(count);
        const sums = new Uint32Array(count);
        const noise = seededRandom(`masks ${seed}`);
        for (let device = 0; device < devices; device++) {
          const update = updateOf(count, `${seed} ${device}`, 1);
          const { levels, clamped } = encodeForSum(update, form, seededRandom(device));
          assert.equal(clamped, 0);
          for (let i = 0; i < count; i++) {
            total[i]! += update[i]!;
            // A mask that goes in and out again, as a pair of devices would add and subtract it.
            const pairwise = noise.uint32();
            sums[i] = ((sums[i]! + levels[i]! + pairwise) - pairwise) & mask;
          }
        }
        const decoded = decodeSum(sums, form, devices);
        assert.ok(decoded !== undefined);
        const step = 3 / (2 ** bits - 1);
        // Rounding has at most a quarter of the squared step as variance; how far the mean over so few numbers strays follows from their count.
        const error = decoded.reduce((sum, value, i) => sum + (value - total[i]!) ** 2, 0);
        const numbers = devices * count;
        const allowed = 0.25 * numbers * step * step * (1 + 12 / Math.sqrt(count));
        assert.ok(error <= allowed + 1e-7, `error ${error}, allowed ${allowed}`);
      },
    ),
    { numRuns: 60 },
  );
});

Deno.test("rounding is unbiased: over many dice the mean of decoded updates comes to the update", () => {
  const count = 300;
  const update = updateOf(count, "unbiased", 1);
  const form = { range: rangeFor({ norm: 1, count }), bits: 3, seed: new Uint8Array(32).fill(3) };
  const rounds = 500;
  const sums = new Uint32Array(count);
  for (let round = 0; round < rounds; round++) {
    encodeForSum(update, form, seededRandom(round)).levels.forEach((level, i) => sums[i]! += level);
  }
  const mean = decodeSum(sums, form, rounds)!.map((value) => value / rounds);
  const once = decodeSum(encodeForSum(update, form, seededRandom(1)).levels, form, 1)!;
  const ratio = normalisedError(update, mean) / normalisedError(update, once) * rounds;
  assert.ok(ratio > 0.6 && ratio < 1.5, String(ratio));
});

Deno.test("the default range clamps next to nothing of normal updates and of ones in one place", () => {
  const count = 20_000;
  const single = new Float32Array(count);
  single[19_999] = 1;
  for (const update of [updateOf(count, "range", 1), single]) {
    const range = rangeFor({ norm: 1, count });
    const form = { range, bits: 8, seed: new Uint8Array(32).fill(4) };
    const { levels, clamped } = encodeForSum(update, form, seededRandom(1));
    assert.ok(clamped <= 1, `${clamped} clamped`);
    const decoded = decodeSum(levels, form, 1)!;
    assert.ok(normalisedError(update, decoded) < 0.0006, String(normalisedError(update, decoded)));
  }
});

Deno.test("what exceeds the range is clamped and counted, and what exceeds all devices is refused", () => {
  const form = { range: 0.001, bits: 4, seed: new Uint8Array(32) };
  const { levels, clamped } = encodeForSum(updateOf(100, "large", 50), form, seededRandom(1));
  assert.ok(clamped > 90);
  assert.ok(levels.every((level) => level <= 15));
  assert.equal(decodeSum(levels.map((level) => level + 16), form, 1), undefined);
});

Deno.test("the modulus grows with the devices, and impossible ones are refused", () => {
  assert.deepEqual([1, 2, 3, 100, 1_024].map((devices) => sumBits(16, devices)), [
    16,
    17,
    18,
    23,
    26,
  ]);
  assert.throws(() => sumBits(24, 1_000), /needs 34 bits/);
});
