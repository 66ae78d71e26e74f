/** The vector kernels: their module is what their source compiles to, and each does what a plain loop does. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  VECTOR_KERNELS_MODULE,
  vectorKernelsModule,
} from "../../deployments/build_vector_kernels.ts";
import { pairwiseDistances } from "../../learning/aggregation/pairwise_distances.ts";
import { atOnce, heldUpdates } from "../../learning/aggregation/update_source.ts";
import {
  type VectorKernels,
  vectorKernels,
  withKernels,
} from "../../learning/aggregation/vector_kernels.ts";
import { seededRandom } from "../../platform/seeded_random.ts";
import { committedKernels } from "./committed_kernels.ts";

await committedKernels("vector kernels", VECTOR_KERNELS_MODULE, vectorKernelsModule);

/** Two rows of random numbers, and what a kernel made of them. */
function rowsOf(length: number, seed: number) {
  const kernels = vectorKernels(16 * length + 8);
  const random = seededRandom(seed);
  const [a, b] = [0, 4 * length].map((at) => new Float32Array(kernels.memory, at, length));
  for (let i = 0; i < length; i++) {
    a![i] = random.float() * 8 - 4;
    b![i] = random.below(4) === 0 ? a![i]! : random.float() * 8 - 4;
  }
  return { kernels, a: a!, b: b!, before: [a!.slice(), b!.slice()] as const };
}

function holds(check: (length: number, seed: number) => void): void {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40 }), fc.nat(), (n, seed) => check(4 * n, seed)),
    {
      numRuns: 40,
    },
  );
}

Deno.test("exchanged rows hold the smaller and the larger of each pair, negative ones and zeros too", () => {
  holds((length, seed) => {
    const { kernels, a, b, before } = rowsOf(length, seed);
    for (const at of [0, 4 * length]) kernels.flip(at, length);
    kernels.exchange(0, 4 * length, length);
    for (const at of [0, 4 * length]) kernels.flip(at, length);
    for (let i = 0; i < length; i++) {
      assert.equal(a[i], Math.min(before[0][i]!, before[1][i]!));
      assert.equal(b[i], Math.max(before[0][i]!, before[1][i]!));
    }
  });
});

Deno.test("distances and sums are those of a loop in double precision", () => {
  holds((length, seed) => {
    const { kernels, a, b } = rowsOf(length, seed);
    const distance = a.reduce((sum, value, i) => sum + Math.fround(value - b[i]!) ** 2, 0);
    const ours = kernels.squaredDistance(0, 4 * length, length);
    assert.ok(Math.abs(ours - distance) <= 1e-12 * distance);
    const sum = new Float64Array(kernels.memory, 8 * length, length).fill(0.1);
    kernels.accumulate(8 * length, 4 * length, 1.7, length);
    for (let i = 0; i < length; i++) assert.equal(sum[i], 0.1 + 1.7 * b[i]!);
  });
});

Deno.test("distances of all pairs are those of each pair, however many rows there are, and are added to what is there", () => {
  for (const rows of [1, 2, 3, 4, 5, 6, 7, 8, 9, 13]) {
    for (const length of [4, 252, 256, 260, 1_028]) {
      const stride = length + 8;
      const matrixAt = 4 * rows * stride;
      const kernels = vectorKernels(matrixAt + 8 * rows * rows);
      const random = seededRandom(`pairs ${rows} ${length}`);
      const tile = new Float32Array(kernels.memory, 0, rows * stride);
      tile.forEach((_, i) => tile[i] = random.float() - 0.5);
      const matrix = new Float64Array(kernels.memory, matrixAt, rows * rows).fill(1);
      kernels.pairDistances(0, 4 * stride, rows, length, matrixAt);
      for (let i = 0; i < rows; i++) {
        for (let j = 0; j < rows; j++) {
          const expected = i < j
            ? kernels.squaredDistance(4 * i * stride, 4 * j * stride, length)
            : 0;
          const difference = Math.abs(matrix[i * rows + j]! - 1 - expected);
          assert.ok(difference <= 2e-6 * expected, `${rows} × ${length}: ${i}, ${j}`);
        }
      }
    }
  }
});

Deno.test("a distance has the same bits wherever its rows stand", () => {
  const [rows, length] = [11, 260];
  const kernels = vectorKernels(4 * rows * length + 8 * rows * rows);
  const tile = new Float32Array(kernels.memory, 0, rows * length);
  const random = seededRandom("places");
  const one = Array.from({ length }, () => random.float() - 0.5);
  const matrix = new Float64Array(kernels.memory, 4 * rows * length, rows * rows);
  for (let i = 0; i < rows; i++) tile.set(one.map((value) => value * (i + 1)), i * length);
  const found = new Map<string, number>();
  for (let turn = 0; turn < rows; turn++) {
    matrix.fill(0);
    kernels.pairDistances(0, 4 * length, rows, length, 4 * rows * length);
    for (let i = 0; i < rows; i++) {
      for (let j = i + 1; j < rows; j++) {
        const name = [i, j].map((row) => (row + turn) % rows).sort().join();
        const known = found.get(name) ?? matrix[i * rows + j]!;
        assert.equal(matrix[i * rows + j], known);
        found.set(name, known);
      }
    }
    // The first row goes to the end.
    const first = tile.slice(0, length);
    tile.copyWithin(0, length);
    tile.set(first, (rows - 1) * length);
  }
});

Deno.test("distances beyond single precision are made in double", () => {
  for (const scale of [1e-25, 1e-3, 1e25]) {
    const values = [[0, 0, 0], [3, 4, 0], [3, 4, 0], [0, 0, 1e-3]];
    const updates = values.map((row) => ({
      values: Float32Array.from(row, (value) => value * scale),
      weight: 1,
    }));
    const distances = atOnce(pairwiseDistances(heldUpdates(updates)));
    for (let i = 0; i < 4; i++) {
      for (let j = 0; j < 4; j++) {
        const expected = values[i]!.reduce((sum, value, k) =>
          sum + (value - values[j]![k]!) ** 2, 0) *
          scale ** 2;
        const ours = distances[4 * i + j]!;
        assert.ok(Math.abs(ours - expected) <= 1e-6 * expected, `${ours}, expected ${expected}`);
      }
    }
  }
});

Deno.test("words are added and subtracted modulo 2^32", () => {
  const kernels = vectorKernels(64);
  const target = new Uint32Array(kernels.memory, 0, 8);
  const words = new Uint32Array(kernels.memory, 32, 8);
  target.set([0, 1, 2 ** 32 - 1, 2 ** 31, 5, 6, 7, 8]);
  words.set([1, 2, 3, 2 ** 31, 2 ** 32 - 1, 0, 1, 1]);
  const before = target.slice();
  kernels.addWords(0, 32, 8);
  assert.deepEqual([...target], [1, 3, 2, 0, 4, 6, 8, 9]);
  kernels.subtractWords(0, 32, 8);
  assert.deepEqual(target, before);
});

Deno.test("a number that is not finite is found, wherever it stands", () => {
  for (const bad of [NaN, Infinity, -Infinity]) {
    for (let place = 0; place < 12; place++) {
      const { kernels, a } = rowsOf(12, place);
      assert.equal(kernels.finiteness(0, 12), 0);
      a[place] = bad;
      assert.notEqual(kernels.finiteness(0, 12), 0);
    }
  }
});

Deno.test("signs are turned where the bit is one, least significant bit first", () => {
  const { kernels, a, before } = rowsOf(64, 5);
  const words = new Uint32Array(kernels.memory, 512, 2);
  words.set([0x80000001, 0x00f0_0010]);
  kernels.turnSigns(0, 512, 64);
  a.forEach((value, i) => {
    const turned = ((words[i >>> 5]! >>> (i & 31)) & 1) === 1;
    assert.equal(value, turned ? -before[0][i]! : before[0][i]!);
  });
});

Deno.test("the transform is that of the definition, for every length, also in two halves", () => {
  for (let length = 4; length <= 1_024; length *= 2) {
    const { kernels, a, before } = rowsOf(length, length);
    kernels.hadamard(0, length);
    const expected = defined([...before[0]]);
    a.forEach((value, i) => assert.ok(Math.abs(value - expected[i]!) < 1e-3, `${length}: ${i}`));
    for (const half of [4, 8, 64].filter((size) => size < length)) {
      a.set(before[0]);
      for (let start = 0; start < length; start += half) kernels.hadamard(4 * start, half);
      kernels.hadamardFrom(0, length, half);
      a.forEach((value, i) =>
        assert.ok(Math.abs(value - expected[i]!) < 1e-3, `${length} by ${half}`)
      );
    }
  }
});

/** H₂ₙ = (Hₙ Hₙ; Hₙ −Hₙ), in double precision. */
function defined(values: readonly number[]): readonly number[] {
  if (values.length === 1) return values;
  const half = values.length / 2;
  const [first, second] = [defined(values.slice(0, half)), defined(values.slice(half))];
  return [...first.map((x, i) => x + second[i]!), ...first.map((x, i) => x - second[i]!)];
}

Deno.test("lent kernels have a memory of their own while they are lent, also when one use throws", () => {
  withKernels(16, (outer) => {
    const numbers = new Float32Array(outer.memory);
    numbers[0] = 7;
    withKernels(16, (inner) => void (new Float32Array(inner.memory)[0] = 8));
    assert.throws(() =>
      withKernels(16, () => {
        throw new Error("in the middle");
      })
    );
    assert.equal(numbers[0], 7);
  });
  withKernels(5 * 1024 * 1024, ({ memory }) => assert.ok(memory.byteLength >= 5 * 1024 * 1024));
});

Deno.test("every set of kernels has a memory of its own", () => {
  const all: VectorKernels[] = [vectorKernels(16), vectorKernels(16)];
  new Float32Array(all[0]!.memory)[0] = 7;
  assert.equal(new Float32Array(all[1]!.memory)[0], 0);
});
