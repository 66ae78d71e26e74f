/** The simulated network keeps the promises of its ports, and breaks what it may break. */
import assert from "node:assert/strict";
import type { Announcement, DiscoveryEvent } from "../../platform/discovery.ts";
import type { PathEvent, RendezvousReply } from "../../platform/transport.ts";
import { LAN, type LinkQuality, Network, type Station } from "../../simulation/network.ts";
import {
  type SimulatedDiscovery,
  simulatedDiscovery,
} from "../../simulation/simulated_discovery.ts";
import { connectStations } from "../../simulation/simulated_path.ts";
import {
  type SimulatedRendezvous,
  simulatedRendezvous,
} from "../../simulation/simulated_rendezvous.ts";
import {
  type SimulatedTransport,
  simulatedTransport,
} from "../../simulation/simulated_transport.ts";
import { World } from "../../simulation/world.ts";
import { transportContract } from "../contracts/transport_contract.ts";

function pairOfStations(seed = 1, quality: LinkQuality = LAN) {
  const world = new World({ seed });
  const network = new Network(world, quality);
  const a = network.addStation(world.addDevice("a"));
  const b = network.addStation(world.addDevice("b"));
  return { world, network, a, b };
}

function announcement(deviceId: string): Announcement {
  return {
    deviceId,
    displayName: deviceId,
    role: "submind",
    capabilities: [],
    meshTag: "",
    protocolVersion: 1,
    port: 7464,
  };
}

// deno-lint-ignore require-await -- the contract makes real ones too
transportContract("simulated", async () => {
  const { world, network, a, b } = pairOfStations();
  const made = new Map<Station, SimulatedTransport>();
  for (const station of [a, b]) {
    made.set(station, simulatedTransport(network, station, (at) => made.get(at)));
  }
  return {
    a: made.get(a)!,
    b: made.get(b)!,
    toB: { deviceId: "b", addresses: [`http://${b.host}:7464`] },
    toNobody: { deviceId: "c", addresses: ["http://10.9.9.9:7464"] },
    settle: () => world.advance(15_000),
    async close() {
      await made.get(a)!.close();
      await made.get(b)!.close();
    },
  };
});

Deno.test("a path delivers a prefix of what was sent, in order, and then closes, whatever breaks it", async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const { world, network, a, b } = pairOfStations(seed);
    const [here, there] = connectStations(network, [a, b]);
    const events: PathEvent[] = [];
    there.listen((event) => events.push(event));
    for (let i = 0; i < 50; i++) {
      here.send(Uint8Array.of(i));
      await world.advance(world.random.float() * 3);
      if (i === 25) seed % 2 === 0 ? network.cut(a, b) : network.partition([[a], [b]]);
      if (i === 30) network.heal();
    }
    await world.advance(20_000);
    const frames = events.flatMap((event) => event.type === "frame" ? [event.frame[0]] : []);
    assert.deepEqual(frames, [...frames.keys()]);
    assert.ok(frames.length <= 26);
    assert.equal(events.at(-1)?.type, "closed");
    assert.equal(events.filter((event) => event.type === "closed").length, 1);
  }
});

Deno.test("requests are lost, doubled and answered late, but each gets one reply at most", async () => {
  const bad = { ...LAN, loss: 0.3, duplication: 0.3 };
  const { world, network, a, b } = pairOfStations(3, bad);
  const made = new Map<Station, SimulatedRendezvous>();
  for (const station of [a, b]) {
    made.set(station, simulatedRendezvous(network, station, (at) => made.get(at)));
  }
  let served = 0;
  made.get(b)!.serve("pair", (request) => {
    served++;
    request.reply(request.body);
  });
  const replies: RendezvousReply[] = [];
  for (let i = 0; i < 200; i++) {
    made.get(a)!.request({
      address: `http://${b.host}:7464`,
      channel: "pair",
      body: Uint8Array.of(i),
      timeoutMs: 5_000,
    }, (reply) => replies.push(reply));
  }
  await world.advance(20_000);
  assert.equal(replies.length, 200);
  const answered = replies.filter(({ type }) => type === "reply").length;
  assert.ok(answered > 80 && answered < 160, `${answered} answered`);
  assert.ok(served > answered, `${served} served`);
});

Deno.test("discovery: seen in spite of loss, told once, gone by goodbye or by silence", async () => {
  const { world, network, a, b } = pairOfStations(4, { ...LAN, loss: 0.4, duplication: 0.4 });
  const made = new Map<Station, SimulatedDiscovery>();
  for (const station of [a, b]) {
    made.set(station, simulatedDiscovery(network, station, (at) => made.get(at)));
  }
  const heard: DiscoveryEvent[] = [];
  made.get(a)!.start(announcement("a"), (event) => heard.push(event));
  const session = made.get(b)!.start(announcement("b"), () => {});
  await world.advance(300_000);
  const sighted = heard.filter((event) => event.type === "sighted");
  assert.equal(sighted.length, 1);
  assert.deepEqual(sighted[0]!.sighting.addresses, [`http://${b.host}:7464`]);
  network.cut(a, b);
  await world.advance(200_000);
  assert.deepEqual(heard.at(-1), { type: "gone", deviceId: "b", reason: "expired" });
  network.heal();
  await world.advance(200_000);
  assert.equal(heard.at(-1)?.type, "sighted");
  await session.stop();
  // The one goodbye may be lost, as on a real network.
  await world.advance(200_000);
  assert.equal(heard.at(-1)?.type, "gone");
});

Deno.test("discovery: in a crowd questions and answers are shared, and everybody is seen all the same", async () => {
  const world = new World({ seed: "crowd" });
  const network = new Network(world, { ...LAN, loss: 0, duplication: 0 });
  const stations = Array.from(
    { length: 80 },
    (_, i) => network.addStation(world.addDevice(`d${i}`)),
  );
  const seen = stations.map(() => new Set<string>());
  const discoveries = new Map<unknown, SimulatedDiscovery>();
  for (const station of stations) {
    discoveries.set(
      station,
      simulatedDiscovery(network, station, (other) => discoveries.get(other)),
    );
  }
  stations.forEach((station, i) =>
    discoveries.get(station)!.start(announcement(`d${i}`), (event) => {
      if (event.type === "sighted") seen[i]!.add(event.sighting.deviceId);
    })
  );
  await world.advance(5_000);
  assert.ok(seen.every(({ size }) => size === 79));
  // Everybody announces itself to all, and says so once more to all who asked; an answer for each question would be 80 times as much.
  assert.ok(world.steps < 4 * 80 * 80, `${world.steps} steps`);
});
