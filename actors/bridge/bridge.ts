/**
 * Watches the connection to the broker, for people; and lets the devices of a home find its broker without settings: who runs one tells
 * its peers, and who is told may connect there.
 *
 * Invariants:
 * - Only admitted members are believed about servers, and what they told is forgotten with the command that revokes them.
 * - A server is a place to connect to, never a reason to trust: everything sent over it is sealed and authenticated above.
 * - Losing the broker is an event, not a crash.
 */
import type { Broker, BrokerState } from "../../platform/broker.ts";
import type { BridgeMessage, LeafHere } from "../../protocols/bridge/messages.ts";
import { encodeBridgeMessage } from "../../protocols/bridge/wire.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import { isAdmitted, type Registry } from "../../protocols/registry/registry.ts";
import { type PeerPresence, peerPresence } from "../discovery/commands.ts";
import { nodeEvents } from "../events.ts";
import type { Behaviour, Context, Ref } from "../kernel/actor.ts";
import { type MembershipChanged, membershipChanged } from "../members/commands.ts";
import { type PeerSessionEvent, peerSessions, type SessionsCommand } from "../sessions/commands.ts";
import type { BridgeCommand, BridgeView } from "./commands.ts";

/** Members whose servers are remembered, at most. */
const LEAVES_MAX = 8;
/** Servers handed to the broker, at most. */
export const LEARNED_SERVERS_MAX = 12;
/** How often our own broker is looked at, ms. */
const LEAF_LOOK_MS = 5_000;

/** What a node that speaks with a broker is given. */
export interface BridgeParts {
  readonly broker: Pick<Broker, "state" | "watch">;
  /** Messages and bytes so far. */
  readonly traffic: () => Pick<
    BridgeView,
    "messagesSent" | "messagesReceived" | "bytesSent" | "bytesReceived"
  >;
  /** Where the other devices of this home reach the broker that runs here; null when none does. */
  readonly leaf: () => Pick<LeafHere, "addresses" | "port"> | null;
  /** Takes the servers that members told of ("nats://192.168.1.7:4222") instead of those handed over before. */
  readonly useServers: (servers: readonly string[]) => void;
}

export interface BridgeDependencies {
  /** Null: this node speaks with no broker. */
  readonly bridge: BridgeParts | null;
  readonly sessions: Ref<SessionsCommand>;
}

export interface BridgeState {
  registry: Registry | null;
  /** Peers with a session. */
  readonly peers: Set<DeviceId>;
  /** Members that tell of brokers. */
  readonly leaves: Map<DeviceId, LeafHere>;
  /** Devices heard over the broker. */
  readonly heard: Set<DeviceId>;
  /** What the peers were told last. */
  told: LeafHere;
  learned: readonly string[];
  /** The server in use, or the last one. */
  server: string | null;
  failovers: number;
  readonly stopWatching: () => void;
}

type BridgeContext = Context<BridgeCommand>;

const NO_LEAF: LeafHere = { type: "leafHere", addresses: [], port: 0 };

/** The bridge actor. */
export function bridge(deps: BridgeDependencies): Behaviour<BridgeCommand, BridgeState> {
  return {
    name: "bridge",
    init: (context) => start(context, deps),
    receive(context, state, command) {
      switch (command.type) {
        case "getBridge":
          return context.send(command.replyTo, viewOf(state, deps));
        case "brokerChanged":
          return onBrokerChanged(context, state, command.state);
        case "peerMessage":
          return onPeerMessage(state, command.from, command.message, deps);
        case "sessionChanged":
          return onSessionChanged(context, state, command.event, deps);
        case "presenceChanged":
          return onPresenceChanged(state, command.event);
        case "membershipChanged":
          return onMembershipChanged(state, command.event, deps);
        case "leafDue":
          return onLeafDue(context, state, deps);
        default:
          command satisfies never;
      }
    },
    release(state) {
      state.stopWatching();
    },
  };
}

function start(context: BridgeContext, deps: BridgeDependencies): BridgeState {
  context.subscribe(membershipChanged, (event) => ({ type: "membershipChanged", event }));
  context.subscribe(peerPresence, (event) => ({ type: "presenceChanged", event }));
  context.subscribe(peerSessions, (event) => ({ type: "sessionChanged", event }));
  const changed = context.inlet((state: BrokerState) => ({ type: "brokerChanged", state }));
  const stopWatching = deps.bridge?.broker.watch(changed) ?? (() => {});
  // What it is now, as if it had just come about.
  if (deps.bridge?.broker.state().type === "connected") changed(deps.bridge.broker.state());
  if (deps.bridge !== null) context.startTimer("leaf", LEAF_LOOK_MS, { type: "leafDue" });
  return {
    registry: null,
    peers: new Set(),
    leaves: new Map(),
    heard: new Set(),
    told: leafOf(deps),
    learned: [],
    server: null,
    failovers: 0,
    stopWatching,
  };
}

function onBrokerChanged(context: BridgeContext, state: BridgeState, broker: BrokerState): void {
  const connected = broker.type === "connected";
  if (broker.type === "connected") {
    if (state.server !== null && state.server !== broker.server) state.failovers++;
    state.server = broker.server;
  }
  const detail = broker.type === "connected" ? broker.server : broker.reason;
  context.log.write(connected ? "info" : "warning", "broker", { connected, detail });
  context.publish(nodeEvents, { type: "bridgeChanged", connected, detail });
}

function onPeerMessage(
  state: BridgeState,
  from: DeviceId,
  message: BridgeMessage,
  deps: BridgeDependencies,
): void {
  if (deps.bridge === null || !isAdmitted(state.registry, from)) return;
  if (message.addresses.length === 0) state.leaves.delete(from);
  else if (state.leaves.has(from) || state.leaves.size < LEAVES_MAX) {
    state.leaves.set(from, message);
  }
  learn(state, deps);
}

function onSessionChanged(
  context: BridgeContext,
  state: BridgeState,
  event: PeerSessionEvent,
  deps: BridgeDependencies,
): void {
  if (event.type === "down") return void state.peers.delete(event.deviceId);
  state.peers.add(event.deviceId);
  // A peer that remembers this session was told; one that does not needs no word that there is nothing.
  if (!event.resumed && state.told.port !== 0) tell(context, state, event.deviceId, deps);
}

function onPresenceChanged(state: BridgeState, event: PeerPresence): void {
  const overBroker = event.type === "sighted" &&
    event.sighting.addresses.some((address) => address.startsWith("nats:"));
  if (overBroker) state.heard.add(event.deviceId);
  else state.heard.delete(event.deviceId);
}

function onMembershipChanged(
  state: BridgeState,
  event: MembershipChanged,
  deps: BridgeDependencies,
): void {
  state.registry = event.registry;
  const before = state.leaves.size;
  for (const device of [...state.leaves.keys()]) {
    if (!isAdmitted(state.registry, device)) state.leaves.delete(device);
  }
  if (state.leaves.size !== before) learn(state, deps);
}

function onLeafDue(context: BridgeContext, state: BridgeState, deps: BridgeDependencies): void {
  context.startTimer("leaf", LEAF_LOOK_MS, { type: "leafDue" });
  const leaf = leafOf(deps);
  if (JSON.stringify(leaf) === JSON.stringify(state.told)) return;
  state.told = leaf;
  for (const peer of state.peers) tell(context, state, peer, deps);
}

function tell(
  context: BridgeContext,
  state: BridgeState,
  to: DeviceId,
  deps: BridgeDependencies,
): void {
  const body = encodeBridgeMessage(state.told);
  context.send(deps.sessions, { type: "sendToPeer", to, protocol: "bridge", body });
}

function learn(state: BridgeState, deps: BridgeDependencies): void {
  const servers = [...state.leaves.values()].flatMap(({ addresses, port }) =>
    addresses.map((address) => serverAt(address, port))
  );
  state.learned = [...new Set(servers)].slice(0, LEARNED_SERVERS_MAX);
  deps.bridge?.useServers(state.learned);
}

function serverAt(address: string, port: number): string {
  return `nats://${address.includes(":") ? `[${address}]` : address}:${port}`;
}

function leafOf(deps: BridgeDependencies): LeafHere {
  const leaf = deps.bridge?.leaf() ?? null;
  if (leaf === null || leaf.addresses.length === 0) return NO_LEAF;
  return { type: "leafHere", addresses: leaf.addresses.slice(0, 8), port: leaf.port };
}

function viewOf(state: BridgeState, deps: BridgeDependencies): BridgeView {
  const broker = deps.bridge?.broker.state() ?? null;
  const connected = broker?.type === "connected" ? broker : null;
  const present = [...state.heard].filter((device) => isAdmitted(state.registry, device)).length;
  return {
    state: broker === null ? "off" : broker.type,
    server: connected?.server ?? null,
    serverName: connected?.serverName ?? null,
    roundTripMs: connected?.roundTripMs ?? null,
    durable: connected?.durable ?? false,
    problem: broker?.type === "disconnected" ? broker.reason : null,
    failovers: state.failovers,
    learnedServers: state.learned,
    present,
    ...(deps.bridge?.traffic() ??
      { messagesSent: 0, messagesReceived: 0, bytesSent: 0, bytesReceived: 0 }),
  };
}
