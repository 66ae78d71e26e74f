/** The second party of a sum: one set an attempt, never for fewer than are needed, and nothing after a restart. */
import assert from "node:assert/strict";
import type { OpenedTotal } from "../../../actors/learning_handle.ts";
import { openedSetting } from "../../../actors/rounds/second_party.ts";
import { bitsOf, devicesIn, openingStatement } from "../../../learning/secure/small_round.ts";
import { seededRandom } from "../../../platform/seeded_random.ts";
import { nodeCrypto, nodeSigner } from "../../../platform/node_crypto.ts";
import { type DeviceId, deviceIdOf, publicKeyOf } from "../../../protocols/ids.ts";
import type { Attempt, RoundsMessage } from "../../../protocols/rounds/messages.ts";
import { MemoryDisk, openMemoryStore } from "../../../store/memory_store.ts";
import type { RunActor } from "./run_actor.ts";
import { other, run, self } from "./support.ts";
import { attemptWith, call, members, others, phase, start, sumOf } from "./two_servers_support.ts";

const crypto = nodeCrypto({ workersMax: 0 });
const KEY = attemptWith(self);
const sum = sumOf(KEY, self);

/** What each device gives to each party; everybody adds its place among the devices. */
const parts = new Map(members.map((device, i) => {
  const values = new Uint32Array(sum.round.length).fill(i + 1);
  return [
    device,
    sum.arithmetic.contribute(values, seededRandom(device)) as readonly [
      Uint8Array,
      Uint8Array,
    ],
  ];
}));
const inputs = (set: readonly DeviceId[]) =>
  new Map(set.map((device) => [device, crypto.sha256(parts.get(device)![0])]));

/** Our device was named, and has parts of `devices`. */
async function named(
  { devices = members, key = KEY, actor = start() }: {
    readonly devices?: readonly DeviceId[];
    readonly key?: Attempt;
    readonly actor?: RunActor;
  } = {},
) {
  call(actor, key, self);
  await phase(actor, key, "roster", sum.roster);
  for (const device of devices) {
    assert.deepEqual(await phase(actor, key, "part", parts.get(device)![1], device), []);
  }
  return actor;
}

const totalIn = (messages: readonly RoundsMessage[]) =>
  messages.flatMap((one) => one.type === "securePhase" && one.phase === "total" ? [one.body] : []);

Deno.test("the second party tells whose parts it has of those that the coordinator names", async () => {
  const actor = await named({ devices: members.slice(1) });
  const said = await phase(actor, KEY, "present", bitsOf(sum.view, members.slice(0, 4)));
  const [both] = said;
  assert.ok(both?.type === "securePhase" && both.phase === "presentBoth", JSON.stringify(said));
  assert.deepEqual(devicesIn(sum.view, both.body), members.slice(1, 4));
});

Deno.test("its total opens the sum of just the set that a quorum has signed, and it keeps the coordinator's word for it", async () => {
  const disk = new MemoryDisk();
  const store = openMemoryStore({ disk });
  const actor = await named({ actor: start({ store }) });
  const set = members.slice(0, 4);
  const [bytes] = totalIn(await phase(actor, KEY, "open", sum.opening(inputs(set))));
  assert.ok(bytes !== undefined);
  const collector = sum.arithmetic.collector(0);
  for (const device of set) assert.ok(collector.add(device, parts.get(device)![0]).ok);
  const opened = sum.arithmetic.open([collector.total(), { devices: set, bytes }]);
  assert.ok(opened.ok);
  assert.deepEqual(new Set(opened.value), new Set([1 + 2 + 3 + 4]));
  const kept = await store.settings.get(openedSetting(run)) as OpenedTotal;
  assert.deepEqual([kept.round, kept.attempt, kept.coordinator], [1, KEY.attempt, other]);
  const statement = openingStatement(crypto, sum.view.hash, {
    survivors: Uint8Array.fromHex(kept.survivors),
    inputsRoot: Uint8Array.fromHex(kept.inputsRoot),
    product: new Uint8Array(),
  });
  assert.equal(kept.roster, sum.view.hash.toHex());
  const signature = Uint8Array.fromHex(kept.signature);
  assert.ok(crypto.verify({ publicKey: publicKeyOf(other), message: statement, signature }));
});

Deno.test("one set is answered in an attempt: the same request again, another one not, though a quorum signed that as well", async () => {
  const actor = await named();
  const first = sum.opening(inputs(members));
  const [total] = totalIn(await phase(actor, KEY, "open", first));
  assert.deepEqual(totalIn(await phase(actor, KEY, "open", first)), [total]);
  const { refused } = actor.state.second!;
  const other4 = sum.opening(inputs(members.slice(0, 4)));
  assert.deepEqual(totalIn(await phase(actor, KEY, "open", other4)), []);
  assert.equal(actor.state.second!.refused, refused + 1);
});

Deno.test("sets that are too small, unsigned, signed by too few, by a stranger as coordinator, or with somebody whose part is missing get no total", async () => {
  const few = members.slice(0, 2);
  const stranger = deviceIdOf(nodeSigner(new Uint8Array(32).fill(99)).publicKey);
  assert.ok(!members.includes(stranger));
  const cases: [string, Uint8Array, readonly DeviceId[]][] = [
    ["two devices", sum.opening(inputs(few)), members],
    ["nobody signed", sum.opening(inputs(members), []), members],
    ["too few signed", sum.opening(inputs(members), members.slice(0, 3)), members],
    ["another coordinator", sum.opening(inputs(members), members, others[2]!.id), members],
    ["no part of one", sum.opening(inputs(members)), members.slice(1)],
    ["nonsense", new Uint8Array(40), members],
  ];
  for (const [name, request, devices] of cases) {
    const actor = await named({ devices });
    assert.deepEqual(totalIn(await phase(actor, KEY, "open", request)), [], name);
    assert.equal(actor.state.second!.refused, 1, name);
    assert.equal(actor.state.second!.request, null, "a good request is answered yet");
  }
});

Deno.test("after a restart its parts are gone and the attempt is given up; called for the same one again, it has none of them", async () => {
  const request = sum.opening(inputs(members));
  const store = openMemoryStore({ disk: new MemoryDisk() });
  await named({ actor: start({ store }) });
  const actor = start({ store });
  assert.deepEqual(await phase(actor, KEY, "open", request), []);
  call(actor, KEY, self);
  await phase(actor, KEY, "roster", sum.roster);
  assert.deepEqual(totalIn(await phase(actor, KEY, "open", request)), []);
});

Deno.test("a later call ends the attempt before: it is answered no more", async () => {
  const actor = await named();
  const later = attemptWith(others[1]!.id, { after: KEY.attempt });
  call(actor, later, others[1]!.id);
  assert.equal(actor.state.second, null);
  assert.deepEqual(totalIn(await phase(actor, KEY, "open", sum.opening(inputs(members)))), []);
});

Deno.test("numbers that a coordinator has jumped to do not keep a later one from naming it", async () => {
  const actor = start();
  const far = attemptWith(self, { after: 1_000_000 });
  call(actor, far, self);
  assert.equal(actor.state.second!.key.attempt, far.attempt);
  const later = { ...KEY, term: 1 };
  call(actor, later, self);
  assert.equal(actor.state.second!.key.attempt, KEY.attempt);
  const request = sum.opening(inputs(members));
  assert.deepEqual(totalIn(await phase(actor, later, "open", request)), [], "it has no parts");
});

Deno.test("parts of the wrong length, second ones, and those of devices that were not called are refused and counted", async () => {
  const actor = await named({ devices: [] });
  const [good, device] = [parts.get(members[0]!)![1], members[0]!];
  await phase(actor, KEY, "part", new Uint8Array(31), device);
  await phase(actor, KEY, "part", good, device);
  await phase(actor, KEY, "part", new Uint8Array(32), device);
  const stranger = deviceIdOf(nodeSigner(new Uint8Array(32).fill(99)).publicKey);
  await phase(actor, KEY, "part", good, stranger);
  assert.equal(actor.state.second!.refused, 3);
  assert.deepEqual([...actor.state.second!.parts], [[device, good]]);
});

Deno.test("a roster with somebody that is no member gets the second party to do nothing: keys that a coordinator makes up sign whatever it likes", async () => {
  const stranger = deviceIdOf(nodeSigner(new Uint8Array(32).fill(99)).publicKey);
  const called = [...members, stranger].sort();
  const key = attemptWith(self, { called: members });
  const actor = start();
  call(actor, key, self, { called });
  await phase(actor, key, "roster", sumOf(key, self, called).roster);
  assert.equal(actor.state.second!.sum, null);
  assert.equal(actor.state.second!.refused, 1);
});
