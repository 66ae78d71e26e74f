/** Which attempt a coordinator calls next: in sums with a second party it is one whose second party can be one now. */
import { smallAggregationOf } from "../../learning/runs/aggregation_choice.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import { abandon, retryPauseMs } from "./lead.ts";
import { newSmallLead } from "./lead_small_sums.ts";
import type { RunActorState, RunContext, RunDependencies } from "./run_state.ts";
import { secondPartyOf } from "./small_part.ts";
import type { SmallLead } from "./small_state.ts";
import { hasSeat } from "./terms.ts";

/** So many numbers of attempts are looked at for one with a second party that can be one: far fewer than others let one jump. */
const ATTEMPTS_TRIED = 64;

/**
 * The next attempt's number, whom it calls, and its sum: null where the plan has none. An attempt is left out whose second party could not be one now: the devices
 * have no session with it, or it failed a moment ago. Undefined when there is none; then it is tried again when one may be.
 */
export function nextAttempt(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  { round, calledIn }: {
    readonly round: number;
    readonly calledIn: (attempt: number) => readonly DeviceId[];
  },
): { attempt: number; called: readonly DeviceId[]; small: SmallLead | null } | undefined {
  const first = state.attempt + 1;
  if (smallAggregationOf(deps.opened.plan) === null) {
    return { attempt: first, called: calledIn(first), small: null };
  }
  const nowMs = context.monotonicMs();
  let waitMs = Infinity;
  for (let attempt = first; attempt < first + ATTEMPTS_TRIED; attempt++) {
    const called = calledIn(attempt);
    const second = secondPartyOf(state, deps, { round, attempt, called, coordinator: deps.self });
    if (second === undefined || !hasSeat(state, second)) continue;
    const restsMs = (state.secondFailures.get(second)?.untilMs ?? 0) - nowMs;
    if (restsMs <= 0) return { attempt, called, small: newSmallLead(deps, second) };
    waitMs = Math.min(waitMs, restsMs);
  }
  if (waitMs < Infinity) context.startTimer("call", waitMs, { type: "callDue" });
  return undefined;
}

/** The second party has kept an attempt from its end: it is not named again for a while, a longer one each time, whether it goes and comes meanwhile or not. */
export function giveUpSecond(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  reason: string,
): void {
  const { second } = state.lead!.small!;
  const failures = (state.secondFailures.get(second)?.failures ?? 0) + 1;
  const untilMs = context.monotonicMs() + retryPauseMs(failures);
  state.secondFailures.set(second, { failures, untilMs });
  abandon(context, state, deps, reason);
}
