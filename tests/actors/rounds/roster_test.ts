/** Among whom a device lets its update be hidden: members that were called, as many as the plan promises, and for one sum only. */
import assert from "node:assert/strict";
import { softmaxRegression } from "../../../learning/engine/networks.ts";
import { sumRoundOf } from "../../../learning/runs/secure_round.ts";
import { advertise } from "../../../learning/secure/client.ts";
import {
  acceptAdvertisement,
  closeAdvertising,
  rosterFor,
} from "../../../learning/secure/server.ts";
import { openSum } from "../../../learning/secure/server_state.ts";
import { decodeAdvertisement, encodeRoster } from "../../../learning/secure/wire.ts";
import { nodeSigner } from "../../../platform/node_crypto.ts";
import { seededRandom } from "../../../platform/seeded_random.ts";
import { type DeviceId, deviceIdOf } from "../../../protocols/ids.ts";
import type { RoundsMessage } from "../../../protocols/rounds/messages.ts";
import { opened } from "../../learning/proof_support.ts";
import { DEPENDENCIES } from "../../learning/secure_support.ts";
import {
  beginningOf,
  callTo,
  openedRun,
  peerOf,
  type RunActor,
  told,
  zeroExamples,
} from "./run_actor.ts";
import { other, registryOf, run, said, self } from "./support.ts";

const plan = opened(softmaxRegression({ inputs: 2, classes: 2 }), {
  rounds: 5,
  participation: { least: 3, most: 10, fraction: 1, overSelection: 0 },
  aggregation: { type: "secure", encoding: { range: 1, bits: 16 } },
});
const { parameters } = beginningOf(plan);
/** Somebody else's device, or a key that was made up. */
const deviceAt = (byte: number) => {
  const signer = nodeSigner(new Uint8Array(32).fill(byte));
  return { signer, id: deviceIdOf(signer.publicKey) };
};
const others = [deviceAt(8), deviceAt(40), deviceAt(41)];

/** A device that has joined, in a mesh with these members. */
function start(members: readonly DeviceId[]): RunActor {
  const registry = registryOf(members);
  const actor = openedRun(plan, { registry, examples: () => zeroExamples(2) });
  actor.tell({ type: "peersChanged", peers: [peerOf(other)], registry });
  return actor;
}

/** The coordinator calls `called` and then tells a roster of ourselves and `inRoster`; what our device answers. */
function tellRoster(
  actor: RunActor,
  called: readonly DeviceId[],
  inRoster: readonly { readonly signer: ReturnType<typeof nodeSigner>; readonly id: DeviceId }[],
): RoundsMessage | undefined {
  const key = { run, round: 1, term: 0, attempt: 1 };
  const [ready] = said(told(actor, callTo(plan, called, key)));
  assert.ok(ready?.type === "peerReady");
  const round = sumRoundOf(plan, { ...key, modelHash: parameters, devices: called.length })!;
  const server = openSum(round);
  assert.ok(server.ok);
  const own = decodeAdvertisement(ready.keys);
  assert.ok(own.ok);
  assert.ok(acceptAdvertisement(server.value, self, own.message, DEPENDENCIES).ok);
  for (const { signer, id } of inRoster) {
    const random = seededRandom(id);
    const step = advertise({ round, device: id }, {
      ...DEPENDENCIES,
      sign: (message) => signer.sign(message),
      random,
    });
    assert.ok(step.ok);
    assert.ok(acceptAdvertisement(server.value, id, step.value.message, DEPENDENCIES).ok);
  }
  assert.ok(closeAdvertising(server.value, DEPENDENCIES).ok);
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
  const term = actor.state.term + 1;
  const [answer] = said(told(actor, callTo(plan, members, { term, attempt: 2 })));
  assert.ok(answer?.type === "decline" && answer.why === "busy", JSON.stringify(answer));
});

Deno.test("a call of more devices than the plan allows is declined: its sums may not fit their numbers", () => {
  const wide = opened(softmaxRegression({ inputs: 2, classes: 2 }), {
    participation: { least: 3, most: 10, fraction: 1, overSelection: 0 },
    aggregation: { type: "secure", encoding: { range: 1, bits: 24 } },
  });
  const crowd = Array.from({ length: 1_023 }, (_, i) => {
    const key = new Uint8Array(32);
    new DataView(key.buffer).setUint32(0, i + 1);
    return deviceIdOf(key);
  });
  const registry = registryOf([self, other]);
  const actor = openedRun(wide, { registry, examples: () => zeroExamples(2) });
  actor.tell({ type: "peersChanged", peers: [peerOf(other)], registry });
  const [answer] = said(told(actor, callTo(wide, [self, ...crowd])));
  assert.ok(answer?.type === "decline", JSON.stringify(answer));
  assert.match(answer.reason, /1024 devices, expected at most 10/);
});
