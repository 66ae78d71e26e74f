/** Reading where our log ends, also from a disk that fails now and then, and forgetting what is no longer answered. */
import { RESTORED_SETTING } from "../../store/store.ts";
import type { LoadedLog } from "./commands.ts";
import { pruneIdempotency } from "./prepare.ts";
import type { PublisherContext, PublisherDependencies, PublisherState } from "./state.ts";

/** The token of the barrier that precedes reading the log; jobs count from 1. */
export const BARRIER_TOKEN = 0;
/** Waits before the log's end is read again from a disk that fails: doubling from the first to the last, ms. */
const RELOAD_FIRST_MS = 100;
const RELOAD_MAX_MS = 30_000;
/** Old idempotency keys are forgotten this often, ms. */
export const PRUNE_EVERY_MS = 60 * 60 * 1000;

/** Reads the log's end again; an empty commit in front makes sure that nothing of ours is still on its way. */
export function reload(
  context: PublisherContext,
  state: PublisherState,
  deps: PublisherDependencies,
): void {
  state.phase = "loading";
  context.send(deps.storage, {
    type: "storeBlocks",
    blocks: [],
    receivedFrom: null,
    replyTo: context.self,
    token: BARRIER_TOKEN,
  });
}

/** The barrier is passed: reads the end. */
export function readLog(context: PublisherContext, deps: PublisherDependencies): void {
  context.perform(
    async (): Promise<LoadedLog> => {
      return {
        // Not the frontier: that ends before a block that was set aside as damaged, and its sequence is used.
        head: await deps.store.blocks.head(deps.self) ?? null,
        restored: await deps.store.settings.get(RESTORED_SETTING) === true,
      };
    },
    (outcome) => ({ type: "loaded", outcome }),
  );
}

/** Reads again after a while, ever longer while the disk fails. */
export function reloadLater(context: PublisherContext, state: PublisherState): void {
  state.phase = "loading";
  const delayMs = Math.min(RELOAD_MAX_MS, RELOAD_FIRST_MS * 2 ** Math.min(state.failures, 20));
  state.failures++;
  context.startTimer("reload", delayMs, { type: "reloadDue" });
}

/** Forgets old idempotency keys, and does so again. */
export function onPruneDue(context: PublisherContext, deps: PublisherDependencies): void {
  const nowMs = context.wallMs();
  context.startTimer("prune", PRUNE_EVERY_MS, { type: "pruneDue" });
  context.perform(
    () => pruneIdempotency(deps.store, nowMs),
    (outcome) => ({ type: "pruned", outcome }),
  );
}
