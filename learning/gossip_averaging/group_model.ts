/**
 * What the devices of a group make of their parameters when each has fetched those of all others: the plan's rule over whole vectors. Against the
 * all-reduce of Ryabinin et al. 2021 (section 3: each member averages one stretch for all others) this costs a group of m devices m / 2 times the bytes; in return
 * nobody reduces for others (nobody can lie about a mean), any rule that bears liars can be taken, and whoever vanishes leaves no hole.
 */
import { coordinateMedian } from "../aggregation/coordinate_median.ts";
import type { AggregationRule } from "../aggregation/rule.ts";
import { heldUpdates } from "../aggregation/update_source.ts";
import type { Parameters } from "../parameters.ts";

/** Parameters of one member of a group. */
export interface MemberModel {
  /** Names the numbers: the order in which they are taken. */
  readonly hash: string;
  readonly values: Parameters;
}

/**
 * One model of several, all alike in weight. Whoever has the same members gets the same bits, in whichever order they came. A group that is too small for
 * the rule takes the median of each number. Throws an `AggregationError` for numbers that are not finite or vectors of different lengths.
 */
export function groupModel(rule: AggregationRule, members: readonly MemberModel[]): Parameters {
  const ordered = members.toSorted((a, b) => a.hash < b.hash ? -1 : a.hash > b.hash ? 1 : 0);
  const source = heldUpdates(ordered.map(({ values }) => ({ values, weight: 1 })));
  const fits = members.length >= rule.clientsMin;
  return (fits ? rule : coordinateMedian()).aggregate(source);
}

/** How far models lie apart: root of the mean squared distance (L2) from their mean. Ryabinin et al. 2021, Eq. 2. */
export function spreadOf(models: readonly Parameters[]): number {
  const count = models[0]?.length ?? 0;
  let total = 0;
  for (let i = 0; i < count; i++) {
    let sum = 0;
    for (const model of models) sum += model[i]!;
    const mean = sum / models.length;
    for (const model of models) total += (model[i]! - mean) ** 2;
  }
  return Math.sqrt(total / Math.max(1, models.length));
}
