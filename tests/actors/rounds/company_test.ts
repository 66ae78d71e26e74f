/** In a large mesh those who have joined a run find each other, and keep sessions until it is over. */
import assert from "node:assert/strict";
import { TestActor, testActor } from "../../../actors/kernel/testkit.ts";
import type { LoadedRuns, RoundsCommand } from "../../../actors/rounds/commands.ts";
import { rounds } from "../../../actors/rounds/rounds.ts";
import type { RoundsState } from "../../../actors/rounds/state.ts";
import { softmaxRegression } from "../../../learning/engine/networks.ts";
import { nodeSigner } from "../../../platform/node_crypto.ts";
import { seededRandom } from "../../../platform/seeded_random.ts";
import { type DeviceId, deviceIdOf } from "../../../protocols/ids.ts";
import type { RoundsMessage } from "../../../protocols/rounds/messages.ts";
import { opened } from "../../learning/proof_support.ts";
import { dependencies, planBlock, registryOf, run, said, self, sessions } from "./support.ts";

const plan = opened(softmaxRegression({ inputs: 2, classes: 2 }), { rounds: 3 });
const [a, b, c, stranger] = Array.from(
  { length: 4 },
  (_, i) => deviceIdOf(nodeSigner(new Uint8Array(32).fill(20 + i)).publicKey),
) as [DeviceId, DeviceId, DeviceId, DeviceId];

type Actor = TestActor<RoundsCommand, RoundsState>;
type Effects = Parameters<typeof TestActor.sentTo>[0];

function joined(): Actor {
  const actor = testActor<RoundsCommand, RoundsState>(rounds(dependencies(plan)), {
    random: seededRandom(4),
  });
  const value: LoadedRuns = {
    blocks: [planBlock(plan)],
    joined: new Set([run]),
    ledger: undefined,
    secrets: new Map(),
    reputation: new Map(),
  };
  actor.settleTask({ ok: true, value });
  actor.state.registry = registryOf([self, a, b, c]);
  return actor;
}

function hears(actor: Actor, from: DeviceId, message: RoundsMessage): Effects {
  return actor.tell({ type: "peerMessage", from, message });
}

function membership(company: number, change: { joined?: boolean; round?: number } = {}) {
  return { type: "runMembership", run, joined: true, round: 0, company, ...change } as const;
}

function kept(effects: Effects): readonly (readonly DeviceId[])[] {
  return TestActor.sentTo(effects, sessions).flatMap((one) =>
    one.type === "keepSessions" ? [one.devices.toSorted()] : []
  );
}

Deno.test("who has joined, and of whom others say so, sessions are kept with; others are nobody's company", () => {
  const actor = joined();
  assert.deepEqual(kept(hears(actor, a, membership(0))), [[a]]);
  const named = { type: "runCompany", run, devices: [b, c, self, stranger].sort() } as const;
  assert.deepEqual(kept(hears(actor, stranger, named)), [], "it has not joined");
  assert.deepEqual(kept(hears(actor, a, named)), [[a, b, c].sort()]);
  assert.deepEqual([...actor.state.runs.get(run)!.devices.keys()], [a], "only a said so itself");
  assert.deepEqual(kept(hears(actor, a, named)), [], "nothing new");
  assert.deepEqual(kept(hears(actor, b, membership(2, { joined: false }))), [[a, c].sort()]);
});

Deno.test("who knows of fewer is told of all, and who knows as many of none", () => {
  const actor = joined();
  hears(actor, a, membership(0));
  hears(actor, b, membership(1));
  const told = (company: number) =>
    said(hears(actor, c, membership(company)), c).filter(({ type }) => type === "runCompany");
  assert.deepEqual(told(1), [{ type: "runCompany", run, devices: [a, b].sort() }]);
  assert.deepEqual(told(3), []);
});

Deno.test("how many are known is said again a moment after it has grown", () => {
  const actor = joined();
  for (const device of [a, b]) {
    actor.tell({
      type: "sessionChanged",
      event: { type: "up", deviceId: device, resumed: false },
    });
  }
  hears(actor, a, membership(0));
  hears(actor, b, membership(0));
  const effects = actor.advance(1_000);
  for (const device of [a, b]) {
    assert.deepEqual(said(effects, device), [membership(2)]);
  }
  assert.deepEqual(said(actor.advance(60_000)), [], "once");
});

Deno.test("sessions are kept until the run is over for all who are there", () => {
  const actor = joined();
  for (const device of [a, b]) {
    actor.tell({
      type: "sessionChanged",
      event: { type: "up", deviceId: device, resumed: false },
    });
    hears(actor, device, membership(2));
  }
  hears(actor, c, membership(2));
  assert.deepEqual(kept(actor.tell({ type: "runAdvanced", run, round: 3 })), []);
  assert.deepEqual(kept(hears(actor, a, membership(2, { round: 3 }))), []);
  // The third one is away; nobody waits for it.
  assert.deepEqual(kept(hears(actor, b, membership(2, { round: 3 }))), [[]]);
});

Deno.test("when a session ends it is said again whom to keep: sessions may have begun anew", () => {
  const actor = joined();
  hears(actor, a, membership(0));
  const effects = actor.tell({
    type: "sessionChanged",
    event: { type: "down", deviceId: a },
  });
  assert.deepEqual(kept(effects), [[a]]);
});
