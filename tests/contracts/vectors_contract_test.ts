/** What every store of vectors keeps to. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { nodeCrypto } from "../../platform/node_crypto.ts";
import { seededRandom } from "../../platform/seeded_random.ts";
import type { ContentHash } from "../../protocols/ids.ts";
import { memoryVectors } from "../../store/memory_vectors.ts";
import { openVectorFiles } from "../../store/vector_files.ts";
import type { VectorStore } from "../../store/vectors.ts";
import { withFolder } from "../store/folders.ts";

const crypto = nodeCrypto();
const world = { crypto, random: seededRandom("vectors") };
const vector = (byte: number, length = 1_000) => {
  const bytes = new Uint8Array(length).fill(byte);
  return { bytes, hash: crypto.sha256Hex(bytes) as ContentHash };
};

/** Opens one store, and opens it again as after a restart. */
type Open = () => Promise<VectorStore>;
const ADAPTERS: Readonly<Record<string, (use: (open: Open) => Promise<void>) => Promise<void>>> = {
  memory: (use) => {
    const disk = new Map<ContentHash, Uint8Array>();
    return use(() => Promise.resolve(memoryVectors(disk)));
  },
  files: (use) =>
    withFolder((directory) => use(() => openVectorFiles(join(directory, "models"), world))),
};

for (const [name, withStore] of Object.entries(ADAPTERS)) {
  Deno.test(`${name} vectors are there again after a restart, until they are removed`, () =>
    withStore(async (open) => {
      const { hash, bytes } = vector(1);
      const store = await open();
      await store.put(hash, bytes);
      await store.put(hash, bytes);
      bytes.fill(9);
      const again = await open();
      assert.deepEqual(await again.get(hash), vector(1).bytes);
      assert.equal(await again.has(hash), true);
      assert.deepEqual(await again.list(), [{ hash, bytes: 1_000 }]);
      await again.remove(hash);
      await again.remove(hash);
      assert.equal(await again.get(hash), undefined);
      assert.equal(await again.has(hash), false);
      assert.deepEqual(await again.list(), []);
    }));

  Deno.test(`${name} vectors are handed out as copies`, () =>
    withStore(async (open) => {
      const { hash, bytes } = vector(2);
      const store = await open();
      await store.put(hash, bytes);
      (await store.get(hash))!.fill(0);
      assert.deepEqual(await store.get(hash), bytes);
    }));

  Deno.test(`${name} vectors have room beside them that reads what was written, in any order`, () =>
    withStore(async (open) => {
      const store = await open();
      const [one, other] = [await store.scratch(), await store.scratch()];
      const bytes = new Uint8Array(150_000).map((_, i) => i * 7);
      // Not waited for: they go one after another.
      const writing = [
        one.write(200_000, bytes),
        one.write(10, bytes.subarray(0, 5)),
        other.write(0, Uint8Array.of(9)),
        one.write(200_001, Uint8Array.of(1, 2, 3)),
      ];
      const expected = bytes.slice();
      expected.set([1, 2, 3], 1);
      const whole = new Uint8Array(150_000).fill(5);
      await one.read(200_000, whole);
      assert.deepEqual(whole, expected);
      const few = new Uint8Array(5);
      await one.read(10, few);
      assert.deepEqual(few, bytes.slice(0, 5));
      const part = new Uint8Array(2);
      await one.read(200_002, part);
      assert.deepEqual([...part], [2, 3]);
      await Promise.all(writing);
      await one.close();
      await one.close();
      await other.read(0, part.subarray(0, 1));
      assert.equal(part[0], 9);
      assert.deepEqual(await store.list(), []);
      await other.close();
    }));
}

Deno.test("what is worked with cannot be read from the disk without the process that wrote it", () =>
  withFolder(async (directory) => {
    const scratch = await (await openVectorFiles(directory, world)).scratch();
    const text = new TextEncoder().encode("what others have learned ".repeat(8_000));
    await scratch.write(77, text);
    const [file] = [...Deno.readDirSync(join(directory, "scratch"))];
    const onDisk = await Deno.readFile(join(directory, "scratch", file!.name));
    assert.equal(onDisk.length, 77 + text.length);
    // Random bytes: all values, none of them often.
    const counts = new Uint32Array(256);
    for (const byte of onDisk.subarray(77)) counts[byte]!++;
    const most = text.length / 256 * 1.3;
    assert.ok(counts.every((count) => count > 0 && count < most));
    // From the middle of a block, and of a piece.
    const part = new Uint8Array(1_000);
    await scratch.read(77 + 65_550, part);
    assert.deepEqual(part, text.slice(65_550, 66_550));
    await scratch.close();
  }));

Deno.test("what a crash leaves of the work on a round is gone when vectors are opened again", () =>
  withFolder(async (directory) => {
    const scratch = await (await openVectorFiles(directory, world)).scratch();
    await scratch.write(0, Uint8Array.of(1));
    const names = () => [...Deno.readDirSync(directory)].map((entry) => entry.name);
    assert.ok(names().includes("scratch"));
    await openVectorFiles(directory, world);
    assert.ok(!names().includes("scratch"));
    await scratch.close().catch(() => undefined);
  }));

Deno.test("a vector file that the disk has damaged is as good as gone", () =>
  withFolder(async (directory) => {
    const store = await openVectorFiles(directory, world);
    const { hash, bytes } = vector(3);
    await store.put(hash, bytes);
    await Deno.writeFile(join(directory, hash.slice(0, 2), hash), bytes.fill(4));
    assert.equal(await store.get(hash), undefined);
    assert.equal(await store.has(hash), false);
  }));
