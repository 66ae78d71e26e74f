/** One device in a secure sum, which may lose power at any step, and the others, who are played by hand. */
import assert from "node:assert/strict";
import { TestActor } from "../../../actors/kernel/testkit.ts";
import { softmaxRegression } from "../../../learning/engine/networks.ts";
import type { OpenedPlan } from "../../../learning/runs/opened_plan.ts";
import { sumRoundOf } from "../../../learning/runs/secure_round.ts";
import * as client from "../../../learning/secure/client.ts";
import type { KeyShares, SumOutcome } from "../../../learning/secure/contract.ts";
import * as server from "../../../learning/secure/server.ts";
import { openSum, type ServerState } from "../../../learning/secure/server_state.ts";
import * as wire from "../../../learning/secure/wire.ts";
import { nodeSigner } from "../../../platform/node_crypto.ts";
import { seededRandom } from "../../../platform/seeded_random.ts";
import { type ContentHash, type DeviceId, deviceIdOf } from "../../../protocols/ids.ts";
import type { Attempt, RoundsMessage, SecurePhase } from "../../../protocols/rounds/messages.ts";
import { MemoryDisk, openMemoryStore } from "../../../store/memory_store.ts";
import { memoryVectors } from "../../../store/memory_vectors.ts";
import { opened } from "../../learning/proof_support.ts";
import { maskInput } from "../../learning/secure_steps.ts";
import { DEPENDENCIES } from "../../learning/secure_support.ts";
import {
  beginningOf,
  callTo,
  parent,
  peerOf,
  QUARTER_STEPS,
  type RunActor,
  startedRun,
  told,
  zeroExamples,
} from "./run_actor.ts";
import { other, registryOf, run, said, self } from "./support.ts";

/** Secure sums of three devices and more. */
export const plan = opened(softmaxRegression({ inputs: 2, classes: 2 }), {
  participation: { least: 3, most: 10, fraction: 1, overSelection: 0 },
  aggregation: { type: "secure", encoding: { range: 1, bits: 16 } },
});
/** Of the model that everybody trains from. */
export const { parameters: modelHash } = beginningOf(plan);
/** The others; the first of them, `other`, coordinates. */
const others = [8, 40, 41, 42].map((byte) => {
  const signer = nodeSigner(new Uint8Array(32).fill(byte));
  return { id: deviceIdOf(signer.publicKey), sign: signer.sign };
});
/** Our device and the others, as a roster has them. */
export const members = [self, ...others.map(({ id }) => id)].sort();

/** The value of a step that must not fail. */
export function good<T>(outcome: SumOutcome<T>): T {
  assert.ok(outcome.ok, outcome.ok ? "" : outcome.detail);
  return outcome.value;
}

const folders = new WeakMap<MemoryDisk, Map<ContentHash, Uint8Array>>();

/** The large vectors beside a disk. */
export function vectorsBeside(disk: MemoryDisk): Map<ContentHash, Uint8Array> {
  const known = folders.get(disk) ?? new Map();
  folders.set(disk, known);
  return known;
}

/** Our device starts with what the disk has, in a run of sums where no other is named. */
export async function start(disk: MemoryDisk, runPlan: OpenedPlan = plan): Promise<RunActor> {
  const registry = registryOf(members);
  const actor = startedRun(runPlan, {
    registry,
    examples: () => zeroExamples(2),
    deps: {
      store: openMemoryStore({ disk }),
      vectors: memoryVectors(vectorsBeside(disk)),
      trainer: QUARTER_STEPS,
    },
  });
  await actor.runTask();
  const peers = others.map(({ id }) => peerOf(id, { coordinates: id === other }));
  actor.tell({ type: "peersChanged", peers, registry });
  return actor;
}

/** A step of the sum, and what our device says to it, after all it has to write is written. */
export async function step(
  actor: RunActor,
  key: Attempt,
  phase: SecurePhase["phase"],
  body: Uint8Array,
): Promise<readonly RoundsMessage[]> {
  const effects = [...told(actor, { type: "securePhase", ...key, phase, body })];
  while (actor.pendingTasks().length > 0) effects.push(...await actor.runTask());
  return said(effects);
}

/** What our device answered in a phase. */
export function answer(
  messages: readonly RoundsMessage[],
  phase: SecurePhase["phase"],
): Uint8Array {
  const found = messages.find((one) => one.type === "securePhase" && one.phase === phase);
  assert.ok(found?.type === "securePhase", JSON.stringify(messages));
  return found.body;
}

interface Sum {
  readonly key: Attempt;
  readonly state: ServerState;
  readonly clients: Map<
    DeviceId,
    client.ClientStep<Parameters<typeof client.shareKeys>[0], unknown>["state"]
  >;
  readonly depsOf: (id: DeviceId) => Parameters<typeof client.advertise>[1];
}

/** The call to an attempt is answered by all, our device among them; everybody's keys are in a roster. */
export function call(actor: RunActor, attempt: number): Sum {
  const key = { run, round: 1, term: 0, attempt };
  const [ready] = said(told(actor, callTo(plan, members, key)));
  assert.ok(ready?.type === "peerReady", JSON.stringify(ready));
  const round = sumRoundOf(plan, { ...key, modelHash, devices: members.length })!;
  const state = good(openSum(round));
  const own = wire.decodeAdvertisement(ready.keys);
  assert.ok(own.ok);
  good(server.acceptAdvertisement(state, self, own.message, DEPENDENCIES));
  const random = new Map(others.map(({ id }) => [id, seededRandom(`${id} ${attempt}`)]));
  const depsOf: Sum["depsOf"] = (id) => ({
    ...DEPENDENCIES,
    sign: others.find((one) => one.id === id)!.sign,
    random: random.get(id)!,
  });
  const clients: Sum["clients"] = new Map();
  for (const { id } of others) {
    const advertised = good(client.advertise({ round, device: id }, depsOf(id)));
    good(server.acceptAdvertisement(state, id, advertised.message, DEPENDENCIES));
    clients.set(id, advertised.state);
  }
  good(server.closeAdvertising(state, DEPENDENCIES));
  return { key, state, clients, depsOf };
}

/** Keys are shared; our device trains, and is about to write down its part. */
export async function train(
  actor: RunActor,
  { key, state, clients, depsOf }: Sum,
  deal: (id: DeviceId, shares: KeyShares) => KeyShares = (_, shares) => shares,
): Promise<void> {
  const shared = await step(
    actor,
    key,
    "roster",
    wire.encodeRoster(server.rosterFor(state, self)!),
  );
  const own = wire.decodeKeyShares(answer(shared, "shares"));
  assert.ok(own.ok);
  good(server.acceptKeyShares(state, self, own.message));
  for (const { id } of others) {
    const one = good(client.shareKeys(clients.get(id)!, server.rosterFor(state, id)!, depsOf(id)));
    good(server.acceptKeyShares(state, id, deal(id, one.message)));
    clients.set(id, one.state);
  }
  good(server.closeKeyShares(state));
  const inbox = wire.encodeReceivedShares(server.receivedSharesFor(state, self)!);
  const effects = told(actor, { type: "securePhase", ...key, phase: "inbox", body: inbox });
  const isTrained = actor.state.part?.update != null;
  if (isTrained) assert.deepEqual(TestActor.sentTo(effects, parent), []);
  else {
    const secret = new Uint8Array(32).fill(3);
    actor.tell({ type: "charged", round: 1, release: 0, answer: { ok: true, secret } });
    await actor.runTask();
  }
}

/** Our device's vector reaches the coordinator, and those of all others. */
export async function submit(actor: RunActor, { state, clients, depsOf }: Sum): Promise<void> {
  const prepared = said(await actor.runTask());
  assert.deepEqual(prepared, [], "nothing leaves before our part is on the disk");
  const [submission] = said(await actor.runTask());
  assert.ok(submission?.type === "gradientSubmission", JSON.stringify(submission));
  const [part] = said(told(actor, {
    type: "requestParts",
    run,
    hash: submission.update.hash,
    first: 0,
    count: 8,
  }));
  assert.ok(part?.type === "vectorPart");
  const input = wire.decodeMaskedInput(part.bytes);
  assert.ok(input.ok);
  good(server.acceptMaskedInput(state, self, input.message, DEPENDENCIES));
  for (const { id } of others) {
    const inbox = server.receivedSharesFor(state, id)!;
    const values = new Uint32Array(state.round.length).fill(5);
    const one = good(maskInput(clients.get(id)!, inbox, values, depsOf(id)));
    good(server.acceptMaskedInput(state, id, one.message, DEPENDENCIES));
    clients.set(id, one.state);
  }
  good(server.closeMaskedInputs(state, DEPENDENCIES));
}

/** Our device is asked to sign; returns what it said. */
export const claim = (actor: RunActor, { key, state }: Sum) =>
  step(actor, key, "survivors", wire.encodeSurvivorClaim(server.survivorClaimFor(state, self)!));

/** All sign, our device with `ours`; it is asked to reveal. */
export function revealed(actor: RunActor, { key, state, clients, depsOf }: Sum, ours: Uint8Array) {
  const own = wire.decodeSurvivorSignature(ours);
  assert.ok(own.ok);
  good(server.acceptSurvivorSignature(state, self, own.message, DEPENDENCIES));
  for (const { id } of others) {
    const signed = client.signSurvivors(
      clients.get(id)!,
      server.survivorClaimFor(state, id)!,
      depsOf(id),
    );
    good(server.acceptSurvivorSignature(state, id, good(signed).message, DEPENDENCIES));
  }
  good(server.closeSurvivorSignatures(state));
  return step(
    actor,
    key,
    "unmaskRequest",
    wire.encodeUnmaskRequest(server.unmaskRequest(state)!),
  );
}
