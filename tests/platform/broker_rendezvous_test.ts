/** Requests over a broker, and requests that go by the scheme of their address. */
import assert from "node:assert/strict";
import { type BrokerRendezvous, brokerRendezvous } from "../../platform/broker_rendezvous.ts";
import { rendezvousRouter } from "../../platform/rendezvous_router.ts";
import {
  type Rendezvous,
  RENDEZVOUS_BYTES_MAX,
  type RendezvousReply,
  type RendezvousRequest,
} from "../../platform/transport.ts";
import { signalSubject } from "../../protocols/bridge/subjects.ts";
import { type BrokerDevice, BrokerWorld, OTHER_MESH } from "./broker_support.ts";

interface Pair {
  readonly world: BrokerWorld;
  readonly a: BrokerDevice;
  readonly b: BrokerDevice;
  readonly asking: BrokerRendezvous;
  readonly serving: BrokerRendezvous;
}

async function pair(): Promise<Pair> {
  const world = new BrokerWorld();
  const [a, b] = [await world.device("a"), await world.device("b")];
  const asking = brokerRendezvous({ mesh: a.mesh, clock: world.clock });
  const serving = brokerRendezvous({ mesh: b.mesh, clock: world.clock });
  await world.clock.advance(10);
  return { world, a, b, asking, serving };
}

async function ask(
  { world, b }: Pair,
  rendezvous: Rendezvous,
  change: Partial<Parameters<Rendezvous["request"]>[0]> = {},
): Promise<RendezvousReply> {
  let reply: RendezvousReply | undefined;
  rendezvous.request({
    address: `nats:${b.deviceId}`,
    channel: "signal",
    body: Uint8Array.of(1, 2, 3),
    timeoutMs: 2_000,
    ...change,
  }, (got) => reply = got);
  await world.clock.advance(2_100);
  assert.ok(reply !== undefined, "no reply");
  return reply;
}

Deno.test("a signal goes to the device and its reply comes back, up to the largest", async () => {
  const all = await pair();
  const from: string[] = [];
  all.serving.serve("signal", (request) => {
    from.push(request.from);
    request.reply(request.body.slice().reverse());
    request.reply(Uint8Array.of(9));
  });
  assert.deepEqual(await ask(all, all.asking), { type: "reply", body: Uint8Array.of(3, 2, 1) });
  assert.equal(all.b.mesh.traffic().messagesSent, 1, "the second answer is not sent");
  const body = new Uint8Array(RENDEZVOUS_BYTES_MAX).fill(7);
  assert.deepEqual(await ask(all, all.asking, { body }), { type: "reply", body });
  assert.deepEqual(await ask(all, all.asking, { body: new Uint8Array(0) }), {
    type: "reply",
    body: new Uint8Array(0),
  });
  assert.deepEqual([...new Set(from)], [`nats:${all.a.deviceId}`]);
  const large = await ask(all, all.asking, { body: new Uint8Array(RENDEZVOUS_BYTES_MAX + 1) });
  assert.equal(large.type, "failed");
  await all.world.close();
});

Deno.test("a refusal carries its reason; nobody, no handler and no answer are told apart", async () => {
  const all = await pair();
  assert.equal((await ask(all, all.asking)).type, "refused");
  const stop = all.serving.serve("signal", (request) => request.refuse("Not accepted"));
  assert.deepEqual(await ask(all, all.asking), { type: "refused", reason: "Not accepted" });
  stop();
  assert.equal((await ask(all, all.asking)).type, "refused");
  all.serving.serve("signal", () => {});
  assert.equal((await ask(all, all.asking)).type, "failed");
  const away = await ask(all, all.asking, { address: `nats:${"a".repeat(52)}` });
  assert.match(away.type === "failed" ? away.reason : "", /not connected/);
  await all.world.close();
});

Deno.test("pairing does not go over a broker, whoever asks", async () => {
  const all = await pair();
  all.serving.serve("pair", () => assert.fail("served"));
  const reply = await ask(all, all.asking, { channel: "pair" });
  assert.match(reply.type === "failed" ? reply.reason : "", /pairing/);
  await all.world.close();
});

Deno.test("requests that are not under the veil of our mesh are ignored and counted", async () => {
  const all = await pair();
  all.serving.serve("signal", () => assert.fail("served"));
  const foreign = await all.world.device("f", { mesh: OTHER_MESH });
  const subject = signalSubject(all.b.mesh.current()!.tag, all.b.deviceId);
  const { veil } = foreign.mesh.current()!;
  for (
    const bytes of [
      new Uint8Array(100),
      veil.cover("signal", all.b.deviceId, new Uint8Array(40).fill(1)),
      all.a.mesh.current()!.veil.cover("signal", all.b.deviceId, new Uint8Array(10)),
    ]
  ) foreign.mesh.broker.publish(subject, bytes, "some.where");
  await all.world.clock.advance(10);
  assert.equal(all.serving.ignored(), 3);
  await all.world.close();
});

Deno.test("one member cannot make us read without end", async () => {
  const all = await pair();
  let served = 0;
  all.serving.serve("signal", () => void served++);
  for (let i = 0; i < 2_000; i++) {
    all.asking.request({
      address: `nats:${all.b.deviceId}`,
      channel: "signal",
      body: new Uint8Array(1),
      timeoutMs: 1_000,
    }, () => {});
  }
  await all.world.clock.advance(10);
  assert.ok(served <= 500, `${served} were served`);
  assert.equal(served + all.serving.ignored(), 2_000);
  await all.world.close();
});

Deno.test("the router asks by scheme, serves everywhere, and says what it cannot reach", async () => {
  const all = await pair();
  const handlers: ((request: RendezvousRequest) => void)[] = [];
  const http: Rendezvous = {
    request({ body }, onReply) {
      return all.world.clock.schedule(0, () => onReply({ type: "reply", body }));
    },
    serve(_channel, handler) {
      handlers.push(handler);
      return () => void handlers.pop();
    },
  };
  const schedule = all.world.clock.schedule.bind(all.world.clock);
  const asking = rendezvousRouter({ http, nats: all.asking }, schedule);
  const serving = rendezvousRouter({ http, nats: all.serving }, schedule);
  const stop = serving.serve("signal", (request) => request.reply(Uint8Array.of(5)));
  assert.equal(handlers.length, 1);
  assert.deepEqual(await ask(all, asking), { type: "reply", body: Uint8Array.of(5) });
  assert.deepEqual(await ask(all, asking, { address: "http://10.0.0.1:7464" }), {
    type: "reply",
    body: Uint8Array.of(1, 2, 3),
  });
  for (const address of ["ftp://x", "", "constructor:x"]) {
    assert.equal((await ask(all, asking, { address })).type, "failed", address);
  }
  stop();
  assert.equal(handlers.length, 0);
  assert.equal((await ask(all, asking)).type, "refused");
  await all.world.close();
});
