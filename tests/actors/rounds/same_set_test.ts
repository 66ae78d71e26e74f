/** Those who signed for one set of survivors may do the round again, all of them and nobody else: another sum over the same set tells nothing more. */
import assert from "node:assert/strict";
import type { RunCommand } from "../../../actors/rounds/commands.ts";
import { signedSetting } from "../../../actors/rounds/given_word.ts";
import { forgetUpdate, updateSetting } from "../../../actors/rounds/kept_update.ts";
import { SILENCE_MS } from "../../../actors/rounds/terms.ts";
import * as server from "../../../learning/secure/server.ts";
import * as wire from "../../../learning/secure/wire.ts";
import type { DeviceId } from "../../../protocols/ids.ts";
import { MemoryDisk, openMemoryStore } from "../../../store/memory_store.ts";
import { memoryVectors } from "../../../store/memory_vectors.ts";
import { ONCE_PREFIX } from "../../../store/store.ts";
import { callTo, openedRun, peerOf, type RunActor, told, zeroExamples } from "./run_actor.ts";
import {
  answer,
  call,
  claim,
  members,
  plan,
  revealed,
  start,
  step,
  submit,
  train,
  vectorsBeside,
} from "./restarts_support.ts";
import { other, registryOf, run, said, self } from "./support.ts";

/** Our device has signed for all in the first attempt, and has lost power since. */
async function signed(disk = new MemoryDisk()) {
  const actor = await start(disk);
  const sum = call(actor, 1);
  await train(actor, sum);
  await submit(actor, sum);
  const signature = answer(await claim(actor, sum), "consistency");
  return { actor, disk, sum, signature };
}

function calledTo(actor: RunActor, called: readonly DeviceId[], attempt = 2) {
  const [reply] = said(told(actor, callTo(plan, called, { attempt })));
  return reply?.type;
}

Deno.test("a device that has signed for a set does the round again with all of it, also after a restart, and reveals", async () => {
  const { disk } = await signed();
  const actor = await start(disk);
  const again = call(actor, 2);
  await train(actor, again);
  await submit(actor, again);
  const signature = answer(await claim(actor, again), "consistency");
  assert.ok(answer(await revealed(actor, again, signature), "unmask").length > 0);
  const word = JSON.parse(disk.tables.settings.get(signedSetting(run))!);
  assert.deepEqual([word.attempt, word.release, word.set], [2, 0, members]);
});

Deno.test("it joins no call in which one of the set is missing, or somebody else is called", async () => {
  const { actor } = await signed();
  const stranger = "a".repeat(51) + "q" as DeviceId;
  for (const missing of members.filter((device) => device !== self)) {
    const called = members.filter((device) => device !== missing);
    assert.equal(calledTo(actor, called), "decline");
    assert.equal(calledTo(actor, [...called, stranger].sort()), "decline");
  }
  assert.equal(calledTo(actor, [...members, stranger].sort()), "decline");
  assert.equal(calledTo(actor, members), "peerReady");
});

Deno.test("called with all of the set it shares no keys with fewer", async () => {
  const { actor } = await signed();
  const again = call(actor, 2);
  const roster = server.rosterFor(again.state, self)!;
  const fewer = roster.devices.slice(0, roster.devices.length - 32);
  const body = wire.encodeRoster({ ...roster, devices: fewer });
  const [refusal] = await step(actor, again.key, "roster", body);
  assert.ok(refusal?.type === "decline" && /roster has 4/.test(refusal.reason));
});

Deno.test("and signs for no fewer survivors, whatever a coordinator says of the others", async () => {
  const { actor } = await signed();
  const again = call(actor, 2);
  await train(actor, again);
  await submit(actor, again);
  const whole = server.survivorClaimFor(again.state, self)!;
  const survivors = whole.survivors.map((bits) => bits ^ 1 << members.indexOf(other));
  const body = wire.encodeSurvivorClaim({ ...whole, survivors });
  const [refusal] = await step(actor, again.key, "survivors", body);
  assert.ok(refusal?.type === "decline" && /4 survivors/.test(refusal.reason));
});

Deno.test("a vector that it has handed in for the set is not signed for otherwise after a restart", async () => {
  const { disk, actor } = await signed();
  const again = call(actor, 2);
  await train(actor, again);
  await submit(actor, again);
  const restarted = await start(disk);
  assert.deepEqual(await claim(restarted, again), []);
  assert.equal(restarted.state.part?.key.attempt, 1, "it goes on where its word is");
});

Deno.test("a coordinator calls the set when all of it are there, and no others; else whoever is there", () => {
  const third = members.find((device) => device !== self && device !== other)!;
  for (const isThere of [true, false]) {
    const registry = registryOf(members);
    const actor = openedRun(plan, { registry, startedBy: self });
    const set = [self, other, third].sort();
    actor.state.signed = { round: 1, attempt: 1, release: 0, set };
    const peers = members.filter((device) => device !== self)
      .map((device) => peerOf(device, { up: isThere || device !== third }));
    actor.tell({ type: "peersChanged", peers, registry } satisfies RunCommand);
    const effects = [...actor.advance(SILENCE_MS + 1_000), ...actor.advance(1_000)];
    const calls = said(effects, other).flatMap((one) =>
      one.type === "roundStart" ? [one.called] : []
    );
    const expected = isThere ? set : members.filter((device) => device !== third);
    assert.deepEqual(calls[0], expected);
  }
});

/** Our device has restarted after it has signed, and examples have come since; it is called with all of the set, and trains. */
async function trainedAnew(disk: MemoryDisk) {
  const actor = await start(disk);
  actor.state.examples = zeroExamples(3);
  const again = call(actor, 2);
  await train(actor, again);
  return { actor, again };
}

Deno.test("a device whose update would come out differently after a restart hands in the one that it has kept", async () => {
  const { disk } = await signed();
  const word = JSON.parse(disk.tables.settings.get(signedSetting(run))!);
  const { actor, again } = await trainedAnew(disk);
  await submit(actor, again);
  assert.equal(actor.state.part?.vector, word.vector);
  const signature = answer(await claim(actor, again), "consistency");
  assert.ok(answer(await revealed(actor, again, signature), "unmask").length > 0);
});

Deno.test("so does one that had handed in and not signed yet when it lost power", async () => {
  const disk = new MemoryDisk();
  const first = await start(disk);
  const sum = call(first, 1);
  await train(first, sum);
  await submit(first, sum);
  const { vector } = first.state.part!;
  await claim(await start(disk), sum);
  const { actor, again } = await trainedAnew(disk);
  await submit(actor, again);
  assert.equal(actor.state.part?.vector, vector);
});

Deno.test("the update that is kept is encrypted, its key is in no backup, and both are removed with the round or when the run is left", async () => {
  const { actor, disk } = await signed();
  const { update } = actor.state.part!;
  assert.ok(update?.type === "secure");
  const folder = vectorsBeside(disk);
  const inTheClear = new Uint8Array(update.values.buffer).toHex().slice(0, 32);
  assert.equal(folder.size, 1);
  for (const bytes of folder.values()) assert.ok(!bytes.toHex().includes(inTheClear));
  assert.ok(updateSetting(run).startsWith(ONCE_PREFIX));
  const store = openMemoryStore({ disk });
  const here = { store, vectors: memoryVectors(folder) };
  await forgetUpdate(here, run, 0);
  assert.equal(folder.size, 1, "its round is under way");
  await forgetUpdate(here, run, 1);
  assert.deepEqual([folder.size, disk.tables.settings.has(updateSetting(run))], [0, false]);
});

Deno.test("an update that is made anew after a restart, and is another one, goes into no second sum over the set", async () => {
  const { disk } = await signed();
  // What it has kept is damaged.
  for (const bytes of vectorsBeside(disk).values()) bytes[7]! ^= 1;
  const { actor } = await trainedAnew(disk);
  const effects = [];
  while (actor.pendingTasks().length > 0) effects.push(...await actor.runTask());
  const [refusal] = said(effects);
  assert.ok(refusal?.type === "decline", JSON.stringify(refusal));
  assert.match(refusal.reason, /not the one that it has given its word for/);
  assert.equal(actor.state.signed?.attempt, 1);
});
