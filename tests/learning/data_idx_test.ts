/** IDX files: real ones are read, broken ones are refused with a reason, bombs do not fill the memory. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { gunzip } from "../../learning/data/gunzip.ts";
import { imagesOf, labelsOf, parseIdx, readIdx, writeIdx } from "../../learning/data/idx.ts";
import { datasetOf, readImageSet } from "../../learning/data/image_set.ts";
import { smallMnist } from "./data_fixtures.ts";

async function gzip(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function joined(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

Deno.test("the first pictures of MNIST are read: sizes, first labels, ink where it is", async () => {
  const train = await smallMnist("train");
  assert.deepEqual(
    [train.count, train.rows, train.columns, train.channels],
    [500, 28, 28, 1],
  );
  // The first labels of MNIST, as printed in many places.
  assert.deepEqual([...train.labels.subarray(0, 10)], [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]);
  const test = await smallMnist("t10k");
  assert.deepEqual([...test.labels.subarray(0, 10)], [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]);
  // The first picture: empty border, 166 pixels of ink that sum to 27,525.
  const first = train.pixels.subarray(0, 784);
  assert.equal(first.filter((pixel) => pixel > 0).length, 166);
  assert.equal(first.reduce((sum, pixel) => sum + pixel, 0), 27_525);
});

Deno.test("chosen examples are copied with their labels", async () => {
  const train = await smallMnist("train");
  const some = datasetOf(train, Uint32Array.of(3, 0));
  assert.deepEqual([...some.labels], [1, 5]);
  assert.deepEqual(some.inputs.subarray(784), train.pixels.subarray(0, 784));
  assert.equal(datasetOf(train).inputs, train.pixels);
});

Deno.test("what is written is read again, packed or not", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: 1, max: 7 }),
      fc.integer({ min: 1, max: 7 }),
      fc.constantFrom(0, 1, 3),
      fc.boolean(),
      async (count, rows, columns, channels, packed) => {
        const extents = channels === 0 ? [count, rows, columns] : [count, rows, columns, channels];
        const length = extents.reduce((product, extent) => product * extent, 1);
        const values = Uint8Array.from({ length }, (_, i) => i * 37);
        const bytes = writeIdx(extents, values);
        const file = await readIdx(packed ? await gzip(bytes) : bytes, "it");
        assert.deepEqual(file, { extents, values });
        assert.equal(imagesOf(file, "it").channels, channels || 1);
      },
    ),
    { numRuns: 60 },
  );
});

Deno.test("a broken file is refused and told what is wrong with it", async () => {
  const good = writeIdx([2, 2, 2], new Uint8Array(8));
  const changed = (change: (bytes: Uint8Array) => void) => {
    const bytes = good.slice();
    change(bytes);
    return bytes;
  };
  const cases: readonly [Uint8Array<ArrayBuffer>, RegExp][] = [
    [new Uint8Array(0), /does not begin with/],
    [changed((bytes) => bytes[0] = 1), /does not begin with/],
    [changed((bytes) => bytes[2] = 0x0d), /holds 32-bit floats, expected unsigned bytes/],
    [changed((bytes) => bytes[2] = 0x77), /values of type 119/],
    [changed((bytes) => bytes[3] = 2), /has 2 dimensions/],
    [changed((bytes) => bytes[3] = 200), /has 200 dimensions/],
    [good.slice(0, 9), /ends within its header/],
    [changed((bytes) => bytes[7] = 0), /extent 1 is 0/],
    [changed((bytes) => bytes[8] = 0xff), /extent 2 is/],
    [changed((bytes) => bytes[7] = 3), /8 values follow its header, expected 3 × 2 × 2 = 12/],
    [good.slice(0, -1), /7 values follow/],
    [Uint8Array.from([...good, 0]), /9 values follow/],
  ];
  for (const [bytes, problem] of cases) {
    assert.throws(() => parseIdx(bytes, "broken"), { name: "RangeError", message: problem });
  }
  const packed = await gzip(good);
  await assert.rejects(readIdx(packed.slice(0, -5), "cut"), /cut: it is damaged or cut off/);
  await assert.rejects(
    readIdx(packed.map((byte, i) => i === 12 ? byte ^ 0x55 : byte), "damaged"),
    RangeError,
  );
  await assert.rejects(readIdx(Uint8Array.from([...packed, 1, 2, 3]), "longer"), RangeError);
});

Deno.test("any bytes are read or refused, never anything else", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      try {
        parseIdx(Uint8Array.from([0, 0, 8, ...bytes]), "noise");
      } catch (error) {
        assert.ok(error instanceof RangeError);
      }
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("a bomb stops at the bound, in one member or in many", async () => {
  const bomb = await gzip(new Uint8Array(20_000_000));
  assert.ok(bomb.length < 30_000);
  const million = await gzip(new Uint8Array(1_000_000));
  for (const packed of [bomb, joined(million, await gzip(Uint8Array.of(1)))]) {
    await assert.rejects(
      gunzip(packed, { bytesMax: 1_000_000, what: "bomb.gz" }),
      /bomb.gz: more than 1000000 bytes come out/,
    );
  }
  assert.equal((await gunzip(million, { bytesMax: 1_000_000, what: "it" })).length, 1_000_000);
});

Deno.test("what gzip packed in several members is read as one file, and only members may follow", async () => {
  // `head -c 6 labels | gzip -n` and `tail -c +7 labels | gzip -n9`, by GNU gzip 1.12.
  const [begin, rest] = [
    Uint8Array.fromHex("1f8b08000000000000036360e060646000007be3b47506000000"),
    Uint8Array.fromHex("1f8b080000000000020363606160646206006c5ebfee06000000"),
  ];
  const labels = async (...parts: readonly Uint8Array[]) =>
    labelsOf(await readIdx(joined(...parts), "labels.gz"), "labels.gz");
  assert.deepEqual([...await labels(begin, rest)], [0, 1, 2, 3]);
  // An empty member says nothing, and gzip takes zeros behind the last one for padding.
  const empty = await gzip(new Uint8Array());
  assert.deepEqual([...await labels(empty, begin, rest, empty, new Uint8Array(512))], [0, 1, 2, 3]);
  const [damaged, noGzip] = [rest.with(-5, rest.at(-5)! ^ 1), Uint8Array.of(1, 2, 3, 4)];
  for (
    const after of [
      damaged,
      rest.slice(0, -1),
      rest.slice(0, 3),
      noGzip,
      joined(Uint8Array.of(0), rest),
    ]
  ) {
    await assert.rejects(labels(begin, rest, after), /labels.gz: it is damaged or cut off/);
  }
  await assert.rejects(labels(begin, rest, rest), /10 values follow its header, expected 4/);
});

Deno.test("pictures and labels that do not belong together are refused", async () => {
  const images = writeIdx([3, 1, 1], new Uint8Array(3));
  const labels = writeIdx([2], new Uint8Array(2));
  const what = { images: "pictures", labels: "labels" };
  await assert.rejects(readImageSet({ images, labels }, what), /2 labels for 3 pictures/);
  await assert.rejects(readImageSet({ images: labels, labels }, what), /one dimension/);
  assert.throws(() => labelsOf(parseIdx(images, "pictures"), "pictures"), /3 dimensions/);
});
