/** The plan as one round carries it out, where rounds differ: seeds that all devices share, and lengths that follow from earlier results. */
import type { Crypto } from "../../platform/ports.ts";
import type { BlockId } from "../../protocols/ids.ts";
import { compressionSeed } from "../compression/seed.ts";
import { TYPICAL_LENGTHS } from "../compression/sum_vector.ts";
import type { OpenedPlan } from "./opened_plan.ts";
import type { RunPlan } from "./plan.ts";
import { isMeasured } from "./sum_compression.ts";

/** A round of a run. */
export interface RoundOfRun {
  readonly run: BlockId;
  readonly round: number;
  /** `ModelState.tuning` of the version it begins with; absent at the start. */
  readonly tuning: number | null;
}

/** The plan for one round. Equal on all devices that hold the same version. */
export function atRound(
  opened: OpenedPlan,
  { run, round, tuning }: RoundOfRun,
  crypto: Pick<Crypto, "sha256">,
): OpenedPlan {
  const { compression, aggregation } = opened.plan;
  const isShared = compression !== null && "encoding" in aggregation;
  if (!isShared && tuningLimits(opened.plan) === null) return opened;
  const seed = compressionSeed(crypto, { run: Uint8Array.fromHex(run), round, device: null });
  return { ...opened, form: { seed, tuning } };
}

/** Between which numbers a round's tuning lies; null in runs whose rounds need none. */
function tuningLimits(
  plan: RunPlan,
): { readonly least: number; readonly most: number } | null {
  if (isMeasured(plan)) return TYPICAL_LENGTHS;
  return plan.privacy?.adaptive ?? null;
}

/** What is wrong with the tuning that a result names; undefined when it is possible. */
export function problemOfTuning(
  plan: RunPlan,
  tuning: { readonly used: number | null; readonly next: number } | undefined,
): string | undefined {
  const limits = tuningLimits(plan);
  if ((limits === null) !== (tuning === undefined)) {
    return limits === null
      ? "it names a length of updates, and the plan has none"
      : "it does not name the length of updates that the next round needs";
  }
  if (limits === null || tuning === undefined) return undefined;
  for (const value of [tuning.used, tuning.next]) {
    if (value === null || (value >= limits.least && value <= limits.most)) continue;
    return `it names a length of updates of ${value}, expected ${limits.least} to ${limits.most}`;
  }
  return undefined;
}
