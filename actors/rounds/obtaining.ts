/** The vectors that a result names are looked for: here, then among others; those of a result only once its signatures hold. */
import { resultProblem } from "../../learning/runs/result_check.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import type { VectorOffer } from "../../protocols/rounds/messages.ts";
import type { Adoption, CommittedResult } from "./commands.ts";
import type { Incoming, RunActorState, RunContext, RunDependencies } from "./run_state.ts";
import { isReachable, reachable } from "./talking.ts";

type Wanted = {
  readonly offer: VectorOffer;
  readonly sources: readonly DeviceId[];
  readonly purpose: Incoming["purpose"];
};
type WantedOfResult = Wanted & { readonly purpose: { readonly committed: CommittedResult } };

/**
 * The first vector of a result, once its signatures hold: who publishes results that nobody has signed, and gives their vectors in dribbles, takes no time of
 * those that devices have signed.
 */
export function obtainSigned(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  wanted: WantedOfResult,
): void {
  const { purpose: { committed }, offer: { hash } } = wanted;
  let problem: string | undefined;
  state.wanted = wanted;
  context.perform(async () => {
    problem = await resultProblem(committed.result, deps.opened, deps);
    return problem === undefined ? await deps.vectors.get(hash) : undefined;
  }, (outcome) => {
    if (problem === undefined) return { type: "vectorRead", hash, outcome };
    const value: Adoption = { type: "invalid", reason: problem };
    return { type: "adopted", committed, outcome: { ok: true, value } };
  });
}

/** From memory or disk, else from others. */
export function obtain(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  wanted: Wanted,
): void {
  state.wanted = wanted;
  context.perform(
    () => deps.vectors.get(wanted.offer.hash),
    (outcome) => ({ type: "vectorRead", hash: wanted.offer.hash, outcome }),
  );
}

/** Who may have the vectors of a result: who published it, then those who have done that round. */
export function sourcesFor(
  state: RunActorState,
  deps: RunDependencies,
  author: DeviceId,
  round: number,
): readonly DeviceId[] {
  const others = reachable(state).filter((device) =>
    device !== author && (state.peers.get(device)?.round ?? 0) >= round
  );
  const first = isReachable(state, deps, author) ? [author] : [];
  return [
    ...first,
    ...others,
    ...reachable(state).filter((device) => !others.includes(device) && device !== author),
  ];
}
