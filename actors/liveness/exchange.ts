/** Telling each other everything: when a session begins and then at long intervals, if a digest shows that it is worth it. */
import type { DeviceId } from "../../protocols/ids.ts";
import { digestOf } from "../../protocols/liveness/digest.ts";
import {
  type Beliefs,
  BELIEFS_MAX,
  type Digest,
  type Rumour,
} from "../../protocols/liveness/messages.ts";
import { mergeRumours } from "../../protocols/liveness/swim_state.ts";
import { hear } from "./believing.ts";
import {
  type LivenessContext,
  type LivenessDependencies,
  type LivenessState,
  rumourOf,
  send,
} from "./state.ts";
import { ridersFor } from "./telling.ts";

/** Digests are compared with a random peer this often, up to half as much again, ms. */
const EXCHANGE_MS = 60_000;
/** Everything is told at most this often, ms. */
const TELL_ALL_MS = 2_000;

/** Sets the timer of the next comparison. */
export function scheduleExchange(context: LivenessContext): void {
  const delayMs = EXCHANGE_MS * (1 + context.random.float() / 2);
  context.startTimer("exchange", delayMs, { type: "exchangeDue" });
}

/** Compares with a random peer. */
export function onExchangeDue(
  context: LivenessContext,
  state: LivenessState,
  deps: LivenessDependencies,
): void {
  scheduleExchange(context);
  const peers = [...state.up];
  if (peers.length > 0) {
    sendDigest(context, state, deps, peers[context.random.below(peers.length)]!);
  }
}

/** Sends the digest of what we believe, with what we say of ourselves and of the peer. */
export function sendDigest(
  context: LivenessContext,
  state: LivenessState,
  deps: LivenessDependencies,
  peer: DeviceId,
): void {
  const { count, sum } = digestOf(beliefs(state));
  const ourselves = rumourOf(state, state.self)!;
  const riders = ridersFor(state, peer).filter(({ subject }) => subject !== state.self);
  send(context, deps, peer, { type: "digest", count, sum, rumours: [ourselves, ...riders] });
}

/** A peer's digest: if it believes something else, it is told everything. */
export function onDigest(
  context: LivenessContext,
  state: LivenessState,
  deps: LivenessDependencies,
  from: DeviceId,
  digest: Digest,
): void {
  const own = digestOf(beliefs(state));
  if (own.count === digest.count && own.sum === digest.sum) return;
  const nowMs = context.monotonicMs();
  if (nowMs - state.toldAllAtMs < TELL_ALL_MS) return;
  state.toldAllAtMs = nowMs;
  const rumours = [...beliefs(state)];
  const first = rumours.length > BELIEFS_MAX ? context.random.below(rumours.length) : 0;
  const part = [...rumours.slice(first), ...rumours.slice(0, first)].slice(0, BELIEFS_MAX);
  send(context, deps, from, { type: "beliefs", answerWanted: true, rumours: part });
}

/** Everything a peer believes. */
export function onBeliefs(
  context: LivenessContext,
  state: LivenessState,
  deps: LivenessDependencies,
  from: DeviceId,
  message: Beliefs,
): void {
  // Whoever knows little is new: what is news to it is news to nobody else.
  const known = [...beliefs(state)].length;
  const newcomer = known * 2 < message.rumours.length;
  for (const rumour of message.rumours) {
    const tell = !newcomer || rumourOf(state, rumour.subject) !== undefined;
    hear(context, state, deps, { from, rumour, listed: true, tell });
  }
  if (!message.answerWanted) return;
  const theirs = new Map(message.rumours.map((rumour) => [rumour.subject, rumour]));
  const better = [...beliefs(state)].filter((ours) => {
    const their = theirs.get(ours.subject) ?? null;
    return mergeRumours(their, ours) !== their;
  });
  if (better.length === 0) return;
  const rumours = better.slice(0, BELIEFS_MAX);
  send(context, deps, from, { type: "beliefs", answerWanted: false, rumours });
}

function* beliefs(state: LivenessState): Generator<Rumour> {
  yield rumourOf(state, state.self)!;
  for (const { rumour } of state.members.values()) if (rumour !== null) yield rumour;
}
