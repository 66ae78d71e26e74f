/** A few nodes with a sessions actor each, on one virtual clock and one test network. */
import type { Behaviour, Ref } from "../../../actors/kernel/actor.ts";
import { ActorSystem } from "../../../actors/kernel/system.ts";
import { type NodeEvent, nodeEvents } from "../../../actors/events.ts";
import { membershipChanged } from "../../../actors/members/commands.ts";
import { type PeerPresence, peerPresence } from "../../../actors/discovery/commands.ts";
import {
  type PeerMessage,
  type PeerSessionEvent,
  peerSessions,
  type SessionsCommand,
} from "../../../actors/sessions/commands.ts";
import { sessions } from "../../../actors/sessions/sessions.ts";
import { nodeCrypto } from "../../../platform/node_crypto.ts";
import type { Random } from "../../../platform/ports.ts";
import { seededRandom } from "../../../platform/seeded_random.ts";
import { type DeviceId, type MeshId, parseMeshId } from "../../../protocols/ids.ts";
import type { Member, Registry } from "../../../protocols/registry/registry.ts";
import { DEFAULT_PERMISSIONS } from "../../../protocols/registry/roles.ts";
import type { Store } from "../../../store/store.ts";
import { type TestDevice, testDevice } from "../../protocols/session/support.ts";
import type { TestNetwork } from "./test_network.ts";

const crypto = nodeCrypto();
export const MESH: MeshId = parseMeshId("ab".repeat(32))!;

export interface TestNode {
  readonly device: TestDevice;
  readonly address: string;
  readonly system: ActorSystem;
  readonly sessions: Ref<SessionsCommand>;
  readonly received: { readonly from: DeviceId; readonly body: Uint8Array }[];
  readonly sessionEvents: PeerSessionEvent[];
  readonly events: NodeEvent[];
  join(registry: Registry | null): void;
  sight(other: TestNode): void;
  /** Its own addresses have changed. */
  moved(): void;
  send(to: TestNode, body: Uint8Array): void;
}

type Relay = { readonly registry: Registry | null } | { readonly presence: PeerPresence };

/** Starts a node. */
export function startNode(net: TestNetwork, name: string, seed = name): TestNode {
  const device = testDevice(name);
  const received: { from: DeviceId; body: Uint8Array }[] = [];
  const random: Random = seededRandom(seed);
  const system = new ActorSystem({
    clock: net.time,
    random,
    log: { write() {} },
    dispatcher: net.time.dispatcher(),
  });
  const collector: Behaviour<PeerMessage<Uint8Array>, null> = {
    name: "collector",
    init: () => null,
    receive: (_context, _state, message) =>
      void received.push({ from: message.from, body: message.message }),
  };
  const relay: Behaviour<Relay, null> = {
    name: "relay",
    init: () => null,
    receive(context, _state, message) {
      if ("registry" in message) context.publish(membershipChanged, message);
      else context.publish(peerPresence, message.presence);
    },
  };
  const to = system.spawn("sync", collector);
  const relayRef = system.spawn("relay", relay);
  let moved = () => {};
  const saved = new Map<string, unknown>();
  const settings = {
    get: (key: string) => Promise.resolve(saved.get(key)),
    entries: (prefix: string) =>
      Promise.resolve([...saved].filter(([key]) => key.startsWith(prefix))),
    set: (changes: Readonly<Record<string, unknown>>) => {
      for (const [key, value] of Object.entries(changes)) saved.set(key, value);
      return Promise.resolve();
    },
  } as Store["settings"];
  const sessionsRef = system.spawn(
    "sessions",
    sessions({
      self: device.id,
      store: { settings },
      transports: net.transports(name),
      watchNetwork: (onChange) => {
        moved = onChange;
        return () => moved = () => {};
      },
      routes: [{
        protocol: "sync",
        decode: (body: Uint8Array) =>
          body[0] === 0xff
            ? { ok: false, reason: "bad body" }
            : { ok: true, message: body.slice() },
        to,
      }],
      crypto,
      signer: device.signer,
    }),
  );
  const sessionEvents: PeerSessionEvent[] = [];
  const events: NodeEvent[] = [];
  system.subscribe(peerSessions, (event) => void sessionEvents.push(event));
  system.subscribe(nodeEvents, (event) => void events.push(event));
  return {
    device,
    address: name,
    system,
    sessions: sessionsRef,
    received,
    sessionEvents,
    events,
    moved: () => moved(),
    join: (registry) => system.tell(relayRef, { registry }),
    sight: (other) =>
      system.tell(relayRef, {
        presence: {
          type: "sighted",
          deviceId: other.device.id,
          sighting: {
            deviceId: other.device.id,
            displayName: other.address,
            role: "submind",
            capabilities: [],
            meshTag: "",
            protocolVersion: 1,
            port: 1,
            addresses: [other.address],
          },
        },
      }),
    send: (other, body) =>
      system.tell(sessionsRef, { type: "sendToPeer", to: other.device.id, protocol: "sync", body }),
  };
}

/** A registry with these members. */
export function registryOf(
  members: readonly DeviceId[],
  revoked: readonly DeviceId[] = [],
): Registry {
  return {
    mesh: MESH,
    founder: members[0]!,
    heads: [],
    members: new Map(members.map((deviceId) => [deviceId, {
      deviceId,
      displayName: deviceId.slice(0, 4),
      role: "submind",
      permissions: new Set(DEFAULT_PERMISSIONS.submind),
      trust: "normal",
      revoked: revoked.includes(deviceId),
      validUpToSequence: null,
      admittedBy: null,
      admittedAtMs: 0,
      incarnation: 0,
      version: 0,
      spans: [],
    } as Member])),
  };
}
