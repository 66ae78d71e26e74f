/** The privacy ledger before training: durable first, one secret for a release, another price for another release. */
import assert from "node:assert/strict";
import { TestActor, testActor } from "../../../actors/kernel/testkit.ts";
import type { ChargeAnswer, LoadedRuns, RoundsCommand } from "../../../actors/rounds/commands.ts";
import { rounds, type RoundsDependencies } from "../../../actors/rounds/rounds.ts";
import { LEDGER_KEY, SECRET_PREFIX } from "../../../actors/rounds/ledger_setting.ts";
import type { RoundsState } from "../../../actors/rounds/state.ts";
import { seededRandom } from "../../../platform/seeded_random.ts";
import { dependencies, planBlock, privatePlan, run } from "./support.ts";

const CHILD = `test/run.${run}`;
type Actor = TestActor<RoundsCommand, RoundsState>;

function start(): { readonly actor: Actor; readonly deps: RoundsDependencies } {
  const plan = privatePlan();
  const deps = dependencies(plan);
  const actor = testActor(rounds(deps), { random: seededRandom(4) });
  const loaded: LoadedRuns = {
    blocks: [planBlock(plan)],
    joined: new Set([run]),
    ledger: undefined,
    secrets: new Map(),
    reputation: new Map(),
  };
  actor.settleTask({ ok: true, value: loaded });
  return { actor, deps };
}

function ask(actor: Actor, round: number, release = 0) {
  const charge = { run, round, release, devices: 3, dimension: 6 };
  return answers(actor.tell({ type: "charge", charge }));
}

function answers(effects: ReturnType<Actor["tell"]>): readonly ChargeAnswer[] {
  return TestActor.sentTo<ChargeAnswer>(effects, CHILD).filter(({ type }) => type === "charged");
}

function secretIn([answer]: readonly ChargeAnswer[]): string {
  assert.ok(answer?.answer.ok, JSON.stringify(answer));
  return answer.answer.secret.toHex();
}

const paid = (actor: Actor) => actor.state.ledger.runs[0]?.rounds ?? [];

Deno.test("nobody may train before the ledger is on the disk, whichever attempt asks", async () => {
  const { actor, deps } = start();
  assert.deepEqual(ask(actor, 1), []);
  assert.deepEqual(ask(actor, 1), [], "another attempt asks while the disk writes");
  assert.equal(actor.pendingTasks().length, 1);
  const [answer, ...more] = answers(await actor.runTask());
  assert.deepEqual(more, []);
  assert.ok(answer!.answer.ok);
  assert.ok(await deps.store.settings.get(LEDGER_KEY));
  assert.equal(
    await deps.store.settings.get(`${SECRET_PREFIX}${run}/1`),
    answer!.answer.secret.toBase64(),
  );
  assert.equal(secretIn(ask(actor, 1)), answer!.answer.secret.toHex());
  assert.deepEqual(paid(actor), [[1, 1]]);
});

Deno.test("a disk that refuses gives no secret; when it writes again the round has cost once", async () => {
  const { actor } = start();
  ask(actor, 1);
  const [refused] = answers(actor.settleTask({ ok: false, error: new Error("disk full") }));
  assert.ok(refused?.answer.ok === false);
  assert.match(refused.answer.reason, /ledger could not be written.*disk full/);
  assert.deepEqual(ask(actor, 1), []);
  secretIn(answers(await actor.runTask()));
  assert.deepEqual(paid(actor), [[1, 1]]);
});

Deno.test("each further release of a round costs again and has a secret of its own", async () => {
  const { actor } = start();
  const secrets = new Set<string>();
  for (const release of [0, 1, 2]) {
    assert.deepEqual(ask(actor, 7, release), []);
    secrets.add(secretIn(answers(await actor.runTask())));
  }
  assert.equal(secrets.size, 3);
  assert.equal(paid(actor).length, 3);
});

Deno.test("a round that was paid for and whose secret is lost is paid for again, not done again", async () => {
  const { actor } = start();
  ask(actor, 1);
  const first = secretIn(answers(await actor.runTask()));
  actor.state.secrets.clear();
  assert.deepEqual(ask(actor, 1), []);
  const [again] = answers(await actor.runTask());
  assert.equal(again?.release, 0, "the answer is to what was asked");
  assert.notEqual(secretIn([again!]), first);
  assert.equal(paid(actor).length, 2);
});

Deno.test("noise that was made anew for a lost secret is not the noise of a later release, and each is paid for", async () => {
  const { actor } = start();
  ask(actor, 1);
  await actor.runTask();
  actor.state.secrets.clear();
  ask(actor, 1);
  const again = secretIn(answers(await actor.runTask()));
  assert.equal(secretIn(ask(actor, 1)), again, "every attempt of the release gets the same");
  assert.deepEqual(ask(actor, 1, 1), [], "another release costs again");
  assert.notEqual(secretIn(answers(await actor.runTask())), again);
  assert.equal(paid(actor).length, 3);
});

Deno.test("secrets are forgotten with their round, on the disk too", async () => {
  const { actor, deps } = start();
  for (const [round, release] of [[1, 0], [2, 0], [2, 1], [3, 0]] as const) {
    ask(actor, round, release);
    await actor.runTask();
  }
  actor.tell({ type: "runAdvanced", run, round: 2 });
  while (actor.pendingTasks().length > 0) await actor.runTask();
  assert.deepEqual([...actor.state.secrets.keys()], [`${run}/3`]);
  assert.deepEqual(
    (await deps.store.settings.entries(SECRET_PREFIX)).map(([key]) => key),
    [`${SECRET_PREFIX}${run}/3`],
  );
});
