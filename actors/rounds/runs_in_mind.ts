/** How many runs a device keeps in mind, and which one makes room: whoever publishes plans without end pushes out their own, and nobody else's. */
import type { RunId } from "../../learning/runs/plan.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import type { CommittedResult } from "./commands.ts";
import type { RoundsState } from "./state.ts";

/** Runs kept in mind, at most; the plans of others are still in the store. */
export const RUNS_MAX = 1_000;
/** Results kept whose plan has not come, of all runs together. */
export const EARLY_MAX = 1_000;

/**
 * Makes room for one more run. Of whoever has started most of those that this device has neither joined nor is about to (`kept`: nor those), the oldest is forgotten.
 * False when there is none.
 */
export function makeRoomForRun(
  { runs, requests }: Pick<RoundsState, "runs" | "requests">,
  kept: ReadonlySet<RunId>,
): boolean {
  if (runs.size < RUNS_MAX) return true;
  const joining = new Set(
    [...requests.values()].flatMap((one) => one.type === "join" ? [one.run] : []),
  );
  const spare = [...runs.values()].filter(({ run, joined }) =>
    !joined && !kept.has(run) && !joining.has(run)
  );
  const started = new Map<DeviceId, number>();
  for (const { startedBy } of spare) started.set(startedBy, (started.get(startedBy) ?? 0) + 1);
  const most = Math.max(0, ...started.values());
  const oldest = spare.find(({ startedBy }) => started.get(startedBy) === most);
  return oldest !== undefined && runs.delete(oldest.run);
}

/** Keeps a result until its plan is here; those of the run that was heard of first make room. */
export function keepEarly({ early }: Pick<RoundsState, "early">, committed: CommittedResult): void {
  const { run } = committed.result;
  let count = 0;
  for (const results of early.values()) count += results.length;
  const [first] = early;
  if (count >= EARLY_MAX && first !== undefined) {
    first[1].shift();
    if (first[1].length === 0) early.delete(first[0]);
  }
  early.set(run, [...early.get(run) ?? [], committed]);
}
