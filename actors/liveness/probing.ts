/** Asking peers whether they are there: directly, then through others (SWIM, Das et al. 2002, section 3.1). */
import type { DeviceId } from "../../protocols/ids.ts";
import { changedHealth, HEALTH_CHANGES } from "../../protocols/liveness/awareness.ts";
import type { Ack, Nack, Ping, PingRequest } from "../../protocols/liveness/messages.ts";
import { ringView } from "../../protocols/liveness/ring.ts";
import { probeTimeoutMs, withSample } from "../../protocols/liveness/round_trip.ts";
import { isAccusation } from "../../protocols/liveness/swim_state.ts";
import { accuse } from "./believing.ts";
import type { LivenessPrivateCommand } from "./commands.ts";
import {
  ALL_CONNECTED_MAX,
  HELPERS,
  INDIRECT_MS,
  type LivenessContext,
  type LivenessDependencies,
  type LivenessState,
  nextSequence,
  patient,
  type Probe,
  PROBE_INTERVAL_MS,
  RELAY_MS,
  RELAYS_MAX,
  ringOf,
  rumourOf,
  send,
  startDueTimer,
  stoodStill,
} from "./state.ts";
import { ridersFor } from "./telling.ts";

/** The next peer's turn. */
export function onProbeDue(
  context: LivenessContext,
  state: LivenessState,
  deps: LivenessDependencies,
  dueMs: number,
): void {
  if (stoodStill(context, dueMs)) {
    state.health = changedHealth(state.health, HEALTH_CHANGES.stoodStill);
  }
  scheduleProbe(context, patient(state, PROBE_INTERVAL_MS));
  const target = state.order.next(context.random, (peer) => isWatched(state, peer));
  if (target === null) return;
  const rumour = rumourOf(state, target);
  // Those who are gone come back with a session of their own.
  if (!state.up.has(target) && rumour?.state !== "alive" && rumour?.state !== "suspect") return;
  startProbe(context, state, deps, target);
}

/**
 * Whether a peer is probed in turn. In a large mesh those near us on the ring are: we share most sessions with them, so that others can
 * try where our path is slow. Of the rest it is enough to notice that a session breaks; they are near others.
 */
function isWatched(state: LivenessState, peer: DeviceId): boolean {
  return state.present <= ALL_CONNECTED_MAX || state.lost.has(peer) ||
    ringOf(state).watched.has(peer);
}

/** Whether we would watch a peer that we have no session with. */
function isNear(state: LivenessState, peer: DeviceId): boolean {
  return ringView(state.self, [...state.up, peer]).watched.has(peer);
}

/** Sets the timer of the next probe. */
export function scheduleProbe(context: LivenessContext, delayMs: number): void {
  startDueTimer(context, "probe", delayMs, (dueMs) => ({ type: "probeDue", dueMs }));
}

/** Asks one peer whether it is there; nothing while that is being found out already. */
export function startProbe(
  context: LivenessContext,
  state: LivenessState,
  deps: LivenessDependencies,
  target: DeviceId,
): void {
  if (state.probes.has(target) || state.leaving) return;
  const direct = state.up.has(target);
  const probe: Probe = {
    target,
    sequence: nextSequence(state),
    pingedAtMs: direct ? context.monotonicMs() : null,
    phase: "direct",
    helpers: new Set(),
    asked: 0,
    silent: false,
  };
  state.probes.set(target, probe);
  state.counts.probesSent += 1;
  if (!direct) return askHelpers(context, state, deps, probe);
  const { sequence } = probe;
  send(context, deps, target, { type: "ping", sequence, rumours: ridersFor(state, target) });
  const waitMs = patient(state, probeTimeoutMs(state.roundTrips.get(target) ?? null));
  startDueTimer(
    context,
    `answer/${target}`,
    waitMs,
    (dueMs) => ({ type: "answerDue", target, sequence, dueMs }),
  );
}

/** The target has not answered in time, or its session is gone. */
export function onAnswerDue(
  context: LivenessContext,
  state: LivenessState,
  deps: LivenessDependencies,
  command: Extract<LivenessPrivateCommand, { type: "answerDue" }>,
): void {
  const probe = state.probes.get(command.target);
  if (probe?.sequence !== command.sequence || probe.phase !== "direct") return;
  if (stoodStill(context, command.dueMs)) return giveUp(context, state, probe);
  askHelpers(context, state, deps, probe);
}

/** Lets others try. The first ping still counts when its answer comes late. */
export function askHelpers(
  context: LivenessContext,
  state: LivenessState,
  deps: LivenessDependencies,
  probe: Probe,
): void {
  const { target, sequence } = probe;
  probe.phase = "indirect";
  context.cancelTimer(`answer/${target}`);
  for (const helper of chooseHelpers(context, state, deps, target)) {
    probe.helpers.add(helper);
    probe.asked += 1;
    const rumours = ridersFor(state, helper);
    send(context, deps, helper, { type: "pingRequest", sequence, target, rumours });
  }
  // Where answers are slow, others are slow to bring them too.
  const waitMs = Math.max(INDIRECT_MS, probeTimeoutMs(state.roundTrips.get(target) ?? null));
  startDueTimer(
    context,
    `verdict/${target}`,
    patient(state, waitMs),
    (dueMs) => ({ type: "verdictDue", target, sequence, dueMs }),
  );
}

/** Nobody got an answer. */
export function onVerdictDue(
  context: LivenessContext,
  state: LivenessState,
  deps: LivenessDependencies,
  command: Extract<LivenessPrivateCommand, { type: "verdictDue" }>,
): void {
  const { target, sequence, dueMs } = command;
  const probe = state.probes.get(target);
  if (probe?.sequence !== sequence) return;
  giveUp(context, state, probe);
  if (stoodStill(context, dueMs)) return;
  state.counts.probesFailed += 1;
  const missed = probe.asked === 0
    ? HEALTH_CHANGES.probeFailed
    : probe.helpers.size * HEALTH_CHANGES.nackMissed;
  state.health = changedHealth(state.health, missed);
  // Without a session, and with nobody who has one, we know nothing of it; those near it on the ring watch it, and we may be one.
  const isHearsay = !state.up.has(target) && !probe.silent && !isNear(state, target);
  if (isHearsay && state.present > ALL_CONNECTED_MAX) return stopWatching(state, target);
  accuse(context, state, deps, target);
}

/** A peer without a session is no longer asked for. */
export function stopWatching(state: LivenessState, target: DeviceId): void {
  state.lost.delete(target);
  if (!state.up.has(target)) state.order.remove(target);
}

/**
 * Somebody asks whether we are there: yes. What it told us was taken in before, so that the answer may refute it; also what we
 * refuted long ago, of which the asker has not heard.
 */
export function onPing(
  context: LivenessContext,
  state: LivenessState,
  deps: LivenessDependencies,
  from: DeviceId,
  { sequence, rumours }: Ping,
): void {
  if (state.leaving) return;
  const accused = rumours.some((rumour) => rumour.subject === state.self && isAccusation(rumour));
  const others = ridersFor(state, from).filter(({ subject }) => !accused || subject !== state.self);
  const refutation = accused ? [rumourOf(state, state.self)!] : [];
  send(context, deps, from, { type: "ack", sequence, rumours: [...refutation, ...others] });
}

/** Somebody is there: the one we pinged, or the one whom another pinged for us. */
export function onAck(
  context: LivenessContext,
  state: LivenessState,
  deps: LivenessDependencies,
  from: DeviceId,
  { sequence }: Ack,
): void {
  const relay = state.relays.get(sequence);
  if (relay?.target === from) {
    state.relays.delete(sequence);
    context.cancelTimer(`relay/${sequence}`);
    const rumours = ridersFor(state, relay.to);
    return send(context, deps, relay.to, { type: "ack", sequence: relay.sequence, rumours });
  }
  const probe = probeBy(state, sequence);
  if (probe === undefined || (probe.target !== from && !probe.helpers.has(from))) return;
  if (probe.target === from && probe.pingedAtMs !== null) {
    const sampleMs = context.monotonicMs() - probe.pingedAtMs;
    state.roundTrips.set(from, withSample(state.roundTrips.get(from) ?? null, sampleMs));
  }
  giveUp(context, state, probe);
  state.health = changedHealth(state.health, HEALTH_CHANGES.probeAnswered);
}

/** Somebody got no answer for us. */
export function onNack(state: LivenessState, from: DeviceId, { sequence, noSession }: Nack): void {
  const probe = probeBy(state, sequence);
  if (probe?.helpers.delete(from) === true && !noSession) probe.silent = true;
}

/** Somebody wants us to ping another. */
export function onPingRequest(
  context: LivenessContext,
  state: LivenessState,
  deps: LivenessDependencies,
  from: DeviceId,
  { sequence, target }: PingRequest,
): void {
  if (!state.up.has(target) || state.relays.size >= RELAYS_MAX || state.leaving) {
    return send(context, deps, from, { type: "nack", sequence, noSession: true });
  }
  const own = nextSequence(state);
  state.relays.set(own, { to: from, sequence, target });
  context.startTimer(`relay/${own}`, RELAY_MS, { type: "relayDue", sequence: own });
  send(context, deps, target, { type: "ping", sequence: own, rumours: ridersFor(state, target) });
}

/** Whom we pinged for another is silent. */
export function onRelayDue(
  context: LivenessContext,
  state: LivenessState,
  deps: LivenessDependencies,
  sequence: number,
): void {
  const relay = state.relays.get(sequence);
  if (relay === undefined) return;
  state.relays.delete(sequence);
  send(context, deps, relay.to, { type: "nack", sequence: relay.sequence, noSession: false });
}

/** The probe has ended. */
export function giveUp(context: LivenessContext, state: LivenessState, probe: Probe): void {
  state.probes.delete(probe.target);
  context.cancelTimer(`answer/${probe.target}`);
  context.cancelTimer(`verdict/${probe.target}`);
}

function probeBy(state: LivenessState, sequence: number): Probe | undefined {
  for (const probe of state.probes.values()) if (probe.sequence === sequence) return probe;
  return undefined;
}

/** Peers believed alive; in a large mesh first those who probably have a session with the target. */
function chooseHelpers(
  context: LivenessContext,
  state: LivenessState,
  deps: LivenessDependencies,
  target: DeviceId,
): readonly DeviceId[] {
  const pool = [...state.up].filter((peer) =>
    peer !== target && rumourOf(state, peer)?.state === "alive"
  );
  for (let i = pool.length - 1; i > 0; i--) {
    const j = context.random.below(i + 1);
    [pool[i], pool[j]] = [pool[j]!, pool[i]!];
  }
  if (pool.length <= HELPERS || state.present <= ALL_CONNECTED_MAX) return pool.slice(0, HELPERS);
  const others = [...state.members.keys(), state.self].filter((id) => id !== target);
  const partners = deps.partnersOf(target, others);
  pool.sort((a, b) => Number(partners.has(b)) - Number(partners.has(a)));
  return pool.slice(0, HELPERS);
}
