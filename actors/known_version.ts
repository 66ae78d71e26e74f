/** A version of a model as this node knows it. */
import type { OpenedPlan } from "../learning/runs/opened_plan.ts";
import type { ContentHash } from "../protocols/ids.ts";
import type { CommittedResult, RunSummary } from "./rounds/commands.ts";

/** One version with where it comes from. */
export interface KnownVersion {
  readonly summary: RunSummary;
  readonly opened: OpenedPlan;
  readonly version: ContentHash;
  /** Null for where the run began, and for what nobody has published. */
  readonly committed: CommittedResult | null;
  /** On a grid: rounds this device has done, for its own version; null for all others. */
  readonly ownRound: number | null;
}

/** Rounds that led to it; 0 for where a run began. */
export function roundOf({ committed, ownRound }: KnownVersion): number {
  return committed?.result.round ?? ownRound ?? 0;
}

/** Bytes of one version of a run; 0 when its plan cannot be opened here. */
export function bytesOf(summary: RunSummary, open: (summary: RunSummary) => OpenedPlan): number {
  try {
    return 4 * open(summary).layout.count;
  } catch {
    return 0;
  }
}
