/** Waiting without touching the system's timers: on the clock that was handed in. */
import type { Clock } from "../platform/ports.ts";

/** Resolves after `ms`, or at once when `signal` is aborted. */
export function sleep(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const finish = () => {
      cancel();
      signal?.removeEventListener("abort", finish);
      resolve();
    };
    const cancel = clock.schedule(ms, finish);
    signal?.addEventListener("abort", finish, { once: true });
  });
}

export interface PollOptions {
  readonly clock: Clock;
  readonly everyMs: number;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/** Asks again until `attempt` gives something; null when time is up or `signal` is aborted. */
export async function poll<T>(
  options: PollOptions,
  attempt: () => Promise<T | null>,
): Promise<T | null> {
  const { clock, everyMs, timeoutMs, signal } = options;
  const startedMs = clock.monotonicMs();
  while (true) {
    const found = await attempt();
    if (found !== null) return found;
    if (signal?.aborted || clock.monotonicMs() - startedMs >= timeoutMs) return null;
    await sleep(clock, everyMs, signal);
  }
}
