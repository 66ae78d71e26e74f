/**
 * Who coordinates. A rule and silence, no vote: whoever is first in the public order of a term takes it; three seconds without a beat begin the
 * next one. Two coordinators at once cost time, never safety, because a device answers each phase for one attempt only.
 */
import { coordinatorOrder } from "../../learning/runs/order.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import type { Attempt, CoordinatorBeat } from "../../protocols/rounds/messages.ts";
import { nodeEvents } from "../events.ts";
import type { RunActorState, RunContext, RunDependencies } from "./run_state.ts";
import { reachable, tellAll } from "./talking.ts";

/** Time between beats, and how often a run looks after itself, ms. */
export const BEAT_MS = 1_000;
/** Silence that ends a term, ms. */
export const SILENCE_MS = 3_000;
/** The second in the order waits this much longer than the first, and so on, ms. */
const STAGGER_MS = 500;
/**
 * Attempts at one round by which others may move this device ahead: at once after a silence, and a second in the long run. Nobody honest begins one more often than
 * once a second, and all numbers last four years at this rate, whatever others say.
 */
const ATTEMPTS_AHEAD_MAX = 1_024;
const ATTEMPTS_AHEAD_PER_SECOND = 32;
const TERMS = 2 ** 32;

/** Those who could coordinate now, this device among them, in the order of a term. */
export function orderOfTerm(
  state: RunActorState,
  deps: RunDependencies,
  term: number,
): readonly DeviceId[] {
  const candidates = [...state.peers.values()].filter((peer) =>
    peer.up && peer.coordinates && hasSeat(state, peer.deviceId)
  ).map(({ deviceId }) => deviceId);
  if (state.coordinates) candidates.push(deps.self);
  return coordinatorOrder(
    candidates,
    { run: deps.run, term, startedBy: deps.startedBy },
    deps.crypto,
  );
}

/** True for one of those who take turns at coordinating: in a large company only they have sessions with everybody. */
export function hasSeat({ seats }: Pick<RunActorState, "seats">, device: DeviceId): boolean {
  return seats === null || seats.has(device);
}

/**
 * Takes what somebody says as coordinator of a term: true when it is the one to follow, which it is from now on. `stepDown` is called when
 * this device held the part until now.
 */
export function follow(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  options: { readonly from: DeviceId; readonly term: number; readonly stepDown: () => void },
): boolean {
  const { from, term, stepDown } = options;
  const known = from === deps.self
    ? state.coordinates
    : state.peers.get(from)?.coordinates === true;
  if (!known || isEarlier(term, state.term)) return false;
  if (term === state.term && state.coordinator !== null && state.coordinator !== from) {
    const [first] = coordinatorOrder(
      [from, state.coordinator],
      { run: deps.run, term, startedBy: deps.startedBy },
      deps.crypto,
    );
    if (first !== from) return false;
  }
  if (state.lead !== null && from !== deps.self) stepDown();
  if (term !== state.term || state.coordinator !== from) {
    state.term = term;
    state.coordinator = from;
  }
  state.heardAtMs = context.monotonicMs();
  return true;
}

/**
 * How long until this device is to take the next term if nobody is heard meanwhile, ms; null while it could not coordinate. Whoever has fallen
 * silent is not waited for.
 */
export function untilOurTurnMs(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
): number | null {
  // Without the model nobody could be called, and beats would keep those silent who have it.
  if (!state.coordinates || state.lead !== null || state.head?.model == null) return null;
  const place = orderOfTerm(state, deps, nextTerm(state))
    .filter((device) => device !== state.coordinator).indexOf(deps.self);
  const silentMs = context.monotonicMs() - state.heardAtMs;
  return SILENCE_MS + STAGGER_MS * Math.max(0, place) - silentMs;
}

/**
 * Terms go round like the numbers of RFC 1982: what is up to half of them ahead is later. A candidate that jumps as far as it can takes no more
 * than it could have taken with the next number, and there is always a next one. Of two that are exactly half of them apart, which RFC 1982 leaves
 * open, the larger number is later for everybody: else each would be earlier than the other, and two coordinators would never follow one another.
 */
export function isEarlier(term: number, known: number): boolean {
  const ahead = (term - known) >>> 0;
  return ahead === TERMS / 2 ? term < known : ahead > TERMS / 2;
}

/** By how many attempts others may move a device ahead, and since when, ms of the monotonic clock. */
export interface AttemptsAhead {
  room: number;
  sinceMs: number;
}

export function attemptsAhead(nowMs: number): AttemptsAhead {
  return { room: ATTEMPTS_AHEAD_MAX, sinceMs: nowMs };
}

/**
 * Takes notice of an attempt at the round under way. False for one that is further ahead than others may move this device now: then it goes as far as it may, so
 * that it comes after a coordinator that was moved further, and no jump uses the numbers up.
 */
export function noteAttempt(
  context: Pick<RunContext, "monotonicMs">,
  state: Pick<RunActorState, "attempt" | "attemptsAhead">,
  attempt: number,
): boolean {
  const { attemptsAhead: ahead } = state;
  const nowMs = context.monotonicMs();
  const earned = ATTEMPTS_AHEAD_PER_SECOND * (nowMs - ahead.sinceMs) / 1_000;
  ahead.room = Math.min(ATTEMPTS_AHEAD_MAX, ahead.room + earned);
  ahead.sinceMs = nowMs;
  const by = Math.min(Math.max(0, attempt - state.attempt), Math.floor(ahead.room));
  ahead.room -= by;
  state.attempt += by;
  return attempt <= state.attempt;
}

/** The term after the one that is known; the first when nobody was ever heard. */
export function nextTerm(state: RunActorState): number {
  return state.coordinator === null && state.term === 0 ? 0 : (state.term + 1) % TERMS;
}

/** Tells everybody that we are here and what we do; whoever watches this device sees it, too. */
export function beat(context: RunContext, state: RunActorState, deps: RunDependencies): void {
  const { lead } = state;
  if (lead === null) return;
  const message: CoordinatorBeat = {
    type: "coordinatorBeat",
    ...currentAttempt(state, deps),
    phase: state.phase,
    ready: lead.ready.size,
    submitted: lead.submissions.size,
    fetched: lead.fetched.size,
  };
  tellAll(context, deps, reachable(state), message);
  showProgress(context, deps, message);
}

/** What a coordinator says of the round under way becomes an event of this device. */
export function showProgress(
  context: RunContext,
  { run, opened }: RunDependencies,
  { round, phase, ready, submitted, fetched }: CoordinatorBeat,
): void {
  // After the last round there is none to show.
  if (round > opened.plan.rounds) return;
  context.publish(nodeEvents, {
    type: "roundProgress",
    run,
    round,
    phase,
    ready,
    submitted,
    fetched,
  });
}

/** The attempt under way, or the place of the next. */
export function currentAttempt(state: RunActorState, deps: RunDependencies): Attempt {
  return state.lead?.key ?? {
    run: deps.run,
    round: (state.head?.round ?? 0) + 1,
    term: state.term,
    attempt: state.attempt,
  };
}
