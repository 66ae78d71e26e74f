/** Waiting before the next dial: for any path at all, or for a better one than the path in use. */
import { backoffMs } from "./backoff.ts";
import { betterTransports, kindWaitMs, pathRank } from "./path_choice.ts";
import type { SessionContext, SessionDependencies, SessionState } from "./session_state.ts";

/** The device with the larger id leaves the other this long to dial first, ms. */
export const DIAL_GRACE_MS = 1_500;
/** The same while the path in use is doubted: soon it may be too late for a path without a gap, ms. */
const DOUBT_GRACE_MS = 400;
/** A path that could be better is left alone this long before a better one is looked for, ms. */
const UPGRADE_FIRST_MS = 1_000;
/** While the path in use is doubted, attempts follow each other this soon, ms. */
const DOUBT_AGAIN_MS = 250;

/** Tries again after `delayMs`, or after the backoff; a peer that was put out is left alone until its time is over. */
export function scheduleRetry(
  context: SessionContext,
  state: SessionState,
  delayMs: number = backoffMs(state.failures, context.random),
): void {
  const nowMs = context.monotonicMs();
  const waitMs = Math.max(delayMs, state.quarantinedUntilMs - nowMs);
  state.retryAtMs = nowMs + waitMs;
  context.startTimer("retry", waitMs, { type: "retryDue" });
}

/** True while something is under way that may become the path in use. */
export function isConnecting(state: SessionState): boolean {
  return state.dials.size > 0 || state.opening.size > 0;
}

/** A dial of this transport led to nothing: next time others go first. */
export function noteKindFailed(
  context: SessionContext,
  state: SessionState,
  transport: number,
): void {
  const memory = state.kinds[transport];
  if (memory === undefined) return;
  memory.failures += 1;
  memory.notBeforeMs = context.monotonicMs() + kindWaitMs(memory.failures, context.random);
}

/** What failed before may work now: addresses or networks have changed. */
export function forgetKindFailures(state: SessionState): void {
  for (const memory of state.kinds) {
    memory.failures = 0;
    memory.notBeforeMs = 0;
  }
}

/** Looks for a better path when the next kind that could be one has rested; does nothing when the path in use is the best there is. */
export function scheduleUpgrade(
  context: SessionContext,
  state: SessionState,
  deps: SessionDependencies,
  soonestMs: number = state.doubted ? DOUBT_AGAIN_MS : UPGRADE_FIRST_MS,
): void {
  context.cancelTimer("upgrade");
  const better = upgradeTransports(state, deps);
  if (better.length === 0) return;
  const restedAtMs = Math.min(...better.map((index) => state.kinds[index]!.notBeforeMs));
  const graceMs = deps.self < deps.peer ? 0 : state.doubted ? DOUBT_GRACE_MS : DIAL_GRACE_MS;
  const waitMs = Math.max(soonestMs, restedAtMs - context.monotonicMs()) + graceMs;
  context.startTimer("upgrade", waitMs, { type: "upgradeDue" });
}

/** Nothing comes by the path in use any more: another one is opened beside it, which takes over when this one stays silent. */
export function onSilence(
  context: SessionContext,
  state: SessionState,
  deps: SessionDependencies,
): void {
  if (state.doubted) return;
  state.doubted = true;
  scheduleUpgrade(context, state, deps, 0);
}

/** Transports that could lead to a better path than the one in use, best first. One that is doubted is no better than none: then all. */
export function upgradeTransports(state: SessionState, deps: SessionDependencies): number[] {
  if (state.active === null || state.addresses.length === 0) return [];
  const kinds = deps.transports.map(({ kind }) => kind);
  return betterTransports(kinds, state.doubted ? Infinity : pathRank(state.active.path));
}
