/** When a device dials, whom, and what becomes of addresses without a name. */
import assert from "node:assert/strict";
import { connected, pair, up } from "./pair_support.ts";
import { registryOf, startNode } from "./world.ts";

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
