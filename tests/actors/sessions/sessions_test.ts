/** Sessions between two nodes in virtual time. */
import assert from "node:assert/strict";
import { body, connected, numbers, pair, summaries, up } from "./pair_support.ts";
import { registryOf, startNode } from "./world.ts";

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
