/** Notices changes of files and waits until they have settled, so that a file being written is added once. */
import type { Clock } from "../../platform/ports.ts";
import { sleep } from "../wait.ts";
import type { AddTarget } from "./add_documents.ts";

/** No change for this long means that writing is over. */
const SETTLED_MS = 300;
/** A file that never settles (a log) is added at least this often. */
const SETTLED_MS_MAX = 5_000;

/**
 * Yields the targets that changed, again and again until `signal` is aborted. Watching begins with this call, not with the
 * first step of the iteration: what changes while the first adding is under way is not missed.
 */
export function watchTargets(
  targets: readonly AddTarget[],
  clock: Clock,
  signal: AbortSignal,
): AsyncGenerator<readonly AddTarget[]> {
  const paths = targets.flatMap((target) => target.type === "path" ? [target.path] : []);
  return settled({ watcher: Deno.watchFs(paths), targets, clock, signal });
}

async function* settled(
  options: {
    readonly watcher: Deno.FsWatcher;
    readonly targets: readonly AddTarget[];
    readonly clock: Clock;
    readonly signal: AbortSignal;
  },
): AsyncGenerator<readonly AddTarget[]> {
  const { watcher, targets, clock, signal } = options;
  const stop = () => watcher.close();
  signal.addEventListener("abort", stop, { once: true });
  const changed = new Set<string>();
  let lastMs = 0;
  let wake: () => void = () => undefined;
  const reading = (async () => {
    for await (const event of watcher) {
      if (event.kind === "access") continue;
      for (const path of event.paths) changed.add(path);
      lastMs = clock.monotonicMs();
      wake();
    }
  })();
  try {
    while (!signal.aborted) {
      if (changed.size === 0) {
        await new Promise<void>((resolve) => {
          wake = resolve;
          signal.addEventListener("abort", () => resolve(), { once: true });
        });
        continue;
      }
      const firstMs = clock.monotonicMs();
      while (!signal.aborted && clock.monotonicMs() - firstMs < SETTLED_MS_MAX) {
        const quietMs = clock.monotonicMs() - lastMs;
        if (quietMs >= SETTLED_MS) break;
        await sleep(clock, SETTLED_MS - quietMs, signal);
      }
      const seen = [...changed];
      changed.clear();
      const hit = targets.filter((target) =>
        target.type === "path" &&
        seen.some((path) => path === target.path || path.startsWith(`${target.path}/`))
      );
      if (hit.length > 0 && !signal.aborted) yield hit;
    }
  } finally {
    signal.removeEventListener("abort", stop);
    if (!signal.aborted) watcher.close();
    await reading.catch(() => undefined);
  }
}
