/** safetensors: what the reference implementation reads and writes, and nothing that is broken. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { readSafetensors, writeSafetensors } from "../../learning/models/safetensors.ts";
import { layoutOf, tensorOf } from "../../learning/parameters.ts";
import { readFixture } from "./data_fixtures.ts";

const layout = layoutOf([
  { name: "dense1.weight", shape: [2, 3] },
  { name: "dense1.bias", shape: [3] },
]);
const parameters = Float32Array.from({ length: 9 }, (_, i) => i / 4 - 1);
const utf8 = new TextEncoder();

/** A file with this header and so many bytes of numbers. */
function fileOf(header: unknown, bytes: number): Uint8Array {
  const text = utf8.encode(typeof header === "string" ? header : JSON.stringify(header));
  const file = new Uint8Array(8 + text.length + bytes);
  new DataView(file.buffer).setBigUint64(0, BigInt(text.length), true);
  file.set(text, 8);
  return file;
}

Deno.test("our bytes are the ones that the reference implementation accepted", async () => {
  // tests/oracles/models_oracle.py has read this very file with the Python package safetensors and found the numbers.
  const expected = await readFixture("models/ours.safetensors");
  assert.deepEqual(writeSafetensors(parameters, layout, { run: "ab", round: "4" }), expected);
});

Deno.test("a file of the reference implementation is read, its tensors in their places", async () => {
  const file = readSafetensors(await readFixture("models/theirs.safetensors"));
  assert.deepEqual(file.metadata, { writer: "safetensors for Python" });
  assert.equal(file.layout.count, layout.count);
  layout.tensors.forEach(({ name, shape }, i) => {
    const place = file.layout.tensors.findIndex((tensor) => tensor.name === name);
    assert.deepEqual(file.layout.tensors[place]!.shape, shape);
    assert.deepEqual(
      tensorOf(file.parameters, file.layout, place),
      tensorOf(parameters, layout, i),
    );
  });
});

Deno.test("what is written is read again", () => {
  fc.assert(fc.property(
    fc.array(fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 4 }), {
      minLength: 1,
      maxLength: 6,
    }),
    fc.dictionary(fc.string({ maxLength: 8 }), fc.string({ maxLength: 8 }), { maxKeys: 4 }),
    (shapes, metadata) => {
      const written = layoutOf(shapes.map((shape, i) => ({ name: `t${i}.x`, shape })));
      const numbers = Float32Array.from({ length: written.count }, (_, i) => Math.sin(i));
      const file = readSafetensors(writeSafetensors(numbers, written, metadata));
      assert.deepEqual(file.layout, written);
      assert.deepEqual(file.parameters, numbers);
      assert.deepEqual({ ...file.metadata }, { ...metadata });
    },
  ));
});

Deno.test("a broken file is refused and told what is wrong with it", () => {
  const tensor = (begin: number, end: number, shape: readonly number[] = [2]) => ({
    dtype: "F32",
    shape,
    data_offsets: [begin, end],
  });
  const cases: readonly [Uint8Array, RegExp][] = [
    [new Uint8Array(7), /ends within its length/],
    [new Uint8Array(8).fill(255), /header has 18446744073709551615 bytes/],
    [fileOf({}, 0).subarray(0, 9), /ends within its header/],
    [fileOf("[]", 0), /no JSON object/],
    [fileOf(" {}", 0), /no JSON object/],
    [fileOf("{", 0), /no JSON/],
    [fileOf({ a: { ...tensor(0, 8), dtype: "F16" } }, 8), /"a" is "F16", expected "F32"/],
    [fileOf({ a: tensor(0, 8, [3]) }, 8), /"a" of \[3\] takes 8 bytes, expected 12/],
    [fileOf({ a: tensor(0, 8, [-2]) }, 8), /"a" has no shape/],
    [fileOf({ a: { dtype: "F32", shape: [2] } }, 8), /"a" has no place/],
    [fileOf({ a: tensor(4, 12) }, 12), /"a" begins at 4, expected 0/],
    [fileOf({ a: tensor(0, 8), b: tensor(4, 12) }, 12), /"b" begins at 4, expected 8/],
    [fileOf({ a: tensor(0, 8) }, 12), /12 bytes of numbers, tensors take 8/],
    [fileOf({ a: tensor(0, 8) }, 4), /4 bytes of numbers, tensors take 8/],
    [fileOf({ a: null }, 0), /"a" is undefined/],
    [fileOf({ __metadata__: { a: 1 } }, 0), /no object of texts/],
  ];
  for (const [bytes, message] of cases) {
    assert.throws(() => readSafetensors(bytes), { name: "RangeError", message });
  }
});

Deno.test("any bytes are read or refused, never anything else", () => {
  fc.assert(
    fc.property(fc.json(), fc.integer({ min: 0, max: 16 }), (json, bytes) => {
      try {
        readSafetensors(fileOf(json, bytes));
      } catch (error) {
        assert.ok(error instanceof RangeError, String(error));
      }
    }),
    { numRuns: 1_000 },
  );
});

Deno.test("parameters of another layout are not written", () => {
  assert.throws(() => writeSafetensors(parameters, layoutOf([])), /9 parameters/);
});
