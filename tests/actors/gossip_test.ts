/** One gossip actor among peers that the test speaks for. */
import assert from "node:assert/strict";
import { COLLECT_MS, gossip, type GossipState, HAVE_MS } from "../../actors/gossip/gossip.ts";
import type { GossipCommand } from "../../actors/gossip/commands.ts";
import { type RecordedEffect, TestActor, testActor, testRef } from "../../actors/kernel/testkit.ts";
import { peerSessions, type SessionsCommand } from "../../actors/sessions/commands.ts";
import { blocksCommitted } from "../../actors/storage/commands.ts";
import type { SyncCommand } from "../../actors/sync/commands.ts";
import { seededRandom } from "../../platform/seeded_random.ts";
import type { BlockId, DeviceId, MeshId } from "../../protocols/ids.ts";
import { deviceIdOf } from "../../protocols/ids.ts";
import type { GossipMessage, Head } from "../../protocols/gossip/messages.ts";
import { MISSING_MS } from "../../protocols/gossip/plumtree.ts";
import { decodeGossipMessage } from "../../protocols/gossip/wire.ts";
import { testBlock, testSigner } from "../protocols/blocks_support.ts";

const sessions = testRef<SessionsCommand>("sessions");
const sync = testRef<SyncCommand>("sync");
const mesh = "00".repeat(32) as MeshId;

function device(number: number): DeviceId {
  return deviceIdOf(testSigner(number).publicKey);
}

/** An actor with sessions to the devices 1 to `peers`. */
function started(peers: number): TestActor<GossipCommand, GossipState> {
  const actor = testActor(gossip({ sessions, sync }), { random: seededRandom("gossip") });
  for (let number = 1; number <= peers; number++) {
    actor.publish(peerSessions, { type: "up", deviceId: device(number), resumed: false });
  }
  actor.takeEffects();
  return actor;
}

function commit(
  actor: TestActor<GossipCommand, GossipState>,
  author: number,
  sequence: number,
  receivedFrom: number | null,
): readonly RecordedEffect[] {
  const previous = sequence === 1 ? null : "ab".repeat(32) as BlockId;
  const block = testBlock(testSigner(author), { mesh, sequence, previous });
  return actor.publish(blocksCommitted, {
    blocks: [{
      block,
      receivedFrom: receivedFrom === null ? null : device(receivedFrom),
      completed: true,
    }],
  });
}

function hear(
  actor: TestActor<GossipCommand, GossipState>,
  from: number,
  message: GossipMessage,
): readonly RecordedEffect[] {
  return actor.tell({ type: "peerMessage", from: device(from), message });
}

function head(author: number, sequence: number): Head {
  return { author: device(author), sequence, head: "ab".repeat(32) as BlockId, hops: 0 };
}

/** What was said, as "3 announce". */
function said(effects: readonly RecordedEffect[]): readonly string[] {
  return TestActor.sentTo<SessionsCommand>(effects, sessions).flatMap((command) => {
    if (command.type !== "sendToPeer") return [];
    const decoded = decodeGossipMessage(command.body);
    assert.ok(decoded.ok);
    const number = [1, 2, 3, 4, 5, 6, 7, 8].find((number) => device(number) === command.to);
    return [`${number} ${decoded.message.type}`];
  }).sort();
}

/** What sync was told that peers have. */
function known(effects: readonly RecordedEffect[]): readonly DeviceId[] {
  return TestActor.sentTo<SyncCommand>(effects, sync).flatMap((command) =>
    command.type === "headsAnnounced" ? [command.from] : []
  );
}

Deno.test("a block of our own is announced at once, those that follow it together", () => {
  const actor = started(2);
  assert.deepEqual(said(commit(actor, 8, 1, null)), ["1 announce", "2 announce"]);
  assert.deepEqual(said(commit(actor, 8, 2, null)), []);
  assert.deepEqual(said(commit(actor, 8, 3, null)), []);
  assert.deepEqual(said(actor.advance(COLLECT_MS)), ["1 announce", "2 announce"]);
  assert.deepEqual(said(actor.advance(COLLECT_MS)), []);
});

Deno.test("whoever announces the same as another is pruned, and told later that we have it only if it may not", () => {
  const actor = started(3);
  assert.deepEqual(said(hear(actor, 1, { type: "announce", heads: [head(8, 1)] })), []);
  const effects = hear(actor, 2, { type: "announce", heads: [head(8, 1)] });
  assert.deepEqual(said(effects), ["2 prune"]);
  // Sync may still need it: the first one may fail.
  assert.deepEqual(known(effects), [device(2)]);
  assert.deepEqual(said(commit(actor, 8, 1, 1)), ["3 announce"]);
  assert.deepEqual(said(actor.advance(HAVE_MS)), []);
});

Deno.test("whoever pruned us hears later, beside the tree", () => {
  const actor = started(2);
  hear(actor, 2, { type: "prune" });
  assert.deepEqual(said(commit(actor, 8, 1, null)), ["1 announce"]);
  assert.deepEqual(said(actor.advance(HAVE_MS)), ["2 have"]);
  hear(actor, 2, { type: "graft" });
  assert.deepEqual(said(commit(actor, 8, 2, null)), ["1 announce", "2 announce"]);
});

Deno.test("what did not come along the tree is pulled from whoever has it, by sync, and the tree is mended", () => {
  const actor = started(2);
  hear(actor, 2, { type: "prune" });
  const effects = hear(actor, 2, { type: "have", heads: [head(8, 1)] });
  assert.deepEqual(known(effects), []);
  const later = actor.advance(MISSING_MS);
  assert.deepEqual(said(later), ["2 graft"]);
  assert.deepEqual(known(later), [device(2)]);
  assert.deepEqual([...actor.timers().keys()].includes("missing"), true);
  commit(actor, 8, 1, 2);
  assert.deepEqual(said(actor.advance(MISSING_MS)).filter((line) => line.endsWith("graft")), []);
});

Deno.test("when a session of the tree ends, one beside it takes its place at once", () => {
  const actor = started(3);
  hear(actor, 2, { type: "prune" });
  hear(actor, 3, { type: "prune" });
  const effects = actor.publish(peerSessions, { type: "down", deviceId: device(1) });
  assert.match(said(effects).join(), /^[23] graft$/);
});

Deno.test("a session that goes on keeps its place, one that begins anew is in the tree", () => {
  const actor = started(1);
  hear(actor, 1, { type: "prune" });
  actor.publish(peerSessions, { type: "up", deviceId: device(1), resumed: true });
  assert.equal(actor.state.tree.eager.size, 0);
  actor.publish(peerSessions, { type: "up", deviceId: device(1), resumed: false });
  assert.equal(actor.state.tree.eager.size, 1);
});
