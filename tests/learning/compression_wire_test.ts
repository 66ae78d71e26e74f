/** Compressed updates byte by byte: vectors of an independent implementation, exact sizes, and what a reader refuses. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type Compression,
  compressionOf,
  compressionSchema,
  createCompressor,
} from "../../learning/compression/compressions.ts";
import { riceBytesMax, riceDecode, riceEncode } from "../../learning/compression/rice.ts";
import { blockLengths } from "../../learning/compression/rotation.ts";
import { compressionSeed } from "../../learning/compression/seed.ts";
import { largest } from "../../learning/compression/top_k.ts";
import { seededRandom } from "../../platform/seeded_random.ts";
import { pureCrypto } from "../../platform/pure_crypto.ts";
import vectors from "../fixtures/learning/compression.json" with { type: "json" };

const SEED = new Uint8Array(32).fill(5);
const ALL: readonly Compression[] = [
  { name: "eden", bits: 1 },
  { name: "eden", bits: 3 },
  { name: "eden", bits: 8 },
  { name: "stochastic", bits: 1 },
  { name: "stochastic", bits: 5 },
  { name: "topK", share: 0.05 },
  { name: "randomK", share: 0.05, feedback: 0 },
  { name: "randomK", share: 0.05, feedback: 1 },
];

function randomUpdate(count: number, seed: string | number) {
  const random = seededRandom(seed);
  return Float32Array.from({ length: count }, () => random.float() - 0.5);
}

for (const [index, vector] of vectors.entries()) {
  const { compression, update, decoded } = vector;
  Deno.test(`vector ${index}: ${JSON.stringify(compression)} of ${update.length} numbers`, () => {
    const compressor = createCompressor(compressionSchema.parse(compression));
    const seed = Uint8Array.fromHex(vector.seed);
    const bytes = Uint8Array.fromHex(vector.bytes);
    const read = compressor.decode(bytes, { seed, count: update.length });
    assert.ok(read.ok, JSON.stringify(read));
    read.values.forEach((value, i) => {
      const allowed = 2e-5 * Math.max(1, Math.abs(decoded[i]!));
      assert.ok(Math.abs(value - decoded[i]!) <= allowed, `${i}: ${value}, not ${decoded[i]}`);
    });
    // Stochastic rounding has its own dice; all others must give the vector's bytes.
    if (compression.name === "stochastic") return;
    const random = seededRandom("unused");
    const made = compressor.encode(Float32Array.from(update), { seed, random });
    for (
      const at of compression.name === "eden" ? scalesAt(update.length, compression.bits!) : []
    ) {
      // Sums are added in another order, so a scale may differ in its last bits.
      const [ours, theirs] = [made, bytes].map((all) =>
        new DataView(all.buffer).getFloat32(at, true)
      );
      assert.ok(Math.abs(ours! - theirs!) <= 1e-5 * theirs!, `scale ${ours}, not ${theirs}`);
      made.set(bytes.subarray(at, at + 4), at);
    }
    assert.equal(made.toHex(), bytes.toHex());
  });
}

/** Where the scales of EDEN's blocks stand. */
function scalesAt(count: number, bits: number): readonly number[] {
  let next = 16;
  return blockLengths(count).map((length) => {
    const at = next;
    next += 4 + length * bits / 8;
    return at;
  });
}

Deno.test("an encoding is never longer than announced, is read back, and does not change its input", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...ALL),
      fc.integer({ min: 1, max: 9_000 }),
      fc.nat(),
      (compression, count, seed) => {
        const compressor = createCompressor(compression);
        const update = randomUpdate(count, seed);
        const before = update.slice();
        const bytes = compressor.encode(update, { seed: SEED, random: seededRandom(seed) });
        assert.deepEqual(update, before);
        assert.ok(bytes.length <= compressor.bytesMax(count));
        if (compression.name !== "topK") assert.equal(bytes.length, compressor.bytesMax(count));
        const read = compressor.decode(bytes, { seed: SEED, count });
        assert.ok(read.ok && read.values.length === count);
      },
    ),
    { numRuns: 60 },
  );
});

Deno.test("blocks are as many of 4,096 as fit, then falling powers of two down to 64", () => {
  assert.deepEqual(blockLengths(3), [64]);
  assert.deepEqual(blockLengths(333), [256, 64, 64]);
  assert.deepEqual(blockLengths(4_096), [4_096]);
  assert.deepEqual(blockLengths(3 * 4_096 + 2_048 + 65), [4_096, 4_096, 4_096, 2_048, 64, 64]);
});

Deno.test("padding costs at most 63 numbers, whatever the length", () => {
  for (const count of [1, 63, 64, 65, 4_095, 4_096, 4_097, 8_193, 1_663_370]) {
    const plain = count / 8;
    const blocks = Math.ceil(count / 4_096) + 6;
    const bytes = createCompressor({ name: "eden", bits: 1 }).bytesMax(count);
    assert.ok(bytes <= plain + 63 / 8 + 16 + 4 * blocks, `${count} numbers take ${bytes} bytes`);
  }
});

Deno.test("cut, lengthened, foreign and wrongly addressed encodings are refused with their reason", () => {
  for (const compression of ALL) {
    const compressor = createCompressor(compression);
    const count = 700;
    const bytes = compressor.encode(randomUpdate(count, 3), {
      seed: SEED,
      random: seededRandom(1),
    });
    const refused = (given: Uint8Array, options = { seed: SEED, count }) => {
      const read = compressor.decode(given, options);
      return read.ok ? "read" : read.reason;
    };
    assert.equal(refused(bytes), "read");
    for (const length of [0, 1, 15, 16]) {
      assert.equal(refused(bytes.subarray(0, length)), "truncated");
    }
    assert.match(refused(bytes.subarray(0, bytes.length - 1)), /truncated|malformed/);
    assert.match(refused(new Uint8Array([...bytes, 0])), /oversized|malformed/);
    assert.equal(refused(new Uint8Array([...bytes, ...new Uint8Array(10_000)])), "oversized");
    assert.equal(refused(bytes, { seed: new Uint8Array(32).fill(6), count }), "wrongSeed");
    for (const place of [0, 1, 2, 3, 4, 7]) {
      const other = bytes.slice();
      other[place]! ^= 1;
      assert.equal(refused(other), "wrongHeader", `byte ${place}`);
    }
    const other = bytes.slice();
    other[8]! ^= 1;
    assert.equal(refused(other), "wrongSeed");
  }
});

Deno.test("scales and values that are not finite, negative or absurd are refused", () => {
  const put = (compression: Compression, at: number, value: number) => {
    const compressor = createCompressor(compression);
    const bytes = compressor.encode(randomUpdate(200, 3), { seed: SEED, random: seededRandom(1) });
    new DataView(bytes.buffer).setFloat32(at, value, true);
    const read = compressor.decode(bytes, { seed: SEED, count: 200 });
    return read.ok ? "read" : read.reason;
  };
  for (const value of [NaN, Infinity, -1, -0, 3e38]) {
    assert.equal(put({ name: "eden", bits: 2 }, 16, value), "malformed", String(value));
  }
  for (const value of [NaN, Infinity, -Infinity]) {
    assert.equal(put({ name: "stochastic", bits: 2 }, 16, value), "malformed");
    assert.equal(put({ name: "stochastic", bits: 2 }, 20, value), "malformed");
    assert.equal(put({ name: "topK", share: 0.1 }, 16, value), "malformed");
    assert.equal(put({ name: "randomK", share: 0.1, feedback: 1 }, 16, value), "malformed");
  }
  assert.equal(put({ name: "topK", share: 0.1 }, 16, 3e38), "malformed");
});

Deno.test("random bytes are refused or read, and never throw", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...ALL),
      fc.uint8Array({ maxLength: 400 }),
      fc.boolean(),
      (compression, noise, keepHeader) => {
        const compressor = createCompressor(compression);
        const count = 500;
        const bytes = compressor.encode(randomUpdate(count, 1), {
          seed: SEED,
          random: seededRandom(1),
        });
        if (keepHeader) bytes.set(noise.subarray(0, bytes.length - 16), 16);
        const read = compressor.decode(keepHeader ? bytes : noise, { seed: SEED, count });
        assert.ok(!read.ok || read.values.every(Number.isFinite));
      },
    ),
    { numRuns: 200 },
  );
});

Deno.test("an update with a number that is not finite, or absurdly large, is not encoded", () => {
  for (const compression of ALL) {
    for (const bad of [NaN, Infinity, 2e30]) {
      const update = randomUpdate(100, 1);
      update[77] = bad;
      assert.throws(
        () => createCompressor(compression).encode(update, { seed: SEED, random: seededRandom(1) }),
        { name: "RangeError", message: /number 77/ },
      );
    }
  }
});

Deno.test("Rice codes give back any ascending places, and refuse every other length and spare bits", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 5_000 }).chain((count) =>
        fc.tuple(
          fc.constant(count),
          fc.uniqueArray(fc.nat({ max: count - 1 }), { minLength: 1, maxLength: 200 }),
        )
      ),
      ([count, some]) => {
        const places = Uint32Array.from(some).sort();
        const bytes = riceEncode(places, count);
        assert.ok(bytes.length <= riceBytesMax(count, places.length));
        const options = { count, chosen: places.length };
        assert.deepEqual(riceDecode(bytes, options), places);
        assert.equal(riceDecode(new Uint8Array([...bytes, 0]), options), undefined);
        assert.equal(riceDecode(bytes.subarray(0, bytes.length - 1), options), undefined);
      },
    ),
  );
  // A place that the update does not have, and a spare bit that is set.
  assert.equal(riceDecode(riceEncode(Uint32Array.of(10), 11), { count: 8, chosen: 1 }), undefined);
  const spare = riceEncode(Uint32Array.of(3), 8);
  spare[0]! |= 0x80;
  assert.equal(riceDecode(spare, { count: 8, chosen: 1 }), undefined);
  assert.equal(riceDecode(new Uint8Array(60).fill(255), { count: 8, chosen: 7 }), undefined);
});

Deno.test("top-k takes exactly the k largest magnitudes, of equals the first", () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(
          fc.constantFrom(0, -0, 1, -1, 2),
          fc.float({ noNaN: true, noDefaultInfinity: true }),
        ),
        {
          minLength: 1,
          maxLength: 60,
        },
      ),
      fc.nat(),
      (numbers, pick) => {
        const update = Float32Array.from(numbers);
        const k = 1 + pick % update.length;
        const expected = Array.from(update, (_, i) => i)
          .sort((a, b) => Math.abs(update[b]!) - Math.abs(update[a]!) || a - b)
          .slice(0, k).sort((a, b) => a - b);
        assert.deepEqual([...largest(update, k)], expected);
      },
    ),
  );
});

Deno.test("seeds differ by run, round and device, and the common one belongs to none", () => {
  const crypto = pureCrypto();
  const [run, device] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
  const seeds = [
    { run, round: 1, device },
    { run, round: 2, device },
    { run: device, round: 1, device },
    { run, round: 1, device: null },
  ].map((subject) => compressionSeed(crypto, subject).toHex());
  assert.equal(new Set(seeds).size, 4);
});

Deno.test("a plan's compression is read strictly", () => {
  assert.deepEqual(compressionOf({ name: "eden", numbers: {} }), { name: "eden", bits: 4 });
  for (
    const [name, numbers] of [
      ["zip", {}],
      ["eden", { bits: 0 }],
      ["eden", { bits: 9 }],
      ["eden", { bits: 1.5 }],
      ["topK", { share: 0 }],
      ["topK", { share: 1.01 }],
      ["randomK", { feedback: 2 }],
      ["stochastic", { levels: 2 }],
    ] as const
  ) assert.throws(() => compressionOf({ name, numbers }), { name: "RangeError" }, name);
});
