/** The publisher while signatures are under way: the log runs ahead, storage gets it in order, and nobody is answered too early. */
import assert from "node:assert/strict";
import { TestActor, testActor, testRef } from "../../actors/kernel/testkit.ts";
import type { Outcome } from "../../actors/handle.ts";
import { type MembershipChanged, membershipChanged } from "../../actors/members/commands.ts";
import { DRAFTS_MAX, publisher } from "../../actors/publisher/publisher.ts";
import { SIGN_LATER_FROM, UNSTORED_MAX } from "../../actors/publisher/signing.ts";
import type { StorageCommand } from "../../actors/storage/commands.ts";
import { nodeCrypto, nodeSigner } from "../../platform/node_crypto.ts";
import type { Block, BlockDraft } from "../../protocols/blocks/block.ts";
import { signedMessageOf } from "../../protocols/blocks/encode.ts";
import { deviceIdOf } from "../../protocols/ids.ts";
import type { Member, Registry } from "../../protocols/registry/registry.ts";
import { MemoryDisk, openMemoryStore } from "../../store/memory_store.ts";
import { TEST_MESH } from "../protocols/blocks_support.ts";

const crypto = nodeCrypto({ workersMax: 0 });
const signer = nodeSigner(new Uint8Array(32).fill(1));
const self = deviceIdOf(signer.publicKey);
const storage = testRef<StorageCommand>("storage");
const asker = testRef<Outcome<readonly Block[]>>("asker");

type StoreBlocks = Extract<StorageCommand, { type: "storeBlocks" }>;

/** A publisher on an open log, member of a mesh; its signatures come when the test says so. */
async function opened(disk = new MemoryDisk()) {
  const store = openMemoryStore({ disk });
  const actor = testActor(publisher({ self, crypto, signer, store, storage }));
  actor.tell({ type: "blocksStored", token: 0, outcomes: [] });
  await actor.runTask();
  const permissions = new Set(["blocks.share"]);
  const spans = [{ fromSequence: 1, toSequence: null, permissions }];
  const member = { deviceId: self, permissions, spans } as unknown as Member;
  const registry: Registry = {
    mesh: TEST_MESH,
    founder: self,
    members: new Map([[self, member]]),
    heads: [],
  };
  actor.publish(membershipChanged, { registry } as MembershipChanged);
  actor.takeEffects();
  return {
    store,
    actor,
    /** Asks for `count` blocks and lets them be prepared. Returns what that did. */
    async ask(count: number, topic = "notes") {
      const drafts = Array.from({ length: count }, () => draft(topic));
      actor.tell({ type: "publish", drafts, idempotencyKey: null, replyTo: asker });
      return await actor.runTask(actor.pendingTasks().at(-1));
    },
  };
}

function draft(topic: string): BlockDraft {
  const body = new TextEncoder().encode("ok");
  return { kind: "put", topic, tags: [], mediaType: "text/plain", body };
}

function storedBy(effects: Parameters<typeof TestActor.sentTo>[0]): StoreBlocks[] {
  return TestActor.sentTo(effects, storage).filter((one) => one.type === "storeBlocks");
}

function topicsOf(commands: readonly StoreBlocks[]): string[] {
  return commands.map(({ blocks }) => blocks[0]!.header.topic);
}

/** That these blocks are one log with good signatures, from its beginning. */
async function assertLog(blocks: readonly Block[]): Promise<void> {
  blocks.forEach(({ header }, i) => {
    assert.equal(header.sequence, i + 1);
    assert.equal(header.previous, blocks[i - 1]?.id ?? null);
  });
  assert.ok((await crypto.verifyMany(blocks.map(signedMessageOf))).every((valid) => valid));
}

Deno.test("signatures that come in another order do not change the order in which blocks go to storage", async () => {
  const { actor, ask } = await opened();
  for (const topic of ["a", "b", "c"]) {
    assert.deepEqual(storedBy(await ask(SIGN_LATER_FROM, topic)), []);
  }
  // Signed at once, but what comes before it is not.
  assert.deepEqual(storedBy(await ask(1, "d")), []);
  const [a, b, c] = actor.pendingTasks();
  assert.deepEqual(storedBy(await actor.runTask(c)), []);
  const first = storedBy(await actor.runTask(a));
  assert.deepEqual(topicsOf(first), ["a"]);
  const rest = storedBy(await actor.runTask(b));
  assert.deepEqual(topicsOf(rest), ["b", "c", "d"]);
  await assertLog([...first, ...rest].flatMap(({ blocks }) => blocks));
});

Deno.test("nobody is answered before the blocks are signed and durable", async () => {
  const { actor, ask } = await opened();
  assert.deepEqual(TestActor.sentTo(await ask(SIGN_LATER_FROM), asker), []);
  const signed = await actor.runTask();
  assert.deepEqual(TestActor.sentTo(signed, asker), []);
  const [command] = storedBy(signed);
  const outcomes = command!.blocks.map(({ id }) => ({ type: "stored" as const, id }));
  const effects = actor.tell({ type: "blocksStored", token: command!.token, outcomes });
  const [answer] = TestActor.sentTo(effects, asker);
  assert.ok(answer?.type === "done" && answer.value.length === SIGN_LATER_FROM);
});

Deno.test("when signing fails, whatever is not with storage is refused, and the log goes on where the disk has it", async () => {
  const { actor, store, ask } = await opened();
  await ask(SIGN_LATER_FROM, "a");
  await ask(SIGN_LATER_FROM, "b");
  await ask(SIGN_LATER_FROM, "c");
  const [a, b, c] = actor.pendingTasks();
  const [stored] = storedBy(await actor.runTask(a));
  await store.blocks.put(stored!.blocks);
  const effects = actor.settleTask({ ok: false, error: new Error("no key") }, b);
  const answers = TestActor.sentTo(effects, asker);
  assert.equal(answers.length, 2);
  for (const answer of answers) {
    assert.ok(answer.type === "refused" && answer.message === "Cannot sign the blocks: no key");
  }
  // The barrier goes behind what storage was given.
  const [barrier] = storedBy(effects);
  assert.deepEqual([barrier?.token, barrier?.blocks.length], [0, 0]);
  // Signatures that come after all belong to nothing any more.
  assert.deepEqual(storedBy(await actor.runTask(c)), []);
  const outcomes = stored!.blocks.map(({ id }) => ({ type: "stored" as const, id }));
  const done = actor.tell({ type: "blocksStored", token: stored!.token, outcomes });
  assert.equal(TestActor.sentTo(done, asker)[0]?.type, "done");
  actor.tell({ type: "blocksStored", token: 0, outcomes: [] });
  await actor.runTask();
  const [next] = storedBy(await ask(1, "d"));
  await assertLog([...stored!.blocks, ...next!.blocks]);
});

Deno.test("when the disk refuses a commit, what was signed behind it and what is being signed is refused, too", async () => {
  const { actor, ask } = await opened();
  for (const topic of ["a", "b", "c"]) await ask(SIGN_LATER_FROM, topic);
  const [a, b, c] = actor.pendingTasks();
  const [command] = storedBy(await actor.runTask(a));
  await actor.runTask(c);
  const error = new Error("disk is full");
  const effects = actor.tell({ type: "storeFailed", token: command!.token, error });
  const answers = TestActor.sentTo(effects, asker);
  assert.deepEqual(answers.map(({ type }) => type), ["refused", "refused", "refused"]);
  assert.deepEqual(storedBy(await actor.runTask(b)), []);
  actor.tell({ type: "blocksStored", token: 0, outcomes: [] });
  await actor.runTask();
  const [next] = storedBy(await ask(1, "d"));
  await assertLog(next!.blocks);
});

Deno.test("a node that dies while blocks are being signed uses their sequences for others: nobody has seen the first", async () => {
  const disk = new MemoryDisk();
  const before = await opened(disk);
  const [stored] = storedBy(await before.ask(1, "a"));
  await before.store.blocks.put(stored!.blocks);
  await before.ask(SIGN_LATER_FROM, "lost");
  const after = await opened(disk);
  const [next] = storedBy(await after.ask(1, "b"));
  await assertLog([...stored!.blocks, ...next!.blocks]);
});

Deno.test("the log runs only so far ahead of its signatures", async () => {
  const { actor, ask } = await opened();
  const full = UNSTORED_MAX / DRAFTS_MAX;
  for (let i = 0; i < full; i++) await ask(DRAFTS_MAX, `${i}`);
  assert.equal(actor.pendingTasks().length, full);
  await ask(DRAFTS_MAX, "waits");
  await ask(1, "waits, too");
  assert.equal(actor.pendingTasks().length, full);
  const effects = await actor.runTask();
  assert.deepEqual(topicsOf(storedBy(effects)), ["0"]);
  assert.equal(actor.pendingTasks().length, full);
  const rest: StoreBlocks[] = [];
  while (actor.pendingTasks().length > 0) rest.push(...storedBy(await actor.runTask()));
  assert.deepEqual(topicsOf(rest), ["1", "2", "3", "waits", "waits, too"]);
});
