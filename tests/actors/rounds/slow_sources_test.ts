/** Whoever gives a vector in dribbles: others who have it are asked, and those who wait for a place go first. */
import assert from "node:assert/strict";
import { TestActor } from "../../../actors/kernel/testkit.ts";
import { softmaxRegression } from "../../../learning/engine/networks.ts";
import { parameterBytes } from "../../../learning/parameters.ts";
import type { RoundResult } from "../../../learning/runs/result.ts";
import { nodeSigner } from "../../../platform/node_crypto.ts";
import {
  type BlockId,
  type ContentHash,
  type DeviceId,
  deviceIdOf,
} from "../../../protocols/ids.ts";
import { PART_BYTES, type VectorPart } from "../../../protocols/rounds/messages.ts";
import { opened, updateOf } from "../../learning/proof_support.ts";
import { clearRound, type Coordinator, type Device } from "./clear_round.ts";
import { openedRun, parent, peerOf, type RunActor, signedResult } from "./run_actor.ts";
import { other, registryOf, run, said, self } from "./support.ts";

/** Vectors of 10 MiB. */
const plan = opened(softmaxRegression({ inputs: 65_536, classes: 40 }));
const hash = "cd".repeat(32) as ContentHash;
const part = (index: number): VectorPart => ({
  type: "vectorPart",
  run,
  hash,
  index,
  bytes: new Uint8Array(PART_BYTES),
});

/** A version is known of which these have the vectors. */
async function wanting(devices: readonly DeviceId[]): Promise<RunActor> {
  const registry = registryOf([self, ...devices]);
  const actor = openedRun(plan, { registry });
  const peers = devices.map((device) => peerOf(device, { round: 2, coordinates: false }));
  actor.tell({ type: "peersChanged", peers, registry });
  const result = signedResult({ round: 2, parent: hash, result: hash });
  const committed = { block: "ef".repeat(32) as BlockId, author: devices[0]!, atMs: 1, result };
  actor.tell({ type: "resultCommitted", committed });
  await actor.runTask();
  return actor;
}

/** Seconds for which `from` is asked, when it gives a part of it every `everyS` seconds, at most 1,200; and whoever is asked next. */
async function asked(actor: RunActor, from: DeviceId, everyS: number, isNew = true) {
  assert.equal(actor.state.incoming.get(hash)?.from, from);
  for (let second = 1, given = 0; second <= 1_200; second++) {
    actor.advance(1_000);
    while (actor.pendingTasks().length > 0) await actor.runTask();
    const incoming = actor.state.incoming.get(hash);
    if (incoming?.from !== from) return { seconds: second, next: incoming?.from };
    if (second % everyS === 0) {
      actor.tell({ type: "peerMessage", from, message: part(isNew ? given++ : 0) });
    }
  }
  return { seconds: 1_200, next: from };
}

const third = deviceIdOf(nodeSigner(new Uint8Array(32).fill(40)).publicKey);

Deno.test("a source that gives a part every eleven seconds is left within half a minute for another one that has it", async () => {
  const { seconds, next } = await asked(await wanting([other, third]), other, 11);
  assert.equal(next, third);
  assert.ok(seconds <= 30, `${seconds} s`);
});

Deno.test("the only one that has it is given up after two minutes, and gets more time when it is asked again", async () => {
  const actor = await wanting([other]);
  const first = await asked(actor, other, 11);
  assert.equal(first.next, undefined);
  assert.ok(first.seconds <= 120, `${first.seconds} s`);
  assert.equal(actor.state.adopting, null, "others are considered, and rounds are called");
  for (let second = 0; second < 5; second++) actor.advance(1_000);
  while (actor.pendingTasks().length > 0) await actor.runTask();
  const again = await asked(actor, other, 11);
  assert.ok(again.seconds > 1.5 * first.seconds, `${again.seconds} s`);
});

Deno.test("the same part again and again is no progress", async () => {
  const { seconds } = await asked(await wanting([other]), other, 1, false);
  assert.ok(seconds <= 120, `${seconds} s`);
});

Deno.test("results that nobody has signed are found out before anything of them is fetched", async () => {
  const registry = registryOf([self, other]);
  const actor = openedRun(plan, { registry });
  actor.tell({ type: "peersChanged", peers: [peerOf(other, { round: 9 })], registry });
  const committed = (round: number, result: RoundResult) => ({
    block: round.toString(16).padStart(64, "0") as BlockId,
    author: other,
    atMs: 1,
    result: { ...result, round },
  });
  const signed = signedResult({ round: 2, parent: hash, result: hash });
  // The signatures are those of another round.
  for (const round of [5, 4, 3]) {
    const forged = { ...signed, result: `${round}`.repeat(64) as ContentHash };
    actor.tell({ type: "resultCommitted", committed: committed(round, forged) });
  }
  actor.tell({ type: "resultCommitted", committed: committed(2, signed) });
  const effects = [];
  while (actor.pendingTasks().length > 0) effects.push(...await actor.runTask());
  const wanted = said(effects).flatMap((one) => one.type === "requestParts" ? [one.hash] : []);
  assert.deepEqual(wanted, [hash], "only what was signed is asked for");
  const dropped = TestActor.sentTo(effects, parent)
    .filter(({ type }) => type === "resultInvalid");
  assert.equal(dropped.length, 3, "and nobody keeps them in mind");
  assert.equal(actor.state.waiting.size, 1);
});

Deno.test("a source on a modest link keeps its time", async () => {
  const { seconds } = await asked(await wanting([other, third]), other, 3);
  assert.ok(seconds > 230, `${seconds} s`);
});

const small = opened(softmaxRegression({ inputs: 40_000, classes: 2 }), {
  deadlines: { readyMs: 1_000, trainMs: 600_000, phaseMs: 1_000 },
});
const { liar, honest, training, submissionOf, submit } = clearRound(small, {
  others: 6,
  updateFor: (_, i) => new Uint8Array(parameterBytes(updateOf(small.layout.count, i))),
});

/** Devices that are asked for their updates. */
const served = ({ actor }: Coordinator): readonly DeviceId[] =>
  [...actor.state.incoming.values()].map(({ from }) => from).sort();

Deno.test("devices that dribble their updates keep no places from those who wait; they are read when nobody waits", () => {
  const coordinator = training();
  const { actor } = coordinator;
  const offer = (device: Device) =>
    submit(coordinator, device, submissionOf(coordinator, device, device.update));
  const slow = [liar, ...honest.slice(0, 3)];
  for (const device of [...slow, ...honest.slice(3)]) offer(device);
  assert.deepEqual(served(coordinator), slow.map(({ id }) => id).sort());
  const effects = [...Array(30)].flatMap(() => actor.advance(1_000));
  for (const device of honest.slice(3)) {
    assert.ok(said(effects, device.id).some(({ type }) => type === "requestParts"));
  }
  assert.equal(actor.state.lead?.declined.size, 1, "but for our own device nobody is blamed");
  for (const { id, update } of honest.slice(3)) {
    const offered = actor.state.lead!.submissions.get(id)!.update.hash;
    for (let index = 0; index * PART_BYTES < update.length; index++) {
      const bytes = update.slice(index * PART_BYTES, (index + 1) * PART_BYTES);
      const message = { type: "vectorPart", run, hash: offered, index, bytes } as const;
      actor.tell({ type: "peerMessage", from: id, message });
    }
  }
  assert.equal(actor.state.lead?.fetched.size, 2);
  assert.deepEqual(served(coordinator), slow.map(({ id }) => id).sort());
  for (let second = 0; second < 60; second++) actor.advance(1_000);
  assert.deepEqual(served(coordinator), slow.map(({ id }) => id).sort(), "nobody else waits");
});
