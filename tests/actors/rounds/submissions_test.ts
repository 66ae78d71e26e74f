/** What devices may send a coordinator as their update: whatever is wrong is refused with a reason, counted, and costs points only where a signature proves it. */
import assert from "node:assert/strict";
import { TestActor, testActor, testRef } from "../../../actors/kernel/testkit.ts";
import type {
  LoadedRuns,
  OpenedRun,
  RoundsCommand,
  RunCommand,
  RunPeer,
} from "../../../actors/rounds/commands.ts";
import { REPUTATION_PREFIX } from "../../../actors/rounds/faults.ts";
import { rounds } from "../../../actors/rounds/rounds.ts";
import { run as runBehaviour } from "../../../actors/rounds/run.ts";
import type { RunActorState } from "../../../actors/rounds/run_state.ts";
import type { RoundsState } from "../../../actors/rounds/state.ts";
import { softmaxRegression } from "../../../learning/engine/networks.ts";
import { submissionStatement } from "../../../learning/models/proof.ts";
import { parameterBytes } from "../../../learning/parameters.ts";
import { firstModel } from "../../../learning/runs/opened_plan.ts";
import { decodeResult, type RoundResult } from "../../../learning/runs/result.ts";
import { searchWork } from "../../../learning/screening/proof_of_work.ts";
import {
  reputationDeltas,
  type RoundFault,
} from "../../../learning/screening/reputation_effects.ts";
import { nodeCrypto, nodeSigner } from "../../../platform/node_crypto.ts";
import { seededRandom } from "../../../platform/seeded_random.ts";
import { type ContentHash, type DeviceId, deviceIdOf } from "../../../protocols/ids.ts";
import type { GradientSubmission, RoundsMessage } from "../../../protocols/rounds/messages.ts";
import { decodeRoundsMessage } from "../../../protocols/rounds/wire.ts";
import { opened, updateOf } from "../../learning/proof_support.ts";
import { dependencies, planBlock, registryOf, run, self, sessions } from "./support.ts";

const BITS = 4;
const plan = opened(softmaxRegression({ inputs: 2, classes: 2 }), {
  proofOfWorkBits: BITS,
  deadlines: { readyMs: 1_000, trainMs: 60_000, phaseMs: 1_000 },
});
const { count } = plan.layout;
const crypto = nodeCrypto({ workersMax: 0 });
const model = firstModel(plan);
const parameters = crypto.sha256Hex(parameterBytes(model.parameters)) as ContentHash;
const parent = testRef<RoundsCommand>("rounds");

interface Device {
  readonly id: DeviceId;
  readonly signer: ReturnType<typeof nodeSigner>;
  /** Its honest update. */
  readonly update: Uint8Array<ArrayBuffer>;
}
const devices: readonly Device[] = [8, 40, 41, 42].map((byte, i) => {
  const signer = nodeSigner(new Uint8Array(32).fill(byte));
  const update = new Uint8Array(parameterBytes(updateOf(count, i)));
  return { id: deviceIdOf(signer.publicKey), signer, update };
});
const [liar, ...honest] = devices as [Device, ...Device[]];

interface Coordinator {
  readonly actor: TestActor<RunCommand, RunActorState>;
  readonly key: Pick<GradientSubmission, "run" | "round" | "term" | "attempt">;
}

type Effects = ReturnType<Coordinator["actor"]["tell"]>;

/** What was said to one device, as it reads it. */
function said(effects: Effects, to: DeviceId): readonly RoundsMessage[] {
  return TestActor.sentTo(effects, sessions).flatMap((command) => {
    if (command.type !== "sendToPeer" || command.to !== to) return [];
    const decoded = decodeRoundsMessage(command.body);
    assert.ok(decoded.ok, "what is said can be read");
    return [decoded.message];
  });
}

/** Our device calls the others for the first round of a run in the clear; it has nothing to learn from itself. */
function call(untrusted: readonly DeviceId[] = []) {
  const registry = registryOf([self, ...devices.map(({ id }) => id)]);
  const actor = testActor<RunCommand, RunActorState>(
    runBehaviour({
      ...dependencies(plan),
      opened: plan,
      run,
      startedBy: self,
      results: [],
      registry,
      fresh: true,
      rounds: parent,
      examples: () => Promise.resolve({ unavailable: "none" }),
    }),
    { random: seededRandom(4) },
  );
  const value: OpenedRun = {
    head: { round: 0, block: null, parameters, model },
    examples: { unavailable: "none" },
    signed: null,
    kept: [],
    checkpoint: null,
  };
  actor.settleTask({ ok: true, value });
  const peers = devices.map(({ id }): RunPeer => ({
    deviceId: id,
    up: true,
    coordinates: true,
    round: 0,
    trusted: !untrusted.includes(id),
  }));
  const effects = [...actor.tell({ type: "peersChanged", peers, registry }), ...actor.advance(900)];
  return { actor, effects };
}

/** All but our device are ready and train. */
function training(): Coordinator {
  const { actor, effects } = call();
  const start = said(effects, liar.id).find(({ type }) => type === "roundStart");
  assert.ok(start?.type === "roundStart");
  const { round, term, attempt } = start;
  const key = { run, round, term, attempt };
  const refusal = { type: "decline", ...key, why: "noData", reason: "none" } as const;
  actor.tell({ type: "peerMessage", from: self, message: refusal });
  for (const { id } of devices) {
    const message = {
      type: "peerReady",
      ...key,
      modelHash: parameters,
      keys: new Uint8Array(0),
    } as const;
    actor.tell({ type: "peerMessage", from: id, message });
  }
  assert.equal(actor.state.lead?.phase, "training");
  return { actor, key };
}

/** A submission of these bytes with a proof of work and a signature that hold for what is `signed`, the attempt under way if nothing else is said. */
function submissionOf(
  { key }: Coordinator,
  { signer }: Device,
  bytes: Uint8Array,
  change: { readonly signedRound?: number; readonly modelHash?: ContentHash } = {},
): GradientSubmission {
  const hash = crypto.sha256Hex(bytes) as ContentHash;
  const round = change.signedRound ?? key.round;
  const modelHash = change.modelHash ?? parameters;
  const search = searchWork(crypto, {
    run: Uint8Array.fromHex(run),
    round,
    device: signer.publicKey,
    submission: Uint8Array.fromHex(hash),
  }, { bits: BITS, from: 0, tries: 10_000 });
  assert.ok(search.type === "found");
  const statement = submissionStatement(
    { run, round, attempt: key.attempt, parent: modelHash },
    { commitment: hash, weight: 1 },
  );
  return {
    type: "gradientSubmission",
    ...key,
    update: { hash, bytes: bytes.length },
    modelHash,
    weight: 1,
    proofOfWork: search.nonce,
    signature: signer.sign(statement),
  };
}

function submit({ actor }: Coordinator, { id }: Device, message: GradientSubmission): Effects {
  return actor.tell({ type: "peerMessage", from: id, message });
}

/** The coordinator asks a device for its update and gets it. */
function handIn(coordinator: Coordinator, device: Device, bytes: Uint8Array<ArrayBuffer>): void {
  const submission = submissionOf(coordinator, device, bytes);
  const [request] = said(submit(coordinator, device, submission), device.id);
  assert.ok(request?.type === "requestParts", JSON.stringify(request));
  give(coordinator, device, bytes);
}

function give({ actor }: Coordinator, { id }: Device, bytes: Uint8Array<ArrayBuffer>): void {
  const hash = crypto.sha256Hex(bytes) as ContentHash;
  const message = { type: "vectorPart", run, hash, index: 0, bytes } as const;
  actor.tell({ type: "peerMessage", from: id, message });
}

/** The others hand in; what the round comes to, and the faults that were found in it. */
async function finish(coordinator: Coordinator) {
  const { actor } = coordinator;
  for (const device of honest) handIn(coordinator, device, device.update);
  assert.equal(actor.state.lead?.phase, "publishing");
  const effects = await actor.runTask(actor.pendingTasks().at(-1));
  const [published] = TestActor.sentTo(effects, parent).flatMap((one) =>
    one.type === "publishResult" ? [one] : []
  );
  assert.ok(published !== undefined, "a result is published");
  const decoded = decodeResult(published.body);
  assert.ok(decoded.ok);
  return { result: decoded.message, faults: actor.state.lead!.faults };
}

function countsOnly(result: RoundResult, expected: readonly Device[], refused: number): void {
  assert.deepEqual(
    result.submissions.map(({ device }) => device),
    expected.map(({ id }) => id).sort(),
  );
  assert.equal(result.counts.refused, refused);
}

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

Deno.test("an update with NaN in it is left out of the sum and costs points", async () => {
  const coordinator = training();
  const values = updateOf(count, 0);
  values[1] = NaN;
  handIn(coordinator, liar, new Uint8Array(parameterBytes(values)));
  const { result, faults } = await finish(coordinator);
  countsOnly(result, honest, 1);
  assert.deepEqual(faults, [{ device: liar.id, fault: "notFinite" }]);
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
  const membership = { type: "runMembership", run, joined: true, round: 0 } as const;
  actor.tell({ type: "peerMessage", from: liar.id, message: membership });
  const child = actor.state.runs.get(run)!.child!;
  const blame = (round: number, fault: RoundFault) =>
    TestActor.sentTo(
      actor.tell({ type: "roundFaults", run, round, faults: [{ device: liar.id, fault }] }),
      child,
    ).flatMap((one) => one.type === "peersChanged" ? one.peers : []);
  const lost = reputationDeltas([{ device: liar.id, fault: "twoSubmissions" }]).get(liar.id)!;

  for (const fault of ["absent", "outlier", "damaged", "rateLimited"] as const) {
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
