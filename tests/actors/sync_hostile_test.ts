/** One sync actor against peers that lie, flood, or say nothing: what it holds stays bounded, and honest peers are still heard. */
import assert from "node:assert/strict";
import type { RecordedEffect } from "../../actors/kernel/testkit.ts";
import type { MissingChunks } from "../../actors/sync/commands.ts";
import { SYNC_BOUNDS } from "../../actors/sync/state.ts";
import type { Block } from "../../protocols/blocks/block.ts";
import { encodeBlock } from "../../protocols/blocks/encode.ts";
import type { BlockId, ContentHash } from "../../protocols/ids.ts";
import type { RequestBlocks } from "../../protocols/sync/messages.ts";
import { beginReconcile } from "../../protocols/sync/reconcile.ts";
import { ReconcileSet } from "../../protocols/sync/reconcile_set.ts";
import { Bench, blocksMessage, crypto, hash, requests, strikes, told } from "./sync_bench.ts";

Deno.test("sync keeps none of the blocks that nobody asked for, and strikes", async () => {
  const bench = await Bench.started();
  bench.connect(2);
  const [asked] = requests(bench.claim(2, 3, 10), bench.device(2));
  const effects = bench.say(2, blocksMessage(asked!.requestId, bench.log(4, 50), true));
  assert.deepEqual(strikes(effects), ["sent 50 blocks that were not asked for"]);
  assert.equal(bench.actor.state.arrivals.length + bench.actor.state.earlyCount, 0);
});

const TRICKS: Readonly<Record<string, (bench: Bench) => readonly Block[]>> = {
  "another author's block": (bench) => bench.log(4, 1),
  "nothing, though there is more": () => [],
  "the end of a log without its beginning": (bench) => bench.log(3, 10).slice(9),
};

for (const [trick, answer] of Object.entries(TRICKS)) {
  Deno.test(`sync asks another peer when one answers with ${trick}`, async () => {
    const bench = await Bench.started();
    bench.connect(2);
    bench.connect(5);
    const [asked] = requests(bench.claim(2, 3, 10), bench.device(2));
    const after = bench.say(2, blocksMessage(asked!.requestId, answer(bench), false));
    assert.deepEqual(requests(after, bench.device(2)), []);
    assert.equal(requests(bench.claim(5, 3, 10), bench.device(5)).length, 1);
  });
}

Deno.test("sync asks another peer for what one has not given in time", async () => {
  const bench = await Bench.started();
  bench.connect(2);
  bench.claim(2, 3, 10);
  bench.connect(5);
  assert.deepEqual(requests(bench.claim(5, 3, 10), bench.device(5)), []);
  const effects = bench.actor.advance(SYNC_BOUNDS.requestTimeoutMs);
  assert.equal(strikes(effects).length, 1);
  assert.equal(requests(effects, bench.device(5)).length, 1);
  assert.equal(requests(effects, bench.device(2)).length, 0);
});

Deno.test("sync is patient with a slow path while answers come one after another", async () => {
  const bench = await Bench.started();
  bench.connect(2);
  const log = bench.log(3, 300);
  const asked = [...requests(bench.claim(2, 3, 300), bench.device(2))];
  assert.ok(asked.length >= 4);
  for (let served = 0; served < 4; served++) {
    assert.deepEqual(strikes(bench.actor.advance(10_000)), []);
    const { requestId, ranges } = asked[served]!;
    const part = log.slice(ranges[0]!.fromSequence - 1, ranges[0]!.toSequence);
    bench.say(2, blocksMessage(requestId, part, true));
  }
});

Deno.test("sync holds a bounded number of blocks whose predecessors never come", async () => {
  const bench = await Bench.started();
  bench.connect(2);
  const log = bench.log(3, 6_000);
  let asked = [...requests(bench.claim(2, 3, 6_000), bench.device(2))];
  // Everything but the first answer.
  while (asked.length > 0) {
    const next: RequestBlocks[] = [];
    for (const { requestId, ranges } of asked) {
      const { fromSequence, toSequence } = ranges[0]!;
      if (fromSequence === 1) continue;
      const part = log.slice(fromSequence - 1, toSequence);
      const effects = bench.say(2, blocksMessage(requestId, part, true));
      next.push(...requests(effects, bench.device(2)));
    }
    asked = next;
  }
  const held = bench.actor.state.earlyCount;
  assert.ok(held <= SYNC_BOUNDS.heldPerPeer + 4 * SYNC_BOUNDS.segmentMax, `${held} held`);
  assert.ok(held >= SYNC_BOUNDS.heldPerPeer);
  // An honest peer is still asked, and what waits in vain is let go.
  bench.connect(5);
  assert.equal(requests(bench.claim(5, 4, 10), bench.device(5)).length, 1);
  bench.actor.advance(2 * SYNC_BOUNDS.heldMs);
  assert.equal(bench.actor.state.earlyCount, 0);
  assert.deepEqual([bench.actor.state.heldBytes, bench.actor.state.held.size], [0, 0]);
});

Deno.test("sync reads for one peer a few requests at a time and strikes a flood", async () => {
  const bench = await Bench.started();
  bench.connect(2);
  const before = bench.actor.pendingTasks().length;
  let struck = 0;
  for (let requestId = 1; requestId <= 1_000; requestId++) {
    const ranges = [{ author: bench.device(3), fromSequence: 1, toSequence: 4096 }];
    struck += strikes(bench.say(2, {
      type: "requestBlocks",
      requestId,
      ranges,
      ids: [],
      shortIds: [],
      payloads: false,
    })).length;
  }
  assert.equal(bench.actor.pendingTasks().length - before, SYNC_BOUNDS.readsPerPeer);
  assert.equal(struck, 1_000 - SYNC_BOUNDS.readsPerPeer - SYNC_BOUNDS.readQueuePerPeer);
  const effects = await bench.settle();
  assert.equal(
    told(effects, bench.device(2)).filter(({ type }) => type === "blocks").length,
    SYNC_BOUNDS.readsPerPeer + SYNC_BOUNDS.readQueuePerPeer,
  );
});

Deno.test("sync answers a request for as many ids as the protocol allows", async () => {
  const bench = await Bench.started();
  const [block] = bench.log(3, 1);
  await bench.store.blocks.put([block!]);
  bench.connect(2);
  await bench.settle();
  const ids = [...Array.from({ length: 1_023 }, (_, i) => hash(i) as BlockId), block!.id];
  bench.say(2, {
    type: "requestBlocks",
    requestId: 7,
    ranges: [],
    ids,
    shortIds: [],
    payloads: false,
  });
  const [answer] = told(await bench.settle(), bench.device(2));
  assert.ok(answer?.type === "blocks");
  assert.deepEqual(answer.blocks, [encodeBlock(block!)]);
});

Deno.test("sync builds one set for a peer that compares with a thousand salts at once", async () => {
  const bench = await Bench.started();
  bench.connect(2);
  await bench.settle();
  const salt = (number: number) => new Uint8Array(16).fill(number).with(0, number >> 8);
  for (let number = 1; number <= 1_000; number++) {
    bench.say(2, { type: "reconcileAsk", salt: salt(number), ranges: new Uint8Array() });
  }
  assert.equal(bench.actor.pendingTasks().length, 1);
  await bench.settle();
  // The newest is answered when its time comes.
  bench.actor.advance(SYNC_BOUNDS.buildEveryMs);
  const answers = told(await bench.settle(), bench.device(2)).filter(({ type }) =>
    type === "reconcileAnswer"
  );
  assert.deepEqual(answers.map((answer) => "salt" in answer && answer.salt), [salt(1_000)]);
});

Deno.test("sync compares again after a comparison that was never answered", async () => {
  const bench = await Bench.started();
  // Whoever has the smaller id begins; the actor under test may be either.
  const peer = [2, 3, 4, 5, 6, 7].find((number) => bench.device(1) < bench.device(number))!;
  bench.connect(peer);
  bench.say(peer, { type: "frontiers", entries: [], interest: null, complete: true, ask: false });
  const asks = (effects: readonly RecordedEffect[]) =>
    told(effects, bench.device(peer)).filter(({ type }) => type === "reconcileAsk").length;
  assert.equal(asks(await bench.settle()), 1);
  bench.actor.advance(2 * SYNC_BOUNDS.reconcileEveryMs);
  assert.ok(asks(await bench.settle()) >= 1);
});

Deno.test("sync remembers a bounded number of ids that a peer offers", async () => {
  const bench = await Bench.started();
  bench.connect(2);
  await bench.settle();
  for (let i = 0; i < 200; i++) {
    const ids = Array.from({ length: 1_024 }, (_, k) => hash(i * 1_024 + k) as BlockId);
    bench.say(2, { type: "haveBlocks", ids });
  }
  assert.equal(bench.actor.pendingTasks().length, 1);
  await bench.settle();
  const peer = bench.actor.state.peers.get(bench.device(2));
  assert.ok(peer !== undefined && peer.wantedIds.size <= SYNC_BOUNDS.wantedIdsPerPeer);
});

Deno.test("sync asks for the rest when an answer to short ids was cut", async () => {
  const bench = await Bench.started();
  const peer = [2, 3, 4, 5, 6, 7].find((number) => bench.device(1) < bench.device(number))!;
  bench.connect(peer);
  // Forks and holes: blocks that heads do not show. The peer has three that we lack.
  const log = bench.log(9, 3);
  const say = () =>
    bench.say(peer, { type: "frontiers", entries: [], interest: null, complete: true, ask: false });
  say();
  const [ask] = told(await bench.settle(), bench.device(peer)).filter(({ type }) =>
    type === "reconcileAsk"
  );
  assert.ok(ask?.type === "reconcileAsk");
  const entries = log.map(({ id, header }) => ({
    id,
    timeBucket: Math.floor(header.timeMs / 3_600_000),
  }));
  const set = new ReconcileSet(
    entries,
    ask.salt,
    (key, data) => crypto.permuteBlocks(key, data),
  );
  // A list of everything, which the asker takes as our side of the difference.
  const effects = bench.say(peer, {
    type: "reconcileAnswer",
    salt: ask.salt,
    ranges: beginReconcile(set),
  });
  const [first] = requests(effects, bench.device(peer));
  assert.equal(first?.shortIds.length, 3);
  const after = bench.say(peer, blocksMessage(first.requestId, log.slice(0, 1), false));
  assert.deepEqual(requests(after, bench.device(peer)).map(({ shortIds }) => shortIds.length), [2]);
});

Deno.test("sync tells everything it has once a second, however often a peer asks", async () => {
  const bench = await Bench.started();
  bench.connect(2);
  await bench.settle();
  let answers = 0;
  for (let i = 0; i < 100; i++) {
    const effects = bench.say(2, {
      type: "frontiers",
      entries: [],
      interest: null,
      complete: false,
      ask: true,
    });
    answers += told(effects, bench.device(2)).filter(({ type }) => type === "frontiers").length;
  }
  assert.equal(answers, 1);
});

Deno.test("sync reads through the store rarely while nothing is missing, and survives that it cannot", async () => {
  const bench = await Bench.started();
  let readings = 0;
  const largeBodies = bench.store.blocks.largeBodies.bind(bench.store.blocks);
  bench.store.blocks.largeBodies = () => (readings++, largeBodies());
  for (let minute = 0; minute < 60; minute++) {
    bench.actor.advance(60_000);
    bench.connect(2);
    await bench.settle();
  }
  assert.ok(readings >= 5 && readings <= 8, `${readings} readings in an hour`);
  bench.store.blocks.largeBodies = () => Promise.reject(new Error("disk I/O error"));
  bench.actor.tell({ type: "repairDue" });
  await bench.settle();
  readings = 0;
  bench.store.blocks.largeBodies = () => (readings++, largeBodies());
  bench.actor.advance(60_000);
  await bench.settle();
  assert.ok(readings >= 1);
});

Deno.test("sync fetches a body although a member named more chunks than there is room for, which nobody has", async () => {
  const bench = await Bench.started();
  bench.connect(2);
  await bench.settle();
  const bodies = Array.from({ length: 9 }, (_, body) => ({
    id: hash(body) as BlockId,
    missing: Array.from({ length: 2_048 }, (_, i) => hash(body * 2_048 + i + 1) as ContentHash),
    from: null,
  }));
  const compare = (value: readonly MissingChunks[]) =>
    bench.actor.tell({ type: "chunksCompared", outcome: { ok: true, value } });
  const asked = (effects: readonly RecordedEffect[]) =>
    told(effects, bench.device(2)).filter((message) => message.type === "requestChunks");
  const open = [...asked(compare(bodies.slice(0, 8)))];
  for (let i = 0; i < 100; i++) {
    const { requestId } = open.shift()!;
    open.push(...asked(bench.say(2, { type: "chunks", requestId, chunks: [] })));
  }
  compare(bodies);
  const wanted = bodies[8]!.missing;
  assert.ok(wanted.every((one) => bench.actor.state.chunkWants.has(one)));
  // Those that nobody has come last from now on.
  compare(bodies);
  assert.ok(wanted.every((one) => bench.actor.state.chunkWants.has(one)));
  assert.ok(bench.actor.state.chunkWants.size <= SYNC_BOUNDS.chunkWantsMax);
});
