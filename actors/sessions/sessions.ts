/**
 * One session per admitted peer: knows who is near and where, hands new paths to the right session, and answers what
 * people want to know about peers.
 *
 * Invariants:
 * - A path belongs to a session only after its other end has proved to be an admitted member (`strangers.ts`).
 * - The session of a device that is no longer admitted ends with the command that says so.
 * - Peers without any address cost an entry in a map, not an actor.
 * - The number of sessions is bounded however many members there are (`choosing.ts`).
 */
import type { Crypto, Signer } from "../../platform/ports.ts";
import type { Transport } from "../../platform/transport.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import { isAdmitted } from "../../protocols/registry/registry.ts";
import { peerPresence } from "../discovery/commands.ts";
import { nodeEvents } from "../events.ts";
import type { Behaviour } from "../kernel/actor.ts";
import { livenessChanged } from "../liveness/commands.ts";
import { membershipChanged } from "../members/commands.ts";
import {
  chooseSoon,
  isWanted,
  makeRoom,
  onChoiceDue,
  onKeepSessions,
  onLivenessChanged,
} from "./choosing.ts";
import { peerSessions, type SessionReport, type SessionsCommand } from "./commands.ts";
import { session } from "./session.ts";
import type { AnyProtocolRoute } from "./session_state.ts";
import { summaries } from "./peer_list.ts";
import { type Of, type Peer, type SessionsContext, type SessionsState } from "./sessions_state.ts";
import {
  addStaticPeer,
  keepStaticPeer,
  loadStaticPeers,
  onStaticDialled,
  onStaticDue,
  onStaticSaved,
  onStaticsLoaded,
} from "./static_peers.ts";
import type { Store } from "../../store/store.ts";
import { endStrangers, onPathAccepted, onStrangerDue, onStrangerEvent } from "./strangers.ts";

export interface SessionsDependencies {
  /** This device. */
  readonly self: DeviceId;
  /** Keeps static peers across restarts. */
  readonly store: Pick<Store, "settings">;
  /** Best first. */
  readonly transports: readonly Transport[];
  readonly routes: readonly AnyProtocolRoute[];
  readonly crypto: Crypto;
  readonly signer: Signer;
  /** Addresses to try from the start where multicast does not reach. Default none. */
  readonly staticPeers?: readonly string[];
  /** Calls back whenever this device's own addresses change. Default: they never do. */
  readonly watchNetwork?: (onChange: () => void) => () => void;
}

/** Devices that are remembered although they are no members, at most. */
const SIGHTED_MAX = 1_024;
/** Addresses remembered per device, at most. */
const ADDRESSES_MAX = 16;
/** A session that crashed is started again after this long, ms. */
const RESPAWN_MS = 1_000;

/** The behaviour of the sessions actor. */
export function sessions(deps: SessionsDependencies): Behaviour<SessionsCommand, SessionsState> {
  return {
    name: "sessions",
    init: (context) => start(context, deps),
    receive(context, state, command) {
      switch (command.type) {
        case "sendToPeer":
          return onSendToPeer(context, state, command);
        case "sessionReport":
          return onReport(context, state, command.report);
        case "strangerEvent":
          return onStrangerEvent(context, state, command, deps, adoptBy(context, state, deps));
        case "strangerDue":
          return onStrangerDue(context, state, command.stranger);
        case "pathAccepted":
          return onPathAccepted(context, state, command.path);
        case "membershipChanged":
          return onMembershipChanged(context, state, command, deps);
        case "presenceChanged":
          return onPresenceChanged(context, state, command, deps);
        case "livenessChanged":
          return onLivenessChanged(context, state, command.event);
        case "connectNow":
          return onConnectNow(context, state, command.deviceId, deps);
        case "keepSessions":
          return onKeepSessions(
            context,
            state,
            command,
            (device) => void ensureSession(context, state, device, deps),
          );
        case "strike":
          return onStrike(context, state, command);
        case "repeatPeerSessions":
          return onRepeatPeerSessions(context, state);
        case "addStaticPeer":
          return keepStaticPeer(context, state, command, deps);
        case "staticSaved":
          return onStaticSaved(context, state, command);
        case "staticsLoaded":
          return onStaticsLoaded(context, state, command);
        case "staticDue":
          return onStaticDue(context, state, command.address, deps);
        case "staticDialled":
          return onStaticDialled(context, state, command, deps);
        case "sessionEnded":
          return onSessionEnded(context, state, command);
        case "respawnDue":
          return void ensureSession(context, state, command.deviceId, deps);
        case "networkChanged":
          return onNetworkChanged(context, state);
        case "choiceDue":
          return onChoiceDue(
            context,
            state,
            (device) => void ensureSession(context, state, device, deps),
            (device, peer) => endChild(context, peer, device, "not chosen"),
          );
        case "listPeers":
          return context.send(command.replyTo, summaries(context, state));
        default:
          command satisfies never;
      }
    },
    release(state) {
      for (const stop of state.stops) stop();
      endStrangers(state);
      for (const entry of state.statics.values()) entry.cancel?.();
    },
  };
}

function start(context: SessionsContext, deps: SessionsDependencies): SessionsState {
  context.subscribe(membershipChanged, (event) => ({ type: "membershipChanged", event }));
  context.subscribe(livenessChanged, (event) => ({ type: "livenessChanged", event }));
  context.subscribe(peerPresence, (event) => ({ type: "presenceChanged", event }));
  const accepted = context.inlet((path: Of<"pathAccepted">["path"]) => ({
    type: "pathAccepted",
    path,
  }));
  const state: SessionsState = {
    self: deps.self,
    registry: null,
    peers: new Map(),
    chosen: null,
    kept: new Set(),
    choicePending: false,
    strangers: new Map(),
    statics: new Map(),
    nextId: 1,
    stops: deps.transports.map((transport) => transport.accept(accepted)),
  };
  const networkChanged = context.inlet((_: void) => ({ type: "networkChanged" }));
  const stopWatching = deps.watchNetwork?.(() => networkChanged());
  if (stopWatching !== undefined) state.stops.push(stopWatching);
  for (const address of deps.staticPeers ?? []) addStaticPeer(context, state, address);
  loadStaticPeers(context, deps);
  return state;
}

function onSendToPeer(
  context: SessionsContext,
  state: SessionsState,
  command: Of<"sendToPeer">,
): void {
  const child = state.peers.get(command.to)?.child;
  if (child === undefined || child === null) {
    context.log.write("debug", "message dropped", {
      protocol: command.protocol,
      why: "no session",
    });
    return;
  }
  context.send(child.ref, {
    type: "sendToPeer",
    protocol: command.protocol,
    body: command.body,
  });
}

function onStrike(context: SessionsContext, state: SessionsState, command: Of<"strike">): void {
  const child = state.peers.get(command.deviceId)?.child;
  if (child) context.send(child.ref, { type: "strike", reason: command.reason });
}

function onRepeatPeerSessions(context: SessionsContext, state: SessionsState): void {
  for (const { child } of state.peers.values()) {
    if (child !== null) context.send(child.ref, { type: "repeatUp" });
  }
}

function onNetworkChanged(context: SessionsContext, state: SessionsState): void {
  for (const { child } of state.peers.values()) {
    if (child !== null) context.send(child.ref, { type: "networkChanged" });
  }
  for (const address of state.statics.keys()) {
    context.startTimer(`static/${address}`, 0, { type: "staticDue", address });
  }
}

function onReport(context: SessionsContext, state: SessionsState, report: SessionReport): void {
  const peer = state.peers.get(report.deviceId);
  if (peer?.child?.number !== report.child) return;
  const lost = peer.report?.state === "up" && report.state !== "up";
  peer.report = report;
  if (lost && !isWanted(state, report.deviceId)) chooseSoon(context, state);
}

function onMembershipChanged(
  context: SessionsContext,
  state: SessionsState,
  command: Of<"membershipChanged">,
  deps: SessionsDependencies,
): void {
  const moved = state.registry?.mesh !== command.event.registry?.mesh;
  state.registry = command.event.registry;
  for (const [id, peer] of state.peers) {
    if (peer.child !== null && (moved || !isAdmitted(state.registry, id))) {
      endChild(context, peer, id, "no longer a member");
    }
  }
  for (const [id, member] of state.registry?.members ?? []) {
    if (id === state.self) continue;
    peerOf(state, id).displayName = member.displayName;
    ensureSession(context, state, id, deps);
  }
  chooseSoon(context, state);
  if (!moved) return;
  for (const address of state.statics.keys()) {
    context.startTimer(`static/${address}`, 0, { type: "staticDue", address });
  }
}

function onPresenceChanged(
  context: SessionsContext,
  state: SessionsState,
  command: Of<"presenceChanged">,
  deps: SessionsDependencies,
): void {
  const { event } = command;
  if (event.deviceId === state.self) return;
  if (event.type === "gone") {
    const peer = state.peers.get(event.deviceId);
    if (peer === undefined) return;
    // Its addresses are kept: it may be back before anybody announces it.
    peer.sighted = false;
    if (!isAdmitted(state.registry, event.deviceId)) state.peers.delete(event.deviceId);
    return chooseSoon(context, state);
  }
  if (
    !state.peers.has(event.deviceId) && state.peers.size >= SIGHTED_MAX &&
    !isAdmitted(state.registry, event.deviceId)
  ) {
    return;
  }
  const peer = peerOf(state, event.deviceId);
  peer.sighted = true;
  if (!state.registry?.members.has(event.deviceId)) peer.displayName = event.sighting.displayName;
  const fresh = event.sighting.addresses.slice(0, ADDRESSES_MAX);
  // What was just announced is most promising; what is known besides stays behind it.
  peer.addresses = [...new Set([...fresh, ...peer.addresses])].slice(0, ADDRESSES_MAX);
  if (peer.child !== null) {
    context.send(peer.child.ref, { type: "addressesChanged", addresses: peer.addresses });
  } else ensureSession(context, state, event.deviceId, deps);
  chooseSoon(context, state);
}

function onConnectNow(
  context: SessionsContext,
  state: SessionsState,
  device: DeviceId,
  deps: SessionsDependencies,
): void {
  if (isAdmitted(state.registry, device)) peerOf(state, device).pinned = true;
  const child = ensureSession(context, state, device, deps);
  if (child !== null) context.send(child.ref, { type: "connectNow" });
}

/** The path of a stranger that turned out to be a member goes to its session. */
function adoptBy(context: SessionsContext, state: SessionsState, deps: SessionsDependencies) {
  return (device: DeviceId, address: string | null): Peer["child"] => {
    const peer = peerOf(state, device);
    if (address !== null) peer.pinned = true;
    if (address !== null && !peer.addresses.includes(address)) {
      peer.addresses = [...peer.addresses, address].slice(-ADDRESSES_MAX);
      if (peer.child !== null) {
        context.send(peer.child.ref, { type: "addressesChanged", addresses: peer.addresses });
      }
    }
    return ensureSession(context, state, device, deps, true);
  };
}

/** The session of an admitted peer that can be reached, started if need be. `hasPath`: it has reached us. */
function ensureSession(
  context: SessionsContext,
  state: SessionsState,
  device: DeviceId,
  deps: SessionsDependencies,
  hasPath = false,
): Peer["child"] {
  const { registry } = state;
  if (registry === null || device === state.self || !isAdmitted(registry, device)) return null;
  const peer = peerOf(state, device);
  if (peer.child !== null) return peer.child;
  if (hasPath) {
    if (!makeRoom(state, device, (id, other) => endChild(context, other, id, "surplus"))) {
      return null;
    }
  } else if (peer.addresses.length === 0 || !isWanted(state, device)) return null;
  const number = state.nextId++;
  const behaviour = session({
    self: state.self,
    peer: device,
    mesh: registry.mesh,
    child: number,
    addresses: peer.addresses,
    transports: deps.transports,
    routes: deps.routes,
    crypto: deps.crypto,
    signer: deps.signer,
    reportTo: context.self,
  });
  const ref = context.spawn(`${device}.${number}`, behaviour, { restart: "temporary" });
  context.watch(ref, () => ({ type: "sessionEnded", deviceId: device, child: number }));
  peer.child = { ref, number, sinceMs: context.monotonicMs() };
  return peer.child;
}

function onSessionEnded(
  context: SessionsContext,
  state: SessionsState,
  command: Of<"sessionEnded">,
): void {
  const peer = state.peers.get(command.deviceId);
  if (peer?.child?.number !== command.child) return;
  endChild(context, peer, command.deviceId, "the session failed");
  context.startTimer(`respawn/${command.deviceId}`, RESPAWN_MS, {
    type: "respawnDue",
    deviceId: command.deviceId,
  });
}

function endChild(
  context: SessionsContext,
  peer: Peer,
  device: DeviceId,
  reason: string,
): void {
  if (peer.child !== null) context.stopChild(peer.child.ref);
  // It can no longer say so itself.
  if (peer.report?.state === "up") {
    context.publish(peerSessions, { type: "down", deviceId: device, onPurpose: true });
    context.publish(nodeEvents, { type: "sessionDown", deviceId: device, reason });
  }
  peer.child = null;
  peer.report = null;
}

function peerOf(state: SessionsState, device: DeviceId): Peer {
  const known = state.peers.get(device);
  if (known !== undefined) return known;
  const peer: Peer = {
    displayName: "",
    sighted: false,
    addresses: [],
    child: null,
    pinned: false,
    rank: null,
    report: null,
  };
  state.peers.set(device, peer);
  return peer;
}
