/**
 * Two versions of one round: two coordinators did not know of each other, and where groups are summed one may have had a group that the other had not. All keep
 * the one whose block has the lower id. By then an attempt at the next round may have been signed that goes on from the other one, and without noise
 * only that attempt can be finished: then its coordinator goes back to the version it was signed on, and all follow with what comes of it.
 */
import { submissionStatement } from "../../learning/models/proof.ts";
import { decodeCheckpoint } from "../../learning/runs/checkpoint.ts";
import { publicKeyOf } from "../../protocols/ids.ts";
import { considerAdopting } from "./adopting.ts";
import type { CommittedResult, RunHead } from "./commands.ts";
import type { RunActorState, RunContext, RunDependencies } from "./run_state.ts";

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

/** Begins to go back to the version of the head's round that a checkpoint is about; false when it is about none that is known. */
export function returnTo(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  bytes: Uint8Array,
): boolean {
  const { head } = state;
  const decoded = decodeCheckpoint(bytes);
  if (head === undefined || !decoded.ok) return false;
  const { round, attempt, submissions: [submission] } = decoded.message;
  if (round !== head.round + 1 || submission === undefined) return false;
  const { device, signature } = submission;
  const found = [...state.waiting.values()].find(({ block, result }) =>
    result.round === head.round && block !== head.block &&
    deps.crypto.verify({
      publicKey: publicKeyOf(device),
      // Whoever submits signs for the version that it goes on from.
      message: submissionStatement(
        { run: deps.run, round, attempt, parent: result.result },
        submission,
      ),
      signature,
    })
  );
  if (found === undefined || state.adopting !== null) return false;
  context.log.write("info", "an attempt was signed on another version of the round before", {
    round,
    attempt,
    version: found.block,
  });
  state.preferred = found.block;
  considerAdopting(context, state, deps);
  return state.adopting !== null;
}
