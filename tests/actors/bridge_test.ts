/** The bridge actor: what people see of the broker, and how a home finds its own. */
import assert from "node:assert/strict";
import { bridge, type BridgeParts, LEARNED_SERVERS_MAX } from "../../actors/bridge/bridge.ts";
import type { BridgeCommand, BridgeView } from "../../actors/bridge/commands.ts";
import { peerPresence } from "../../actors/discovery/commands.ts";
import { testActor, testRef } from "../../actors/kernel/testkit.ts";
import { membershipChanged } from "../../actors/members/commands.ts";
import { peerSessions, type SessionsCommand } from "../../actors/sessions/commands.ts";
import type { BrokerState } from "../../platform/broker.ts";
import { decodeBridgeMessage } from "../../protocols/bridge/wire.ts";
import { type DeviceId, deviceIdOf, type MeshId } from "../../protocols/ids.ts";
import type { Member, Registry } from "../../protocols/registry/registry.ts";

const [PEER, OTHER] = [2, 3].map((n) => deviceIdOf(new Uint8Array(32).fill(n))) as [
  DeviceId,
  DeviceId,
];
const CONNECTED: BrokerState = {
  type: "connected",
  server: "nats://10.0.0.1:4222",
  serverName: "leaf",
  roundTripMs: 2,
  durable: true,
};

function registry(...admitted: readonly DeviceId[]): Registry {
  const members = admitted.map((id) => [id, { deviceId: id, revoked: false } as Member] as const);
  return { mesh: "ab".repeat(32) as MeshId, founder: PEER, members: new Map(members), heads: [] };
}

function started(leaf: ReturnType<BridgeParts["leaf"]> = null) {
  let state: BrokerState = { type: "disconnected", reason: "not yet" };
  let listener: (state: BrokerState) => void = () => {};
  const used: (readonly string[])[] = [];
  const place = { leaf };
  const actor = testActor(bridge({
    sessions: testRef<SessionsCommand>("sessions"),
    bridge: {
      broker: {
        state: () => state,
        watch(next) {
          listener = next;
          return () => listener = () => {};
        },
      },
      traffic: () => ({ messagesSent: 1, messagesReceived: 2, bytesSent: 3, bytesReceived: 4 }),
      leaf: () => place.leaf,
      useServers: (servers) => void used.push(servers),
    },
  }));
  actor.takeEffects();
  return {
    actor,
    used,
    place,
    broker(next: BrokerState) {
      state = next;
      listener(next);
      return actor.runInlets();
    },
    view(): BridgeView {
      const replyTo = testRef<BridgeView>("view");
      const effects = actor.tell({ type: "getBridge", replyTo });
      const [answer] = effects;
      assert.ok(answer?.type === "send");
      return answer.message as BridgeView;
    },
    tellsOf(from: DeviceId, addresses: readonly string[], port: number) {
      const command: BridgeCommand = {
        type: "peerMessage",
        from,
        message: { type: "leafHere", addresses, port },
      };
      return actor.tell(command);
    },
    admit(...members: readonly DeviceId[]) {
      return actor.publish(membershipChanged, { registry: registry(...members) } as never);
    },
  };
}

Deno.test("without a broker the bridge is off and harmless", () => {
  const actor = testActor(bridge({ sessions: testRef<SessionsCommand>("s"), bridge: null }));
  actor.takeEffects();
  const [answer] = actor.tell({ type: "getBridge", replyTo: testRef<BridgeView>("view") });
  assert.equal(answer?.type === "send" && (answer.message as BridgeView).state, "off");
});

Deno.test("changes of the broker are events, and another server is a failover", () => {
  const node = started();
  const events = (effects: readonly { type: string }[]) =>
    effects.filter(({ type }) => type === "publish");
  assert.equal(events(node.broker(CONNECTED)).length, 1);
  assert.equal(node.view().state, "connected");
  assert.equal(node.view().failovers, 0);
  node.broker({ type: "disconnected", reason: "gone" });
  assert.deepEqual([node.view().state, node.view().problem], ["disconnected", "gone"]);
  node.broker(CONNECTED);
  assert.equal(node.view().failovers, 0, "the same server again");
  node.broker({ ...CONNECTED, server: "nats://10.0.0.2:4222" });
  assert.equal(node.view().failovers, 1);
  assert.equal(node.view().bytesReceived, 4);
});

Deno.test("members heard over the broker are counted, strangers and neighbours are not", () => {
  const node = started();
  node.admit(PEER, OTHER);
  const sighted = (deviceId: DeviceId, addresses: readonly string[]) =>
    node.actor.publish(peerPresence, {
      type: "sighted",
      deviceId,
      sighting: { deviceId, addresses } as never,
    });
  sighted(PEER, ["http://10.0.0.2:7464", `nats:${PEER}`]);
  sighted(OTHER, ["http://10.0.0.3:7464"]);
  const stranger = deviceIdOf(new Uint8Array(32).fill(9));
  sighted(stranger, [`nats:${stranger}`]);
  assert.equal(node.view().present, 1);
  sighted(PEER, ["http://10.0.0.2:7464"]);
  assert.equal(node.view().present, 0);
});

Deno.test("servers of admitted members are used, bounded, and forgotten with a revocation", () => {
  const node = started();
  node.tellsOf(PEER, ["10.0.0.2"], 4222);
  assert.equal(node.used.length, 0, "nobody is a member yet");
  node.admit(PEER, OTHER);
  node.tellsOf(PEER, ["10.0.0.2", "fd00::2"], 4222);
  node.tellsOf(OTHER, ["10.0.0.3"], 4223);
  assert.deepEqual(node.used.at(-1), [
    "nats://10.0.0.2:4222",
    "nats://[fd00::2]:4222",
    "nats://10.0.0.3:4223",
  ]);
  node.admit(OTHER);
  assert.deepEqual(node.used.at(-1), ["nats://10.0.0.3:4223"]);
  node.tellsOf(OTHER, [], 0);
  assert.deepEqual(node.view().learnedServers, []);

  const many = Array.from({ length: 20 }, (_, n) => deviceIdOf(new Uint8Array(32).fill(n + 10)));
  node.admit(...many);
  for (const device of many) node.tellsOf(device, ["a", "b", "c"].map((x) => x + device), 4222);
  assert.equal(node.used.at(-1)?.length, LEARNED_SERVERS_MAX);
});

Deno.test("a node with a broker tells every new session, and everybody when it moves or ends", () => {
  const node = started({ addresses: ["192.168.1.7"], port: 4222 });
  const told = (effects: readonly unknown[]) =>
    (effects as { type: string; to: string; message: SessionsCommand }[]).flatMap((effect) => {
      if (effect.type !== "send" || effect.message.type !== "sendToPeer") return [];
      const decoded = decodeBridgeMessage(effect.message.body);
      assert.ok(decoded.ok && effect.message.protocol === "bridge");
      return [[effect.message.to, decoded.message.addresses, decoded.message.port]];
    });
  const up = (deviceId: DeviceId, resumed: boolean) =>
    node.actor.publish(peerSessions, { type: "up", deviceId, resumed });
  assert.deepEqual(told(up(PEER, false)), [[PEER, ["192.168.1.7"], 4222]]);
  assert.deepEqual(told(up(PEER, true)), [], "it remembers");
  up(OTHER, false);
  assert.deepEqual(told(node.actor.advance(20_000)), []);
  node.place.leaf = null;
  assert.deepEqual(told(node.actor.advance(6_000)), [[PEER, [], 0], [OTHER, [], 0]]);
  node.actor.publish(peerSessions, { type: "down", deviceId: OTHER });
  node.place.leaf = { addresses: ["192.168.1.8"], port: 4223 };
  assert.deepEqual(told(node.actor.advance(6_000)), [[PEER, ["192.168.1.8"], 4223]]);
});
