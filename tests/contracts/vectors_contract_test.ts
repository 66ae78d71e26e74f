/** What every store of vectors keeps to. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { nodeCrypto } from "../../platform/node_crypto.ts";
import type { ContentHash } from "../../protocols/ids.ts";
import { memoryVectors } from "../../store/memory_vectors.ts";
import { openVectorFiles } from "../../store/vector_files.ts";
import type { VectorStore } from "../../store/vectors.ts";
import { withFolder } from "../store/folders.ts";

const crypto = nodeCrypto();
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
    withFolder((directory) => use(() => openVectorFiles(join(directory, "models"), crypto))),
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

  Deno.test(`${name} vectors have room beside them that reads what was written, in any order, and zeros elsewhere`, () =>
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
      const expected = new Uint8Array(400_000);
      expected.set(bytes, 200_000);
      expected.set(bytes.subarray(0, 5), 10);
      expected.set([1, 2, 3], 200_001);
      const whole = new Uint8Array(400_000).fill(5);
      await one.read(0, whole);
      assert.deepEqual(whole, expected);
      const part = new Uint8Array(2);
      await one.read(200_002, part);
      assert.deepEqual([...part], [2, 3]);
      await Promise.all(writing);
      await one.close();
      await one.close();
      await other.read(0, part);
      assert.deepEqual([...part], [9, 0]);
      assert.deepEqual(await store.list(), []);
      await other.close();
    }));
}

Deno.test("what a crash leaves of the work on a round is gone when vectors are opened again", () =>
  withFolder(async (directory) => {
    const scratch = await (await openVectorFiles(directory, crypto)).scratch();
    await scratch.write(0, Uint8Array.of(1));
    const names = () => [...Deno.readDirSync(directory)].map((entry) => entry.name);
    assert.ok(names().includes("scratch"));
    await openVectorFiles(directory, crypto);
    assert.ok(!names().includes("scratch"));
    await scratch.close().catch(() => undefined);
  }));

Deno.test("a vector file that the disk has damaged is as good as gone", () =>
  withFolder(async (directory) => {
    const store = await openVectorFiles(directory, crypto);
    const { hash, bytes } = vector(3);
    await store.put(hash, bytes);
    await Deno.writeFile(join(directory, hash.slice(0, 2), hash), bytes.fill(4));
    assert.equal(await store.get(hash), undefined);
    assert.equal(await store.has(hash), false);
  }));
