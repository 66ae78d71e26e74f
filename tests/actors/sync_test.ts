import assert from "node:assert/strict";
import type { Interest } from "../../actors/handle.ts";
import type { SyncCommand } from "../../actors/sync/commands.ts";
import type { Block } from "../../protocols/blocks/block.ts";
import { inSync, plug, TestNode, unplug } from "./replication_harness.ts";

async function pair(): Promise<readonly [TestNode, TestNode]> {
  const a = new TestNode("a", 1);
  const b = new TestNode("b", 2);
  await a.found();
  await a.admit(b);
  return [a, b];
}

async function idsOf(node: TestNode): Promise<readonly string[]> {
  return (await node.store.blocks.reconcileItems()).map(({ id }) => id).sort();
}

const text = (value: string) => new TextEncoder().encode(value);

Deno.test("two nodes that wrote apart hold the same blocks after they meet", async () => {
  const [a, b] = await pair();
  await a.publish(Array.from({ length: 300 }, (_, i) => ({ body: text(`from a ${i}`) })));
  await b.publish(Array.from({ length: 200 }, (_, i) => ({ body: text(`from b ${i}`) })));
  plug(a, b);
  await inSync(a, b);
  assert.equal((await idsOf(a)).length, 502);
  assert.deepEqual(await idsOf(a), await idsOf(b));
  assert.deepEqual([a.strikes, b.strikes], [[], []]);
  await Promise.all([a.stop(), b.stop()]);
});

Deno.test("a log longer than what may wait from one peer comes whole", async () => {
  const [a, b] = await pair();
  for (let i = 0; i < 8; i++) {
    await a.publish(Array.from({ length: 1_000 }, (_, k) => ({ body: text(`${i} ${k}`) })));
  }
  plug(a, b);
  await inSync(a, b);
  assert.equal((await idsOf(b)).length, 8_002);
  await Promise.all([a.stop(), b.stop()]);
});

Deno.test("a new block reaches a connected peer by gossip", async () => {
  const [a, b] = await pair();
  plug(a, b);
  await inSync(a, b);
  const [block] = await a.publish([{ body: text("hello") }]);
  await b.until(
    "the block",
    () => b.events.some((event) => event.type === "blockStored" && event.id === block!.id),
  );
  const [stored] = await b.store.blocks.get([block!.id]);
  assert.deepEqual(stored?.payload, text("hello"));
  await Promise.all([a.stop(), b.stop()]);
});

Deno.test("a chunked body arrives whole, also when the wire is cut in the middle", async () => {
  const [a, b] = await pair();
  const body = new Uint8Array(3_000_000).map((_, i) => (i * 31) >> 3);
  const [block] = await a.publish([{ body, mediaType: "application/octet-stream" }]);
  plug(a, b);
  await b.until(
    "the first chunk",
    () => b.events.some((event) => event.type === "blockStored" && event.id === block!.id),
  );
  unplug(a, b);
  plug(a, b);
  await b.until(
    "the whole body",
    () => b.events.some((event) => event.type === "bodyCompleted" && event.id === block!.id),
  );
  const payload = (await b.store.blocks.get([block!.id]))[0]!.payload!;
  const parts: Uint8Array[] = [];
  for (let at = 0; at < payload.length; at += 32) {
    parts.push((await b.store.chunks.get(payload.subarray(at, at + 32).toHex() as never))!);
  }
  assert.deepEqual(new Uint8Array(await new Blob(parts as BlobPart[]).arrayBuffer()), body);
  await Promise.all([a.stop(), b.stop()]);
});

Deno.test("payloads outside the interest stay away until the interest widens", async () => {
  const [a, b] = await pair();
  await b.ask<SyncCommand, Interest | null>(b.refs.sync, (replyTo) => ({
    type: "setInterest",
    interest: { topics: ["notes"], bodyBytesMax: 1000 },
    replyTo,
  }));
  const blocks = await a.publish([
    { topic: "notes/garden", body: text("wanted") },
    { topic: "photos", body: text("other topic") },
    { topic: "notes", body: new Uint8Array(2000) },
  ]);
  plug(a, b);
  await inSync(a, b);
  const held = async () =>
    (await b.store.blocks.get(blocks.map(({ id }: Block) => id))).map((block) =>
      block?.payload !== null
    );
  assert.deepEqual(await held(), [true, false, false]);
  await b.ask<SyncCommand, Interest | null>(
    b.refs.sync,
    (replyTo) => ({ type: "setInterest", interest: null, replyTo }),
  );
  for (let i = 0; i < 3_000 && (await held()).includes(false); i++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.deepEqual(await held(), [true, true, true]);
  await Promise.all([a.stop(), b.stop()]);
});

Deno.test("a third node learns everything from one that is not the author", async () => {
  const [a, b] = await pair();
  const c = new TestNode("c", 3);
  await a.publish([{ body: text("one") }]);
  await a.admit(c);
  plug(a, b);
  await inSync(a, b);
  unplug(a, b);
  plug(b, c);
  await inSync(b, c);
  assert.deepEqual(await idsOf(c), await idsOf(a));
  await Promise.all([a.stop(), b.stop(), c.stop()]);
});

Deno.test("the same idempotency key publishes once, and gives the first answer again", async () => {
  const a = new TestNode("a", 1);
  await a.found();
  const [first, again] = await Promise.all([
    a.publish([{ body: text("x") }], "key"),
    a.publish([{ body: text("x") }], "key"),
  ]);
  const later = await a.publish([{ body: text("x") }], "key");
  assert.deepEqual([again[0]!.id, later[0]!.id], [first[0]!.id, first[0]!.id]);
  assert.equal((await idsOf(a)).length, 2);
  await a.stop();
});

Deno.test("a restored node publishes nothing before it has compared itself with a peer, and then continues its log", async () => {
  const [a, b] = await pair();
  await a.publish([{ body: text("in the backup") }]);
  plug(a, b);
  await inSync(a, b);
  await a.store.backup("backup");
  const backup = a.backups.get("backup")!;
  await a.stop();
  const again = new TestNode("a", 1, a.disk);
  plug(again, b);
  await again.publish([{ body: text("after the backup") }]);
  b.events.length = 0;
  await b.until("the newer block", () => b.events.some((event) => event.type === "blockStored"));
  await again.stop();

  const restored = new TestNode("a", 1, backup);
  await restored.store.settings.set({ restored: true });
  const reborn = new TestNode("a", 1, backup);
  await assert.rejects(reborn.publish([{ body: text("too early") }]), /restored from a backup/);
  plug(reborn, b);
  await inSync(reborn, b);
  const [block] = await reborn.publish([{ body: text("in its place") }]);
  assert.equal(block!.header.sequence, 5);
  assert.deepEqual(await b.store.blocks.equivocations(), []);
  await Promise.all([reborn.stop(), restored.stop(), b.stop()]);
});

Deno.test("behind a damaged row that a peer has given back, the rest of the log is told to peers", async () => {
  const [a, b] = await pair();
  const [damaged] = await a.publish([{ body: text("one") }, { body: text("two") }]);
  plug(a, b);
  await inSync(a, b);
  unplug(a, b);
  const [last] = await a.publish([{ body: text("only here") }]);
  await a.stop();
  a.disk.corrupt({ block: damaged!.id, part: "header" });
  const again = new TestNode("a", 1, a.disk);
  assert.equal((await again.store.verify({ deep: true })).length, 1);
  await again.stop();
  const started = new TestNode("a", 1, a.disk);
  plug(started, b);
  const arrived = () =>
    b.events.some((event) => event.type === "blockStored" && event.id === last!.id);
  await b.until("the block behind the damaged one", arrived);
  assert.deepEqual(await idsOf(started), await idsOf(b));
  await Promise.all([started.stop(), b.stop()]);
});
