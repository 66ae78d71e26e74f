/** What the liveness actor knows: a plain value that checkers can read. */
import type { DeviceId } from "../../protocols/ids.ts";
import { scaledMs } from "../../protocols/liveness/awareness.ts";
import { Dissemination } from "../../protocols/liveness/dissemination.ts";
import type { LivenessMessage, Rumour } from "../../protocols/liveness/messages.ts";
import { ProbeOrder } from "../../protocols/liveness/probe_order.ts";
import { type RingView, ringView } from "../../protocols/liveness/ring.ts";
import type { RoundTrip } from "../../protocols/liveness/round_trip.ts";
import { encodeLivenessMessage } from "../../protocols/liveness/wire.ts";
import type { Context, Ref } from "../kernel/actor.ts";
import type { SessionsCommand } from "../sessions/commands.ts";
import type { LivenessCommand } from "./commands.ts";

/** A peer is probed this often; SWIM's protocol period. memberlist on a LAN: 1,000, with messages more than twice as large, ms. */
export const PROBE_INTERVAL_MS = 700;
/** What suspicions are measured in: memberlist's protocol period, so that the factors compare, ms. */
export const SUSPICION_UNIT_MS = 1_000;
/** How long those who were asked to ping have, after the target did not answer us, ms. */
export const INDIRECT_MS = 500;
/** Whoever pings for another says so when it got no answer for this long: well before the other has stopped waiting, ms. */
export const RELAY_MS = 350;
/** How many are asked to ping for us; k of SWIM, 3 in memberlist. */
export const HELPERS = 5;
/** Up to this many members, everybody has a session with everybody (`EVERYBODY_MAX` of `sessions/peer_choice.ts`, and us). */
export const ALL_CONNECTED_MAX = 17;
/** A timer that comes later than this shows that we stood still: what seemed late to us may have been waiting here, ms. */
const STOOD_STILL_MS = 500;
/** Pings on behalf of others at a time; more are refused with a `nack`. */
export const RELAYS_MAX = 64;

export interface LivenessDependencies {
  readonly self: DeviceId;
  readonly sessions: Ref<SessionsCommand>;
  /** Whom this member probably has sessions with, of `members` without it: asked where not everybody has one with everybody. */
  readonly partnersOf: (
    member: DeviceId,
    members: readonly DeviceId[],
  ) => ReadonlySet<DeviceId>;
  /** How messages become bytes; default `encodeLivenessMessage`. Members that share a process may share what they encode. */
  readonly encode?: (message: LivenessMessage) => Uint8Array;
}

/** What is believed of one admitted member. */
export interface Believed {
  /** Null: nothing was ever heard of it. */
  rumour: Rumour | null;
  /** Since when in this state and incarnation, monotonic ms. */
  sinceMs: number;
}

/** Somebody was asked whether it is there. */
export interface Probe {
  readonly target: DeviceId;
  readonly sequence: number;
  /** When the ping left; null when there was no session to send it over. */
  readonly pingedAtMs: number | null;
  phase: "direct" | "indirect";
  /** Who was asked to ping, and has said nothing yet. */
  readonly helpers: Set<DeviceId>;
  asked: number;
  /** Somebody with a session found it silent too. */
  silent: boolean;
}

/** A ping on behalf of another. */
export interface Relay {
  readonly to: DeviceId;
  /** What the other calls it. */
  readonly sequence: number;
  readonly target: DeviceId;
}

export interface LivenessState {
  readonly self: DeviceId;
  /** Monotonic ms. */
  readonly startedAtMs: number;
  /** Every admitted member but this device. */
  readonly members: Map<DeviceId, Believed>;
  /** Members believed alive or suspect, this device included. */
  present: number;
  incarnation: number;
  health: number;
  leaving: boolean;
  /** Peers with a session. */
  readonly up: Set<DeviceId>;
  /** How the ring looks with `up` on it; null when `up` has changed since. */
  ring: RingView | null;
  /** Peers whose session was lost: probed through others until they are back or given up. */
  readonly lost: Set<DeviceId>;
  /** `up` and `lost`. */
  readonly order: ProbeOrder;
  readonly roundTrips: Map<DeviceId, RoundTrip>;
  readonly probes: Map<DeviceId, Probe>;
  readonly relays: Map<number, Relay>;
  sequence: number;
  readonly news: Dissemination;
  gossiping: boolean;
  /** When everything was last told to somebody, monotonic ms. */
  toldAllAtMs: number;
  readonly counts: {
    probesSent: number;
    probesFailed: number;
    suspicionsRaised: number;
    suspicionsRefuted: number;
  };
}

export type LivenessContext = Context<LivenessCommand>;

/** The state before anything was heard. */
export function emptyLivenessState(self: DeviceId, startedAtMs: number): LivenessState {
  return {
    self,
    startedAtMs,
    members: new Map(),
    present: 1,
    incarnation: 1,
    health: 0,
    leaving: false,
    up: new Set(),
    ring: null,
    lost: new Set(),
    order: new ProbeOrder(),
    roundTrips: new Map(),
    probes: new Map(),
    relays: new Map(),
    sequence: 0,
    news: new Dissemination(),
    gossiping: false,
    toldAllAtMs: Number.NEGATIVE_INFINITY,
    counts: { probesSent: 0, probesFailed: 0, suspicionsRaised: 0, suspicionsRefuted: 0 },
  };
}

/** What we say of a member, or of ourselves; undefined when we know nothing. */
export function rumourOf(state: LivenessState, subject: DeviceId): Rumour | undefined {
  if (subject !== state.self) return state.members.get(subject)?.rumour ?? undefined;
  const said = state.leaving ? "left" : "alive";
  return { subject, state: said, incarnation: state.incarnation, accusers: [] };
}

/** The ring of the peers with a session. */
export function ringOf(state: LivenessState): RingView {
  return state.ring ??= ringView(state.self, state.up);
}

/** Number of the next ping. */
export function nextSequence(state: LivenessState): number {
  return state.sequence = (state.sequence + 1) >>> 0;
}

/** Starts a timer whose command says when it should have come. */
export function startDueTimer(
  context: LivenessContext,
  key: string,
  delayMs: number,
  toCommand: (dueMs: number) => LivenessCommand,
): void {
  context.startTimer(key, delayMs, toCommand(context.monotonicMs() + delayMs));
}

/** Whether a timer that should have come at `dueMs` shows that this device stood still. */
export function stoodStill(context: LivenessContext, dueMs: number): boolean {
  return context.monotonicMs() - dueMs > STOOD_STILL_MS;
}

/** A waiting time, longer the worse we hear. */
export function patient(state: LivenessState, ms: number): number {
  return scaledMs(ms, state.health);
}

/** Sends a message to a peer. */
export function send(
  context: LivenessContext,
  deps: LivenessDependencies,
  to: DeviceId,
  message: LivenessMessage,
): void {
  const body = (deps.encode ?? encodeLivenessMessage)(message);
  context.send(deps.sessions, { type: "sendToPeer", to, protocol: "liveness", body });
}
