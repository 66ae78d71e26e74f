/** Simulated brokers keep the promises of the port, on virtual time, over links that break. */
import assert from "node:assert/strict";
import type { Broker, BrokerReply, KeepOutcome, KeptMessage } from "../../platform/broker.ts";
import { INTERNET, LAN, Network } from "../../simulation/network.ts";
import { SimulatedBrokers } from "../../simulation/simulated_broker.ts";
import { World } from "../../simulation/world.ts";
import { brokerContract } from "../contracts/broker_contract.ts";

const utf8 = new TextEncoder();
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

// deno-lint-ignore require-await -- the fixture is asynchronous
brokerContract("simulated broker", async () => {
  const world = new World({ seed: 1 });
  const brokers = new SimulatedBrokers(new Network(world, { ...LAN, loss: 0 }));
  const server = brokers.addServer({ name: "hub", segment: "home" });
  let clients = 0;
  return {
    // deno-lint-ignore require-await -- the fixture is asynchronous
    async open() {
      const station = brokers.network.addStation(world.addDevice(`c${clients++}`));
      return brokers.client(station, [server]);
    },
    // deno-lint-ignore require-await -- the fixture is asynchronous
    stop: async () => server.crash(),
    // deno-lint-ignore require-await -- the fixture is asynchronous
    start: async () => server.start(),
    close: async () => {},
    settle: () => world.advance(15_000),
  };
});

/** A hub beyond the routers, a leaf in each of two homes, and a client of each leaf. */
async function twoHomes() {
  const world = new World({ seed: 7 });
  const network = new Network(world, { ...LAN, loss: 0 });
  network.homesApart = true;
  const brokers = new SimulatedBrokers(network);
  const hub = brokers.addServer({ name: "hub", segment: INTERNET });
  const homes = ["a", "b"].map((segment) => {
    const leaf = brokers.addServer({ name: `leaf-${segment}`, segment, uplink: hub });
    const station = network.addStation(world.addDevice(`client-${segment}`), segment);
    return { leaf, station, client: brokers.client(station, [leaf]) };
  });
  await world.advance(1_000);
  return { world, network, hub, a: homes[0]!, b: homes[1]! };
}

function heardBy(client: Broker, subject: string): string[] {
  const heard: string[] = [];
  client.subscribe(subject, ({ bytes }) => void heard.push(textOf(bytes)));
  return heard;
}

Deno.test("homes do not reach each other, their brokers pass messages on", async () => {
  const { world, network, a, b } = await twoHomes();
  assert.equal(network.reaches(a.station, b.station), false);
  assert.equal(network.reaches(a.leaf.station, b.leaf.station), false);
  const heard = heardBy(b.client, "x.>");
  await world.advance(100);
  for (let i = 0; i < 50; i++) a.client.publish("x.y", utf8.encode(String(i)));
  let reply: BrokerReply | undefined;
  a.client.request({ subject: "x.ask", bytes: utf8.encode("?"), timeoutMs: 500 }, (r) => reply = r);
  await world.advance(1_000);
  assert.deepEqual(heard, [...Array(50).keys().map(String), "?"]);
  assert.equal(reply?.type, "failed", "somebody listens and does not answer");
  a.client.request({ subject: "z", bytes: utf8.encode("?"), timeoutMs: 500 }, (r) => reply = r);
  await world.advance(100);
  assert.equal(reply?.type, "nobody");
});

Deno.test("a leaf link that is cut loses what is sent meanwhile, and works again when it is mended", async () => {
  const { world, network, hub, a, b } = await twoHomes();
  const heard = heardBy(b.client, "x");
  await world.advance(100);
  network.cut(a.leaf.station, hub.station);
  assert.equal(a.client.publish("x", utf8.encode("lost")), true);
  await world.advance(100);
  network.mend(a.leaf.station, hub.station);
  a.client.publish("x", utf8.encode("after"));
  await world.advance(100);
  assert.deepEqual(heard, ["after"]);
  assert.equal(a.client.state().type, "connected", "its own leaf never went away");
});

Deno.test("mail of one home is kept for the other, over crashes of every server, unless a disk is lost", async () => {
  const { world, network, hub, a, b } = await twoHomes();
  const keep = async (text: string): Promise<KeepOutcome | undefined> => {
    let outcome: KeepOutcome | undefined;
    a.client.keep(
      { subject: "mail.b", messageId: text, bytes: utf8.encode(text) },
      (o) => outcome = o,
    );
    await world.advance(1_000);
    return outcome;
  };
  assert.equal((await keep("one"))?.type, "kept");
  network.cut(a.leaf.station, hub.station);
  assert.equal((await keep("no way"))?.type, "failed");
  network.mend(a.leaf.station, hub.station);
  hub.crash();
  await world.advance(1_000);
  hub.start();
  a.leaf.crash();
  a.leaf.start();
  await world.advance(20_000);
  assert.equal((await keep("two"))?.type, "kept");
  const mail: KeptMessage[] = [];
  b.client.collect({ subject: "mail.b", name: "b" }, (message) => void mail.push(message));
  await world.advance(1_000);
  assert.deepEqual(mail.map(({ bytes }) => textOf(bytes)), ["one", "two"]);
  mail[0]!.acknowledge();
  // The keeper is another process now; whoever collects is asked for nothing.
  await world.advance(1_000);
  hub.crash();
  hub.start();
  await world.advance(1_000);
  assert.deepEqual(mail.slice(2).map(({ bytes }) => textOf(bytes)), ["two"]);
  hub.crash();
  hub.start({ loseDisk: true });
  await world.advance(60_000);
  assert.equal(mail.length, 3);
});

Deno.test("one seed gives one trace", async () => {
  const run = async () => {
    const { world, a, b } = await twoHomes();
    heardBy(b.client, "x");
    for (let i = 0; i < 20; i++) {
      a.client.publish("x", new Uint8Array(1_000));
      await world.advance(10);
    }
    return world.trace.digest();
  };
  assert.equal(await run(), await run());
});
