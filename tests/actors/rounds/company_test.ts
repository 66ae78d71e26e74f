/** In a large mesh those who have joined a run find each other, and keep sessions until it is over. */
import assert from "node:assert/strict";
import { TestActor, testActor } from "../../../actors/kernel/testkit.ts";
import { COMPANY_MAX, LAST_MS, NAMED_MAX, SEAT_MS, SEATS } from "../../../actors/rounds/company.ts";
import type { LoadedRuns, RoundsCommand } from "../../../actors/rounds/commands.ts";
import { rounds } from "../../../actors/rounds/rounds.ts";
import type { RoundsState } from "../../../actors/rounds/state.ts";
import { softmaxRegression } from "../../../learning/engine/networks.ts";
import { seatOrder } from "../../../learning/runs/order.ts";
import { nodeCrypto, nodeSigner } from "../../../platform/node_crypto.ts";
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

Deno.test("sessions are kept an hour for one that stays behind, whatever it says", () => {
  const actor = joined();
  up(actor, a);
  hears(actor, a, membership(2));
  actor.tell({ type: "runAdvanced", run, round: 3 });
  assert.deepEqual(kept(actor.advance(LAST_MS - 1)), []);
  assert.deepEqual(kept(actor.advance(1)), [[]]);
  assert.deepEqual(kept(hears(actor, a, membership(2, { round: 1 }))), []);
});

/** A company of `count` others and `a`, all of whom may coordinate, and what our device then wants. */
function largeCompany(count: number, startedBy: DeviceId = a) {
  const others = Array.from(
    { length: count },
    (_, i) =>
      deviceIdOf(new Uint8Array(32).fill(7).map((byte, at) => at === i % 32 ? i >> 5 : byte + i)),
  );
  const actor = joined();
  actor.state.registry = registryOf([self, a, ...others]);
  Object.assign(actor.state.runs.get(run)!, { startedBy });
  hears(actor, a, membership(0));
  const effects = hears(actor, a, { type: "runCompany", run, devices: others.toSorted() });
  return { actor, others, effects };
}

Deno.test("in a large company sessions are kept with those who take turns at coordinating, by all with the same", () => {
  const { effects, actor } = largeCompany(COMPANY_MAX);
  const [seats] = kept(effects);
  const known = actor.state.runs.get(run)!;
  assert.deepEqual([...known.seats!].toSorted(), seats);
  assert.equal(seats!.length, SEATS);
  const everybody = [self, ...known.devices.keys(), ...known.heardOf.keys()];
  const { startedBy } = known;
  assert.deepEqual(
    seatOrder(everybody.toReversed(), { run, startedBy }, nodeCrypto({ workersMax: 0 })).slice(
      0,
      SEATS,
    ).toSorted(),
    seats,
  );
  // One less, and all are wanted.
  assert.equal(kept(largeCompany(COMPANY_MAX - 1).effects)[0]!.length, COMPANY_MAX);
});

Deno.test("whoever has a seat keeps sessions with all", () => {
  const { effects, others } = largeCompany(COMPANY_MAX, self);
  assert.deepEqual(kept(effects)[0], [a, ...others].toSorted());
});

Deno.test("the seat of somebody who has gone is the next one's until it is back", () => {
  const { actor, effects } = largeCompany(COMPANY_MAX);
  const before = kept(effects)[0]!;
  const change = (type: "up" | "down", deviceId: DeviceId) =>
    kept(actor.tell({
      type: "sessionChanged",
      event: type === "up" ? { type, deviceId, resumed: false } : { type, deviceId },
    }))[0];
  const gone = before.find((device) => device !== a)!;
  change("up", gone);
  const without = change("down", gone)!;
  assert.equal(without.length, SEATS);
  assert(!without.includes(gone));
  assert.equal(without.filter((device) => before.includes(device)).length, SEATS - 1);
  assert.deepEqual(change("up", gone), before);
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

Deno.test("whoever is named and never comes loses its seat: names alone keep nobody from coordinating", () => {
  const { actor, others } = largeCompany(2 * COMPANY_MAX);
  const known = actor.state.runs.get(run)!;
  const order = seatOrder(others, known, nodeCrypto({ workersMax: 0 }));
  const there = order.slice(-2);
  for (const deviceId of there) {
    actor.tell({ type: "sessionChanged", event: { type: "up", deviceId, resumed: false } });
    hears(actor, deviceId, membership(COMPANY_MAX));
  }
  assert.ok(!known.seats!.has(there[0]!));
  actor.advance(SEAT_MS);
  const present = [self, ...there].toSorted();
  assert.deepEqual([...known.seats!].toSorted(), present, "names had their time to come");
  for (let waits = 0; waits < COMPANY_MAX / SEATS; waits++) {
    hears(actor, a, { type: "runCompany", run, devices: others.toSorted() });
    assert.deepEqual([...known.seats!].toSorted(), present, "whatever is said of others");
    actor.advance(SEAT_MS);
  }
  const [late] = order;
  up(actor, late!);
  assert.ok(!known.seats!.has(late!), "a session says nothing of the run");
  hears(actor, late!, membership(COMPANY_MAX));
  assert.ok(known.seats!.has(late!), "it has come after all");
});

function up(actor: Actor, deviceId: DeviceId): Effects {
  return actor.tell({ type: "sessionChanged", event: { type: "up", deviceId, resumed: false } });
}

Deno.test("made-up names of members that are there, and have not joined, take nobody's seat and are forgotten", () => {
  const { actor, others } = largeCompany(2 * COMPANY_MAX);
  const known = actor.state.runs.get(run)!;
  const order = seatOrder(others, known, nodeCrypto({ workersMax: 0 }));
  for (const deviceId of order) up(actor, deviceId);
  const last = order.at(-1)!;
  hears(actor, last, membership(COMPANY_MAX));
  actor.advance(SEAT_MS);
  assert.ok(known.seats!.has(last) && known.seats!.has(self));
  assert.equal(known.seats!.size, 2);
  assert.ok(!known.heardOf.has(order[0]!));
});

Deno.test("names that this device has only heard are not passed on", () => {
  const actor = joined();
  hears(actor, a, membership(1));
  hears(actor, a, { type: "runCompany", run, devices: [b] });
  const told = said(hears(actor, c, membership(0)), c).filter(({ type }) => type === "runCompany");
  assert.deepEqual(told, [{ type: "runCompany", run, devices: [a] }]);
});

Deno.test("who asks again is told nothing that it was told before, and a flood of questions is not answered", () => {
  const actor = joined();
  hears(actor, a, membership(0));
  const lists = (count: number) =>
    Array.from({ length: count }, () => said(hears(actor, c, membership(0)), c)).flat()
      .filter(({ type }) => type === "runCompany").length;
  assert.equal(lists(100), 1);
  up(actor, c);
  assert.equal(lists(100), 1, "it may have started anew");
  let count = 0;
  for (let i = 0; i < 500; i++) {
    up(actor, c);
    count += lists(1);
  }
  assert.ok(count < 40, `${count} lists`);
});

Deno.test("one that names very many does not crowd out what others name, and is not listened to without end", () => {
  const made = Array.from(
    { length: 1_501 },
    (_, i) => deviceIdOf(new Uint8Array(32).fill(3).map((byte, at) => at < 2 ? i >> 8 * at : byte)),
  );
  const actor = joined();
  actor.state.registry = registryOf([self, a, b, c, ...made]);
  hears(actor, a, membership(0));
  hears(actor, b, membership(0));
  const known = actor.state.runs.get(run)!;
  for (let from = 0; from < 1_500; from += 500) {
    const devices = made.slice(from, from + 500).sort();
    hears(actor, a, { type: "runCompany", run, devices });
  }
  assert.ok(known.devices.size + known.heardOf.size >= 1_024);
  hears(actor, b, { type: "runCompany", run, devices: [c] });
  assert.ok(known.heardOf.has(c));
  for (let i = 0; i < 100; i++) hears(actor, a, { type: "runCompany", run, devices: [] });
  hears(actor, a, { type: "runCompany", run, devices: made.slice(-1) });
  assert.ok(!known.heardOf.has(made.at(-1)!));
});

Deno.test("of a large company those are named who come first for a seat, and told again only when they are others", () => {
  const { actor, others } = largeCompany(300);
  const known = actor.state.runs.get(run)!;
  const order = seatOrder(others, known, nodeCrypto({ workersMax: 0 }));
  const [first, ...rest] = order;
  const last = rest.pop()!;
  for (const device of rest) hears(actor, device, membership(1));
  const told = () =>
    said(hears(actor, c, membership(1)), c).flatMap((message) =>
      message.type === "runCompany" ? [message.devices] : []
    );
  // Whoever started the run comes before all.
  assert.deepEqual(told(), [[a, ...rest.slice(0, NAMED_MAX - 1)].sort()]);
  hears(actor, last, membership(1));
  assert.deepEqual(told(), [], "it comes too late for a seat");
  hears(actor, first!, membership(1));
  assert.deepEqual(told(), [[a, ...order.slice(0, NAMED_MAX - 1)].sort()]);
});
