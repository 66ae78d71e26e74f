/** What a plan says about secure sums: which numbers are summed how, and who with whom. Equal on all devices, or no signature fits. */
import type { BlockId, ContentHash, DeviceId } from "../../protocols/ids.ts";
import { seededStream } from "../data/seeded_stream.ts";
import type { Mechanism } from "../privacy/mechanism.ts";
import { adaptiveMechanism, centralMechanism } from "../privacy/central_noise.ts";
import { contributionsLeast, type Release, releaseOf } from "../privacy/release.ts";
import { DEFAULT_ASSUMPTIONS, SUM_BITS_MIN, type SumRound } from "../secure/contract.ts";
import { sumBits, type SumEncoding } from "../secure/encoding.ts";
import {
  SUM_WEIGHT_MAX,
  sumVectorBits,
  type SumVectorForm,
  sumVectorLength,
} from "../compression/sum_vector.ts";
import type { OpenedPlan } from "./opened_plan.ts";
import type { RunPlan } from "./plan.ts";
import { sumVectorOf } from "./sum_compression.ts";

/** What of a plan, and of the round that it is carried out for, sums depend on. */
type Parts = Pick<OpenedPlan, "plan" | "layout" | "form">;

/** How this plan's vectors become integers: with privacy by its release, compressed, else by its encoding; null in the clear. */
export type SumForm =
  | { readonly type: "release"; readonly release: Release }
  | { readonly type: "compressed"; readonly vector: SumVectorForm }
  | { readonly type: "encoding"; readonly encoding: SumEncoding };

/** The form for sums of at most `devices` vectors; null in the clear. Throws a `RangeError` when the numbers do not fit 32 bits. */
export function sumFormOf(
  opened: Parts,
  devices: number,
): SumForm | null {
  const { aggregation, privacy } = opened.plan;
  if (aggregation.type === "clear" || aggregation.type === "grid") return null;
  if (privacy !== null) return { type: "release", release: releaseOfPlan(opened) };
  const vector = sumVectorOf(opened);
  if (vector !== null) return { type: "compressed", vector };
  const { range, bits } = aggregation.encoding;
  return {
    type: "encoding",
    encoding: {
      clip: range,
      valueBits: bits,
      weightMax: Math.min(SUM_WEIGHT_MAX, 2 ** (bits - 1) - 1),
      summandsMax: Math.max(1, devices),
      noiseMax: 0,
    },
  };
}

/** The clipping length of a round of a plan with privacy. */
export function clipOf({ plan, form }: Pick<OpenedPlan, "plan" | "form">): number {
  const { clip, adaptive } = plan.privacy!;
  return adaptive === undefined ? clip : form?.tuning ?? clip;
}

/** What a plan with privacy releases each round: the same whoever is in it, and at the same cost whatever the clipping length is. */
export function releaseOfPlan(parts: Parts): Release {
  const { plan, layout } = parts;
  const privacy = plan.privacy!;
  const { adaptive } = privacy;
  return releaseOf({
    noise: "discreteGaussian",
    noiseMultiplier: privacy.noiseMultiplier,
    clip: clipOf(parts),
    ...(adaptive !== undefined && { countDeviation: adaptive.countDeviation }),
    dimension: layout.count,
    contributionsLeast: contributionsLeast({
      participants: summandsLeast(plan),
      dropout: privacy.dropout,
      colluders: 1,
    }),
  });
}

/**
 * Fewest survivors of a secure sum: a device signs for no fewer, because then less noise than promised would be in the sum. Without privacy the
 * sum's own quorum is enough.
 */
export function survivorsLeast(plan: RunPlan): number {
  if (plan.privacy === null) return 1;
  return Math.floor(summandsLeast(plan) * (1 - plan.privacy.dropout) + 1e-9);
}

/** Fewest devices that one secure sum begins with. */
function summandsLeast({ aggregation, participation }: RunPlan): number {
  return aggregation.type === "secureGroups"
    ? Math.min(aggregation.groupSize, participation.least)
    : participation.least;
}

/** What one round costs a device in privacy; null when the plan promises none. */
export function mechanismOf(opened: Parts): Mechanism | null {
  const { privacy } = opened.plan;
  if (privacy === null) return null;
  if (privacy.noise === "distributed") return releaseOfPlan(opened).mechanism;
  const { clip, noiseMultiplier, adaptive } = privacy;
  const dimension = opened.layout.count;
  if (adaptive !== undefined) return adaptiveMechanism({ noiseMultiplier, dimension });
  return centralMechanism({ clip, noiseMultiplier, dimension });
}

/** The sum of an attempt; null in the clear. `devices` is how many were called. */
export function sumRoundOf(
  opened: Parts,
  attempt: {
    readonly run: BlockId;
    readonly round: number;
    readonly attempt: number;
    readonly modelHash: ContentHash;
    readonly devices: number;
  },
): SumRound | null {
  const form = sumFormOf(opened, attempt.devices);
  if (form === null) return null;
  const { run, round, modelHash, devices } = attempt;
  return {
    run,
    round,
    attempt: attempt.attempt,
    modelHash,
    ...sizeOf(form, { devices, count: opened.layout.count }),
    assumptions: DEFAULT_ASSUMPTIONS,
    ...(opened.form?.tuning != null && { tuning: opened.form.tuning }),
  };
}

/** Numbers in a vector, and bits of each that no sum of `devices` leaves. */
export function sizeOf(
  form: SumForm,
  { devices, count }: { readonly devices: number; readonly count: number },
): { readonly length: number; readonly bits: number } {
  // The weight is the last number.
  if (form.type === "encoding") return { length: count + 1, bits: sumBits(form.encoding) };
  if (form.type === "compressed") {
    const { vector } = form;
    return {
      length: sumVectorLength(vector),
      bits: Math.max(SUM_BITS_MIN, sumVectorBits(vector, devices)),
    };
  }
  const { length, magnitudeMax } = form.release;
  const bits = 1 + Math.ceil(Math.log2(devices * magnitudeMax + 1));
  if (bits > 32) {
    throw new RangeError(
      `Cannot sum ${devices} devices with this privacy: their integers reach ${magnitudeMax}, which takes ${bits} bits, expected at most 32`,
    );
  }
  return { length, bits: Math.max(8, bits) };
}

/**
 * The groups of an attempt, ascending inside: one of everybody, or random ones drawn from public randomness, none smaller than the plan says, whose sizes differ by
 * one at most. Each sums by itself, and the plan's rule is applied to the groups' means: a liar spoils one group, and nobody sees less than a group's sum
 * (the bucketing of Karimireddy, He, Jaggi 2022, "Byzantine-Robust Learning on Heterogeneous Datasets via Bucketing", with secure sums as buckets).
 */
export function groupsOf(
  plan: RunPlan,
  { round, attempt }: { readonly round: number; readonly attempt: number },
  devices: readonly DeviceId[],
): readonly (readonly DeviceId[])[] {
  const { aggregation } = plan;
  if (aggregation.type !== "secureGroups") return [[...devices].sort()];
  const random = seededStream(plan.seed).fork(`groups ${round} ${attempt}`);
  const pool = [...devices].sort();
  for (let i = pool.length - 1; i > 0; i--) {
    const other = random.below(i + 1);
    [pool[i], pool[other]] = [pool[other]!, pool[i]!];
  }
  const count = Math.max(1, Math.floor(pool.length / aggregation.groupSize));
  return Array.from(
    { length: count },
    (_, group) => pool.filter((_, i) => i % count === group).sort(),
  );
}
