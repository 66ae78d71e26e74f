/** The vector kernels: their module is what their source compiles to, and each does what a plain loop does. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  VECTOR_KERNELS_MODULE,
  vectorKernelsModule,
} from "../../deployments/build_vector_kernels.ts";
import {
  type VectorKernels,
  vectorKernels,
  withKernels,
} from "../../learning/aggregation/vector_kernels.ts";
import { seededRandom } from "../../platform/seeded_random.ts";
import { SKIPPED } from "../skipped.ts";

const compiler = await import("assemblyscript/asc").then(() => true, () => false);
if (!compiler) {
  console.log(`${SKIPPED}kernels are not compiled anew: the AssemblyScript compiler is not there`);
}

Deno.test({
  name: "the committed vector kernels are what their source compiles to",
  ignore: !compiler,
  fn: async () => {
    assert.ok(
      await vectorKernelsModule() === await Deno.readTextFile(VECTOR_KERNELS_MODULE),
      "vector_kernels_wasm.ts is not what the source compiles to: run deno task build:kernels",
    );
  },
});

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
