/** The storage actor writes alone, in groups, answers in order, and loses nothing it has acknowledged. */
import assert from "node:assert/strict";
import { nodeEvents } from "../../../actors/events.ts";
import {
  type RecordedEffect,
  TestActor,
  testActor,
  testRef,
} from "../../../actors/kernel/testkit.ts";
import {
  type BlocksCommitted,
  blocksCommitted,
  type BlocksStored,
  type ChunksStored,
  type StorageCommand,
} from "../../../actors/storage/commands.ts";
import {
  COMMIT_BLOCKS_MAX,
  storage,
  type StorageState,
  WAITING_COMMANDS_MAX,
} from "../../../actors/storage/storage.ts";
import type { Block } from "../../../protocols/blocks/block.ts";
import { splitBody } from "../../../protocols/blocks/body.ts";
import { MemoryDisk, openMemoryStore } from "../../../store/memory_store.ts";
import { chunk, TestAuthor, testCrypto, withoutPayload } from "../../store/authors.ts";

const caller = testRef<BlocksStored>("caller");
const chunkCaller = testRef<ChunksStored>("caller");

function start() {
  const disk = new MemoryDisk();
  const store = openMemoryStore({ disk });
  const actor = testActor(storage({ store }));
  actor.takeEffects();
  let token = 0;
  return {
    disk,
    store,
    actor,
    put: (...blocks: Block[]) =>
      actor.tell({
        type: "storeBlocks",
        blocks,
        receivedFrom: null,
        replyTo: caller,
        token: ++token,
      }),
    putChunks: (...chunks: ReturnType<typeof chunk>[]) =>
      actor.tell({ type: "storeChunks", chunks, replyTo: chunkCaller, token: ++token }),
  };
}

Deno.test("storage answers only after the blocks are durable", async () => {
  const { actor, put, store } = start();
  const [block] = new TestAuthor("ada").writeMany(1) as [Block];
  assert.deepEqual(put(block).map((effect) => effect.type), ["perform"]);
  const effects = await actor.runTask();
  assert.deepEqual(answers(effects), [
    { type: "blocksStored", token: 1, outcomes: [{ type: "stored", id: block.id }] },
  ]);
  assert.deepEqual(await store.blocks.get([block.id]), [block]);
  assert.deepEqual(published(effects, blocksCommitted.name), [
    { blocks: [{ block, receivedFrom: null, completed: false }] },
  ]);
});

Deno.test("storage gathers what comes during a commit into the next one and answers in order", async () => {
  const { actor, put } = start();
  const blocks = new TestAuthor("ada").writeMany(4);
  put(blocks[0]!);
  assert.deepEqual(put(blocks[1]!), []);
  assert.deepEqual(put(), []);
  assert.deepEqual(put(blocks[2]!, blocks[3]!), []);
  const first = await actor.runTask();
  assert.deepEqual(answers(first).map((answer) => answer.token), [1]);
  assert.equal(actor.pendingTasks().length, 1);
  const second = await actor.runTask();
  assert.deepEqual(answers(second).map((answer) => answer.token), [2, 3, 4]);
  assert.deepEqual(answers(second)[1], { type: "blocksStored", token: 3, outcomes: [] });
  assert.equal(published(second, blocksCommitted.name).length, 1);
  assert.equal(actor.pendingTasks().length, 0);
});

Deno.test("storage answers an empty command after the commits before it, so that it can be a barrier", async () => {
  const { actor, put } = start();
  const [block] = new TestAuthor("ada").writeMany(1) as [Block];
  put(block);
  put();
  assert.equal(answers(await actor.runTask()).length, 1);
  assert.deepEqual(answers(await actor.runTask()).map((answer) => answer.token), [2]);
});

Deno.test("storage bounds one commit and what may wait", async () => {
  const { actor, put } = start();
  const blocks = new TestAuthor("ada").writeMany(COMMIT_BLOCKS_MAX + 2);
  put();
  put(...blocks.slice(0, COMMIT_BLOCKS_MAX));
  put(...blocks.slice(COMMIT_BLOCKS_MAX));
  await actor.runTask();
  assert.deepEqual(answers(await actor.runTask()).map((answer) => answer.token), [2]);
  assert.deepEqual(answers(await actor.runTask()).map((answer) => answer.token), [3]);
  put();
  for (let i = 0; i < WAITING_COMMANDS_MAX; i++) assert.deepEqual(put(), []);
  assert.deepEqual(answers(put()).map((answer) => answer.type), ["storeFailed"]);
});

Deno.test("storage tells everyone in a failed commit, warns once, and goes on when the disk does", async () => {
  const { actor, put, disk } = start();
  const blocks = new TestAuthor("ada").writeMany(3);
  disk.faults = { full: true };
  put(blocks[0]!);
  const first = await actor.runTask();
  assert.deepEqual(answers(first).map((answer) => answer.type), ["storeFailed"]);
  const [warning] = published(first, nodeEvents.name) as { type: string; message: string }[];
  assert.equal(warning?.type, "warning");
  assert.match(warning!.message, /disk is full.*Free some space/);
  assert.deepEqual(published(first, blocksCommitted.name), []);
  put(blocks[0]!);
  assert.deepEqual(published(await actor.runTask(), nodeEvents.name), []);
  disk.faults = {};
  put(blocks[0]!);
  const last = await actor.runTask();
  assert.deepEqual(answers(last).map((answer) => answer.type), ["blocksStored"]);
  disk.faults = { full: true };
  put(blocks[1]!);
  assert.equal(published(await actor.runTask(), nodeEvents.name).length, 1);
});

Deno.test("storage publishes what became of each block", async () => {
  const { actor, put } = start();
  const author = new TestAuthor("ada");
  const [first, second] = author.writeMany(2) as [Block, Block];
  const twin = author.write("twin", { after: first });
  put(withoutPayload(first), second, twin, second);
  const told = await actor.runTask();
  const events = published(told, nodeEvents.name) as { type: string }[];
  assert.deepEqual(events.map((event) => event.type), [
    "blockStored",
    "blockStored",
    "equivocationFound",
  ]);
  const [committed] = published(told, blocksCommitted.name) as BlocksCommitted[];
  assert.deepEqual(committed?.ownTwins, [twin.id]);
  put(first);
  const effects = await actor.runTask();
  assert.deepEqual(published(effects, nodeEvents.name), [{ type: "bodyCompleted", id: first.id }]);
  assert.deepEqual(published(effects, blocksCommitted.name), [
    { blocks: [{ block: first, receivedFrom: null, completed: true }] },
  ]);
});

Deno.test("storage says when a damaged block is back", async () => {
  const { actor, put, disk, store } = start();
  const [block] = new TestAuthor("ada").writeMany(1) as [Block];
  put(block);
  await actor.runTask();
  disk.corrupt({ block: block.id, part: "header" });
  assert.equal((await store.verify({ deep: true })).length, 1);
  put(block);
  const events = published(await actor.runTask(), nodeEvents.name);
  assert.deepEqual(events.at(-1), { type: "damageRepaired", table: "blocks", key: block.id });
});

Deno.test("storage stores chunks beside blocks and answers with their hashes", async () => {
  const { actor, put, putChunks, store } = start();
  put(...new TestAuthor("ada").writeMany(1));
  putChunks(chunk(1), chunk(2));
  putChunks(chunk(3));
  const effects = await actor.runTask(1);
  assert.deepEqual(answers(effects), [
    { type: "chunksStored", token: 2, hashes: [chunk(1).hash, chunk(2).hash] },
  ]);
  await actor.runTask();
  await actor.runTask();
  assert.equal((await store.chunks.stats()).chunks, 3);
});

Deno.test("storage makes new text findable shortly after it was stored", async () => {
  const { actor, put, store } = start();
  await settle(actor);
  const author = new TestAuthor("ada");
  put(
    author.write("# Tomatoes\n\nsow in *March*", { mediaType: "text/markdown" }),
    author.write(new Uint8Array(9), { mediaType: "image/png" }),
  );
  await actor.runTask();
  await settle(actor);
  const { hits } = await store.search.search({ text: "march", limit: 5, offset: 0 });
  assert.deepEqual(hits.map((hit) => hit.title), ["Tomatoes"]);
  assert.deepEqual(await store.search.unindexed(10), []);
});

Deno.test("storage indexes after a start what was left without an index", async () => {
  const disk = new MemoryDisk();
  const store = openMemoryStore({ disk });
  const author = new TestAuthor("ada");
  const texts = Array.from({ length: 150 }, (_, i) => author.write(`note number ${i}`));
  await store.blocks.put(texts);
  await settle(testActor(storage({ store })));
  const page = await store.search.search({ text: "note", limit: 100, offset: 0 });
  assert.equal(page.total, 150);
});

Deno.test("storage indexes a large text when its first chunk has come", async () => {
  const { actor, put, putChunks, store } = start();
  await settle(actor);
  const body = new TextEncoder().encode("haystack ".repeat(9_000) + "needle");
  const split = splitBody(body, testCrypto);
  put(new TestAuthor("ada").write(body));
  await actor.runTask();
  await settle(actor);
  const total = async () =>
    (await store.search.search({ text: "needle", limit: 5, offset: 0 })).total;
  assert.equal(await total(), 0);
  assert.equal(actor.state.index.deferred.size, 1);
  putChunks(...split.chunks.map(({ hash, bytes }) => ({ hash, bytes })));
  await actor.runTask();
  await settle(actor);
  assert.equal(await total(), 1);
});

Deno.test("storage tries indexing again after a failure", async () => {
  const { actor, put, store, disk } = start();
  await settle(actor);
  put(new TestAuthor("ada").write("needle"));
  await actor.runTask();
  disk.faults = { full: true };
  actor.fireTimer("index");
  const events = published(await actor.runTask(), nodeEvents.name) as { type: string }[];
  assert.deepEqual(events.map((event) => event.type), ["warning"]);
  disk.faults = {};
  await settle(actor);
  assert.deepEqual(await store.search.unindexed(10), []);
});

/** Runs timers and tasks until nothing is left to do. */
async function settle(actor: TestActor<StorageCommand, StorageState>): Promise<void> {
  while (actor.timers().size > 0 || actor.pendingTasks().length > 0) {
    if (actor.pendingTasks().length > 0) await actor.runTask();
    else actor.advance(30_000);
  }
  actor.takeEffects();
}

function answers(effects: readonly RecordedEffect[]): readonly (BlocksStored | ChunksStored)[] {
  return TestActor.sentTo<BlocksStored | ChunksStored>(effects, "caller");
}

function published(effects: readonly RecordedEffect[], topic: string): unknown[] {
  return effects.flatMap((effect) =>
    effect.type === "publish" && effect.topic === topic ? [effect.event] : []
  );
}
