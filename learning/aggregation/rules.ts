/** All aggregation rules as a plan names them: plain data in, rule out. */
import { z } from "zod";
import { type Choice, fromChoice } from "../strategies/choice.ts";
import { bulyan } from "./bulyan.ts";
import { centeredClipping } from "./centered_clipping.ts";
import { coordinateMedian } from "./coordinate_median.ts";
import { geometricMedian } from "./geometric_median.ts";
import { krum } from "./krum.ts";
import { multiKrum } from "./multi_krum.ts";
import { normClipping } from "./norm_clipping.ts";
import type { AggregationRule } from "./rule.ts";
import { trimmedMean } from "./trimmed_mean.ts";
import { weightedMean } from "./weighted_mean.ts";

/** Most liars a plan may count on; also bounds how many clients a rule needs. */
const FAULTY_MAX = 10_000;
const faulty = z.int().min(0).max(FAULTY_MAX);
const length = z.number().positive().max(1e9);

/** A rule and its numbers. Strict: unknown keys are refused, absent numbers get the default that the signed plan then names. */
export const aggregationSchema = z.discriminatedUnion("name", [
  z.strictObject({ name: z.literal("weightedMean") }),
  z.strictObject({ name: z.literal("normClipping"), norm: length }),
  z.strictObject({
    name: z.literal("centeredClipping"),
    radius: length,
    iterations: z.int().min(1).max(100).default(3),
  }),
  z.strictObject({ name: z.literal("coordinateMedian") }),
  z.strictObject({ name: z.literal("trimmedMean"), share: z.number().min(0).lt(0.5).default(0.2) }),
  z.strictObject({ name: z.literal("krum"), faulty: faulty.default(1) }),
  z.strictObject({
    name: z.literal("multiKrum"),
    faulty: faulty.default(1),
    keep: z.int().min(1).max(100_000),
  }),
  z.strictObject({ name: z.literal("bulyan"), faulty: faulty.default(1) }),
  z.strictObject({
    name: z.literal("geometricMedian"),
    smoothing: z.number().min(1e-12).max(1).default(1e-6),
    iterations: z.int().min(1).max(1_000).default(100),
    tolerance: z.number().min(0).max(0.1).default(1e-7),
  }),
]);

/** A rule and all its numbers, as a plan holds them. */
export type Aggregation = z.output<typeof aggregationSchema>;

/** The rule a plan chose. Throws a `RangeError` that names what does not fit. */
export function aggregationOf(choice: Choice): Aggregation {
  return fromChoice("aggregation rule", aggregationSchema, choice);
}

/** Makes the rule. */
export function createRule(aggregation: Aggregation): AggregationRule {
  switch (aggregation.name) {
    case "weightedMean":
      return weightedMean();
    case "normClipping":
      return normClipping(aggregation);
    case "centeredClipping":
      return centeredClipping(aggregation);
    case "coordinateMedian":
      return coordinateMedian();
    case "trimmedMean":
      return trimmedMean(aggregation);
    case "krum":
      return krum(aggregation);
    case "multiKrum":
      return multiKrum(aggregation);
    case "bulyan":
      return bulyan(aggregation);
    case "geometricMedian":
      return geometricMedian(aggregation);
  }
}
