/** A device keeps a thousand runs in mind: whoever fills that up takes the room of nobody else. */
import assert from "node:assert/strict";
import { TestActor, testActor, testRef } from "../../../actors/kernel/testkit.ts";
import type { Outcome } from "../../../actors/handle.ts";
import type {
  CommittedResult,
  LoadedRuns,
  RoundsCommand,
  RunSummary,
} from "../../../actors/rounds/commands.ts";
import { runView } from "../../../actors/learning_views.ts";
import { rounds } from "../../../actors/rounds/rounds.ts";
import { EARLY_MAX, keepEarly, RUNS_MAX } from "../../../actors/rounds/runs_in_mind.ts";
import type { RoundsState } from "../../../actors/rounds/state.ts";
import { softmaxRegression } from "../../../learning/engine/networks.ts";
import type { RunId } from "../../../learning/runs/plan.ts";
import { nodeSigner } from "../../../platform/node_crypto.ts";
import { seededRandom } from "../../../platform/seeded_random.ts";
import type { Block } from "../../../protocols/blocks/block.ts";
import { type DeviceId, deviceIdOf } from "../../../protocols/ids.ts";
import { opened } from "../../learning/proof_support.ts";
import { dependencies, other, planBlock, registryOf, self } from "./support.ts";

type Actor = TestActor<RoundsCommand, RoundsState>;
const starter = testRef<Outcome<RunId>>("starter");
const plan = opened(softmaxRegression({ inputs: 2, classes: 2 }), { rounds: 3 });
const plain = planBlock(plan);
const honest = deviceIdOf(nodeSigner(new Uint8Array(32).fill(7)).publicKey);

function idOf(number: number): RunId {
  return number.toString(16).padStart(8, "0").repeat(8) as RunId;
}

function planBy(author: DeviceId, number: number): Block {
  return { ...plain, id: idOf(number), header: { ...plain.header, author } };
}

function plansBy(author: DeviceId, from: number, count: number): Block[] {
  return Array.from({ length: count }, (_, i) => planBy(author, from + i));
}

function start(blocks: readonly Block[], joined: readonly RunId[] = []): Actor {
  const actor = testActor<RoundsCommand, RoundsState>(rounds(dependencies(plan)), {
    random: seededRandom(4),
  });
  const value: LoadedRuns = {
    blocks,
    joined: new Set(joined),
    ledger: undefined,
    secrets: new Map(),
    reputation: new Map(),
  };
  actor.settleTask({ ok: true, value });
  actor.state.registry = registryOf([self, other, honest]);
  return actor;
}

function comes(actor: Actor, blocks: readonly Block[]): void {
  const event = { blocks: blocks.map((block) => ({ block })) };
  actor.tell({ type: "blocksCommitted", event } as unknown as RoundsCommand);
}

/** The run that this device has just published. */
async function published(actor: Actor, number: number): Promise<Outcome<RunId> | undefined> {
  const request = actor.state.nextRequest++;
  actor.state.requests.set(request, { type: "start", replyTo: starter });
  const outcome = { type: "done", value: [planBy(self, number)] } as const;
  const [refused] = TestActor.sentTo(actor.tell({ type: "published", request, outcome }), starter);
  if (refused !== undefined) return refused;
  return TestActor.sentTo(await actor.runTask(), starter)[0];
}

Deno.test("who publishes plans without end pushes out their own: those of others stay, and new ones come", async () => {
  const actor = start(plansBy(honest, 0, 3));
  comes(actor, plansBy(other, 1_000, RUNS_MAX + 9));
  const { runs } = actor.state;
  assert.equal(runs.size, RUNS_MAX);
  for (const number of [0, 1, 2, 1_000 + RUNS_MAX + 9 - 1]) {
    assert.ok(runs.has(idOf(number)), `run ${number}`);
  }
  assert.ok(!runs.has(idOf(1_000)), "the oldest of theirs");
  assert.deepEqual(await published(actor, 1), { type: "done", value: idOf(1) });
  assert.deepEqual(await published(actor, 77), { type: "done", value: idOf(77) });
  assert.ok(runs.get(idOf(77))?.joined);
});

Deno.test("runs that a device has joined stay, however many plans it finds when it starts", () => {
  const actor = start(plansBy(other, 0, RUNS_MAX + 9), [idOf(0), idOf(1)]);
  const { runs } = actor.state;
  assert.equal(runs.size, RUNS_MAX);
  assert.ok(runs.get(idOf(0))?.joined && runs.get(idOf(1))?.joined);
});

Deno.test("a device that has joined as many runs as it keeps in mind says so when one more is started", async () => {
  const actor = start(plansBy(other, 0, RUNS_MAX));
  for (const run of actor.state.runs.values()) run.joined = true;
  const answer = await published(actor, RUNS_MAX);
  assert.ok(answer?.type === "refused");
  assert.match(answer.message, /has joined 1000 runs, and keeps no more in mind; leave some/);
});

Deno.test("results whose plans never come fill no memory", () => {
  const { state } = start([]);
  for (let i = 0; i < 3 * EARLY_MAX; i++) {
    keepEarly(
      state,
      { block: idOf(i), author: other, atMs: i, result: { run: idOf(i % 1_500) } } as never,
    );
  }
  const all = [...state.early.values()].flat();
  assert.equal(all.length, EARLY_MAX);
  assert.equal(all.at(-1)?.block, idOf(3 * EARLY_MAX - 1), "the newest is there");
});

Deno.test("two runs whose ids begin alike are joined both, also by a device that starts again", () => {
  const [one, two] = ["1", "2"].map((end) => `${"ab".repeat(31)}a${end}` as RunId) as [
    RunId,
    RunId,
  ];
  const actor = start([one, two].map((id) => ({ ...plain, id })), [one, two]);
  for (const id of [one, two]) assert.ok(actor.state.runs.get(id)?.child != null, id);
});

Deno.test("a run is shown with as many results as anybody may publish", () => {
  const actor = start([planBy(other, 1)]);
  const run = actor.state.runs.get(idOf(1))!;
  const committed = { block: idOf(2), author: other, atMs: 1, result: { round: 3 } };
  for (let i = 0; i < 200_000; i++) run.results.push(committed as unknown as CommittedResult);
  const shown = testRef<readonly RunSummary[]>("shown");
  const [[summary] = []] = TestActor.sentTo(
    actor.tell({ type: "listRuns", replyTo: shown }),
    shown,
  );
  assert.equal(summary?.state, "finished");
  const given = { version: null, metrics: null, budget: { runs: [] } };
  const view = runView(summary, given as unknown as Parameters<typeof runView>[1]);
  assert.equal(view.round, 3);
});
