/** Sessions between a few nodes in virtual time. */
import assert from "node:assert/strict";
import type { SessionSummary } from "../../../actors/sessions/commands.ts";
import { STRANGERS_MAX } from "../../../actors/sessions/strangers.ts";
import { beginAsInitiator, continueHandshake } from "../../../protocols/session/handshake.ts";
import { nodeCrypto } from "../../../platform/node_crypto.ts";
import { labelledRandom, testDevice } from "../../protocols/session/support.ts";
import { MESH, registryOf, startNode, TestNetwork, type TestNode, TestTime } from "./world.ts";

const body = (number: number, bytes = 100) => {
  const out = new Uint8Array(bytes);
  new DataView(out.buffer).setUint32(0, number);
  return out;
};
const numbers = (node: TestNode) =>
  node.received.map(({ body }) => new DataView(body.buffer, body.byteOffset).getUint32(0));

async function pair(change: (net: TestNetwork) => void = () => {}) {
  const time = new TestTime();
  const net = new TestNetwork(time);
  change(net);
  const a = startNode(net, "anna");
  const b = startNode(net, "ben");
  const registry = registryOf([a.device.id, b.device.id]);
  for (const node of [a, b]) node.join(registry);
  await time.run(1);
  return { time, net, a, b, registry, stop: () => Promise.all([a.system.stop(), b.system.stop()]) };
}

async function connected(change?: (net: TestNetwork) => void) {
  const world = await pair(change);
  world.a.sight(world.b);
  world.b.sight(world.a);
  await world.time.run(3_000);
  assert.deepEqual(up(world.a), [world.b.device.id]);
  assert.deepEqual(up(world.b), [world.a.device.id]);
  return world;
}

/** Peers that are up, after every event so far. */
function up(node: TestNode): readonly string[] {
  const peers = new Set<string>();
  for (const event of node.sessionEvents) {
    if (event.type === "up") peers.add(event.deviceId);
    else peers.delete(event.deviceId);
  }
  return [...peers];
}

async function summaries(node: TestNode, time: TestTime): Promise<readonly SessionSummary[]> {
  const asked = node.system.ask<
    Parameters<typeof node.system.tell>[1] & never,
    readonly SessionSummary[]
  >(
    node.sessions as never,
    (replyTo) => ({ type: "listPeers", replyTo }) as never,
    1_000,
  );
  await time.run(5);
  const outcome = await asked;
  assert.ok(outcome.type === "answered");
  return outcome.value;
}

for (const confidential of [false, true]) {
  Deno.test(`sessions connect two members that see each other, ${confidential ? "leaving secrecy to the path" : "encrypting the path"}`, async () => {
    const { a, b, time, net, stop } = await connected((net) => net.confidential = confidential);
    a.send(b, body(1));
    b.send(a, body(2, 200_000));
    await time.run(1_000);
    assert.deepEqual([numbers(a), numbers(b)], [[2], [1]]);
    assert.equal(net.open, 1);
    const needle = body(1).toHex();
    assert.equal(net.frames.some((frame) => frame.toHex().includes(needle)), confidential);
    const [summary] = await summaries(a, time);
    assert.ok(summary !== undefined);
    assert.equal(summary.state, "up");
    assert.equal(summary.path, "simulated");
    assert.equal(summary.roundTripMs, 2 * net.latencyMs);
    assert.ok(summary.bytesReceived > 200_000);
    await stop();
  });
}

Deno.test("sessions open only one path, because the device with the smaller id dials", async () => {
  const { net, stop } = await connected();
  assert.equal(net.dials, 1);
  await stop();
});

Deno.test("sessions keep one and the same path when both ends dial at once", async () => {
  const { a, b, net, time, stop } = await pair();
  a.sight(b);
  b.sight(a);
  await time.run(5);
  for (const [node, other] of [[a, b], [b, a]] as const) {
    node.system.tell(node.sessions, { type: "connectNow", deviceId: other.device.id });
  }
  // The one that waits is told to dial as well.
  await time.run(3_000);
  assert.ok(net.dials >= 1);
  assert.equal(net.open, 1);
  a.send(b, body(7));
  await time.run(100);
  assert.deepEqual(numbers(b), [7]);
  await stop();
});

Deno.test("sessions survive simultaneous opens at every possible offset", async () => {
  for (let offsetMs = 0; offsetMs <= 40; offsetMs += 1) {
    const { a, b, net, time, stop } = await pair();
    const [smaller, larger] = a.device.id < b.device.id ? [a, b] : [b, a];
    larger.sight(smaller);
    await time.run(1_500 + offsetMs);
    smaller.sight(larger);
    await time.run(2_000);
    assert.deepEqual([up(a).length, up(b).length], [1, 1], `offset ${offsetMs}`);
    assert.equal(net.open, 1, `offset ${offsetMs}`);
    // Agreed at the first try: nothing went up and down again.
    assert.deepEqual(
      [a.sessionEvents.length, b.sessionEvents.length],
      [1, 1],
      `offset ${offsetMs}`,
    );
    a.send(b, body(1));
    b.send(a, body(2));
    await time.run(50);
    assert.deepEqual([numbers(a), numbers(b)], [[2], [1]], `offset ${offsetMs}`);
    await stop();
  }
});

Deno.test("sessions resume after a broken path without losing or repeating a message", async () => {
  const { a, b, net, time, stop } = await connected();
  let sent = 0;
  for (let round = 0; round < 10; round++) {
    for (let count = 0; count < 20; count++) {
      if (up(a).length === 1) a.send(b, body(++sent, 5_000));
    }
    await time.run(3);
    net.break();
    await time.run(15_000);
  }
  await time.run(10_000);
  assert.deepEqual(numbers(b), Array.from({ length: sent }, (_, index) => index + 1));
  assert.ok(sent >= 200);
  assert.ok(a.sessionEvents.slice(1).every((event) => event.type === "down" || event.resumed));
  await stop();
});

Deno.test("sessions keep what is said between two paths, and declare a reset when it waited too long", async () => {
  const { a, b, net, time, stop } = await connected();
  net.down.add("anna").add("ben");
  net.break();
  a.send(b, body(1));
  await time.run(2_000);
  a.send(b, body(2));
  net.down.clear();
  await time.run(20_000);
  assert.deepEqual(numbers(b), [1, 2]);
  net.down.add("anna").add("ben");
  net.break();
  a.send(b, body(3));
  await time.run(70_000);
  net.down.clear();
  await time.run(40_000);
  assert.deepEqual(numbers(b), [1, 2]);
  const last = a.sessionEvents.at(-1);
  assert.ok(last?.type === "up" && !last.resumed);
  await stop();
});

Deno.test("sessions notice a silent path within four seconds and a heartbeat, and come back", async () => {
  const { a, b, net, time, stop } = await connected();
  const cutAtMs = time.nowMs;
  net.down.add(a.address).add(b.address);
  net.cut();
  while (up(a).length === 1) await time.run(50);
  assert.ok(time.nowMs - cutAtMs <= 5_100, `${time.nowMs - cutAtMs} ms`);
  assert.ok(time.nowMs - cutAtMs >= 3_000);
  const [gone] = a.events.filter((event) => event.type === "sessionDown");
  assert.match(gone?.reason ?? "", /nothing heard/);
  net.down.clear();
  await time.run(5_000);
  assert.deepEqual([up(a), up(b)], [[b.device.id], [a.device.id]]);
  assert.equal(
    (await summaries(a, time))[0]?.lastProblem,
    null,
    "what is mended is no problem any more",
  );
  await stop();
});

Deno.test("sessions say not resumed when the other node has restarted", async () => {
  const { a, b, net, time, registry } = await connected();
  await b.system.stop();
  await time.run(100);
  const again = startNode(net, "ben", "ben restarted");
  again.join(registry);
  again.sight(a);
  await time.run(15_000);
  assert.deepEqual(up(a), [b.device.id]);
  const last = a.sessionEvents.at(-1);
  assert.ok(last?.type === "up" && !last.resumed);
  again.send(a, body(5));
  a.send(again, body(6));
  await time.run(100);
  assert.deepEqual([numbers(a), numbers(again)], [[5], [6]]);
  await Promise.all([a.system.stop(), again.system.stop()]);
});

Deno.test("sessions end at once when the peer is revoked, and do not come back", async () => {
  const { a, b, net, time, stop } = await connected();
  a.join(registryOf([a.device.id, b.device.id], [b.device.id]));
  await time.run(10);
  assert.deepEqual(up(a), []);
  await time.run(60_000);
  assert.deepEqual(up(a), []);
  assert.deepEqual(up(b), []);
  assert.equal(net.open, 0);
  await stop();
});

Deno.test("sessions never answer a stranger with more than a one-time key", async () => {
  const { a, net, time, stop } = await pair();
  const mallory = testDevice("mallory");
  const path = net.knock("anna");
  const answers: Uint8Array[] = [];
  let closed = "";
  path.listen((event) => {
    if (event.type === "frame") answers.push(event.frame);
    if (event.type === "closed") closed = event.reason;
  });
  const options = {
    crypto: nodeCrypto(),
    signer: mallory.signer,
    random: labelledRandom("mallory"),
    mesh: MESH,
    binding: path.binding,
    isAdmitted: () => true,
    expected: null,
  };
  const begun = beginAsInitiator(options);
  path.send(begun.send);
  await time.run(10);
  const step = continueHandshake(begun.state, answers[0]!, options);
  assert.ok(step.type === "continue");
  path.send(step.send);
  await time.run(10);
  assert.equal(answers.length, 1);
  assert.equal(closed, "closed");
  assert.deepEqual(up(a), []);
  await stop();
});

Deno.test("sessions turn away more strangers than they can handle and forget silent ones", async () => {
  const { net, time, a, b, stop } = await pair();
  const paths = Array.from({ length: STRANGERS_MAX + 5 }, () => net.knock("anna"));
  let closed = 0;
  for (const path of paths) path.listen((event) => event.type === "closed" && (closed += 1));
  await time.run(10);
  assert.equal(closed, 5);
  await time.run(5_010);
  assert.equal(closed, STRANGERS_MAX + 5);
  a.sight(b);
  b.sight(a);
  await time.run(3_000);
  assert.deepEqual(up(a), [b.device.id]);
  await stop();
});

Deno.test("sessions close after too many strikes and keep the peer out for a while", async () => {
  const { a, b, time, stop } = await connected();
  for (let count = 0; count < 10; count++) a.send(b, Uint8Array.of(0xff));
  await time.run(100);
  assert.deepEqual(up(b), []);
  await time.run(30_000);
  assert.deepEqual(up(b), []);
  await time.run(90_000);
  assert.deepEqual(up(b), [a.device.id]);
  await stop();
});

Deno.test("sessions end one whose peer reads nothing, with bounded memory", async () => {
  const { a, b, net, time, stop } = await connected();
  for (const path of net.paths) net.stuck.add(path);
  net.down.add(a.address).add(b.address);
  for (let count = 0; count < 100; count++) a.send(b, body(count, 400_000));
  await time.run(10);
  const [summary] = await summaries(a, time);
  assert.ok(summary !== undefined);
  assert.ok(summary.bytesSent < 1_000_000);
  await time.run(25_000);
  assert.ok(a.events.some((event) => event.type === "sessionDown"));
  await stop();
});

Deno.test("sessions retry with growing waits while nobody is there, and at once when asked", async () => {
  const { a, b, net, time, stop } = await pair((net) => net.down.add("ben"));
  a.sight(b);
  await time.run(120_000);
  const dials = net.dials;
  // 100 ms doubling to 30 s: about 13 attempts in two minutes.
  assert.ok(dials >= 8 && dials <= 20, `${dials} dials`);
  net.down.clear();
  a.system.tell(a.sessions, { type: "connectNow", deviceId: b.device.id });
  await time.run(500);
  assert.deepEqual(up(a), [b.device.id]);
  await stop();
});

Deno.test("sessions say again that a peer is up to whoever asks for it, having missed that", async () => {
  const { a, b, net, time, stop } = await connected();
  const { dials } = net;
  const events = a.sessionEvents.length;
  a.system.tell(a.sessions, { type: "connectNow", deviceId: b.device.id });
  await time.run(5_000);
  assert.deepEqual(a.sessionEvents.slice(events), [
    { type: "up", deviceId: b.device.id, resumed: true },
  ]);
  assert.equal(net.dials, dials);
  await stop();
});

Deno.test("sessions dial a peer at once when others have heard of it again, and leave the dead alone", async () => {
  const { a, b, net, time, stop } = await pair((net) => net.down.add("ben"));
  a.sight(b);
  await time.run(120_000);
  net.down.clear();
  const { dials } = net;
  const hear = async (state: "dead" | "alive", incarnation: number) => {
    const event = { deviceId: b.device.id, state, incarnation };
    a.system.tell(a.sessions, { type: "livenessChanged", event });
    await time.run(100);
  };
  await hear("dead", 1);
  assert.equal(net.dials, dials);
  await hear("alive", 2);
  assert.deepEqual(up(a), [b.device.id]);
  await stop();
});

Deno.test("sessions find out who is at a static address, and refuse what is no address", async () => {
  const { a, b, net, time, stop } = await pair();
  const asked = (address: string) =>
    a.system.ask<never, unknown>(
      a.sessions as never,
      (replyTo) => ({ type: "addStaticPeer", address, replyTo }) as never,
      1_000,
    );
  const refused = asked("ftp://x:1");
  const done = asked("http://ben:1");
  await time.run(10);
  assert.equal(((await refused) as { value: { type: string } }).value.type, "refused");
  assert.equal(((await done) as { value: { type: string } }).value.type, "done");
  // This network knows names, not URLs: the address leads nowhere, and is tried again slowly.
  await time.run(1_000);
  assert.ok(net.dials >= 1);
  assert.deepEqual(up(a), []);
  await stop();
  const second = await pair();
  const c = startNode(second.net, "http://carl:1");
  const registry = registryOf([second.a.device.id, second.b.device.id, c.device.id]);
  for (const node of [second.a, second.b, c]) node.join(registry);
  await second.time.run(10);
  void second.a.system.ask<never, unknown>(
    second.a.sessions as never,
    (replyTo) => ({ type: "addStaticPeer", address: "http://carl:1", replyTo }) as never,
    1_000,
  );
  await second.time.run(1_000);
  assert.deepEqual(up(second.a), [c.device.id]);
  assert.deepEqual(up(c), [second.a.device.id]);
  await second.stop();
  await c.system.stop();
  assert.equal(b.received.length, 0);
});

Deno.test("sessions keep the path in use when a static address turns out to be of the same device", async () => {
  const { a, time, net, stop } = await pair();
  const c = startNode(net, "http://carl:1");
  const registry = registryOf([a.device.id, c.device.id]);
  for (const node of [a, c]) node.join(registry);
  await time.run(10);
  a.sight(c);
  c.sight(a);
  await time.run(3_000);
  const ups = () =>
    [a, c].map(({ events }) => events.filter(({ type }) => type === "sessionUp").length);
  assert.deepEqual(ups(), [1, 1]);
  const [inUse] = net.paths.filter((path) => !path.closed);
  const dials = net.dials;
  void a.system.ask<never, unknown>(
    a.sessions as never,
    (replyTo) => ({ type: "addStaticPeer", address: "http://carl:1", replyTo }) as never,
    1_000,
  );
  await time.run(3_000);
  assert.ok(net.dials > dials, "who is there is only known by asking");
  assert.deepEqual(ups(), [1, 1]);
  assert.equal(net.open, 1);
  assert.equal(inUse?.closed, false);
  await stop();
  await c.system.stop();
});

Deno.test("sessions give the same trace for the same seed", async () => {
  const trace = async () => {
    const { a, b, net, time, stop } = await connected();
    a.send(b, body(1, 50_000));
    await time.run(50);
    net.break();
    await time.run(10_000);
    await stop();
    return net.frames.map((frame) => frame.toHex()).join("|");
  };
  assert.equal(await trace(), await trace());
});
