/** Compressed updates under secure sums: weights and lengths that add up, errors as large as reckoned, nothing lost that is kept for later. */
import assert from "node:assert/strict";
import fc from "fast-check";
import fixtures from "../fixtures/learning/sum_vectors.json" with { type: "json" };
import { normalisedError } from "../../learning/compression/normalised_error.ts";
import {
  decodeSumVector,
  encodeSumVector,
  rangeOfLength,
  sumVectorBits,
  type SumVectorForm,
  sumVectorLength,
  typicalLength,
} from "../../learning/compression/sum_vector.ts";
import type { Parameters } from "../../learning/parameters.ts";
import { maskOf, pack, packedBytes, unpack } from "../../learning/secure/packing.ts";
import { seededRandom } from "../../platform/seeded_random.ts";

function updateOf(count: number, seed: string | number, norm: number): Parameters {
  const random = seededRandom(seed);
  const update = Float32Array.from({ length: count }, () => random.float() - 0.5);
  const factor = norm / Math.sqrt(update.reduce((sum, x) => sum + x * x, 0));
  return update.map((value) => value * factor);
}

function rotated(count: number, bits: number, length = 1): SumVectorForm {
  const rotation = new Uint8Array(32).fill(bits);
  return {
    count,
    bits,
    range: rangeOfLength(length, count),
    rotation,
    choice: null,
    measured: true,
  };
}

/** Sums what devices with these updates and weights send, under masks of the form's modulus. */
function summed(
  form: SumVectorForm,
  updates: readonly Parameters[],
  weights: readonly number[],
  residuals: (Parameters | null)[] = updates.map(() => null),
) {
  const bits = Math.max(2, sumVectorBits(form, updates.length));
  const sum = new Uint32Array(sumVectorLength(form));
  const masks = seededRandom("masks");
  updates.forEach((update, i) => {
    const { values, residual } = encodeSumVector(update, form, {
      weight: weights[i]!,
      residual: residuals[i]!,
      random: seededRandom(`dice ${i} ${form.bits}`),
    });
    residuals[i] = residual;
    for (let k = 0; k < sum.length; k++) {
      const mask = masks.uint32();
      sum[k] = (sum[k]! + values[k]! + mask - mask) & maskOf(bits);
    }
  });
  const travelled = unpack(pack(sum, bits), { count: sum.length, bits });
  return decodeSumVector(travelled!, form, updates.length);
}

function meanOf(updates: readonly Parameters[], weights: readonly number[]): Parameters {
  const total = weights.reduce((sum, weight) => sum + Math.min(127, weight), 0);
  return Float32Array.from(
    updates[0]!,
    (_, k) =>
      updates.reduce((sum, one, i) => sum + one[k]! * Math.min(127, weights[i]!), 0) / total,
  );
}

Deno.test("levels, weights and lengths of any devices add up in as many bits as the modulus has", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 30 }),
      fc.integer({ min: 3, max: 300 }),
      fc.integer({ min: 2, max: 18 }),
      (weights, count, bits) => {
        const form = rotated(count, bits);
        const updates = weights.map((_, i) => updateOf(count, i, 1));
        const decoded = summed(form, updates, weights)!;
        assert.equal(decoded.weight, weights.reduce((sum, one) => sum + Math.min(127, one), 0));
        const mean = meanOf(updates, weights);
        // Each device is off by less than a level in each rotated number; rotation keeps lengths, twice in the stretch where both parts lie.
        const step = 2 * form.range / (2 ** bits - 1) * 127 / decoded.weight;
        const worst = 2 * Math.sqrt(count) * step * weights.length + 1e-5;
        const off = Math.hypot(...decoded.mean.map((value, k) => value - mean[k]!));
        assert.ok(off <= worst, `${off} > ${worst}`);
      },
    ),
    { numRuns: 60 },
  );
});

Deno.test("eight bits err by a two-thousandth, four by a seventh, and means of many devices by their number less", () => {
  const count = 5_000;
  const error = (bits: number, devices: number) => {
    const updates = Array.from({ length: devices }, (_, i) => updateOf(count, i, 1));
    const weights = updates.map(() => 127);
    const { mean } = summed(rotated(count, bits), updates, weights)!;
    // Beside one device's update: that of the mean is shorter.
    return normalisedError(meanOf(updates, weights), mean) / devices;
  };
  const [eight, four] = [error(8, 1), error(4, 1)];
  assert.ok(eight < 1 / 2_000, String(eight));
  assert.ok(four < 1 / 7, String(four));
  for (const bits of [2, 4, 8]) {
    const ratio = error(bits, 1) / (error(bits, 25) * 25);
    assert.ok(ratio > 0.8 && ratio < 1.25, `${bits} bits: ${ratio}`);
  }
});

Deno.test("ten devices send four-bit numbers in an eighth of what plain numbers take, eight-bit ones in two thirds of the full form", () => {
  const bytes = (bits: number) => {
    const form = rotated(100_000, bits);
    return packedBytes(sumVectorLength(form), sumVectorBits(form, 10));
  };
  assert.equal(bytes(16), Math.ceil((100_000 + 1 + 1) * 20 / 8));
  assert.equal(bytes(8), Math.ceil((100_000 + 1 + 2) * 12 / 8));
  assert.equal(bytes(4), 100_000 + 2 + 4);
  assert.equal(bytes(2), Math.ceil((100_000 + 4 + 8) * 6 / 8));
});

Deno.test("the length that the next round is tuned to is a weighted geometric mean, within a tenth, from the tiny to the huge", () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.tuple(fc.integer({ min: 1, max: 127 }), fc.double({ min: 1e-6, max: 1e5, noNaN: true })),
        { minLength: 1, maxLength: 20 },
      ),
      fc.integer({ min: 2, max: 16 }),
      (devices, bits) => {
        const form = { ...rotated(50, bits), range: 1e6 };
        const weights = devices.map(([weight]) => weight);
        const updates = devices.map(([, norm], i) => updateOf(50, i, norm));
        const decoded = summed(form, updates, weights)!;
        const typical = typicalLength(
          { lengths: decoded.lengths!, weight: decoded.weight },
          null,
        );
        const expected = Math.exp(
          devices.reduce((sum, [weight, norm]) => sum + weight * Math.log(norm * weight / 127), 0) /
            decoded.weight,
        );
        assert.ok(
          typical >= expected * 0.999 && typical <= expected * 1.2,
          `${typical}, ${expected}`,
        );
      },
    ),
    { numRuns: 60 },
  );
  const none = summed(rotated(50, 4), [new Float32Array(50)], [3])!;
  assert.equal(typicalLength({ lengths: none.lengths!, weight: none.weight }, 8), 1);
});

Deno.test("an update twice as long as typical is hardly cut, one a hundred times as long is, and still reported", () => {
  const form = rotated(20_000, 8);
  const encode = (norm: number) =>
    encodeSumVector(updateOf(20_000, "long", norm), form, {
      weight: 127,
      residual: null,
      random: seededRandom("dice"),
    });
  assert.ok(encode(2).clamped < 0.01 * 20_000);
  assert.ok(encode(100).clamped > 0.9 * 20_000);
  const { lengths, weight } = summed(form, [updateOf(20_000, "long", 100)], [127])!;
  const typical = typicalLength({ lengths: lengths!, weight }, 1);
  assert.ok(typical >= 100 && typical < 110, String(typical));
});

Deno.test("what a common choice leaves out comes later: after many rounds all has arrived", () => {
  const [count, devices, rounds] = [400, 5, 60];
  const updates = Array.from({ length: devices }, (_, i) => updateOf(count, i, 0.01));
  const weights = [3, 50, 127, 400, 20];
  const mean = meanOf(updates, weights);
  const residuals: (Parameters | null)[] = updates.map(() => null);
  const arrived = new Float64Array(count);
  for (let round = 0; round < rounds; round++) {
    const form: SumVectorForm = {
      count,
      bits: 16,
      range: 1,
      rotation: null,
      choice: { share: 0.1, seed: seededRandom(round).bytes(32), feedback: true },
      measured: false,
    };
    const decoded = summed(form, updates, weights, residuals)!;
    assert.equal(decoded.mean.filter((value) => value !== 0).length <= 40, true);
    decoded.mean.forEach((value, k) => arrived[k]! += value);
  }
  const kept = meanOf(residuals as Parameters[], weights);
  const whole = Float32Array.from(arrived, (value, k) => value + kept[k]!);
  const exact = mean.map((value) => value * rounds);
  assert.ok(normalisedError(exact, whole) < 1e-4, String(normalisedError(exact, whole)));
  assert.ok(normalisedError(exact, Float32Array.from(arrived)) < 0.1);
});

Deno.test("without feedback a common choice is right on average", () => {
  const count = 100;
  const update = updateOf(count, "fair", 0.1);
  const total = new Float64Array(count);
  for (let round = 0; round < 3_000; round++) {
    const form: SumVectorForm = {
      count,
      bits: 16,
      range: 1,
      rotation: null,
      choice: { share: 0.2, seed: seededRandom(round).bytes(32), feedback: false },
      measured: false,
    };
    summed(form, [update], [200])!.mean.forEach((value, k) => total[k]! += value / 3_000);
  }
  const error = normalisedError(update, Float32Array.from(total));
  // Four fifths of the numbers are missing in each: four times its square, over 3,000.
  assert.ok(error < 2 * 4 / 3_000, String(error));
});

Deno.test("sums that no devices can have come to are refused", () => {
  const form = rotated(20, 4);
  const good = encodeSumVector(updateOf(20, 1, 1), form, {
    weight: 9,
    residual: null,
    random: seededRandom("dice"),
  }).values;
  const with_ = (at: number, value: number) => {
    const changed = good.slice();
    changed[at] = value;
    return decodeSumVector(changed, form, 1);
  };
  assert.notEqual(decodeSumVector(good, form, 1), undefined);
  assert.equal(with_(3, 16), undefined, "a level above the highest");
  assert.equal(with_(20, 16), undefined, "a digit of the weight above the highest");
  assert.equal(decodeSumVector(good, form, 10), undefined, "a weight below one each");
  const allNines = good.slice();
  allNines.fill(15, 20, 22);
  assert.equal(decodeSumVector(allNines, form, 1), undefined, "a weight above the heaviest");
  const long = good.slice();
  long.fill(15, 22);
  assert.equal(decodeSumVector(long, form, 1), undefined, "a length above the longest");
});

Deno.test("sums made by other code from the protocol's text mean what that code says", () => {
  for (const { form: written, devices, modulusBits, sum, weight, mean, typical } of fixtures) {
    const form: SumVectorForm = {
      ...written,
      rotation: written.rotation === null ? null : Uint8Array.fromHex(written.rotation),
      choice: written.choice && {
        ...written.choice,
        seed: Uint8Array.fromHex(written.choice.seed),
      },
    };
    assert.equal(Math.max(2, sumVectorBits(form, devices)), modulusBits);
    const decoded = decodeSumVector(Uint32Array.from(sum), form, devices);
    assert.equal(decoded?.weight, weight);
    const error = normalisedError(Float32Array.from(mean), decoded.mean);
    assert.ok(error < 1e-9, String(error));
    const { lengths } = decoded;
    assert.equal(lengths === null ? null : typicalLength({ lengths, weight }, null), typical);
  }
});
