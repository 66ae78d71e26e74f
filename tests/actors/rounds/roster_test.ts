/** Among whom a device lets its update be hidden: members that were called, as many as the plan promises, and for one sum only. */
import assert from "node:assert/strict";
import { TestActor, testActor, testRef } from "../../../actors/kernel/testkit.ts";
import type { OpenedRun, RoundsCommand, RunCommand } from "../../../actors/rounds/commands.ts";
import { run as runBehaviour } from "../../../actors/rounds/run.ts";
import type { RunActorState } from "../../../actors/rounds/run_state.ts";
import { softmaxRegression } from "../../../learning/engine/networks.ts";
import { parameterBytes } from "../../../learning/parameters.ts";
import { firstModel } from "../../../learning/runs/opened_plan.ts";
import { sumRoundOf } from "../../../learning/runs/secure_round.ts";
import { advertise } from "../../../learning/secure/client.ts";
import type { SumDependencies } from "../../../learning/secure/contract.ts";
import {
  acceptAdvertisement,
  closeAdvertising,
  rosterFor,
} from "../../../learning/secure/server.ts";
import { openSum } from "../../../learning/secure/server_state.ts";
import { decodeAdvertisement, encodeRoster } from "../../../learning/secure/wire.ts";
import { nodeMaskStream } from "../../../platform/mask_stream.ts";
import { nodeCrypto, nodeSigner } from "../../../platform/node_crypto.ts";
import { seededRandom } from "../../../platform/seeded_random.ts";
import {
  type ContentHash,
  type DeviceId,
  deviceIdOf,
  publicKeyOf,
} from "../../../protocols/ids.ts";
import type { RoundsMessage } from "../../../protocols/rounds/messages.ts";
import { opened } from "../../learning/proof_support.ts";
import { dependencies, other, registryOf, run, said, self } from "./support.ts";

type Actor = TestActor<RunCommand, RunActorState>;
const plan = opened(softmaxRegression({ inputs: 2, classes: 2 }), {
  rounds: 5,
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
const parameters = crypto.sha256Hex(parameterBytes(model.parameters)) as ContentHash;
/** Somebody else's device, or a key that was made up. */
const deviceAt = (byte: number) => {
  const signer = nodeSigner(new Uint8Array(32).fill(byte));
  return { signer, id: deviceIdOf(signer.publicKey) };
};
const others = [deviceAt(8), deviceAt(40), deviceAt(41)];

/** A device that has joined, in a mesh with these members. */
function start(members: readonly DeviceId[]): Actor {
  const registry = registryOf(members);
  const actor = testActor<RunCommand, RunActorState>(
    runBehaviour({
      ...dependencies(plan),
      opened: plan,
      run,
      startedBy: other,
      results: [],
      registry,
      fresh: false,
      rounds: testRef<RoundsCommand>("rounds"),
      examples: () => Promise.resolve({ unavailable: "none" }),
    }),
    { random: seededRandom(4) },
  );
  const examples = {
    training: {
      exampleLength: 2,
      count: 2,
      inputs: new Float32Array(4),
      labels: new Uint8Array(2),
    },
    test: null,
  };
  const value: OpenedRun = {
    head: { round: 0, block: null, parameters, model },
    examples,
    signed: null,
    kept: [],
    checkpoint: null,
  };
  actor.settleTask({ ok: true, value });
  const peer = { deviceId: other, up: true, coordinates: true, round: 0, trusted: true };
  actor.tell({ type: "peersChanged", peers: [peer], registry });
  return actor;
}

/** The coordinator calls `called` and then tells a roster of ourselves and `inRoster`; what our device answers. */
function tellRoster(
  actor: Actor,
  called: readonly DeviceId[],
  inRoster: readonly { readonly signer: ReturnType<typeof nodeSigner>; readonly id: DeviceId }[],
): RoundsMessage | undefined {
  const key = { run, round: 1, term: 0, attempt: 1 };
  const [ready] = said(actor.tell({
    type: "peerMessage",
    from: other,
    message: {
      type: "roundStart",
      ...key,
      model: { hash: parameters, bytes: 4 * plan.layout.count },
      version: null,
      called: [...called].sort(),
      withinMs: 1_000,
    },
  }));
  assert.ok(ready?.type === "peerReady");
  const round = sumRoundOf(plan, { ...key, modelHash: parameters, devices: called.length })!;
  const server = openSum(round);
  assert.ok(server.ok);
  const own = decodeAdvertisement(ready.keys);
  assert.ok(own.ok);
  assert.ok(acceptAdvertisement(server.value, self, own.message, sums).ok);
  for (const { signer, id } of inRoster) {
    const random = seededRandom(id);
    const step = advertise({ round, device: id }, {
      ...sums,
      sign: (message) => signer.sign(message),
      random,
    });
    assert.ok(step.ok);
    assert.ok(acceptAdvertisement(server.value, id, step.value.message, sums).ok);
  }
  assert.ok(closeAdvertising(server.value, sums).ok);
  const body = encodeRoster(rosterFor(server.value, self)!);
  const message = { type: "securePhase", ...key, phase: "roster", body } as const;
  return said(actor.tell({ type: "peerMessage", from: other, message }))[0];
}

Deno.test("a device shares keys with members that were called, and with nobody else", () => {
  const members = [self, ...others.map(({ id }) => id)];
  const answer = tellRoster(start(members), members, others);
  assert.ok(answer?.type === "securePhase" && answer.phase === "shares");
});

Deno.test("a roster filled up with keys that a coordinator made up gets nothing", () => {
  const members = [self, others[0]!.id];
  const answer = tellRoster(start(members), [self, ...others.map(({ id }) => id)], others);
  assert.ok(answer?.type === "decline");
  assert.match(answer.reason, /may not take part/);
});

Deno.test("a roster with members that were not called gets nothing", () => {
  const members = [self, ...others.map(({ id }) => id)];
  const answer = tellRoster(start(members), members.slice(0, 3), others);
  assert.ok(answer?.type === "decline");
  assert.match(answer.reason, /was not called/);
});

Deno.test("a device that has signed for survivors joins no other attempt where no noise hides the difference", () => {
  const members = [self, ...others.map(({ id }) => id)];
  const actor = start(members);
  actor.state.signed = { round: 1, attempt: 1, release: 0 };
  actor.state.signedAtMs = 0;
  actor.advance(24 * 3_600_000);
  const [answer] = said(actor.tell({
    type: "peerMessage",
    from: other,
    message: {
      type: "roundStart",
      run,
      round: 1,
      term: actor.state.term + 1,
      attempt: 2,
      model: { hash: parameters, bytes: 4 * plan.layout.count },
      version: null,
      called: [...members].sort(),
      withinMs: 1_000,
    },
  }));
  assert.ok(answer?.type === "decline" && answer.why === "busy", JSON.stringify(answer));
});
