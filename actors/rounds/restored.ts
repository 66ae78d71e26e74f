/**
 * A device that was restored from a backup does not know for whom it signed in the round that was under way: in a run without noise a second set of survivors
 * would tell its update. So it takes part again from the round after that one.
 *
 * Invariants:
 * - The mark of a device that is whole never comes back from a backup; where it is missing, the device was restored.
 * - Which round was under way follows from what others know: from the newest version that is here after a minute with others there. A device that
 *   hears a liar only, for all of that minute, may be told of an older one.
 */
import type { RunPlan } from "../../learning/runs/plan.ts";
import { ONCE_PREFIX } from "../../store/store.ts";
import { JOINED_PREFIX } from "./reading.ts";
import type { RunActorState, RunContext, RunDependencies } from "./run_state.ts";
import { reachable } from "./talking.ts";
import { BEAT_MS } from "./terms.ts";

/** So long it listens to what others know, ms. */
const LISTENS_MS = 60_000;

/** What a restored device waits for. */
export interface Restored {
  /** Time with others there, ms. */
  listenedMs: number;
  /** The version with which the round under way is over; null while it listens. */
  until: number | null;
}

/** Setting: the version from which on this device may take part; 0 for a device that has joined and was not restored since. */
export function wholeSetting(run: string): string {
  return `${ONCE_PREFIX}learning/whole/${run}`;
}

/** Reads the mark; null for a device that has nothing to wait for. */
export async function readRestored(
  { store: { settings }, run, opened: { plan } }: Pick<RunDependencies, "store" | "run" | "opened">,
): Promise<Restored | null> {
  if (!isInDanger(plan) || await settings.get(`${JOINED_PREFIX}${run}`) !== true) return null;
  const until = await settings.get(wholeSetting(run));
  return { listenedMs: 0, until: typeof until === "number" ? until : null };
}

/** With noise a round is paid for anew, and in the clear nobody signs for survivors. */
function isInDanger({ privacy, aggregation }: RunPlan): boolean {
  return privacy === null && aggregation.type !== "clear" && aggregation.type !== "grid";
}

/** Why this device takes no part in the round under way; null when it may. */
export function outAfterRestore({ restored, head }: RunActorState): string | null {
  if (restored === null) return null;
  const { until } = restored;
  if (until !== null && (head?.round ?? 0) >= until) return null;
  return "it was restored from a backup, and may have signed in this round: it joins the next (leave and join the run if no round was under way)";
}

/** Listens; called once a second. */
export function listen(context: RunContext, state: RunActorState, deps: RunDependencies): void {
  const { restored, head } = state;
  if (restored === null || restored.until !== null || head === undefined) return;
  if (reachable(state).length === 0 || state.adopting !== null) return;
  restored.listenedMs += BEAT_MS;
  if (restored.listenedMs < LISTENS_MS) return;
  const until = head.round + 1;
  restored.until = until;
  context.perform(
    () => deps.store.settings.set({ [wholeSetting(deps.run)]: until }),
    (outcome) => ({ type: "restoreNoted", outcome }),
  );
}
