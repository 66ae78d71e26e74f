/** Which compressions the sums of a plan can add, and what a round's vectors are then. */
import { type Compression, compressionOf } from "../compression/compressions.ts";
import { rangeOfLength, type SumVectorForm } from "../compression/sum_vector.ts";
import type { OpenedPlan } from "./opened_plan.ts";
import type { RunPlan } from "./plan.ts";

/** Fewest bits of a level in a sum: with one the error would be thirty times as long as the update. */
const SUM_LEVEL_BITS_MIN = 2;

/** Before a round is known nothing is encoded, only reckoned: any seed does. */
const NO_SEED = new Uint8Array(32);

/** Why the plan's compression cannot be summed under masks, after "its" or alone; undefined when it can, or there is nothing to sum or compress. */
export function problemOfSumCompression(
  { aggregation, compression, privacy }: Pick<RunPlan, "aggregation" | "compression" | "privacy">,
): string | undefined {
  if (compression === null || !("encoding" in aggregation)) return undefined;
  const problem = problemOf(compressionOf(compression));
  if (problem !== undefined) {
    return `compression "${compression.name}" cannot be summed under masks: ${problem}; expected stochastic, randomK, none, or aggregation "clear"`;
  }
  return privacy === null
    ? undefined
    : `compression "${compression.name}" does not go with noise in secure sums: the noise fixes how many bits a number takes; expected none`;
}

function problemOf(compression: Compression): string | undefined {
  switch (compression.name) {
    case "eden":
      return "each device's update has a scale of its own";
    case "topK":
      return "each device chooses other numbers";
    case "stochastic":
      return compression.bits >= SUM_LEVEL_BITS_MIN
        ? undefined
        : `bits is ${compression.bits}, expected at least ${SUM_LEVEL_BITS_MIN}`;
    case "randomK":
      return undefined;
  }
}

/** True in runs whose rounds have levels that follow from the lengths of earlier updates. */
export function isMeasured({ aggregation, compression }: RunPlan): boolean {
  return "encoding" in aggregation && compression?.name === "stochastic";
}

/**
 * The vectors of a round; null when the plan's sums are not compressed. With `stochastic` nobody knows yet how long updates are when the first round begins,
 * so it goes in the plan's full encoding.
 */
export function sumVectorOf(
  { plan, layout, form }: Pick<OpenedPlan, "plan" | "layout" | "form">,
): SumVectorForm | null {
  const { aggregation, compression } = plan;
  if (compression === null || !("encoding" in aggregation)) return null;
  const { count } = layout;
  const { seed = NO_SEED, tuning = null } = form ?? {};
  const chosen = compressionOf(compression);
  const full = { count, ...aggregation.encoding, rotation: null, choice: null, measured: true };
  if (chosen.name === "randomK") {
    const choice = { share: chosen.share, seed, feedback: chosen.feedback === 1 };
    return { ...full, choice, measured: false };
  }
  if (chosen.name !== "stochastic") return null;
  if (tuning === null) return full;
  const range = rangeOfLength(tuning, count);
  return { ...full, range, bits: chosen.bits, rotation: seed };
}
