/** A device that was restored from a backup does not know what it signed: it is out of the round that was under way, by itself. */
import assert from "node:assert/strict";
import { type TestActor, testActor, testRef } from "../../../actors/kernel/testkit.ts";
import type { LoadedRuns, RoundsCommand, RunCommand } from "../../../actors/rounds/commands.ts";
import { wholeSetting } from "../../../actors/rounds/restored.ts";
import { rounds } from "../../../actors/rounds/rounds.ts";
import type { RunActorState } from "../../../actors/rounds/run_state.ts";
import type { RoundsState } from "../../../actors/rounds/state.ts";
import type { Outcome } from "../../../actors/handle.ts";
import type { RunId } from "../../../learning/runs/plan.ts";
import { seededRandom } from "../../../platform/seeded_random.ts";
import type { RoundsMessage } from "../../../protocols/rounds/messages.ts";
import { MemoryDisk, openMemoryStore } from "../../../store/memory_store.ts";
import { ONCE_PREFIX } from "../../../store/store.ts";
import { callTo, told } from "./run_actor.ts";
import { call, claim, members, plan, start, submit, train } from "./restarts_support.ts";
import { dependencies, planBlock, privatePlan, registryOf, run, said, self } from "./support.ts";

type Actor = TestActor<RunCommand, RunActorState>;
const JOINED = `learning/joined/${run}`;

/** A disk on which the run was joined here. */
async function joinedDisk(): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  await openMemoryStore({ disk }).settings.set({ [JOINED]: true, [wholeSetting(run)]: 0 });
  return disk;
}

/** What a backup of this disk brings back. */
function restored(disk: MemoryDisk): MemoryDisk {
  const copy = new MemoryDisk();
  for (const [key, value] of disk.tables.settings) {
    if (!key.startsWith(ONCE_PREFIX)) copy.tables.settings.set(key, value);
  }
  return copy;
}

/** The answer to a call to an attempt of the round. */
function calledTo(actor: Actor, attempt: number, round = 1): RoundsMessage | undefined {
  const { head, term } = actor.state;
  const model = { hash: head!.parameters, bytes: 4 * plan.layout.count };
  // It may have taken the part itself, for want of a word.
  const change = { round, attempt, term: term + 1, model };
  const answers = said(told(actor, callTo(plan, members, change)));
  return answers.find(({ type }) => type === "peerReady" || type === "decline");
}

/** As if a version of this round had been made its own. */
function knows(actor: Actor, round: number): void {
  actor.state.head = { ...actor.state.head!, round };
}

const declines = (message: RoundsMessage | undefined) =>
  message?.type === "decline" && /restored/.test(message.reason);

async function settle(actor: Actor): Promise<void> {
  while (actor.pendingTasks().length > 0) await actor.runTask();
}

Deno.test("a device that signed, and was restored from a backup of the time before, is out of every attempt at the round", async () => {
  const disk = await joinedDisk();
  const before = restored(disk);
  const first = await start(disk);
  const sum = call(first, 1);
  await train(first, sum);
  await submit(first, sum);
  await claim(first, sum);
  const actor = await start(before);
  assert.ok(declines(calledTo(actor, 1)), "the very attempt, with keys that are new");
  assert.ok(declines(calledTo(actor, 2)));
  assert.deepEqual(await claim(actor, sum), []);
  assert.match(actor.state.waitingFor ?? "", /restored/);
});

Deno.test("a word that the backup has does not help: also one of the very attempt is not signed twice", async () => {
  const disk = await joinedDisk();
  const first = await start(disk);
  const sum = call(first, 1);
  await train(first, sum);
  await submit(first, sum);
  await claim(first, sum);
  const actor = await start(restored(disk));
  assert.equal(actor.state.signed?.attempt, 1);
  assert.equal(calledTo(actor, 1)?.type, "decline");
});

Deno.test("it listens for a minute with others there, and takes part when the version after the newest that it then knows is here", async () => {
  const disk = restored(await joinedDisk());
  const actor = await start(disk);
  knows(actor, 4);
  assert.ok(declines(calledTo(actor, 1, 5)));
  // What it lacks of the versions that there are comes in while it listens.
  for (let second = 0; second < 59; second++) actor.advance(1_000);
  knows(actor, 6);
  actor.advance(1_000);
  await settle(actor);
  assert.ok(declines(calledTo(actor, 2, 7)), "that round may have been the one");
  knows(actor, 7);
  assert.equal(calledTo(actor, 3, 8)?.type, "peerReady");
  const again = await start(disk);
  knows(again, 6);
  assert.ok(declines(calledTo(again, 4, 7)), "it has not forgotten when it starts again");
  knows(again, 7);
  assert.equal(calledTo(again, 5, 8)?.type, "peerReady");
});

Deno.test("nobody there, nothing heard: the minute does not begin alone", async () => {
  const actor = await start(restored(await joinedDisk()));
  actor.tell({ type: "peersChanged", peers: [], registry: registryOf(members) });
  for (let second = 0; second < 100; second++) actor.advance(1_000);
  assert.equal(actor.state.restored?.until, null);
});

Deno.test("a device that only lost power is in the round, and one in a run with noise, which is paid for anew", async () => {
  const disk = await joinedDisk();
  assert.equal(calledTo(await start(disk), 1)?.type, "peerReady");
  assert.equal(calledTo(await start(restored(disk), privatePlan()), 1)?.type, "peerReady");
});

Deno.test("whoever joins is whole, and whoever leaves and joins again says that nothing was signed", async () => {
  const deps = dependencies(plan);
  const actor: TestActor<RoundsCommand, RoundsState> = testActor(rounds(deps), {
    random: seededRandom(4),
  });
  const value: LoadedRuns = {
    blocks: [planBlock(plan)],
    joined: new Set(),
    ledger: undefined,
    secrets: new Map(),
    reputation: new Map(),
  };
  actor.settleTask({ ok: true, value });
  actor.state.registry = registryOf([self]);
  actor.tell({ type: "joinRun", run, replyTo: testRef<Outcome<RunId>>("asker") });
  await actor.runTask();
  assert.equal(await deps.store.settings.get(JOINED), true);
  assert.equal(await deps.store.settings.get(wholeSetting(run)), 0);
});
