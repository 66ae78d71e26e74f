/**
 * Two versions of one round: two coordinators did not know of each other, and where groups are summed one may have had a group that the other had not. All keep
 * the one whose block has the lower id. By then an attempt at the next round may have been signed that goes on from the other one, and without noise
 * only that attempt can be finished: then its coordinator goes back to the version it was signed on, and all follow with what comes of it.
 */
import { decodeCheckpoint } from "../../learning/runs/checkpoint.ts";
import type { SourceRate } from "../../protocols/discovery/source_budget.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import { considerAdopting } from "./adopting.ts";
import { isFor, isProvedFor } from "./checkpoint_proof.ts";
import type { CommittedResult, RunHead } from "./commands.ts";
import type { RunActorState, RunContext, RunDependencies } from "./run_state.ts";

/** How often a device goes back for what one other holds. */
export const RETURN_RATE: SourceRate = { perSecond: 1 / 60, burst: 2 };

/** Of the versions of the head's round that it is not, `newest` first, the one to take in its place; undefined when it stays. */
export function versionInstead(
  { preferred }: Pick<RunActorState, "preferred">,
  head: RunHead,
  candidates: readonly CommittedResult[],
): CommittedResult | undefined {
  const [newest] = candidates;
  if (preferred !== null && head.model !== null) {
    return candidates.find(({ block }) => block === preferred);
  }
  return newest !== undefined && head.block !== null && newest.block > head.block
    ? undefined
    : newest;
}

/**
 * Begins to go back to the version of the head's round that a checkpoint is about; false when it is about none that is known, or does not prove that it is. What
 * others hold is listened to now and then only: they may hold that of an attempt that nobody can finish.
 */
export function returnTo(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  bytes: Uint8Array,
  holder: DeviceId | null,
): boolean {
  const { head } = state;
  const decoded = decodeCheckpoint(bytes);
  if (head === undefined || !decoded.ok) return false;
  const { message: checkpoint } = decoded;
  const { round, attempt, submissions: [submission] } = checkpoint;
  if (round !== head.round + 1 || submission === undefined || state.adopting !== null) return false;
  const found = [...state.waiting.values()].find((version) =>
    version.result.round === head.round && version.block !== head.block &&
    !state.invalid.has(version.block) && isFor(deps, checkpoint, submission, version)
  );
  if (found === undefined || !isProvedFor(state, deps, checkpoint, found)) return false;
  if (holder !== null && !state.returns.allows(holder, context.monotonicMs())) return false;
  context.log.write("info", "an attempt was signed on another version of the round before", {
    round,
    attempt,
    version: found.block,
  });
  state.preferred = found.block;
  considerAdopting(context, state, deps);
  return state.adopting !== null;
}
