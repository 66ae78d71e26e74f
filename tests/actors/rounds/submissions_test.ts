/** What devices may send a coordinator as their update: whatever is wrong is refused with a reason, counted, and costs points only where a signature proves it. */
import assert from "node:assert/strict";
import { TestActor, testActor } from "../../../actors/kernel/testkit.ts";
import type { LoadedRuns, RoundsCommand, RunPeer } from "../../../actors/rounds/commands.ts";
import { REPUTATION_PREFIX } from "../../../actors/rounds/faults.ts";
import { rounds } from "../../../actors/rounds/rounds.ts";
import type { RoundsState } from "../../../actors/rounds/state.ts";
import { softmaxRegression } from "../../../learning/engine/networks.ts";
import { parameterBytes } from "../../../learning/parameters.ts";
import { localUpdate } from "../../../learning/runs/update.ts";
import {
  reputationDeltas,
  type RoundFault,
} from "../../../learning/screening/reputation_effects.ts";
import { nodeCrypto } from "../../../platform/node_crypto.ts";
import { seededRandom } from "../../../platform/seeded_random.ts";
import type { ContentHash, DeviceId } from "../../../protocols/ids.ts";
import type { GradientSubmission } from "../../../protocols/rounds/messages.ts";
import { opened, updateOf } from "../../learning/proof_support.ts";
import { clearRound, type Coordinator, countsOnly } from "./clear_round.ts";
import { dependencies, planBlock, registryOf, run, said, self } from "./support.ts";

const plan = opened(softmaxRegression({ inputs: 2, classes: 2 }), {
  proofOfWorkBits: 4,
  deadlines: { readyMs: 1_000, trainMs: 60_000, phaseMs: 1_000 },
});
const { count } = plan.layout;
const { liar, honest, call, training, submissionOf, submit, handIn, finish } = clearRound(plan, {
  others: 4,
  updateFor: (_, i) => new Uint8Array(parameterBytes(updateOf(count, i))),
});

const cases: readonly {
  readonly title: string;
  readonly reason: RegExp;
  readonly fault: RoundFault | null;
  readonly submission: (coordinator: Coordinator) => GradientSubmission;
}[] = [
  {
    title: "a forged signature",
    reason: /signature does not hold/,
    fault: null,
    submission: (at) => ({
      ...submissionOf(at, liar, liar.update),
      signature: new Uint8Array(64).fill(1),
    }),
  },
  {
    title: "somebody else's submission",
    reason: /proof of work|signature does not hold/,
    fault: null,
    submission: (at) => submissionOf(at, honest[0]!, honest[0]!.update),
  },
  {
    title: "a submission of another round, played again under this one",
    reason: /proof of work|signature does not hold/,
    fault: null,
    submission: (at) => submissionOf(at, liar, liar.update, { signedRound: at.key.round + 6 }),
  },
  {
    title: "an offer that is larger than the model",
    reason: new RegExp(`has 1000000 bytes, expected ${4 * count}`),
    fault: null,
    submission: (at) => {
      const submission = submissionOf(at, liar, liar.update);
      return { ...submission, update: { ...submission.update, bytes: 1_000_000 } };
    },
  },
  {
    title: "an offer that is shorter than the model",
    reason: new RegExp(`has 12 bytes, expected ${4 * count}`),
    fault: null,
    submission: (at) => submissionOf(at, liar, liar.update.slice(0, 12)),
  },
  {
    title: "a submission without its proof of work",
    reason: /its proof of work lacks 4 zero bits/,
    fault: null,
    submission: (at) => ({ ...submissionOf(at, liar, liar.update), proofOfWork: 0 }),
  },
  {
    title: "an update for a model that was not handed out",
    reason: /another model/,
    fault: "wrongModel",
    submission: (at) =>
      submissionOf(at, liar, liar.update, { modelHash: "cd".repeat(32) as ContentHash }),
  },
];

for (const { title, reason, fault, submission } of cases) {
  const cost = fault === null ? "costs no points" : "costs points";
  Deno.test(`${title} is refused with a reason, ${cost}, and the round goes on`, async () => {
    const coordinator = training();
    const message = submission(coordinator);
    const [answer, ...more] = said(submit(coordinator, liar, message), liar.id);
    assert.ok(answer?.type === "submissionRefused", JSON.stringify(answer));
    assert.match(answer.reason, reason);
    assert.deepEqual(more, [], "nothing of it is fetched");
    assert.deepEqual(said(submit(coordinator, liar, message), liar.id), [], "it is read once only");
    const { result, faults } = await finish(coordinator);
    countsOnly(result, honest, 1);
    assert.deepEqual(faults, fault === null ? [] : [{ device: liar.id, fault }]);
  });
}

Deno.test("a submission of a round that is over is not even read", () => {
  const coordinator = training();
  const { key } = coordinator;
  const message = { ...submissionOf(coordinator, liar, liar.update), round: key.round + 6 };
  assert.deepEqual(submit(coordinator, liar, message), []);
  handIn(coordinator, liar, liar.update);
});

Deno.test("the same submission twice is one; another one of the same device proves that it cheats", async () => {
  const coordinator = training();
  const first = submissionOf(coordinator, liar, liar.update);
  submit(coordinator, liar, first);
  assert.deepEqual(submit(coordinator, liar, first), []);
  const another = submissionOf(coordinator, liar, honest[0]!.update);
  const [answer] = said(submit(coordinator, liar, another), liar.id);
  assert.ok(answer?.type === "submissionRefused");
  assert.match(answer.reason, /another update came before/);
  const { faults } = await finish(coordinator);
  assert.deepEqual(faults, [{ device: liar.id, fault: "twoSubmissions" }]);
});

Deno.test("another submission that anybody could have made up costs nobody points", async () => {
  const coordinator = training();
  submit(coordinator, liar, submissionOf(coordinator, liar, liar.update));
  const another = submissionOf(coordinator, liar, honest[0]!.update);
  submit(coordinator, liar, { ...another, signature: new Uint8Array(64) });
  const { faults } = await finish(coordinator);
  assert.deepEqual(faults, []);
});

for (
  const [name, value] of [["NaN", NaN], ["an infinity", Infinity], [
    "an infinity",
    -Infinity,
  ]] as const
) {
  Deno.test(`an update with ${name} (${value}) in it is left out of the sum and costs points`, async () => {
    const coordinator = training();
    const values = updateOf(count, 0);
    values[1] = value;
    handIn(coordinator, liar, new Uint8Array(parameterBytes(values)));
    const { result, faults } = await finish(coordinator);
    countsOnly(result, honest, 1);
    assert.deepEqual(faults, [{ device: liar.id, fault: "notFinite" }]);
  });
}

for (
  const [name, partOf, reason] of [
    ["a part that is cut off", (bytes) => bytes.slice(0, -1), /a part did not fit/],
    ["a part that is too long", (bytes) => new Uint8Array([...bytes, 0]), /a part did not fit/],
    ["other bytes than were offered", (bytes) => bytes.map((byte) => byte ^ 1), /not what was off/],
  ] as readonly (readonly [
    string,
    (bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>,
    RegExp,
  ])[]
) {
  Deno.test(`${name}: refused with a reason, counted, and the round goes on`, async () => {
    const coordinator = training();
    const submission = submissionOf(coordinator, liar, liar.update);
    submit(coordinator, liar, submission);
    const { hash } = submission.update;
    const part = { type: "vectorPart", run, hash, index: 0, bytes: partOf(liar.update) } as const;
    const effects = coordinator.actor.tell({ type: "peerMessage", from: liar.id, message: part });
    const [answer] = said(effects, liar.id);
    assert.ok(answer?.type === "submissionRefused", JSON.stringify(answer));
    assert.match(answer.reason, reason);
    const { result, faults } = await finish(coordinator);
    countsOnly(result, honest, 1);
    assert.deepEqual(faults, [], "no signature says so");
  });
}

Deno.test("a poisoned update is left out where others show what is usual; being unusual costs no points", async () => {
  const round = clearRound(plan, {
    others: 6,
    // Nearly alike: what differs is what each has seen.
    updateFor: (_, i) =>
      new Uint8Array(parameterBytes(updateOf(count, 0).map((value) => value + i / 1_000))),
  });
  const coordinator = round.training();
  const poison = updateOf(count, 0).map((value) => -50 * value);
  round.handIn(coordinator, round.liar, new Uint8Array(parameterBytes(poison)));
  const { result, faults } = await round.finish(coordinator);
  countsOnly(result, round.honest, 1);
  assert.deepEqual(faults, [{ device: round.liar.id, fault: "outlier" }]);
  assert.deepEqual(reputationDeltas(faults), new Map());
});

Deno.test("compressed updates that cannot be unpacked are left out of the sum and cost points", async () => {
  const packed = opened(softmaxRegression({ inputs: 2, classes: 2 }), {
    compression: { name: "stochastic", numbers: { bits: 8 } },
    deadlines: { readyMs: 1_000, trainMs: 60_000, phaseMs: 1_000 },
  });
  const round = clearRound(packed, {
    others: 4,
    updateFor(device, i) {
      const made = localUpdate(packed, {
        subject: { run, round: 1, device },
        before: new Float32Array(count),
        after: updateOf(count, i),
        examples: 1,
        devices: 4,
        secret: new Uint8Array(32).fill(i),
        residual: null,
        crypto: nodeCrypto({ workersMax: 0 }),
      });
      assert.ok(made.type === "clear");
      return made.bytes;
    },
  });
  for (const bytes of [round.liar.update.slice(0, -2), round.liar.update.map(() => 255)]) {
    const coordinator = round.training();
    round.handIn(coordinator, round.liar, bytes);
    const { result, faults } = await round.finish(coordinator);
    countsOnly(result, round.honest, 1);
    assert.deepEqual(faults, [{ device: round.liar.id, fault: "misshapen" }]);
  }
});

Deno.test("a device without points left is not called; the others are", () => {
  const { effects } = call([liar.id]);
  const types = (id: DeviceId) => said(effects, id).map(({ type }) => type);
  assert.ok(!types(liar.id).includes("roundStart"));
  for (const { id } of honest) assert.ok(types(id).includes("roundStart"));
});

Deno.test("points fall for what is proved, are on the disk, and whoever has none left is trusted no more", async () => {
  const deps = dependencies(plan);
  const actor = testActor<RoundsCommand, RoundsState>(rounds(deps), { random: seededRandom(4) });
  const value: LoadedRuns = {
    blocks: [planBlock(plan)],
    joined: new Set([run]),
    ledger: undefined,
    secrets: new Map(),
    reputation: new Map(),
  };
  actor.settleTask({ ok: true, value });
  actor.state.registry = registryOf([self, liar.id]);
  const membership = { type: "runMembership", run, joined: true, round: 0, company: 0 } as const;
  actor.tell({ type: "peerMessage", from: liar.id, message: membership });
  const child = actor.state.runs.get(run)!.child!;
  const blame = (round: number, fault: RoundFault) =>
    TestActor.sentTo(
      actor.tell({ type: "roundFaults", run, round, faults: [{ device: liar.id, fault }] }),
      child,
    ).flatMap((one) => one.type === "peersChanged" ? one.peers : []);
  const lost = reputationDeltas([{ device: liar.id, fault: "twoSubmissions" }]).get(liar.id)!;

  for (const fault of ["outlier", "rateLimited"] as const) {
    assert.deepEqual(blame(1, fault), []);
  }
  assert.equal(actor.pendingTasks().length, 0, "nothing has changed");
  let peers: readonly RunPeer[] = [];
  for (let round = 1; round * -lost < 100; round++) {
    peers = blame(round, "twoSubmissions");
    await actor.runTask();
    assert.equal(await deps.store.settings.get(`${REPUTATION_PREFIX}${liar.id}`), round * lost);
    assert.deepEqual(peers.map(({ trusted }) => trusted), [true]);
  }
  peers = blame(99, "twoSubmissions");
  assert.deepEqual(peers.map(({ deviceId, trusted }) => [deviceId, trusted]), [[liar.id, false]]);
});
