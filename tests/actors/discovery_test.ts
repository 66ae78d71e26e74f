import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { DiscoveryCommand } from "../../actors/discovery/commands.ts";
import { discovery, meshTagOf } from "../../actors/discovery/discovery.ts";
import { testActor } from "../../actors/kernel/testkit.ts";
import type { Announcement, Discovery, DiscoveryEvent } from "../../platform/discovery.ts";
import type { DeviceId, MeshId } from "../../protocols/ids.ts";
import type { Registry } from "../../protocols/registry/registry.ts";
import { announcement } from "../protocols/discovery/shared_wire.ts";

const self = announcement("Self", { meshTag: "" });
const peer = { ...announcement("Peer"), addresses: ["http://10.0.0.2:7464"] };
const mesh = "ab".repeat(32) as MeshId;

/** A Discovery that records what it is told and says what the test wants. */
function scripted(first: readonly DiscoveryEvent[] = []) {
  const calls: (string | Announcement)[] = [];
  const port: Discovery = {
    start(announced, onEvent) {
      calls.push("start", announced);
      first.forEach(onEvent);
      return {
        update: (changed) => void calls.push("update", changed),
        refresh: () => void calls.push("refresh"),
        stop: () => {
          calls.push("stop");
          return Promise.resolve();
        },
      };
    },
  };
  return { port, calls };
}

const crypto = {
  sha256(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
    const hash = createHash("sha256");
    for (const part of parts) hash.update(part);
    return Uint8Array.from(hash.digest());
  },
};

function started(first: readonly DiscoveryEvent[] = []) {
  const script = scripted(first);
  const actor = testActor(discovery({ discovery: script.port, crypto, self: () => self }));
  const effects = [...actor.takeEffects()];
  return {
    calls: script.calls,
    actor: {
      receive: (command: DiscoveryCommand) => void effects.push(...actor.tell(command)),
      runInlets: () => void effects.push(...actor.runInlets()),
      takeEffects: () => effects.splice(0),
      stop: () => actor.release(),
    },
  };
}

function registry(change: { revoked?: boolean } = {}): Registry {
  const member = { deviceId: self.deviceId as DeviceId, role: "owner", revoked: false, ...change };
  return {
    mesh,
    founder: member.deviceId,
    members: new Map([[member.deviceId, member]]),
    heads: [],
  } as unknown as Registry;
}

Deno.test("discovery announces this device without a mesh as soon as it starts", () => {
  const { calls, actor } = started();
  assert.deepEqual(calls, ["start", { ...self, meshTag: "" }]);
  assert.deepEqual(actor.takeEffects(), [{ type: "subscribe", topic: "membershipChanged" }]);
});

Deno.test("discovery publishes who is sighted and who is gone", () => {
  const { actor } = started();
  actor.takeEffects();
  actor.receive({ type: "heard", event: { type: "sighted", sighting: peer } });
  const deviceId = peer.deviceId;
  assert.deepEqual(actor.takeEffects(), [
    {
      type: "publish",
      topic: "peerPresence",
      event: { type: "sighted", deviceId, sighting: peer },
    },
    {
      type: "publish",
      topic: "nodeEvents",
      event: {
        type: "peerSighted",
        deviceId,
        displayName: peer.displayName,
        addresses: peer.addresses,
      },
    },
  ]);
  actor.receive({ type: "heard", event: { type: "gone", deviceId, reason: "goodbye" } });
  assert.deepEqual(actor.takeEffects(), [
    { type: "publish", topic: "peerPresence", event: { type: "gone", deviceId } },
    {
      type: "publish",
      topic: "nodeEvents",
      event: { type: "peerGone", deviceId, reason: "goodbye" },
    },
  ]);
});

Deno.test("discovery says nothing of strangers that go without having come, of itself, and of malformed ids", () => {
  const { actor } = started();
  actor.takeEffects();
  const gone = { type: "gone", deviceId: peer.deviceId, reason: "expired" } as const;
  actor.receive({ type: "heard", event: gone });
  const echo = { ...peer, deviceId: self.deviceId };
  actor.receive({ type: "heard", event: { type: "sighted", sighting: echo } });
  const malformed = { ...peer, deviceId: "me" };
  actor.receive({ type: "heard", event: { type: "sighted", sighting: malformed } });
  assert.deepEqual(actor.takeEffects(), []);
});

Deno.test("discovery tells why there is no multicast, also when the port says so while it starts", () => {
  const event = { type: "availability", multicast: false, interfaces: [], reason: "off" } as const;
  const { actor } = started([event]);
  actor.runInlets();
  assert.deepEqual(actor.takeEffects().at(-1), {
    type: "publish",
    topic: "nodeEvents",
    event: { type: "discoveryAvailability", multicast: false, reason: "off" },
  });
});

Deno.test("discovery announces the tag of the mesh and the role while this device is a member", () => {
  const { actor, calls } = started();
  calls.length = 0;
  actor.receive({ type: "membershipChanged", event: { registry: registry() } });
  // printf 'kiana mesh tag' + 32 × 0xab | sha256sum
  const meshTag = "0d190172";
  assert.equal(meshTagOf(crypto, mesh), meshTag);
  assert.deepEqual(calls, ["update", { ...self, role: "owner", meshTag }]);
  actor.receive({ type: "membershipChanged", event: { registry: registry() } });
  assert.equal(calls.length, 2, "nothing changed");
  actor.receive({ type: "membershipChanged", event: { registry: registry({ revoked: true }) } });
  const last = calls.at(-1);
  assert(typeof last === "object" && last.meshTag === "");
});

Deno.test("discovery passes on the wish to ask again and says goodbye when it ends", () => {
  const { actor, calls } = started();
  calls.length = 0;
  actor.receive({ type: "refresh" });
  actor.stop();
  assert.deepEqual(calls, ["refresh", "stop"]);
});
