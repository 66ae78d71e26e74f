/**
 * Which vectors must stay whatever the results of one run name: anybody who may share blocks can publish a result that names the vectors of another run as those of an
 * old round of this one, and nothing of it has been checked when old vectors make room.
 */
import type { ContentHash } from "../../protocols/ids.ts";
import type { Store } from "../../store/store.ts";
import { headSetting } from "./adopting.ts";
import { checkpointSetting } from "./checkpoints.ts";
import { ROUNDS_KEPT, vectorsOf } from "./old_vectors.ts";
import type { KeptCheckpoint } from "./commands.ts";
import type { KnownRun } from "./state.ts";

/** What the settings have of a run's newest version here: of one with a coordinator, or of one on a grid. */
interface StoredHead {
  readonly round: number;
  readonly parameters?: ContentHash;
  readonly state?: ContentHash | null;
  readonly hash?: ContentHash;
}

/**
 * Names of the vectors that these runs need: of each its newest version here, the checkpoint in this device's care, what it began with, and what the results of its newest
 * rounds name. `except`: of this run the results are not asked.
 */
export async function vectorsInUse(
  runs: Iterable<Pick<KnownRun, "run" | "plan" | "results">>,
  { except, settings }: {
    readonly except: string;
    readonly settings: Pick<Store["settings"], "get">;
  },
): Promise<ReadonlySet<ContentHash>> {
  const inUse = new Set<ContentHash>();
  const add = (hash: ContentHash | null | undefined) => hash != null && inUse.add(hash);
  for (const { run, plan, results } of [...runs]) {
    add(plan.startFrom);
    const care = await settings.get(checkpointSetting(run)) as KeptCheckpoint | undefined;
    add(care?.offer.hash);
    const head = await settings.get(headSetting(run)) as StoredHead | undefined;
    if (head === undefined) continue;
    for (const hash of [head.parameters, head.state, head.hash]) add(hash);
    if (run === except) continue;
    for (const { result } of results) {
      // What is said of later rounds has left nothing here yet, and could name anything to keep it for good.
      const isKept = result.round > head.round - ROUNDS_KEPT && result.round <= head.round + 1;
      if (isKept) vectorsOf(result).forEach(add);
    }
  }
  return inUse;
}
