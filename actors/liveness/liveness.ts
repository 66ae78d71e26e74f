/**
 * Finds out which members are there: SWIM over the sessions this device has, with Lifeguard's local health awareness. Sessions are a
 * part of the mesh only, so what is found out is spread as rumours.
 *
 * Invariants:
 * - Nobody is believed dead without having been suspected for the time that `suspicion.ts` grants.
 * - A lost session is a reason to ask others, never a verdict.
 * - Only admitted members are watched and spoken of; a revoked one vanishes with the command that says so.
 * - Only a device itself raises its incarnation.
 */
import type { DeviceId } from "../../protocols/ids.ts";
import type { LivenessMessage } from "../../protocols/liveness/messages.ts";
import { probeTimeoutMs } from "../../protocols/liveness/round_trip.ts";
import { isAdmitted } from "../../protocols/registry/registry.ts";
import type { Behaviour, Ref } from "../kernel/actor.ts";
import { type MembershipChanged, membershipChanged } from "../members/commands.ts";
import { type PeerSessionEvent, peerSessions } from "../sessions/commands.ts";
import { boundsNow, forget, hear, onSuspicionDue } from "./believing.ts";
import type { LivenessCommand, LivenessView, MemberLiveness } from "./commands.ts";
import { onBeliefs, onDigest, onExchangeDue, scheduleExchange, sendDigest } from "./exchange.ts";
import {
  askHelpers,
  giveUp,
  onAck,
  onAnswerDue,
  onNack,
  onPing,
  onPingRequest,
  onProbeDue,
  onRelayDue,
  onVerdictDue,
  scheduleProbe,
  startProbe,
  stopWatching,
} from "./probing.ts";
import {
  ALL_CONNECTED_MAX,
  emptyLivenessState,
  type LivenessContext,
  type LivenessDependencies,
  type LivenessState,
  patient,
  PROBE_INTERVAL_MS,
  rumourOf,
  send,
} from "./state.ts";
import { onGossipDue } from "./telling.ts";

/** How long farewells have to leave this device before it says that they have, ms. */
const FAREWELL_MS = 50;

/** The liveness actor. */
export function liveness(deps: LivenessDependencies): Behaviour<LivenessCommand, LivenessState> {
  return {
    name: "liveness",
    init(context) {
      context.subscribe(membershipChanged, (event) => ({ type: "membershipChanged", event }));
      context.subscribe(peerSessions, (event) => ({ type: "sessionChanged", event }));
      context.send(deps.sessions, { type: "repeatPeerSessions" });
      // Devices that start together must not probe together.
      scheduleProbe(context, context.random.float() * PROBE_INTERVAL_MS);
      scheduleExchange(context);
      return emptyLivenessState(deps.self, context.monotonicMs());
    },
    receive(context, state, command) {
      switch (command.type) {
        case "peerMessage":
          return onPeerMessage(context, state, deps, command.from, command.message);
        case "membershipChanged":
          return onMembershipChanged(context, state, command.event);
        case "sessionChanged":
          return onSessionChanged(context, state, deps, command.event);
        case "probeDue":
          return onProbeDue(context, state, deps, command.dueMs);
        case "answerDue":
          return onAnswerDue(context, state, deps, command);
        case "verdictDue":
          return onVerdictDue(context, state, deps, command);
        case "relayDue":
          return onRelayDue(context, state, deps, command.sequence);
        case "suspicionDue":
          return onSuspicionDue(context, state, deps, command.subject, command.dueMs);
        case "gossipDue":
          return onGossipDue(context, state, deps);
        case "exchangeDue":
          return onExchangeDue(context, state, deps);
        case "leave":
          return onLeave(context, state, deps, command.replyTo);
        case "leftDue":
          return context.send(command.replyTo, null);
        case "getLiveness":
          return context.send(command.replyTo, viewOf(context, state));
        default:
          command satisfies never;
      }
    },
  };
}

function onPeerMessage(
  context: LivenessContext,
  state: LivenessState,
  deps: LivenessDependencies,
  from: DeviceId,
  message: LivenessMessage,
): void {
  if (!state.members.has(from)) return;
  if (message.type !== "nack" && message.type !== "beliefs") {
    for (const rumour of message.rumours) {
      hear(context, state, deps, { from, rumour, listed: false, tell: true });
    }
  }
  switch (message.type) {
    case "ping":
      return onPing(context, state, deps, from, message);
    case "ack":
      return onAck(context, state, deps, from, message);
    case "nack":
      return onNack(state, from, message);
    case "pingRequest":
      return onPingRequest(context, state, deps, from, message);
    case "digest":
      return onDigest(context, state, deps, from, message);
    case "beliefs":
      return onBeliefs(context, state, deps, from, message);
    case "gossip":
      return;
    default:
      message satisfies never;
  }
}

function onMembershipChanged(
  context: LivenessContext,
  state: LivenessState,
  { registry }: MembershipChanged,
): void {
  for (const id of [...state.members.keys()]) {
    if (isAdmitted(registry, id)) continue;
    forget(context, state, id);
    const probe = state.probes.get(id);
    if (probe !== undefined) giveUp(context, state, probe);
    if (state.up.delete(id)) state.ring = null;
    state.roundTrips.delete(id);
    stopWatching(state, id);
  }
  for (const id of registry?.members.keys() ?? []) {
    if (id === state.self || state.members.has(id) || !isAdmitted(registry, id)) continue;
    state.members.set(id, { rumour: null, sinceMs: context.monotonicMs() });
  }
}

/** A session has come or gone. A new one begins with what each believes of the other: whoever was away hears what is said of it. */
function onSessionChanged(
  context: LivenessContext,
  state: LivenessState,
  deps: LivenessDependencies,
  event: PeerSessionEvent,
): void {
  const { deviceId } = event;
  if (event.type === "up") {
    if (event.resumed && state.up.has(deviceId)) return;
    state.up.add(deviceId);
    state.ring = null;
    state.lost.delete(deviceId);
    state.order.add(deviceId, context.random);
    const asked = state.probes.get(deviceId);
    if (asked !== undefined) giveUp(context, state, asked);
    return sendDigest(context, state, deps, deviceId);
  }
  if (!state.up.delete(deviceId)) return;
  state.ring = null;
  state.roundTrips.delete(deviceId);
  if (!state.members.has(deviceId) || (event.onPurpose && state.present > ALL_CONNECTED_MAX)) {
    return stopWatching(state, deviceId);
  }
  state.lost.add(deviceId);
  const probe = state.probes.get(deviceId);
  if (probe === undefined) return startProbe(context, state, deps, deviceId);
  if (probe.phase === "direct") askHelpers(context, state, deps, probe);
}

/** Everybody we have a session with is told; they tell the others. */
function onLeave(
  context: LivenessContext,
  state: LivenessState,
  deps: LivenessDependencies,
  replyTo: Ref<null>,
): void {
  state.leaving = true;
  const farewell = rumourOf(state, state.self)!;
  for (const peer of state.up) {
    send(context, deps, peer, { type: "gossip", rumours: [farewell] });
  }
  for (const key of ["probe", "exchange", "gossip"]) context.cancelTimer(key);
  if (state.up.size === 0) return context.send(replyTo, null);
  context.startTimer("left", FAREWELL_MS, { type: "leftDue", replyTo });
}

function viewOf(context: LivenessContext, state: LivenessState): LivenessView {
  const nowMs = context.monotonicMs();
  const members = [...state.members].map(([deviceId, { rumour, sinceMs }]): MemberLiveness => ({
    deviceId,
    state: rumour?.state ?? "unknown",
    incarnation: rumour?.incarnation ?? 0,
    forMs: nowMs - sinceMs,
  }));
  const { leastMs, mostMs } = boundsNow(state);
  const timeouts = [...state.roundTrips.values()].map(probeTimeoutMs);
  const { leaving, incarnation, self } = state;
  members.push({
    deviceId: self,
    state: leaving ? "left" : "alive",
    incarnation,
    forMs: nowMs - state.startedAtMs,
  });
  return {
    members,
    localHealth: state.health,
    probeIntervalMs: patient(state, PROBE_INTERVAL_MS),
    probeTimeoutMs: patient(state, Math.max(probeTimeoutMs(null), ...timeouts)),
    suspicionMs: { least: leastMs, most: mostMs },
    ...state.counts,
  };
}
