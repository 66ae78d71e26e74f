/**
 * Counts requests per key in windows of fixed length. Time comes from the node's clock (kept packages for this read the
 * ambient one and leave timers behind), and memory is bounded.
 */
import type { Clock } from "../../platform/ports.ts";

/** Keys remembered; when there are more, those whose window is over go first, then the oldest. */
const KEYS_MAX = 10_000;

export interface WindowState {
  readonly allowed: boolean;
  /** Requests left in this window. */
  readonly remaining: number;
  /** Until the window starts anew, ms. */
  readonly resetMs: number;
}

export interface RequestWindows {
  /** Counts one request of `key`, of which `limit` are allowed per window. */
  count(key: string, limit: number): WindowState;
}

/** Windows of `windowMs`, each beginning with the first request of its key. */
export function requestWindows(
  { clock, windowMs }: { readonly clock: Clock; readonly windowMs: number },
): RequestWindows {
  const windows = new Map<string, { endsAtMs: number; used: number }>();

  function makeRoom(nowMs: number): void {
    for (const [key, window] of windows) if (window.endsAtMs <= nowMs) windows.delete(key);
    for (const key of windows.keys()) {
      if (windows.size < KEYS_MAX) break;
      windows.delete(key);
    }
  }

  return {
    count(key, limit) {
      const nowMs = clock.monotonicMs();
      let window = windows.get(key);
      if (window === undefined || window.endsAtMs <= nowMs) {
        if (windows.size >= KEYS_MAX) makeRoom(nowMs);
        window = { endsAtMs: nowMs + windowMs, used: 0 };
        windows.set(key, window);
      }
      const allowed = window.used < limit;
      if (allowed) window.used++;
      return { allowed, remaining: limit - window.used, resetMs: window.endsAtMs - nowMs };
    },
  };
}
