/** Waiting before the next dial. */
import { backoffMs } from "./backoff.ts";
import type { SessionContext, SessionState } from "./session_state.ts";

/** The device with the larger id leaves the other this long to dial first, ms. */
export const DIAL_GRACE_MS = 1_500;

/** Tries again after `delayMs`, or after the backoff. */
export function scheduleRetry(
  context: SessionContext,
  state: SessionState,
  delayMs: number = backoffMs(state.failures, context.random),
): void {
  state.retryAtMs = context.monotonicMs() + delayMs;
  context.startTimer("retry", delayMs, { type: "retryDue" });
}
