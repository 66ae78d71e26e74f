/**
 * Who coordinates. A rule and silence, no vote: whoever is first in the public order of a term takes it; three seconds without a beat begin the
 * next one. Two coordinators at once cost time, never safety, because a device answers each phase for one attempt only.
 */
import { coordinatorOrder } from "../../learning/runs/order.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import type { Attempt, CoordinatorBeat } from "../../protocols/rounds/messages.ts";
import type { RunActorState, RunContext, RunDependencies } from "./run_state.ts";
import { reachable, tellAll } from "./talking.ts";

/** Time between beats, and how often a run looks after itself, ms. */
export const BEAT_MS = 1_000;
/** Silence that ends a term, ms. */
export const SILENCE_MS = 3_000;
/** The second in the order waits this much longer than the first, and so on, ms. */
const STAGGER_MS = 700;

/** Those who could coordinate now, this device among them, in the order of a term. */
export function orderOfTerm(
  state: RunActorState,
  deps: RunDependencies,
  term: number,
): readonly DeviceId[] {
  const candidates = [...state.peers.values()].filter(({ up, coordinates }) => up && coordinates)
    .map(({ deviceId }) => deviceId);
  if (deps.coordinates) candidates.push(deps.self);
  return coordinatorOrder(
    candidates,
    { run: deps.run, term, startedBy: deps.startedBy },
    deps.crypto,
  );
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
  const known = from === deps.self ? deps.coordinates : state.peers.get(from)?.coordinates === true;
  if (!known || term < state.term) return false;
  if (term === state.term && state.coordinator !== null && state.coordinator !== from) {
    const [first] = coordinatorOrder(
      [from, state.coordinator],
      { run: deps.run, term, startedBy: deps.startedBy },
      deps.crypto,
    );
    if (first !== from) return false;
  }
  if (state.lead !== null && from !== deps.self) stepDown();
  if (term > state.term || state.coordinator !== from) {
    state.term = term;
    state.coordinator = from;
  }
  state.heardAtMs = context.monotonicMs();
  return true;
}

/** True when nobody was heard for so long that this device is to take the next term. */
export function isOurTurn(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
): boolean {
  if (!deps.coordinates || state.lead !== null) return false;
  const place = orderOfTerm(state, deps, nextTerm(state)).indexOf(deps.self);
  const silentMs = context.monotonicMs() - state.heardAtMs;
  return silentMs >= SILENCE_MS + STAGGER_MS * place;
}

/** The term after the one that is known; the first when nobody was ever heard. */
export function nextTerm(state: RunActorState): number {
  return state.coordinator === null && state.term === 0 ? 0 : state.term + 1;
}

/** Tells everybody that we are here and what we do. */
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
