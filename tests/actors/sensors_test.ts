/** Sensors: what was acknowledged is durable, comes into blocks, and counts once however often it comes. */
import assert from "node:assert/strict";
import { nodeEvents } from "../../actors/events.ts";
import type { Outcome } from "../../actors/handle.ts";
import { TestActor, testActor, testRef } from "../../actors/kernel/testkit.ts";
import { membershipChanged } from "../../actors/members/commands.ts";
import type { PublisherCommand } from "../../actors/publisher/commands.ts";
import type { IngestResult, NewReading } from "../../actors/sensor_handle.ts";
import { sensors, type SensorsDependencies } from "../../actors/sensors/sensors.ts";
import { blocksCommitted } from "../../actors/storage/commands.ts";
import { nodeCrypto, nodeSigner } from "../../platform/node_crypto.ts";
import { checkPassword, hashPassword } from "../../platform/password_hash.ts";
import { seededRandom } from "../../platform/seeded_random.ts";
import { deviceIdOf, type MeshId } from "../../protocols/ids.ts";
import {
  decodeReadings,
  encodeReadings,
  READINGS_MEDIA_TYPE,
} from "../../protocols/sensors/readings.ts";
import { openMemoryStore } from "../../store/memory_store.ts";
import type { Store } from "../../store/store.ts";
import { testBlock, testSigner } from "../protocols/blocks_support.ts";

const self = deviceIdOf(nodeSigner(new Uint8Array(32).fill(1)).publicKey);
const publisher = testRef<PublisherCommand>("publisher");
const asker = testRef<Outcome<IngestResult>>("asker");
const maker = testRef<Outcome<{ readonly password: string }>>("maker");
const mesh = "a".repeat(64) as MeshId;
const WALL_MS = 1_700_000_000_000;

async function started(store: Store = openMemoryStore(), more: Partial<SensorsDependencies> = {}) {
  const actor = testActor(
    sensors({ self, store, crypto: nodeCrypto(), publisher, hashPassword, ...more }),
    { random: seededRandom(1) },
  );
  await actor.runTask();
  const registry = { mesh, founder: self, members: new Map(), heads: [] };
  actor.publish(membershipChanged, { registry });
  actor.takeEffects();
  return { store, actor };
}

type Running = Awaited<ReturnType<typeof started>>["actor"];

async function added(actor: Running, sensor = "attic"): Promise<string> {
  actor.tell({ type: "addSensor", sensor, displayName: "", replyTo: maker });
  const [answer] = TestActor.sentTo(await actor.runTask(), maker);
  assert.ok(answer?.type === "done");
  return answer.value.password;
}

async function ingest(actor: Running, readings: readonly NewReading[], sensor = "attic") {
  const refused = TestActor.sentTo(
    actor.tell({ type: "ingest", sensor, readings, replyTo: asker }),
    asker,
  );
  if (refused.length > 0) return refused[0]!;
  return TestActor.sentTo(await actor.runTask(), asker)[0]!;
}

Deno.test("a reading is acknowledged after it is durable, and goes into one block with the others", async () => {
  const { store, actor } = await started();
  await added(actor);
  const pending = actor.tell({
    type: "ingest",
    sensor: "attic",
    readings: [{ metric: "t", value: 20 }],
    replyTo: asker,
  });
  assert.deepEqual(TestActor.sentTo(pending, asker), []);
  const effects = await actor.runTask();
  const expected = { type: "done", value: { accepted: 1, duplicates: 0 } };
  assert.deepEqual(TestActor.sentTo(effects, asker), [expected]);
  assert.ok(effects.some((one) => one.type === "publish" && one.topic === nodeEvents.name));
  await ingest(actor, [{ metric: "t", value: 21, atMs: WALL_MS + 1, sequence: 4 }]);

  actor.fireTimer("batch");
  const [command] = TestActor.sentTo(await actor.runTask(), publisher);
  assert.ok(command?.type === "publish");
  const [draft] = command.drafts;
  assert.equal(draft!.mediaType, READINGS_MEDIA_TYPE);
  assert.deepEqual(draft!.tags, ["sensor:attic"]);
  const decoded = decodeReadings(draft!.body);
  assert.deepEqual(decoded.ok && decoded.message.readings, [
    { metric: "t", value: 20, atMs: WALL_MS, sequence: null },
    { metric: "t", value: 21, atMs: WALL_MS + 1, sequence: 4 },
  ]);
  actor.tell({ type: "published", request: 1, outcome: { type: "done", value: [] } });
  await actor.runTask();
  assert.deepEqual(await store.readings.waiting(9), []);
});

Deno.test("readings that come twice are acknowledged twice and counted once", async () => {
  const { actor } = await started();
  await added(actor);
  const reading = { metric: "t", value: 1, atMs: 5, sequence: 1 };
  await ingest(actor, [reading]);
  const again = await ingest(actor, [reading]);
  assert.deepEqual(again, { type: "done", value: { accepted: 0, duplicates: 1 } });
});

Deno.test("the same message again at another time is the same reading, when its counter and value are", async () => {
  const { store, actor } = await started();
  await added(actor);
  await ingest(actor, [{ metric: "t", value: 20, atMs: 1_000, sequence: 7 }]);
  const again = await ingest(actor, [{ metric: "t", value: 20, atMs: 4_000, sequence: 7 }]);
  assert.deepEqual(again, { type: "done", value: { accepted: 0, duplicates: 1 } });
  // A sensor that has started anew counts from the beginning; one without a counter measures the same twice.
  for (const reading of [{ value: 21, sequence: 7 }, { value: 21, sequence: 0 }, { value: 21 }]) {
    const next = await ingest(actor, [{ metric: "t", atMs: 5_000, ...reading }]);
    assert.deepEqual(next, { type: "done", value: { accepted: 1, duplicates: 0 } });
  }
  await ingest(actor, [{ metric: "t", value: 21, atMs: 6_000 }]);
  assert.equal((await store.readings.summaries())[0]!.readings, 5);
});

Deno.test("what was not in a block when the power failed goes into one after the restart", async () => {
  const { store, actor } = await started();
  await added(actor);
  await ingest(actor, [{ metric: "t", value: 1, atMs: 5 }]);
  const again = await started(store);
  again.actor.fireTimer("batch");
  const [command] = TestActor.sentTo(await again.actor.runTask(), publisher);
  assert.ok(command?.type === "publish");
  // The same request as before the crash has the same key: the publisher then gives the same answer.
  actor.fireTimer("batch");
  const [before] = TestActor.sentTo(await actor.runTask(), publisher);
  assert.ok(before?.type === "publish");
  assert.equal(command.idempotencyKey, before.idempotencyKey);
});

Deno.test("when the publisher refuses, the readings wait and are tried again", async () => {
  const { store, actor } = await started();
  await added(actor);
  await ingest(actor, [{ metric: "t", value: 1, atMs: 5 }]);
  actor.fireTimer("batch");
  await actor.runTask();
  const refusal = { type: "refused", reason: "unavailable", message: "disk full" } as const;
  actor.tell({ type: "published", request: 1, outcome: refusal });
  assert.equal(actor.timers().get("batch"), 60_000);
  assert.equal((await store.readings.waiting(9)).length, 1);
  actor.fireTimer("batch");
  assert.equal(TestActor.sentTo(await actor.runTask(), publisher).length, 1);
});

Deno.test("passwords are told once, kept as hashes, and worthless after a revocation", async () => {
  const { store, actor } = await started();
  const password = await added(actor);
  assert.match(password, /^[a-z2-7]{26}$/);
  const kept = JSON.stringify(await store.settings.entries("sensor/"));
  assert.ok(!kept.includes(password));
  const { passwordHash } = (await store.settings.get("sensor/attic")) as { passwordHash: string };
  assert.ok(checkPassword(password, passwordHash));
  assert.ok(!checkPassword("other", passwordHash) && !checkPassword(password, "no hash"));
  actor.tell({ type: "revokeSensor", sensor: "attic", replyTo: testRef<Outcome<null>>("r") });
  await actor.runTask();
  const refused = await ingest(actor, [{ metric: "t", value: 1 }]);
  assert.ok(refused.type === "refused" && refused.reason === "notPermitted");
  assert.notEqual(await added(actor), password);
});

Deno.test("strangers, bad names and values that are no numbers are refused with a reason", async () => {
  const { actor } = await started();
  const unknown = await ingest(actor, [{ metric: "t", value: 1 }]);
  assert.ok(unknown.type === "refused" && unknown.reason === "notFound");
  await added(actor);
  const bad: readonly (readonly NewReading[])[] = [
    [],
    [{ metric: "", value: 1 }],
    [{ metric: "t", value: NaN }],
    [{ metric: "t", value: Infinity }],
    [{ metric: "t", value: 1, atMs: -1 }],
    [{ metric: "t", value: 1, sequence: 0.5 }],
    Array.from({ length: 2_001 }, () => ({ metric: "t", value: 1 })),
  ];
  for (const readings of bad) {
    const refused = await ingest(actor, readings);
    assert.ok(refused.type === "refused" && refused.reason === "invalid");
  }
  for (const sensor of ["", "Attic", "a b", "x".repeat(49), "attic"]) {
    const effects = actor.tell({ type: "addSensor", sensor, displayName: "", replyTo: maker });
    assert.equal(TestActor.sentTo(effects, maker)[0]?.type, "refused", sensor);
  }
});

Deno.test("a message over MQTT is acknowledged to the broker after it is durable, garbage is rejected", async () => {
  const { store, actor } = await started();
  await added(actor);
  const said: string[] = [];
  const message = (subject: string, text: string) => ({
    subject,
    bytes: new TextEncoder().encode(text),
    delivery: 1,
    keptAtMs: WALL_MS,
    acknowledge: () => said.push("acknowledged"),
    reject: (reason: string) => said.push(reason),
  });
  actor.tell({ type: "messageKept", message: message("kiana.x.sensor.attic.t", "21.5") });
  assert.deepEqual(said, []);
  await actor.runTask();
  assert.deepEqual(said, ["acknowledged"]);
  actor.tell({
    type: "messageKept",
    message: message("kiana.x.sensor.attic", '{"h": 4, "seq": 1}'),
  });
  await actor.runTask();
  assert.deepEqual((await store.readings.summaries()).map(({ metric }) => metric), ["h", "t"]);
  for (
    const [subject, text] of [
      ["kiana.x.sensor.attic.t", "warm"],
      ["kiana.x.sensor.cellar.t", "1"],
      ["kiana.x.sensor.attic.a.b.c", "1"],
      ["nonsense", "1"],
    ] as const
  ) {
    said.length = 0;
    actor.tell({ type: "messageKept", message: message(subject, text) });
    assert.equal(said.length, 1);
    assert.notEqual(said[0], "acknowledged", subject);
  }
});

Deno.test("a disk that fails is told to the view, and the broker is not told anything", async () => {
  const { actor } = await started();
  await added(actor);
  actor.tell({
    type: "ingest",
    sensor: "attic",
    readings: [{ metric: "t", value: 1 }],
    replyTo: asker,
  });
  const effects = actor.settleTask({ ok: false, error: new Error("disk full") });
  const [answer] = TestActor.sentTo(effects, asker);
  assert.ok(answer?.type === "refused" && answer.message.includes("disk full"));
});

Deno.test("readings in the blocks of another device can be asked for under its name", async () => {
  const { store, actor } = await started();
  const other = testSigner(2);
  const author = deviceIdOf(other.publicKey);
  const block = testBlock(other, {
    mesh,
    topic: "sensors",
    mediaType: READINGS_MEDIA_TYPE,
    payload: encodeReadings("attic", [{ metric: "t", value: 4, atMs: 9, sequence: null }]),
  });
  actor.publish(blocksCommitted, {
    blocks: [{ block, receivedFrom: author, completed: false }],
  });
  await actor.runTask();
  const [series] = await store.readings.summaries();
  assert.deepEqual(series, {
    sensor: `attic@${author.slice(0, 8)}`,
    metric: "t",
    readings: 1,
    lastAtMs: 9,
  });
  assert.deepEqual(await store.readings.waiting(9), []);
});
