/** What compression costs in accuracy: the published errors, that estimates are unbiased, and that what is kept back is not lost. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { POSITIVE_CENTROIDS } from "../../learning/compression/centroids.ts";
import { type Compression, createCompressor } from "../../learning/compression/compressions.ts";
import { encodeWithFeedback } from "../../learning/compression/error_feedback.ts";
import { hadamard } from "../../learning/compression/hadamard.ts";
import { normalQuantiser, quantiseNormal } from "../../learning/compression/normal_quantiser.ts";
import { normalisedError } from "../../learning/compression/normalised_error.ts";
import { rotateWhole, unrotateWhole } from "../../learning/compression/rotation.ts";
import type { Parameters } from "../../learning/parameters.ts";
import { seededRandom } from "../../platform/seeded_random.ts";

/** Error over square of the unbiased estimate, as published for EDEN. */
const PUBLISHED = [0.5708, 0.1331, 0.03578, 0.00959];

function seedOf(number: number): Uint8Array {
  return seededRandom(`seed ${number}`).bytes(32);
}

function normalUpdate(count: number, seed: string | number): Parameters {
  const random = seededRandom(seed);
  return Float32Array.from(
    { length: count },
    () => Math.sqrt(-2 * Math.log(1 - random.float())) * Math.cos(2 * Math.PI * random.float()),
  );
}

function roundTrip(compression: Compression, update: Parameters, seed: number): Parameters {
  const compressor = createCompressor(compression);
  const context = { seed: seedOf(seed), random: seededRandom(`dice ${seed}`) };
  const read = compressor.decode(compressor.encode(update, context), {
    ...context,
    count: update.length,
  });
  assert.ok(read.ok);
  return read.values;
}

/** Kinds of updates that look nothing like each other. */
const KINDS: Readonly<Record<string, (count: number) => Parameters>> = {
  "normal numbers": (count) => normalUpdate(count, "normal"),
  "log-normal numbers": (count) => normalUpdate(count, "log").map((x) => Math.exp(2 * x)),
  "a sine": (count) => Float32Array.from({ length: count }, (_, i) => Math.sin(i / 9)),
  "layers of very different size": (count) =>
    normalUpdate(count, "layers").map((x, i) => x * 10 ** (i * 5 / count - 4)),
};

for (const [bits, published] of PUBLISHED.entries()) {
  for (const [kind, make] of Object.entries(KINDS)) {
    Deno.test(`at ${bits + 1} bits ${kind} err as published, within 2 %`, () => {
      const count = 50_000;
      const update = make(count);
      let error = 0;
      for (let round = 0; round < 4; round++) {
        const decoded = roundTrip({ name: "eden", bits: bits + 1 }, update, round);
        error += normalisedError(update, decoded) / 4;
      }
      const ratio = error / published;
      assert.ok(ratio > 0.98 && ratio < 1.02, `error ${error}, published ${published}`);
    });
  }
}

Deno.test("EDEN and stochastic estimates are unbiased: their mean over seeds comes to the update", () => {
  const update = KINDS["log-normal numbers"]!(1_000);
  for (
    const compression of [
      { name: "eden", bits: 1 },
      { name: "eden", bits: 3 },
      { name: "stochastic", bits: 2 },
      { name: "randomK", share: 0.25, feedback: 0 },
    ] as const
  ) {
    const rounds = 150;
    const mean = new Float32Array(update.length);
    let single = 0;
    for (let round = 0; round < rounds; round++) {
      const decoded = roundTrip(compression, update, round);
      single += normalisedError(update, decoded) / rounds;
      mean.forEach((value, i) => mean[i] = value + decoded[i]! / rounds);
    }
    // Errors that are independent and unbiased shrink with their number; a bias would stay.
    const left = normalisedError(update, mean) / (single / rounds);
    assert.ok(left > 0.7 && left < 1.4, `${compression.name}: ${left} of the error expected`);
  }
});

Deno.test("stochastic rounding is unbiased for one rotation already: its mean over dice comes to the update", () => {
  const update = KINDS["log-normal numbers"]!(1_000);
  const compressor = createCompressor({ name: "stochastic", bits: 2 });
  const [seed, rounds] = [seedOf(1), 150];
  const mean = new Float32Array(update.length);
  let single = 0;
  for (let round = 0; round < rounds; round++) {
    const bytes = compressor.encode(update, { seed, random: seededRandom(round) });
    const read = compressor.decode(bytes, { seed, count: update.length });
    assert.ok(read.ok);
    single += normalisedError(update, read.values) / rounds;
    read.values.forEach((value, i) => mean[i]! += value / rounds);
  }
  const left = normalisedError(update, mean) / (single / rounds);
  assert.ok(left > 0.7 && left < 1.4, `${left} of the error expected`);
});

Deno.test("with a seed each, a hundred devices' errors cancel in the mean", () => {
  const updates = Array.from({ length: 100 }, (_, i) => normalUpdate(2_000, i).map((x) => x + 1));
  const exact = new Float32Array(2_000);
  const mean = new Float32Array(2_000);
  updates.forEach((update, device) => {
    const decoded = roundTrip({ name: "eden", bits: 1 }, update, device);
    exact.forEach((value, i) => exact[i] = value + update[i]! / 100);
    mean.forEach((value, i) => mean[i] = value + decoded[i]! / 100);
  });
  assert.ok(normalisedError(exact, mean) < 0.02, String(normalisedError(exact, mean)));
});

Deno.test("updates of a few numbers, hostile to rotations, err at most twice as much as published", () => {
  const count = 4_096;
  for (const ones of [1, 2, 3, 5]) {
    const update = new Float32Array(count);
    for (let i = 0; i < ones; i++) update[(i * 977) % count] = 1 + i;
    for (let bits = 1; bits <= 4; bits++) {
      const error = normalisedError(update, roundTrip({ name: "eden", bits }, update, bits));
      assert.ok(error <= 2 * PUBLISHED[bits - 1]!, `${ones} numbers at ${bits} bits: ${error}`);
    }
  }
});

Deno.test("the values of the quantiser are those of Max's table", () => {
  const table = [
    [0.7979],
    [0.4528, 1.51],
    [0.2451, 0.756, 1.344, 2.152],
    [0.1284, 0.3881, 0.6568, 0.9424, 1.256, 1.618, 2.069, 2.733],
  ];
  table.forEach((row, bits) =>
    row.forEach((value, i) => {
      assert.ok(Math.abs(POSITIVE_CENTROIDS[bits]![i]! - value) < 6e-4);
    })
  );
  assert.deepEqual(POSITIVE_CENTROIDS.map((row) => row.length), [1, 2, 4, 8, 16, 32, 64, 128]);
});

Deno.test("every number gets the nearest value, also far outside", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 8 }),
      fc.array(fc.float({ noNaN: true, min: -20, max: 20 }), { minLength: 1, maxLength: 50 }),
      (bits, numbers) => {
        const quantiser = normalQuantiser(bits);
        const values = Float32Array.from(numbers);
        const codes = new Uint8Array(values.length);
        quantiseNormal(quantiser, { values, length: values.length, factor: 1, codes });
        values.forEach((value, i) => {
          const distance = Math.abs(value - quantiser.centroids[codes[i]!]!);
          for (const centroid of quantiser.centroids) {
            assert.ok(distance <= Math.abs(value - centroid) + 1e-12);
          }
        });
      },
    ),
    { numRuns: 300 },
  );
});

Deno.test("the transform is that of the definition, and twice it is the length times the start", () => {
  const length = 32;
  const start = normalUpdate(length, "definition");
  const values = start.slice();
  hadamard(values, 0, length);
  for (let row = 0; row < length; row++) {
    let sum = 0;
    for (let i = 0; i < length; i++) {
      let common = row & i;
      let odd = 0;
      for (; common > 0; common >>= 1) odd ^= common & 1;
      sum += odd === 1 ? -start[i]! : start[i]!;
    }
    assert.ok(Math.abs(values[row]! - sum) < 1e-4);
  }
  for (const size of [1, 2, 4, 64, 8_192, 32_768]) {
    const whole = normalUpdate(size, size);
    const twice = whole.slice();
    hadamard(twice, 0, size);
    hadamard(twice, 0, size);
    assert.ok(normalisedError(whole, twice.map((value) => value / size)) < 1e-11);
  }
});

Deno.test("rotating a whole vector keeps its norm, spreads it, and can be undone, for any length", () => {
  for (const count of [1, 2, 3, 63, 64, 65, 100, 4_095, 4_097, 70_001]) {
    const update = new Float32Array(count);
    update[count >> 1] = 3;
    update[0]! += 4;
    const rotated = update.slice();
    rotateWhole(rotated, seedOf(count));
    const norm = Math.hypot(...update);
    assert.ok(Math.abs(Math.hypot(...rotated) - norm) < 1e-4, String(count));
    if (count > 4_000) {
      assert.ok(rotated.every((value) => Math.abs(value) < norm * 12 / Math.sqrt(count)));
    }
    unrotateWhole(rotated, seedOf(count));
    assert.ok(normalisedError(update, rotated) < 1e-11, String(count));
  }
});

Deno.test("what top-k and random-k keep back arrives later: the sums of sent and given stay together", () => {
  for (
    const compression of [
      { name: "topK", share: 0.1 },
      { name: "randomK", share: 0.1, feedback: 1 },
    ] as const
  ) {
    const compressor = createCompressor(compression);
    assert.ok(compressor.feedback);
    const count = 500;
    const given = new Float32Array(count);
    const sent = new Float32Array(count);
    let residual: Parameters | null = null;
    const rounds = 100;
    for (let round = 0; round < rounds; round++) {
      const update = normalUpdate(count, `round ${round}`).map((x, i) => x + i / count);
      const context = { seed: seedOf(round), random: seededRandom(round) };
      const made = encodeWithFeedback({ compressor, update, residual, ...context });
      const read = compressor.decode(made.bytes, { ...context, count });
      assert.ok(read.ok);
      residual = made.residual;
      for (let i = 0; i < count; i++) {
        given[i]! += update[i]!;
        sent[i]! += read.values[i]!;
      }
    }
    const kept = given.map((value, i) => value - sent[i]!);
    kept.forEach((value, i) => assert.ok(Math.abs(value - residual![i]!) < 1e-2));
    assert.ok(
      normalisedError(given, sent) < 0.2,
      `${compression.name}: ${normalisedError(given, sent)}`,
    );
  }
});

Deno.test("an error is the square of what is off, as a share of the square of what was given", () => {
  assert.equal(normalisedError(Float32Array.of(3, 4), Float32Array.of(3, 5)), 1 / 25);
  assert.equal(normalisedError(Float32Array.of(0), Float32Array.of(0)), 0);
});
