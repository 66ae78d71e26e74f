/** Vectors of old versions make room: every round leaves its parameters, what it released and perhaps an optimiser's state, megabytes each. */
import type { ContentHash } from "../../protocols/ids.ts";
import type { Store } from "../../store/store.ts";
import type { VectorStore } from "../../store/vectors.ts";
import type { KnownRun } from "./state.ts";

/** Rounds whose vectors stay: enough to verify them, to go back a little, and for others to catch up. */
export const ROUNDS_KEPT = 10;

/** Settings: versions that a person has gone back to, or has begun a run with; their parameters stay for good. */
const KEPT_PREFIX = "learning/kept/";

export function keptSetting(version: ContentHash): string {
  return `${KEPT_PREFIX}${version}`;
}

/** Setting: whether a version was found to follow from its round; true or false. */
export function verifiedSetting(block: string): string {
  return `learning/verified/${block}`;
}

/** Removes the vectors of rounds that are more than `ROUNDS_KEPT` behind `round`, from the first that was not looked at before. */
export async function removeOldVectors(
  run: Pick<KnownRun, "run" | "results">,
  { round, from, inUse, vectors, settings }: {
    /** Done on this device. */
    readonly round: number;
    /** First round that may still have some. */
    readonly from: number;
    /** What stays whatever the results name, see `vectorsInUse`; asked when there is something to remove. */
    readonly inUse: () => Promise<ReadonlySet<ContentHash>>;
    readonly vectors: Pick<VectorStore, "remove">;
    readonly settings: Pick<Store["settings"], "entries">;
  },
): Promise<void> {
  const results = run.results.map(({ result }) => result);
  const isOld = (one: number) => one <= round - ROUNDS_KEPT;
  const old = results.filter((one) => one.round >= from && isOld(one.round));
  if (old.length === 0) return;
  const kept = new Set<string>([
    ...(await inUse()),
    ...(await settings.entries(KEPT_PREFIX)).map(([key]) => key.slice(KEPT_PREFIX.length)),
    // The same parameters may have come again.
    ...results.filter((one) => !isOld(one.round)).flatMap(vectorsOf),
  ]);
  for (const hash of new Set(old.flatMap(vectorsOf))) {
    if (!kept.has(hash)) await vectors.remove(hash);
  }
}

/** The vectors that a result names. */
export function vectorsOf(
  { result, state, aggregate }: KnownRun["results"][number]["result"],
): readonly ContentHash[] {
  return [result, aggregate.hash, ...(state === null ? [] : [state.hash])];
}
