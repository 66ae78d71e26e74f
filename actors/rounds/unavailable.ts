/** Results whose vectors nobody has, such as when their author died with them: others are tried before them, and nothing waits for them. */
import type { Incoming, RunActorState, RunContext } from "./run_state.ts";

/** They are looked for again after this time, ms. */
const UNAVAILABLE_MS = 3_000;

/** Nobody had the vector that this was for. */
export function onUnavailable(
  context: RunContext,
  state: RunActorState,
  purpose: Incoming["purpose"],
): void {
  state.adopting = null;
  if (!("committed" in purpose)) return;
  state.unavailable.set(purpose.committed.block, context.monotonicMs() + UNAVAILABLE_MS);
}

/** True for a short while after nobody had what this result names. */
export function isUnavailable(context: RunContext, state: RunActorState, block: string): boolean {
  const untilMs = state.unavailable.get(block);
  if (untilMs === undefined || untilMs > context.monotonicMs()) return untilMs !== undefined;
  state.unavailable.delete(block);
  return false;
}
