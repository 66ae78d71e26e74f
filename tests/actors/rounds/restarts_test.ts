/** A device that loses power in a secure sum: it comes back into the same attempt, says the same, and never more than it would have said. */
import assert from "node:assert/strict";
import { TestActor, testActor, testRef } from "../../../actors/kernel/testkit.ts";
import type { RoundsCommand, RunCommand } from "../../../actors/rounds/commands.ts";
import { partSetting } from "../../../actors/rounds/kept_parts.ts";
import { run as runBehaviour } from "../../../actors/rounds/run.ts";
import type { RunActorState } from "../../../actors/rounds/run_state.ts";
import { softmaxRegression } from "../../../learning/engine/networks.ts";
import { parameterBytes } from "../../../learning/parameters.ts";
import { firstModel } from "../../../learning/runs/opened_plan.ts";
import { sumRoundOf } from "../../../learning/runs/secure_round.ts";
import * as client from "../../../learning/secure/client.ts";
import type { SumDependencies, SumOutcome } from "../../../learning/secure/contract.ts";
import * as server from "../../../learning/secure/server.ts";
import { openSum, type ServerState } from "../../../learning/secure/server_state.ts";
import { acceptReveal } from "../../../learning/secure/unmask.ts";
import * as wire from "../../../learning/secure/wire.ts";
import { nodeMaskStream } from "../../../platform/mask_stream.ts";
import { nodeCrypto, nodeSigner } from "../../../platform/node_crypto.ts";
import { seededRandom } from "../../../platform/seeded_random.ts";
import {
  type ContentHash,
  type DeviceId,
  deviceIdOf,
  publicKeyOf,
} from "../../../protocols/ids.ts";
import type { Attempt, RoundsMessage, SecurePhase } from "../../../protocols/rounds/messages.ts";
import { decodeRoundsMessage } from "../../../protocols/rounds/wire.ts";
import { MemoryDisk, openMemoryStore } from "../../../store/memory_store.ts";
import { opened } from "../../learning/proof_support.ts";
import { dependencies, other, registryOf, run, self, sessions } from "./support.ts";

type Actor = TestActor<RunCommand, RunActorState>;
type Effects = ReturnType<Actor["tell"]>;

const plan = opened(softmaxRegression({ inputs: 2, classes: 2 }), {
  participation: { least: 3, most: 10, fraction: 1, overSelection: 0 },
  aggregation: { type: "secure", encoding: { range: 1, bits: 16 } },
});
const crypto = nodeCrypto({ workersMax: 0 });
const sums: SumDependencies = {
  crypto,
  masks: nodeMaskStream(),
  verify: (device, message, signature) =>
    crypto.verify({ publicKey: publicKeyOf(device), message, signature }),
};
const model = firstModel(plan);
const modelHash = crypto.sha256Hex(parameterBytes(model.parameters)) as ContentHash;
/** The others; the first of them, `other`, coordinates. */
const others = [8, 40, 41, 42].map((byte) => {
  const signer = nodeSigner(new Uint8Array(32).fill(byte));
  return { id: deviceIdOf(signer.publicKey), sign: signer.sign };
});
const members = [self, ...others.map(({ id }) => id)].sort();
const parent = testRef<RoundsCommand>("rounds");

function good<T>(outcome: SumOutcome<T>): T {
  assert.ok(outcome.ok, outcome.ok ? "" : outcome.detail);
  return outcome.value;
}

/** Our device starts with what the disk has. */
async function start(disk: MemoryDisk): Promise<Actor> {
  const registry = registryOf(members);
  const examples = {
    training: {
      exampleLength: 2,
      count: 2,
      inputs: new Float32Array(4),
      labels: new Uint8Array(2),
    },
    test: null,
  };
  const actor = testActor<RunCommand, RunActorState>(
    runBehaviour({
      ...dependencies(plan),
      store: openMemoryStore({ disk }),
      trainer: {
        train: ({ parameters }) =>
          Promise.resolve({
            parameters: parameters.map((one) => one + 0.25),
            loss: 1,
            steps: 1,
            examples: 2,
          }),
        evaluate: () => Promise.reject(new Error("nobody measures in this test")),
        close: () => {},
      },
      opened: plan,
      run,
      startedBy: other,
      results: [],
      registry,
      fresh: false,
      rounds: parent,
      examples: () => Promise.resolve(examples),
    }),
    { random: seededRandom(4) },
  );
  await actor.runTask();
  const known = { up: true, round: 0, trusted: true };
  const peers = others.map(({ id }) => ({ ...known, deviceId: id, coordinates: id === other }));
  actor.tell({ type: "peersChanged", peers, registry });
  return actor;
}

function said(effects: Effects): readonly RoundsMessage[] {
  return TestActor.sentTo(effects, sessions).flatMap((command) => {
    if (command.type !== "sendToPeer") return [];
    const decoded = decodeRoundsMessage(command.body);
    assert.ok(decoded.ok);
    return [decoded.message];
  });
}

const told = (actor: Actor, message: RoundsMessage) =>
  actor.tell({ type: "peerMessage", from: other, message });

/** A step of the sum, and what our device says to it, after all it has to write is written. */
async function step(
  actor: Actor,
  key: Attempt,
  phase: SecurePhase["phase"],
  body: Uint8Array,
): Promise<readonly RoundsMessage[]> {
  const effects = [...told(actor, { type: "securePhase", ...key, phase, body })];
  while (actor.pendingTasks().length > 0) effects.push(...await actor.runTask());
  return said(effects);
}

/** What our device answered in a phase. */
function answer(messages: readonly RoundsMessage[], phase: SecurePhase["phase"]): Uint8Array {
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
function call(actor: Actor, attempt: number): Sum {
  const key = { run, round: 1, term: 0, attempt };
  const [ready] = said(told(actor, {
    type: "roundStart",
    ...key,
    model: { hash: modelHash, bytes: 4 * plan.layout.count },
    version: null,
    called: members,
    withinMs: 1_000,
  }));
  assert.ok(ready?.type === "peerReady", JSON.stringify(ready));
  const round = sumRoundOf(plan, { ...key, modelHash, devices: members.length })!;
  const state = good(openSum(round));
  const own = wire.decodeAdvertisement(ready.keys);
  assert.ok(own.ok);
  good(server.acceptAdvertisement(state, self, own.message, sums));
  const random = new Map(others.map(({ id }) => [id, seededRandom(`${id} ${attempt}`)]));
  const depsOf: Sum["depsOf"] = (id) => ({
    ...sums,
    sign: others.find((one) => one.id === id)!.sign,
    random: random.get(id)!,
  });
  const clients: Sum["clients"] = new Map();
  for (const { id } of others) {
    const advertised = good(client.advertise({ round, device: id }, depsOf(id)));
    good(server.acceptAdvertisement(state, id, advertised.message, sums));
    clients.set(id, advertised.state);
  }
  good(server.closeAdvertising(state, sums));
  return { key, state, clients, depsOf };
}

/** Keys are shared; our device trains, and is about to write down its part. */
async function train(actor: Actor, { key, state, clients, depsOf }: Sum): Promise<void> {
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
    good(server.acceptKeyShares(state, id, one.message));
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
async function submit(actor: Actor, { state, clients, depsOf }: Sum): Promise<void> {
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
  good(server.acceptMaskedInput(state, self, input.message, sums));
  for (const { id } of others) {
    const inbox = server.receivedSharesFor(state, id)!;
    const values = new Uint32Array(state.round.length).fill(5);
    const one = good(client.maskInput(clients.get(id)!, inbox, values, depsOf(id)));
    good(server.acceptMaskedInput(state, id, one.message, sums));
    clients.set(id, one.state);
  }
  good(server.closeMaskedInputs(state, sums));
}

/** Our device is asked to sign; returns what it said. */
const claim = (actor: Actor, { key, state }: Sum) =>
  step(actor, key, "survivors", wire.encodeSurvivorClaim(server.survivorClaimFor(state, self)!));

/** All sign, our device with `ours`; it is asked to reveal. */
function revealed(actor: Actor, { key, state, clients, depsOf }: Sum, ours: Uint8Array) {
  const own = wire.decodeSurvivorSignature(ours);
  assert.ok(own.ok);
  good(server.acceptSurvivorSignature(state, self, own.message, sums));
  for (const { id } of others) {
    const signed = client.signSurvivors(
      clients.get(id)!,
      server.survivorClaimFor(state, id)!,
      depsOf(id),
    );
    good(server.acceptSurvivorSignature(state, id, good(signed).message, sums));
  }
  good(server.closeSurvivorSignatures(state));
  return step(
    actor,
    key,
    "unmaskRequest",
    wire.encodeUnmaskRequest(server.unmaskRequest(state)!),
  );
}

/** The whole of our device's part; `restarts` says before which of its steps it loses power. */
async function play(restarts: { readonly sign: boolean; readonly reveal: boolean }) {
  const disk = new MemoryDisk();
  let actor = await start(disk);
  const sum = call(actor, 1);
  await train(actor, sum);
  await submit(actor, sum);
  if (restarts.sign) actor = await start(disk);
  const signature = answer(await claim(actor, sum), "consistency");
  if (restarts.reveal) actor = await start(disk);
  assert.deepEqual(answer(await claim(actor, sum), "consistency"), signature, "asked again");
  if (restarts.reveal) actor = await start(disk);
  const shares = answer(await revealed(actor, sum, signature), "unmask");
  const reveal = wire.decodeReveal(shares);
  assert.ok(reveal.ok);
  good(acceptReveal(sum.state, self, reveal.message, sums));
  return { signature, shares };
}

Deno.test("a device that loses power after it has handed in its vector signs and reveals as if nothing had been, bit by bit", async () => {
  const straight = await play({ sign: false, reveal: false });
  assert.deepEqual(await play({ sign: true, reveal: false }), straight);
  assert.deepEqual(await play({ sign: false, reveal: true }), straight);
  assert.deepEqual(await play({ sign: true, reveal: true }), straight);
});

Deno.test("what is on the disk does not open this device's own vector; once it has signed, of each neighbour only what it may reveal is left", async () => {
  const disk = new MemoryDisk();
  const actor = await start(disk);
  const sum = call(actor, 1);
  await train(actor, sum);
  const secrets = actor.state.part!.sum!;
  assert.ok(secrets.phase === "shared");
  const onDisk = () => {
    const stored = JSON.parse(disk.tables.settings.get(partSetting(run)) ?? "{}");
    return (stored.parts ?? []).map(({ sum }: { sum: string }) =>
      Uint8Array.fromBase64(sum).toHex()
    ).join("\n");
  };
  await submit(actor, sum);
  const masked = onDisk();
  const kept = actor.state.part!.kept!;
  assert.ok(masked.includes(kept.heldShares.toHex()));
  for (const secret of [secrets.maskSecret, secrets.shareSecret, secrets.seed]) {
    assert.ok(!masked.includes(secret.toHex()));
  }
  await claim(actor, sum);
  const signed = onDisk();
  for (let at = 0; at < kept.heldShares.length; at += 64) {
    const seedShare = kept.heldShares.subarray(at, at + 32).toHex();
    const maskShare = kept.heldShares.subarray(at + 32, at + 64).toHex();
    // Everybody survived.
    assert.ok(signed.includes(seedShare) && !signed.includes(maskShare));
  }
});

Deno.test("a device whose disk does not keep its part hands in nothing", async () => {
  const actor = await start(new MemoryDisk());
  const sum = call(actor, 1);
  await train(actor, sum);
  assert.deepEqual(said(await actor.runTask()), []);
  const [message] = said(actor.settleTask({ ok: false, error: new Error("the disk is full") }));
  assert.ok(message?.type === "decline" && /disk/.test(message.reason), JSON.stringify(message));
});

Deno.test("a device whose disk does not keep its word says none, and is in the next attempt as if it had not been asked", async () => {
  const disk = new MemoryDisk();
  const actor = await start(disk);
  const first = call(actor, 1);
  await train(actor, first);
  await submit(actor, first);
  const body = wire.encodeSurvivorClaim(server.survivorClaimFor(first.state, self)!);
  told(actor, { type: "securePhase", ...first.key, phase: "survivors", body });
  const [message] = said(actor.settleTask({ ok: false, error: new Error("the disk is full") }));
  assert.ok(message?.type === "decline" && /its word/.test(message.reason));
  const second = call(actor, 2);
  await train(actor, second);
  await submit(actor, second);
  assert.deepEqual(await claim(actor, first), []);
  const signature = answer(await claim(actor, second), "consistency");
  assert.ok(answer(await revealed(actor, second, signature), "unmask").length > 0);
  assert.deepEqual((await start(disk)).state.kept.map(({ attempt }) => attempt), [2]);
});

Deno.test("a device that has signed, and lost power, signs for no other survivors and joins no other attempt", async () => {
  const disk = new MemoryDisk();
  const first = await start(disk);
  const sum = call(first, 1);
  await train(first, sum);
  await submit(first, sum);
  await claim(first, sum);
  const actor = await start(disk);
  const signed = server.survivorClaimFor(sum.state, self)!;
  const survivors = signed.survivors.map((bits) => bits ^ 1 << members.indexOf(other));
  const body = wire.encodeSurvivorClaim({ ...signed, survivors });
  const [refusal] = await step(actor, sum.key, "survivors", body);
  assert.ok(refusal?.type === "decline", JSON.stringify(refusal));
  const [declined] = said(told(actor, {
    type: "roundStart",
    ...sum.key,
    attempt: 2,
    model: { hash: modelHash, bytes: 4 * plan.layout.count },
    version: null,
    called: members,
    withinMs: 1_000,
  }));
  assert.ok(declined?.type === "decline" && declined.why === "busy", JSON.stringify(declined));
});

Deno.test("a word on the disk without the part that it was about binds, and nothing else is signed", async () => {
  const disk = new MemoryDisk();
  const first = await start(disk);
  const sum = call(first, 1);
  await train(first, sum);
  await submit(first, sum);
  const before = disk.tables.settings.get(partSetting(run))!;
  await claim(first, sum);
  // As if the two had not been written together.
  disk.tables.settings.set(partSetting(run), before);
  const actor = await start(disk);
  assert.equal(actor.state.signed?.attempt, 1);
  assert.deepEqual([actor.state.part, actor.state.kept], [null, []]);
  assert.deepEqual(await claim(actor, sum), []);
});

Deno.test("an attempt that was given up is finished after all by devices that have joined another one since, and then only that", async () => {
  const disk = new MemoryDisk();
  let actor = await start(disk);
  const first = call(actor, 1);
  await train(actor, first);
  await submit(actor, first);
  const second = call(actor, 2);
  await train(actor, second);
  await submit(actor, second);
  assert.equal(actor.state.part?.key.attempt, 2);
  actor = await start(disk);
  assert.ok(answer(await claim(actor, first), "consistency").length > 0);
  assert.equal(actor.state.part?.key.attempt, 1);
  const stored = JSON.parse(disk.tables.settings.get(partSetting(run))!);
  assert.equal(stored.parts.length, 1, "what was superseded is gone from the disk");
  assert.deepEqual(await claim(actor, second), []);
  actor = await start(disk);
  assert.deepEqual(await claim(actor, second), []);
  assert.deepEqual(actor.state.kept.map(({ attempt }) => attempt), [1]);
});

Deno.test("what a disk has made of a part is left out when it cannot be read", async () => {
  for (const damaged of ["null", "{}", '{"round":1,"parts":[{"sum":"x"}]}', "[1]"]) {
    const disk = new MemoryDisk();
    disk.tables.settings.set(partSetting(run), damaged);
    const actor = await start(disk);
    assert.deepEqual([actor.state.part, actor.state.kept], [null, []]);
  }
});
