/** The publisher beside a disk that fails, and what it remembers of requests. */
import assert from "node:assert/strict";
import { TestActor, testActor, testRef } from "../../actors/kernel/testkit.ts";
import type { Outcome } from "../../actors/handle.ts";
import { idempotencyKeyOf, prepare, pruneIdempotency } from "../../actors/publisher/prepare.ts";
import { publisher } from "../../actors/publisher/publisher.ts";
import type { StorageCommand } from "../../actors/storage/commands.ts";
import { nodeCrypto, nodeSigner } from "../../platform/node_crypto.ts";
import type { Block, BlockDraft } from "../../protocols/blocks/block.ts";
import { deviceIdOf } from "../../protocols/ids.ts";
import { openMemoryStore } from "../../store/memory_store.ts";
import { testBlock, testSigner } from "../protocols/blocks_support.ts";

const DAY_MS = 24 * 60 * 60 * 1000;
const crypto = nodeCrypto();
const storage = testRef<StorageCommand>("storage");
const asker = testRef<Outcome<readonly Block[]>>("asker");

function started() {
  const signer = nodeSigner(new Uint8Array(32).fill(1));
  const store = openMemoryStore();
  const self = deviceIdOf(signer.publicKey);
  return { store, actor: testActor(publisher({ self, crypto, signer, store, storage })) };
}

function draft(fields: Partial<BlockDraft> = {}): BlockDraft {
  const body = new TextEncoder().encode("ok");
  return { kind: "put", topic: "notes", tags: [], mediaType: "text/plain", body, ...fields };
}

Deno.test("a failing disk is asked again ever more slowly, and whoever waits hears of it", () => {
  const { actor } = started();
  actor.takeEffects();
  actor.tell({ type: "publish", drafts: [draft()], idempotencyKey: null, replyTo: asker });
  const waits: number[] = [];
  for (let i = 0; i < 12; i++) {
    const effects = actor.tell({
      type: "storeFailed",
      token: 0,
      error: new Error("disk I/O error"),
    });
    if (i === 0) {
      const [answer] = TestActor.sentTo(effects, asker);
      assert.ok(answer?.type === "refused" && answer.message.includes("disk I/O error"));
    }
    assert.deepEqual(TestActor.sentTo(effects, storage), []);
    waits.push(actor.timers().get("reload")!);
    assert.equal(TestActor.sentTo(actor.fireTimer("reload"), storage).length, 1);
  }
  assert.equal(waits[0], 100);
  assert.equal(waits.at(-1), 30_000);
});

Deno.test("a log that cannot be read does not crash the publisher; it opens when the disk is back", async () => {
  const { actor } = started();
  actor.tell({ type: "blocksStored", token: 0, outcomes: [] });
  actor.settleTask({ ok: false, error: new Error("disk I/O error") });
  actor.fireTimer("reload");
  actor.tell({ type: "blocksStored", token: 0, outcomes: [] });
  await actor.runTask();
  assert.equal(actor.state.phase, "open");
});

Deno.test("a draft that cannot be published leaves no chunks behind", async () => {
  const { actor } = started();
  actor.tell({ type: "blocksStored", token: 0, outcomes: [] });
  await actor.runTask();
  const body = new Uint8Array(1_000_000);
  const drafts = [draft({ body }), draft({ body, topic: "x".repeat(500) })];
  const effects = actor.tell({ type: "publish", drafts, idempotencyKey: null, replyTo: asker });
  const [answer] = TestActor.sentTo(effects, asker);
  assert.ok(answer?.type === "refused" && answer.reason === "invalid");
  assert.deepEqual(actor.pendingTasks(), []);
});

Deno.test("the same body under another topic is not taken for an earlier answer", async () => {
  const store = openMemoryStore();
  const signer = testSigner(1);
  const options = {
    crypto,
    store,
    self: deviceIdOf(signer.publicKey),
    afterSequence: 0,
    nowMs: 1_000,
  };
  const a = [draft({ topic: "a" })];
  assert.equal((await prepare(a, { ...options, idempotencyKey: "a" })).earlier, null);
  // Crashed before it was stored; then the same words are said about something else.
  const payload = a[0]!.body;
  const about = (topic: string, sequence: number, previous: Block["id"] | null) =>
    testBlock(signer, { topic, tags: [], payload, sequence, previous });
  const other = about("b", 1, null);
  await store.blocks.put([other]);
  assert.equal((await prepare(a, { ...options, idempotencyKey: "a" })).earlier, null);
  const ours = about("a", 2, other.id);
  await store.blocks.put([ours]);
  const { earlier } = await prepare(a, { ...options, idempotencyKey: "a" });
  assert.deepEqual(earlier?.map(({ id }) => id), [ours.id]);
});

Deno.test("an earlier answer is found behind thousands of other blocks", async () => {
  const store = openMemoryStore();
  const signer = testSigner(1);
  const options = { crypto, store, self: deviceIdOf(signer.publicKey), afterSequence: 0, nowMs: 1 };
  const drafts = [draft({ topic: "a" }), draft({ topic: "a" }), draft({ topic: "b" })];
  await prepare(drafts, { ...options, idempotencyKey: "key" });
  const blocks: Block[] = [];
  const topics = [...Array.from({ length: 2_500 }, () => "a"), "b", "c"];
  for (const topic of topics) {
    blocks.push(testBlock(signer, {
      topic,
      tags: [],
      payload: drafts[0]!.body,
      sequence: blocks.length + 1,
      previous: blocks.at(-1)?.id ?? null,
    }));
  }
  await store.blocks.put(blocks);
  const { earlier } = await prepare(drafts, { ...options, idempotencyKey: "key" });
  assert.deepEqual(earlier?.map(({ header }) => header.sequence), [2_499, 2_500, 2_501]);
});

Deno.test("idempotency keys are forgotten after a day, and nothing else is", async () => {
  const store = openMemoryStore();
  const record = (createdAtMs: number) => ({ afterSequence: 0, contents: [], createdAtMs });
  await store.settings.set({
    [idempotencyKeyOf("old")]: record(0),
    [idempotencyKeyOf("new")]: record(2 * DAY_MS),
    [idempotencyKeyOf("future")]: record(10 * DAY_MS),
    other: 1,
  });
  await pruneIdempotency(store, 2.5 * DAY_MS);
  const left = await store.settings.entries("");
  assert.deepEqual(left.map(([key]) => key), [idempotencyKeyOf("new"), "other"]);
});

Deno.test("the publisher forgets old idempotency keys every hour", async () => {
  const { actor, store } = started();
  await store.settings.set({
    [idempotencyKeyOf("old")]: { afterSequence: 0, contents: [], createdAtMs: 0 },
  });
  actor.fireTimer("prune");
  await actor.runTask();
  assert.deepEqual(await store.settings.entries(""), []);
  assert.ok(actor.timers().has("prune"));
});
