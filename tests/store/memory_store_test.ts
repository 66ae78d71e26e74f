/** The store in memory keeps the promises of every store, and can crash and fail on command. */
import assert from "node:assert/strict";
import type { ContentHash } from "../../protocols/ids.ts";
import { MemoryDisk, openMemoryStore } from "../../store/memory_store.ts";
import { StoreError } from "../../store/store.ts";
import { storeContract } from "../contracts/store_contract.ts";
import { TestAuthor } from "./authors.ts";
import { memoryPlace } from "./folders.ts";

storeContract("memory store", async () => {
  const { disk, ...place } = await memoryPlace();
  return {
    ...place,
    damage(what) {
      const found = disk.corrupt("chunk" in what ? { chunk: what.chunk as ContentHash } : what);
      assert.ok(found);
      return Promise.resolve();
    },
  };
});

Deno.test("memory store keeps through a crash what had resolved, and nothing that was under way", async () => {
  const disk = new MemoryDisk();
  const store = openMemoryStore({ disk });
  const blocks = new TestAuthor("ada").writeMany(2);
  await store.blocks.put([blocks[0]!]);
  const { promise: slow, resolve: goOn } = Promise.withResolvers<void>();
  disk.faults = { beforeWrite: () => slow };
  const underWay = store.blocks.put([blocks[1]!]);
  disk.crash();
  goOn();
  await assert.rejects(underWay, StoreError);
  await assert.rejects(store.blocks.put([blocks[1]!]), StoreError);
  disk.faults = {};
  const again = openMemoryStore({ disk });
  assert.equal((await again.blocks.frontiers())[0]!.sequence, 1);
  assert.deepEqual((await again.blocks.put([blocks[1]!])).map((o) => o.type), ["stored"]);
});

Deno.test("memory disk takes back whole transactions nobody had heard of", async () => {
  const disk = new MemoryDisk({ undoTransactionsMax: 16 });
  const store = openMemoryStore({ disk });
  const author = new TestAuthor("ada");
  const first = author.write("first");
  await store.blocks.put([first]);
  await store.settings.set({ name: "before" });
  const mark = disk.mark();
  const removal = author.write("", { kind: "tombstone", target: first.id });
  await store.blocks.put([removal, author.write("fork", { after: first })]);
  await store.search.index([{ blockId: first.id, title: "a", text: "a" }]);
  await store.settings.set({ name: "after", more: 1 });
  disk.crash(mark);
  const again = openMemoryStore({ disk });
  assert.equal(await again.settings.get("name"), "before");
  assert.equal(await again.settings.get("more"), undefined);
  assert.deepEqual((await again.blocks.list({ limit: 9, currentOnly: true })).blocks, [first]);
  assert.deepEqual(await again.blocks.equivocations(), []);
  assert.deepEqual(await again.search.unindexed(9), [first]);
  assert.deepEqual((await again.blocks.put([removal])).map((o) => o.type), ["stored"]);
});

Deno.test("memory store refuses writes with the reason of a full or read-only disk and loses nothing", async () => {
  const disk = new MemoryDisk();
  const store = openMemoryStore({ disk });
  const [first, second] = new TestAuthor("ada").writeMany(2);
  await store.blocks.put([first!]);
  disk.faults = { full: true };
  await assert.rejects(store.blocks.put([second!]), { reason: "full" });
  await assert.rejects(store.settings.set({ a: 1 }), { reason: "full" });
  disk.faults = { readOnly: true };
  await assert.rejects(store.blocks.put([second!]), { reason: "readOnly" });
  disk.faults = {};
  assert.deepEqual((await store.blocks.put([second!])).map((o) => o.type), ["stored"]);
});

Deno.test("memory store keeps the order of writes on a slow disk", async () => {
  const disk = new MemoryDisk();
  const store = openMemoryStore({ disk });
  const waits = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let turn = 0;
  disk.faults = { beforeWrite: () => waits[turn++]?.promise };
  const [first, second] = new TestAuthor("ada").writeMany(2);
  const both = [store.blocks.put([first!]), store.blocks.put([second!])];
  waits[1]!.resolve();
  waits[0]!.resolve();
  assert.deepEqual((await Promise.all(both)).flat().map((o) => o.type), ["stored", "stored"]);
});

Deno.test("memory store backs up to a disk that a new store can open", async () => {
  const backups = new Map<string, MemoryDisk>();
  const store = openMemoryStore({ backups });
  const blocks = new TestAuthor("ada").writeMany(2);
  await store.blocks.put(blocks);
  await store.backup("monday");
  await assert.rejects(store.backup("monday"), StoreError);
  const copy = openMemoryStore({ disk: backups.get("monday")! });
  assert.deepEqual(await copy.blocks.get(blocks.map((b) => b.id)), blocks);
  assert.deepEqual(await copy.verify({ deep: true }), []);
});
