/** The coordinator adds the noise: whoever has handed in to one attempt pays for it, and pays again for another that may be released beside it. */
import assert from "node:assert/strict";
import { TestActor, type testActor } from "../../../actors/kernel/testkit.ts";
import type { ChargeRequest, RoundsCommand, RunCommand } from "../../../actors/rounds/commands.ts";
import type { RunActorState } from "../../../actors/rounds/run_state.ts";
import { signedSetting } from "../../../actors/rounds/given_word.ts";
import type { DeviceId } from "../../../protocols/ids.ts";
import type { Attempt, GradientSubmission } from "../../../protocols/rounds/messages.ts";
import { parameterBytes } from "../../../learning/parameters.ts";
import { MemoryDisk } from "../../../store/memory_store.ts";
import { updateOf } from "../../learning/proof_support.ts";
import { callTo, told } from "./run_actor.ts";
import { clearRound } from "./clear_round.ts";
import { members, start } from "./restarts_support.ts";
import { other, privatePlan, registryOf, run, said, self } from "./support.ts";

type Actor = ReturnType<typeof testActor<RunCommand, RunActorState>>;

const plan = privatePlan();
const [next] = members.filter((device) => device !== other && device !== self) as [DeviceId];
const first: Attempt = { run, round: 1, term: 0, attempt: 1 };
const secret = new Uint8Array(32).fill(3);

/** Our device with the disk of its last life; two others may coordinate. */
async function device(disk = new MemoryDisk()): Promise<{ actor: Actor; disk: MemoryDisk }> {
  const actor = await start(disk, plan);
  const peers = members.filter((one) => one !== self).map((deviceId) => ({
    deviceId,
    up: true,
    round: 0,
    trusted: true,
    coordinates: true,
  }));
  actor.tell({ type: "peersChanged", peers, registry: registryOf(members) });
  return { actor, disk };
}

/** It is called, and may train. What it asks of its ledger; nothing when it does not. */
function called(actor: Actor, key: Attempt, from: DeviceId = other): readonly ChargeRequest[] {
  const effects = [
    ...told(actor, callTo(plan, members, key), from),
    ...told(actor, { type: "trainNow", ...key }, from),
  ];
  return TestActor.sentTo<RoundsCommand>(effects, "rounds")
    .flatMap((one) => one.type === "charge" ? [one.charge] : []);
}

/** It has paid, trains, and writes down that it hands in; not run yet is what writes. */
async function trains(actor: Actor, release: number): Promise<void> {
  actor.tell({ type: "charged", round: 1, release, answer: { ok: true, secret } });
  await actor.runTask();
  assert.deepEqual(
    said(await actor.runTask()),
    [],
    "nothing leaves before its word is on the disk",
  );
}

/** It hands in: what it then says. */
async function handsIn(actor: Actor, release: number): Promise<GradientSubmission> {
  await trains(actor, release);
  const [message] = said(await actor.runTask());
  if (message?.type !== "gradientSubmission") assert.fail(JSON.stringify(message));
  return message;
}

const abandoned = (actor: Actor, key: Attempt, from: DeviceId = other) =>
  actor.tell({
    type: "peerMessage",
    from,
    message: { type: "roundAbandoned", ...key, reason: "1 updates came" },
  });

const releases = (charges: readonly ChargeRequest[]) => charges.map(({ release }) => release);

Deno.test("a device that has handed in pays again for an attempt of another coordinator: both may be released, with noise of their own", async () => {
  const { actor } = await device();
  assert.deepEqual(releases(called(actor, first)), [0]);
  await handsIn(actor, 0);
  const second = { ...first, term: 1, attempt: 2 };
  assert.deepEqual(releases(called(actor, second, next)), [1]);
  await handsIn(actor, 1);
  assert.deepEqual(releases(called(actor, { ...second, attempt: 3 }, next)), [2]);
});

Deno.test("an update is for whom it was handed in to, and for no other coordinator of a later term", async () => {
  const { actor } = await device();
  called(actor, first);
  const { update: { hash } } = await handsIn(actor, 0);
  const fetched = (from: DeviceId) => {
    const message = { type: "requestParts", run, hash, first: 0, count: 1 } as const;
    return said(actor.tell({ type: "peerMessage", from, message }), from)
      .filter(({ type }) => type === "vectorPart").length;
  };
  assert.equal(fetched(other), 1);
  for (const phase of ["roster", "survivors", "unmaskRequest"] as const) {
    const message = {
      type: "securePhase",
      ...first,
      term: 1,
      phase,
      body: new Uint8Array(8),
    } as const;
    actor.tell({ type: "peerMessage", from: next, message });
    actor.tell({ type: "peerMessage", from: next, message: { ...message, term: 0 } });
  }
  assert.equal(fetched(next), 0);
});

Deno.test("it pays again too when it has lost power since, and when another coordinator counts its attempts alike", async () => {
  const { actor, disk } = await device();
  called(actor, first);
  await handsIn(actor, 0);
  const again = await device(disk);
  assert.deepEqual(releases(called(again.actor, { ...first, term: 1, attempt: 2 }, next)), [1]);
  const alike = await device(disk);
  assert.deepEqual(releases(called(alike.actor, { ...first, term: 1 }, next)), [1]);
});

Deno.test("the same attempt costs nothing again, also after a restart", async () => {
  const { actor, disk } = await device();
  called(actor, first);
  await handsIn(actor, 0);
  assert.deepEqual(called(actor, first), []);
  const again = await device(disk);
  assert.deepEqual(
    releases(called(again.actor, first)),
    [0],
    "the ledger has charged for this one",
  );
});

Deno.test("an attempt that was left before anything was handed in costs nothing", async () => {
  const { actor } = await device();
  called(actor, first);
  await trains(actor, 0);
  const second = { ...first, attempt: 2 };
  assert.deepEqual(called(actor, second), [], "the update is there and was not handed in");
  assert.deepEqual(said(await actor.runTask()), [], "its word came to the disk too late");
  assert.equal(actor.state.signed, null);
});

Deno.test("a disk that does not keep the word hands in nothing", async () => {
  const { actor } = await device();
  called(actor, first);
  await trains(actor, 0);
  const [message] = said(actor.settleTask({ ok: false, error: new Error("the disk is full") }));
  assert.ok(message?.type === "decline" && /disk/.test(message.reason), JSON.stringify(message));
  assert.equal(actor.state.signed, null);
});

Deno.test("an attempt of which its coordinator says that nothing was released costs nothing more; nobody else can say so", async () => {
  const { actor, disk } = await device();
  called(actor, first);
  await handsIn(actor, 0);
  abandoned(actor, first, next);
  abandoned(actor, { ...first, attempt: 2 });
  abandoned(actor, { ...first, term: 7 });
  assert.equal(actor.state.signed?.attempt, 1);
  abandoned(actor, first);
  assert.equal(actor.state.signed, null);
  const second = { ...first, term: 8, attempt: 2 };
  assert.deepEqual(called(actor, second), [], "the same update, paid for");
  await actor.runTask();
  const [message] = said(await actor.runTask());
  assert.equal(message?.type, "gradientSubmission");
  const { attempt, release } = JSON.parse(disk.tables.settings.get(signedSetting(run))!);
  assert.deepEqual({ attempt, release }, { attempt: 2, release: 0 });
});

Deno.test("an attempt that was given up makes nothing cheaper that was handed in before it to somebody else", async () => {
  const { actor } = await device();
  called(actor, first);
  await handsIn(actor, 0);
  const second = { ...first, term: 1, attempt: 2 };
  assert.deepEqual(releases(called(actor, second, next)), [1]);
  await handsIn(actor, 1);
  abandoned(actor, second, next);
  assert.deepEqual(called(actor, { ...second, attempt: 3 }, next), [], "the same update, paid for");
  await actor.runTask();
  assert.equal(said(await actor.runTask())[0]?.type, "gradientSubmission");
  assert.equal(actor.state.signed?.release, 1, "the first one may have been released");
  abandoned(actor, { ...second, attempt: 3 }, next);
  assert.deepEqual(called(actor, { ...second, attempt: 4 }, next), []);
  assert.equal(actor.state.part?.release, 1);
});

Deno.test("it hears that an attempt was given up also when another one coordinates by now", async () => {
  const { actor } = await device();
  called(actor, first);
  await handsIn(actor, 0);
  const beat = { phase: "waiting", ready: 0, submitted: 0, fetched: 0 } as const;
  const message = { type: "coordinatorBeat", ...first, term: 1, ...beat } as const;
  actor.tell({ type: "peerMessage", from: next, message });
  assert.equal(actor.state.coordinator, next);
  abandoned(actor, first);
  assert.equal(actor.state.signed, null);
});

const { liar, honest, training, handIn, finish } = clearRound(plan, {
  others: 4,
  updateFor: (_, i) => new Uint8Array(parameterBytes(updateOf(plan.layout.count, i))),
});
const abandonedIn = (effects: Parameters<typeof said>[0]) =>
  said(effects, honest[0]!.id).filter(({ type }) => type === "roundAbandoned");

Deno.test("a coordinator that makes room for another one says that nothing was released", () => {
  const { actor, key } = training();
  const beat = { phase: "waiting", ready: 0, submitted: 0, fetched: 0 } as const;
  const message = { type: "coordinatorBeat", ...key, term: key.term + 1, ...beat } as const;
  const [told] = abandonedIn(actor.tell({ type: "peerMessage", from: liar.id, message }));
  assert.equal(actor.state.lead, null);
  assert.ok(told?.type === "roundAbandoned" && told.attempt === key.attempt);
});

Deno.test("a coordinator whose result is with the publisher does not say so, however long that takes", async () => {
  const coordinator = training();
  handIn(coordinator, liar, liar.update);
  await finish(coordinator);
  const { actor } = coordinator;
  const effects = [...Array(61)].flatMap(() => actor.advance(1_000));
  assert.equal(actor.state.lead?.failures, 1, "it is tried again");
  assert.deepEqual(abandonedIn(effects), []);
});
