/** One device of a run on a grid: whom it waits for, what it makes of what others send, and what it refuses. */
import assert from "node:assert/strict";
import { TestActor, testActor, testRef } from "../../../actors/kernel/testkit.ts";
import type { RoundsCommand, RunPeer } from "../../../actors/rounds/commands.ts";
import { gridRun } from "../../../actors/rounds/grid/grid_run.ts";
import { groupModel } from "../../../learning/gossip_averaging/group_model.ts";
import { softmaxRegression } from "../../../learning/engine/networks.ts";
import { parameterBytes, type Parameters, parametersHash } from "../../../learning/parameters.ts";
import { decodeResult } from "../../../learning/runs/result.ts";
import type { GridChoice } from "../../../learning/runs/grid_plan.ts";
import { nodeCrypto, nodeSigner } from "../../../platform/node_crypto.ts";
import { seededRandom } from "../../../platform/seeded_random.ts";
import { type DeviceId, deviceIdOf } from "../../../protocols/ids.ts";
import type { GridPlace, RoundsMessage } from "../../../protocols/rounds/messages.ts";
import { partsOf } from "../../../protocols/rounds/transfer.ts";
import { resultProblem } from "../../../learning/runs/result_check.ts";
import { opened } from "../../learning/proof_support.ts";
import { nodeMaskStream } from "../../../platform/mask_stream.ts";
import { dependencies, registryOf, run, said, self } from "./support.ts";

const grid: GridChoice = {
  type: "grid",
  dimensions: 2,
  side: 2,
  rule: { name: "weightedMean", numbers: {} },
};
const ROUNDS = 10;
const plan = opened(softmaxRegression({ inputs: 2, classes: 2 }), {
  rounds: ROUNDS,
  aggregation: grid,
  deadlines: { readyMs: 3_000, trainMs: 10_000, phaseMs: 4_000 },
});
const { count } = plan.layout;
const crypto = nodeCrypto({ workersMax: 0 });
const parent = testRef<RoundsCommand>("rounds");
const others = [8, 40, 41].map((byte) =>
  deviceIdOf(nodeSigner(new Uint8Array(32).fill(byte)).publicKey)
) as [DeviceId, DeviceId, DeviceId];

const constant = (value: number): Parameters => new Float32Array(count).fill(value);
const modelOf = (values: Parameters) => ({ hash: parametersHash(values, crypto), values });

type Effects = ReturnType<Device["actor"]["tell"]>;

class Device {
  readonly actor;
  readonly deps;
  up = new Set<DeviceId>(others);

  constructor(public hasExamples = true) {
    this.deps = dependencies(plan);
    const example = {
      exampleLength: 2,
      count: 1,
      inputs: new Float32Array(2),
      labels: new Uint8Array(1),
    };
    this.actor = testActor(
      gridRun({
        ...this.deps,
        opened: plan,
        grid,
        run,
        results: [],
        rounds: parent,
        examples: () =>
          Promise.resolve(
            this.hasExamples ? { training: example, test: null } : { unavailable: "none" },
          ),
      }),
      { random: seededRandom(4) },
    );
  }

  /** Opened, and has listened; the others have joined. */
  static async started(examples = true): Promise<Device> {
    const device = new Device(examples);
    device.tellPeers();
    await device.actor.runTask();
    return device;
  }

  tellPeers(untrusted: readonly DeviceId[] = []): Effects {
    const peers = others.map((deviceId): RunPeer => ({
      deviceId,
      up: this.up.has(deviceId),
      coordinates: true,
      round: 0,
      trusted: !untrusted.includes(deviceId),
    }));
    const registry = registryOf([self, ...others]);
    return this.actor.tell({ type: "peersChanged", peers, registry });
  }

  hears(from: DeviceId, message: RoundsMessage): Effects {
    return this.actor.tell({ type: "peerMessage", from, message });
  }

  /** `from` says where it is, with these parameters. */
  place(from: DeviceId, at: Partial<GridPlace>, values: Parameters = constant(0)): Effects {
    return this.hears(from, {
      type: "gridPlace",
      run,
      round: 1,
      step: 0,
      places: [0],
      gives: true,
      model: { hash: modelOf(values).hash, bytes: 4 * values.length },
      ...at,
    });
  }

  /** What this device trains comes out as these numbers. */
  trains(values: Parameters): Effects {
    return this.actor.settleTask({ ok: true, value: { loss: 1, model: modelOf(values) } });
  }

  /** Hands over parameters that were asked for. */
  sends(from: DeviceId, values: Parameters): Effects {
    const { hash } = modelOf(values);
    const all = { first: 0, count: 16 };
    return partsOf({ run, hash }, parameterBytes(values), all)
      .flatMap((part) => this.hears(from, part));
  }
}

const asked = (effects: Effects) =>
  others.filter((one) => said(effects, one).some(({ type }) => type === "requestParts"));

/** All are there, this device has trained, and stands where groups of two would form: who has which place follows from `places`. */
async function gathering(values = constant(4)) {
  const device = await Device.started();
  for (const other of others) device.place(other, {});
  device.actor.advance(3_000);
  device.trains(values);
  const { place, phase } = device.actor.state;
  assert.equal(phase, "gathering");
  return { device, place: place! };
}

Deno.test("a device averages with its group once for each axis, keeps the version, and begins the next round", async () => {
  const { device, place } = await gathering();
  const [a, b, c] = others;
  const mine = place.places;
  const elsewhere = [1 - mine[0]!];
  device.place(a, { step: 1, places: mine }, constant(8));
  device.place(b, { step: 1, places: elsewhere }, constant(1));
  const meeting = device.place(c, { step: 1, places: elsewhere }, constant(1));
  assert.deepEqual(asked(meeting), [a], "only the one with the same place is asked");
  device.sends(a, constant(8));
  await device.actor.runTask();
  assert.deepEqual(device.actor.state.model?.values, constant(6));
  const second = device.actor.state.place!;
  assert.deepEqual([second.round, second.step], [1, 2]);
  // Of the other group one has got the same place in it.
  device.place(a, { step: 2, places: [1 - second.places[0]!] }, constant(6));
  device.place(b, { step: 2, places: second.places }, constant(2));
  const again = device.place(c, { step: 2, places: [1 - second.places[0]!] }, constant(2));
  assert.deepEqual(asked(again), [b]);
  device.sends(b, constant(2));
  await device.actor.runTask();
  assert.equal(device.actor.state.phase, "keeping", "others hear of it when it is on the disk");
  const kept = await device.actor.runTask();
  assert.deepEqual(device.actor.state.head?.model?.values, constant(4));
  assert.ok(TestActor.sentTo(kept, parent).some((one) => one.type === "runAdvanced"));
  const next = said(kept, a).findLast(({ type }) => type === "gridPlace") as GridPlace;
  assert.deepEqual([next.round, next.step], [2, 0]);
  assert.equal(device.actor.state.phase, "training");
});

Deno.test("whoever goes is not waited for, and whoever stays silent for no longer than the plan says", async () => {
  const { device, place } = await gathering();
  const [a, b, c] = others;
  device.place(a, { step: 1, places: place.places }, constant(8));
  device.up.delete(b);
  device.tellPeers();
  assert.equal(device.actor.state.phase, "gathering", "one is still awaited");
  const meeting = device.actor.advance(10_000);
  assert.deepEqual(asked(meeting), [a]);
  device.sends(a, constant(8));
  await device.actor.runTask();
  // The silent one had its time: nobody waits for it a second time.
  device.place(a, { step: 2, places: device.actor.state.place!.places }, constant(6));
  assert.notEqual(device.actor.state.phase, "gathering");
  assert.ok(device.actor.state.tardy.has(c));
});

Deno.test("who was waited for in vain is not waited for again because it says the same again, but when it has moved", async () => {
  const { device, place } = await gathering();
  const [a, b, c] = others;
  device.place(a, { step: 1, places: place.places }, constant(8));
  device.up.delete(b);
  device.tellPeers();
  device.actor.advance(10_000);
  device.sends(a, constant(8));
  await device.actor.runTask();
  device.place(c, {});
  assert.ok(device.actor.state.tardy.has(c));
  device.place(a, { step: 2, places: device.actor.state.place!.places }, constant(6));
  assert.notEqual(device.actor.state.phase, "gathering");
  device.place(c, { step: 1 });
  assert.ok(!device.actor.state.tardy.has(c));
});

Deno.test("a member that vanishes before it has sent anything is left out of the average", async () => {
  const { device, place } = await gathering();
  for (const other of others) device.place(other, { step: 1, places: place.places }, constant(8));
  assert.equal(device.actor.state.phase, "fetching");
  device.actor.advance(4_000);
  await device.actor.runTask();
  assert.deepEqual(device.actor.state.model?.values, constant(4), "it goes on with its own");
  assert.equal(device.actor.state.tally.dropped, 1);
});

Deno.test("a device that was away takes the mean of those where most are, and adds nothing to it", async () => {
  const device = await Device.started();
  const values = [constant(1), constant(2), constant(3)] as const;
  others.forEach((other, i) => device.place(other, { round: 7, step: 1 }, values[i]));
  device.actor.advance(3_000);
  const from = [...device.actor.state.meeting!.devices];
  assert.equal(from.length, grid.side);
  for (const other of from) device.sends(other, values[others.indexOf(other)]!);
  await device.actor.runTask();
  await device.actor.runTask();
  const { head } = device.actor.state;
  const mean = from.reduce((sum, other) => sum + others.indexOf(other) + 1, 0) / from.length;
  assert.equal(head?.round, 6);
  assert.deepEqual(head.model?.values, constant(mean));
  assert.equal(device.actor.state.phase, "training", "with round 7 it takes part again");
});

Deno.test("nobody alone draws the others to another round", async () => {
  const device = await Device.started();
  const [a, b, c] = others;
  device.place(a, { round: ROUNDS + 1 });
  device.place(b, {});
  device.place(c, {});
  device.actor.advance(3_000);
  assert.equal(device.actor.state.phase, "training");
  assert.equal(device.actor.state.place?.round, 1);
});

Deno.test("a device without examples takes what the others come to, and gives nothing", async () => {
  const device = await Device.started(false);
  for (const other of others) device.place(other, {});
  device.actor.advance(3_000);
  assert.equal(device.actor.state.phase, "resting");
  assert.equal(device.actor.state.place?.gives, false);
  for (const other of others) device.place(other, { round: 2 }, constant(5));
  device.sends(device.actor.state.meeting!.devices[0]!, constant(5));
  await device.actor.runTask();
  await device.actor.runTask();
  assert.deepEqual(device.actor.state.head?.model?.values, constant(5));
  // Somebody brings examples: from then on it takes part.
  device.hasExamples = true;
  device.actor.advance(10_000);
  for (const task of device.actor.pendingTasks()) await device.actor.runTask(task);
  assert.equal(device.actor.state.place?.gives, true);
  assert.equal(device.actor.state.phase, "training");
});

for (
  const [what, change, fault] of [
    [
      "more bytes than the model has",
      { model: { hash: "ab".repeat(32), bytes: 4 * count + 4 } },
      "tooLarge",
    ],
    ["fewer bytes than the model has", { model: { hash: "ab".repeat(32), bytes: 4 } }, "misshapen"],
    ["a place that is not on the grid", { places: [2] }, null],
    ["a place with another number of axes", { places: [0, 0] }, null],
    ["a round after the last", { round: ROUNDS + 2 }, null],
    ["a step that there is not", { step: 3 }, null],
  ] as const
) {
  Deno.test(`a device that claims ${what} is refused with a reason`, async () => {
    const device = await Device.started();
    const effects = device.place(others[0], change as Partial<GridPlace>);
    assert.equal(device.actor.state.others.size, 0);
    assert.equal(device.actor.state.tally.refused, 1);
    assert.match(device.actor.logged.at(-1)!.message, /was refused/);
    const faults = TestActor.sentTo(effects, parent).filter(({ type }) => type === "roundFaults");
    const expected = { type: "roundFaults", run, round: 1, faults: [{ device: others[0], fault }] };
    assert.deepEqual(faults, fault === null ? [] : [expected]);
  });
}

Deno.test("parameters of an earlier round, given once more, are refused; the device may come with new ones", async () => {
  const device = await Device.started();
  device.place(others[0], { step: 1 }, constant(1));
  device.place(others[0], { round: 2, step: 1 }, constant(1));
  assert.equal(device.actor.state.others.get(others[0])?.latest.round, 1);
  assert.match(String(device.actor.logged.at(-1)!.fields.reason), /once more/);
  device.place(others[0], { round: 2, step: 1 }, constant(2));
  assert.equal(device.actor.state.others.get(others[0])?.latest.round, 2);
});

Deno.test("parameters that hold NaN are in no average, and cost the one who sent them", async () => {
  const { device, place } = await gathering();
  const [a, b, c] = others;
  const elsewhere = [1 - place.places[0]!];
  device.place(b, { step: 1, places: elsewhere });
  device.place(c, { step: 1, places: elsewhere });
  device.place(a, { step: 1, places: place.places }, constant(NaN));
  const effects = device.sends(a, constant(NaN));
  assert.deepEqual(TestActor.sentTo(effects, parent).filter(({ type }) => type === "roundFaults"), [
    { type: "roundFaults", run, round: 1, faults: [{ device: a, fault: "notFinite" }] },
  ]);
  await device.actor.runTask();
  assert.deepEqual(device.actor.state.model?.values, constant(4));
});

Deno.test("other bytes than were offered are not taken, and nothing is waited for longer than the plan says", async () => {
  const { device, place } = await gathering();
  for (const other of others) device.place(other, { step: 1, places: place.places }, constant(8));
  const [from] = [...device.actor.state.incoming.values()];
  const { hash } = from!.vector.offer;
  const bytes = new Uint8Array(parameterBytes(constant(9)));
  device.hears(from!.from, { type: "vectorPart", run, hash, index: 0, bytes });
  device.actor.advance(4_000);
  await device.actor.runTask();
  assert.deepEqual(device.actor.state.model?.values, constant(4));
});

Deno.test("who has not joined, is not trusted, or is not heard, is in no group", async () => {
  const { device, place } = await gathering();
  const [a, b, c] = others;
  const stranger = deviceIdOf(nodeSigner(new Uint8Array(32).fill(99)).publicKey);
  device.place(stranger, { step: 1, places: place.places }, constant(100));
  device.place(a, { step: 1, places: place.places }, constant(100));
  device.tellPeers([a]);
  device.place(b, { step: 1, places: place.places }, constant(8));
  const effects = device.place(c, { step: 1, places: [1 - place.places[0]!] });
  assert.deepEqual(asked(effects), [b]);
});

Deno.test("however often a device moves, a few of its places are remembered", async () => {
  const device = await Device.started();
  for (let i = 0; i < 500; i++) {
    device.place(others[0], { round: 1 + i % ROUNDS, step: i % 3 }, constant(i));
  }
  assert.ok(device.actor.state.others.get(others[0])!.recent.size <= grid.dimensions + 2);
  assert.equal(device.actor.state.others.size, 1);
  assert.equal(device.actor.state.incoming.size <= grid.side, true);
});

Deno.test("parameters on their way to an average are for those who take part", async () => {
  const { device } = await gathering();
  const { hash } = device.actor.state.model!;
  const request = { type: "requestParts", run, hash, first: 0, count: 1 } as const;
  assert.equal(said(device.hears(others[0], request), others[0])[0]?.type, "vectorPart");
  const stranger = deviceIdOf(nodeSigner(new Uint8Array(32).fill(99)).publicKey);
  assert.deepEqual(said(device.hears(stranger, request), stranger), []);
});

Deno.test("the last version is published once, signed by its device, and proves nothing more than that", async () => {
  const device = await Device.started();
  const last = constant(3);
  for (const other of others) device.place(other, { round: ROUNDS + 1 }, last);
  device.actor.advance(3_000);
  device.sends(device.actor.state.meeting!.devices[0]!, last);
  await device.actor.runTask();
  const effects = await device.actor.runTask();
  const published = TestActor.sentTo([...effects, ...device.actor.advance(5_000)], parent)
    .flatMap((one) => one.type === "publishResult" ? [one.body] : []);
  assert.equal(published.length, 1);
  const decoded = decodeResult(published[0]!);
  assert.ok(decoded.ok);
  const result = decoded.message;
  assert.equal(result.result, modelOf(last).hash);
  const checks = { crypto, masks: nodeMaskStream() };
  assert.equal(await resultProblem(result, plan, checks), undefined);
  const other = { ...result, result: modelOf(constant(1)).hash };
  assert.match((await resultProblem(other, plan, checks))!, /signed for/);
  const [own] = result.submissions;
  const forged = { ...result, submissions: [{ ...own!, device: others[0] }] };
  assert.match((await resultProblem(forged, plan, checks))!, /does not hold/);
});

Deno.test("equal members make equal bits in any order, and a robust rule bounds what one of them can do", () => {
  const random = seededRandom("group");
  const members = Array.from({ length: 5 }, () => {
    const values = constant(0).map(() => random.float() - 0.5);
    return modelOf(values);
  });
  const mean = groupModel(plan.rule!, members);
  assert.deepEqual(groupModel(plan.rule!, members.toReversed()), mean);
  const poisoned = [...members.slice(1), modelOf(constant(1_000))];
  const median = opened(plan.network, {
    aggregation: { ...grid, rule: { name: "coordinateMedian", numbers: {} } },
  }).rule!;
  assert.ok(groupModel(plan.rule!, poisoned).every((value) => value > 100));
  assert.ok(groupModel(median, poisoned).every((value) => Math.abs(value) <= 0.5));
});
