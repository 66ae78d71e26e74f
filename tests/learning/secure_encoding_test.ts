/** Updates as integers and back: nothing is lost but rounding, which has no bias, and no sum wraps. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  decodeSum,
  encodeUpdate,
  levelMax,
  signed,
  sumBits,
  type SumEncoding,
} from "../../learning/secure/encoding.ts";
import { addPacked, pack, packedBytes, unpack } from "../../learning/secure/packing.ts";
import { seededRandom } from "../../platform/seeded_random.ts";

const ENCODING: SumEncoding = {
  clip: 1,
  valueBits: 16,
  weightMax: 1_000,
  summandsMax: 1_024,
  noiseMax: 0,
};

Deno.test("packing k-bit numbers and unpacking them gives them back, bit by bit where a big integer has them", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 8, max: 32 }),
      fc.array(fc.integer({ min: 0, max: 2 ** 32 - 1 }), { minLength: 1, maxLength: 50 }),
      (bits, raw) => {
        const numbers = Uint32Array.from(raw);
        const bytes = pack(numbers, bits);
        assert.equal(bytes.length, packedBytes(raw.length, bits));
        const expected = raw.map((value) => BigInt(value) % 2n ** BigInt(bits));
        let big = expected.reduceRight((all, value) => (all << BigInt(bits)) | value, 0n);
        for (const byte of bytes) {
          assert.equal(BigInt(byte), big & 255n);
          big >>= 8n;
        }
        // Wherever they lie in memory: words are laid over them where that is possible.
        for (const offset of [0, 1, 4]) {
          const placed = new Uint8Array(offset + bytes.length).subarray(offset);
          placed.set(bytes);
          assert.deepEqual([...unpack(placed, { count: raw.length, bits })!], expected.map(Number));
        }
      },
    ),
    { seed: 2, numRuns: 300 },
  );
});

Deno.test("packed numbers of the wrong length or with a spare bit set are refused and add nothing", () => {
  const numbers = Uint32Array.from([1, 2, 3]);
  const bytes = pack(numbers, 9);
  for (
    const wrong of [
      bytes.slice(1),
      new Uint8Array([...bytes, 0]),
      bytes.map((byte, i) => i === 3 ? byte | 0x80 : byte),
    ]
  ) {
    const sums = new Uint32Array(3);
    assert.equal(addPacked(sums, wrong, 9), false);
    assert.deepEqual([...sums], [0, 0, 0]);
  }
});

Deno.test("a sum of 1,024 values of 16 bits takes 26 bits, and the extremes do not wrap", () => {
  assert.equal(sumBits(ENCODING), 26);
  assert.equal(sumBits({ ...ENCODING, summandsMax: 1 }), 16);
  assert.equal(sumBits({ ...ENCODING, noiseMax: 2 ** 25 }), 27);
  for (const sign of [1, -1]) {
    const update = new Float32Array(3).fill(sign * 5);
    const { values, clipped } = encodeUpdate(update, {
      encoding: ENCODING,
      weight: 1_000,
      random: seededRandom(1),
    });
    assert.equal(clipped, 3);
    const sum = values.map((value) => Math.imul(value, 1_024) & (2 ** 26 - 1));
    const decoded = decodeSum(sum, { encoding: ENCODING, bits: 26, summands: 1_024 })!;
    assert.deepEqual([...decoded.mean], [sign, sign, sign]);
    assert.equal(decoded.weight, 1_024_000);
  }
});

Deno.test("the decoded sum is the weighted mean, within one level for each device", () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.record({
          weight: fc.integer({ min: 1, max: 2_000 }),
          values: fc.array(fc.float({ min: -1, max: 1, noNaN: true }), {
            minLength: 4,
            maxLength: 4,
          }),
        }),
        { minLength: 1, maxLength: 20 },
      ),
      fc.integer(),
      (devices, seed) => {
        const random = seededRandom(seed);
        const sum = new Uint32Array(5);
        for (const { weight, values } of devices) {
          const encoded = encodeUpdate(Float32Array.from(values), {
            encoding: ENCODING,
            weight,
            random,
          });
          encoded.values.forEach((value, i) => sum[i]! += value);
        }
        const decoded = decodeSum(sum.map((value) => value & (2 ** 26 - 1)), {
          encoding: ENCODING,
          bits: 26,
          summands: devices.length,
        })!;
        const weights = devices.map(({ weight }) => Math.min(weight, 1_000));
        const total = weights.reduce((a, b) => a + b);
        assert.equal(decoded.weight, total);
        for (let i = 0; i < 4; i++) {
          const expected = devices.reduce((all, { values }, d) =>
            all + values[i]! * weights[d]!, 0) / total;
          const bound = devices.length * 1_000 / total / levelMax(ENCODING) + 1e-6;
          assert.ok(
            Math.abs(decoded.mean[i]! - expected) <= bound,
            `${decoded.mean[i]} for ${expected}`,
          );
        }
      },
    ),
    { seed: 4, numRuns: 200 },
  );
});

Deno.test("a liar that fills the whole room of a sum moves no number of the mean beyond the clip", () => {
  const sum = new Uint32Array(4);
  for (let honest = 0; honest < 9; honest++) {
    const { values } = encodeUpdate(Float32Array.of(0.5, -0.5, 0.25), {
      encoding: ENCODING,
      weight: 10,
      random: seededRandom(honest),
    });
    values.forEach((value, i) => sum[i] = sum[i]! + value);
  }
  for (const [i, lie] of [2 ** 24, -(2 ** 24), 0, 10].entries()) sum[i] = sum[i]! + lie;
  const sent = sum.map((value) => value & (2 ** 26 - 1));
  const { mean } = decodeSum(sent, { encoding: ENCODING, bits: 26, summands: 10 })!;
  assert.deepEqual([mean[0], mean[1]], [ENCODING.clip, -ENCODING.clip]);
  assert.ok(Math.abs(mean[2]! - 0.225) < 0.01, `${mean[2]}`);
});

Deno.test("rounding by chance has no bias: the mean of many encodings is the value", () => {
  const encoding = { ...ENCODING, valueBits: 4, weightMax: 1 };
  const value = 0.3; // 2.1 levels of 7
  const update = new Float32Array(40_000).fill(value);
  const { values } = encodeUpdate(update, { encoding, weight: 1, random: seededRandom(9) });
  const levels = [...values.subarray(0, -1)].map((level) => signed(level, 32));
  assert.deepEqual(new Set(levels), new Set([2, 3]));
  const mean = levels.reduce((a, b) => a + b) / levels.length;
  // Standard error of a level that is 3 with a chance of 0.1: 0.3 / 200.
  assert.ok(Math.abs(mean - 2.1) < 4 * 0.0015, `${mean}`);
  assert.deepEqual([
    ...encodeUpdate(new Float32Array(9), { encoding, weight: 1, random: seededRandom(1) }).values,
  ], [0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
});

Deno.test("noise is added to the values and not to the weight", () => {
  const { values } = encodeUpdate(new Float32Array(4), {
    encoding: { ...ENCODING, noiseMax: 100 },
    weight: 7,
    random: seededRandom(1),
    addNoise: (integers) => integers.forEach((value, i) => integers[i] = value - i),
  });
  assert.deepEqual([...values].map((value) => signed(value, 27)), [0, -1, -2, -3, 7]);
});

Deno.test("updates with NaN or infinities, impossible encodings and impossible weights are refused with what would be possible", () => {
  const encode = (values: number[], weight = 1) =>
    encodeUpdate(Float32Array.from(values), {
      encoding: ENCODING,
      weight,
      random: seededRandom(1),
    });
  for (const bad of [NaN, Infinity, -Infinity]) assert.throws(() => encode([0, bad]), RangeError);
  for (const weight of [0, -1, NaN]) assert.throws(() => encode([0], weight), RangeError);
  for (
    const bad of [
      { clip: 0 },
      { clip: NaN },
      { valueBits: 1 },
      { valueBits: 25 },
      { weightMax: 0 },
      { weightMax: 32_768 },
      { summandsMax: 0 },
      { noiseMax: -1 },
    ]
  ) {
    assert.throws(() => sumBits({ ...ENCODING, ...bad }), RangeError);
  }
  assert.throws(
    () => sumBits({ ...ENCODING, valueBits: 24 }),
    /need 34 bits, expected at most 32; take 22 bits/,
  );
  const options = { encoding: ENCODING, bits: 26, summands: 3 };
  for (const weight of [0, 2, 3_001, 2 ** 26 - 5]) {
    assert.equal(decodeSum(Uint32Array.from([0, weight]), options), undefined);
  }
});
