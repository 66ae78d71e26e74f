/** Presence over a broker, and sightings of several discoveries as one. */
import assert from "node:assert/strict";
import {
  type BrokerDiscovery,
  brokerDiscovery,
  PRESENCE_EXPIRY_MS,
} from "../../platform/broker_discovery.ts";
import { combinedDiscovery } from "../../platform/combined_discovery.ts";
import type {
  Announcement,
  Discovery,
  DiscoveryEvent,
  DiscoverySession,
  Sighting,
} from "../../platform/discovery.ts";
import { encodePresence, type Presence } from "../../protocols/bridge/presence.ts";
import { presenceSubject } from "../../protocols/bridge/subjects.ts";
import { type BrokerDevice, BrokerWorld, crypto, OTHER_MESH } from "./broker_support.ts";

class Listener {
  readonly events: DiscoveryEvent[] = [];
  readonly discovery: BrokerDiscovery;
  readonly session: DiscoverySession;
  readonly self: Announcement;

  constructor(world: BrokerWorld, readonly device: BrokerDevice, displayName: string) {
    this.self = {
      deviceId: device.deviceId,
      displayName,
      role: "submind",
      capabilities: ["sync"],
      meshTag: "0123abcd",
      protocolVersion: 1,
      port: 7464,
    };
    this.discovery = brokerDiscovery({
      mesh: device.mesh,
      clock: world.clock,
      random: device.random.fork("presence"),
      crypto,
      signer: device.signer,
      addresses: () => ["http://192.168.1.7:7464"],
      isAdmitted: (id) => world.admitted.has(id),
    });
    this.session = this.discovery.start(this.self, (event) => void this.events.push(event));
  }

  sightings(of: Listener): readonly Sighting[] {
    return this.events.flatMap((event) =>
      event.type === "sighted" && event.sighting.deviceId === of.self.deviceId
        ? [event.sighting]
        : []
    );
  }

  gone(): readonly string[] {
    return this.events.flatMap((event) => event.type === "gone" ? [event.reason] : []);
  }
}

async function two() {
  const world = new BrokerWorld();
  const first = new Listener(world, await world.device("a"), "First");
  const second = new Listener(world, await world.device("b"), "Second");
  await world.clock.advance(1_000);
  return { world, first, second };
}

Deno.test("members sight each other with all they announced, the broker first, once", async () => {
  const { world, first, second } = await two();
  for (const [one, other] of [[first, second], [second, first]] as const) {
    assert.deepEqual(one.sightings(other), [{
      ...other.self,
      addresses: [`nats:${other.self.deviceId}`, "http://192.168.1.7:7464"],
    }]);
    assert.equal(one.sightings(one).length, 0);
  }
  await world.clock.advance(300_000);
  assert.equal(first.sightings(second).length, 1, "repetitions are no news");
  assert.deepEqual(first.gone(), []);
  await world.close();
});

Deno.test("a change is sighted at once, a stop is told as goodbye, and it does not come back", async () => {
  const { world, first, second } = await two();
  second.session.update({ ...second.self, role: "owner" });
  await world.clock.advance(10);
  assert.equal(first.sightings(second).at(-1)?.role, "owner");
  await second.session.stop();
  await world.clock.advance(200_000);
  assert.deepEqual(first.gone(), ["goodbye"]);
  assert.equal(first.sightings(second).length, 2);
  await world.close();
});

Deno.test("a device that falls silent expires, and is sighted again when it is back", async () => {
  const { world, first, second } = await two();
  second.device.mesh.setMesh(null);
  await world.clock.advance(PRESENCE_EXPIRY_MS + 1_000);
  assert.deepEqual(first.gone(), ["expired"]);
  second.device.mesh.setMesh(first.device.mesh.current()!.mesh);
  await world.clock.advance(1_000);
  assert.equal(first.sightings(second).length, 2);
  await world.close();
});

Deno.test("a broker that was away is told again when it is back, without waiting for the interval", async () => {
  const { world, first } = await two();
  const third = await world.device("c");
  world.broker.stop();
  const late = new Listener(world, third, "Third");
  await world.clock.advance(5_000);
  assert.equal(first.sightings(late).length, 0);
  world.broker.start();
  await world.clock.advance(1_500);
  assert.equal(first.sightings(late).length, 1);
  assert.equal(late.sightings(first).length, 1);
  await world.close();
});

Deno.test("forged, replayed, foreign and strange presences are ignored", async () => {
  const { world, first, second } = await two();
  const { mesh, signer } = second.device;
  const { tag, veil } = mesh.current()!;
  const subject = presenceSubject(tag);
  const presence = (change: Partial<Presence>): Presence => ({
    kind: "here",
    asks: false,
    sequence: Number.MAX_SAFE_INTEGER,
    tag,
    self: { ...second.self, displayName: "Evil" },
    addresses: [],
    ...change,
  });
  const evil = await world.device("evil", { admitted: false });
  const foreign = await world.device("foreign", { mesh: OTHER_MESH });
  const otherTag = foreign.mesh.current()!.tag;
  const covered = (value: Presence, by = signer) =>
    veil.cover("presence", subject, encodePresence(value, by));
  const before = first.discovery.ignored();
  for (
    const bytes of [
      covered(presence({}), evil.signer),
      covered(presence({ sequence: 1 })),
      covered(presence({ kind: "goodbye", sequence: 1 })),
      covered(presence({ tag: otherTag })),
      covered(presence({ self: { ...second.self, deviceId: evil.deviceId } }), evil.signer),
      foreign.mesh.current()!.veil.cover("presence", subject, encodePresence(presence({}), signer)),
      encodePresence(presence({}), signer),
      new Uint8Array(500),
    ]
  ) evil.mesh.broker.publish(subject, bytes);
  await world.clock.advance(10);
  assert.equal(first.discovery.ignored() - before, 8);
  assert.equal(first.sightings(second).length, 1);
  assert.deepEqual(first.gone(), []);
  await world.close();
});

Deno.test("a presence that came before the news of an admission counts when the news is there", async () => {
  const world = new BrokerWorld();
  const first = new Listener(world, await world.device("a"), "First");
  const second = new Listener(world, await world.device("b", { admitted: false }), "Second");
  await world.clock.advance(1_000);
  assert.equal(first.sightings(second).length, 0);
  world.admitted.add(second.device.deviceId);
  first.discovery.membersChanged();
  await world.clock.advance(1_000);
  assert.equal(first.sightings(second).length, 1);
  await world.close();
});

Deno.test("many that come at once are answered once a second, not once each", async () => {
  const { world, first } = await two();
  const before = first.device.mesh.traffic().messagesSent;
  for (let i = 0; i < 20; i++) {
    new Listener(world, await world.device(`n${i}`), `N${i}`);
    await world.clock.advance(150);
  }
  // Some 3.2 s, in which somebody asked every 160 ms; and what we say by ourselves after a start.
  const answers = first.device.mesh.traffic().messagesSent - before;
  assert.ok(answers >= 3 && answers <= 6, `${answers} answers`);
  await world.close();
});

/** A discovery that says what the test wants. */
class Scripted implements Discovery {
  say: (event: DiscoveryEvent) => void = () => {};
  updates = 0;
  start(_self: Announcement, onEvent: (event: DiscoveryEvent) => void): DiscoverySession {
    this.say = onEvent;
    return {
      update: () => void this.updates++,
      refresh: () => {},
      stop: async () => {},
    };
  }
}

Deno.test("what several discoveries hear of one device is one sighting; it is gone when all lost it", async () => {
  const [lan, broker] = [new Scripted(), new Scripted()];
  const events: DiscoveryEvent[] = [];
  const self: Announcement = {
    deviceId: "a".repeat(52),
    displayName: "Self",
    role: "owner",
    capabilities: [],
    meshTag: "",
    protocolVersion: 1,
    port: 1,
  };
  const session = combinedDiscovery([lan, broker]).start(self, (event) => void events.push(event));
  const deviceId = "b".repeat(51) + "a";
  const sighting = (addresses: readonly string[]): DiscoveryEvent => ({
    type: "sighted",
    sighting: { ...self, deviceId, displayName: "Other", addresses },
  });
  const last = () => {
    const event = events.at(-1);
    return event?.type === "sighted" ? event.sighting.addresses : event?.type;
  };
  broker.say({ type: "availability", multicast: false, interfaces: [], reason: "broker" });
  assert.equal(events.length, 0);
  lan.say({ type: "availability", multicast: true, interfaces: ["eth0"], reason: "" });
  assert.equal(events.length, 1);
  broker.say(sighting(["nats:x", "http://1.1.1.1:1"]));
  assert.deepEqual(last(), ["nats:x", "http://1.1.1.1:1"]);
  lan.say(sighting(["http://1.1.1.1:1", "http://2.2.2.2:2"]));
  assert.deepEqual(last(), ["http://1.1.1.1:1", "http://2.2.2.2:2", "nats:x"]);
  const told = events.length;
  broker.say(sighting(["nats:x"]));
  assert.equal(events.length, told, "no news");
  lan.say({ type: "gone", deviceId, reason: "goodbye" });
  assert.deepEqual(last(), ["nats:x"]);
  broker.say({ type: "gone", deviceId, reason: "expired" });
  assert.equal(last(), "gone");
  broker.say({ type: "gone", deviceId, reason: "expired" });
  assert.equal(events.filter(({ type }) => type === "gone").length, 1);
  session.update(self);
  assert.equal(lan.updates + broker.updates, 2);
  await session.stop();
  lan.say(sighting(["http://3.3.3.3:3"]));
  assert.equal(last(), "gone");
});
