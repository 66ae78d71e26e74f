/** The results of a run that a device keeps in mind: all are on the disk for good, and nobody's fill its memory. */
import type { CommittedResult } from "./commands.ts";

/** The highest round that a result is of; zero when there is none. */
export function newestRound(results: readonly CommittedResult[]): number {
  return results.reduce((newest, { result }) => Math.max(newest, result.round), 0);
}
