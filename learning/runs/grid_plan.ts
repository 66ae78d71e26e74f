/** What a plan of a run without a coordinator may say: devices average their parameters in the groups of a grid. */
import { GRID_AXES_MAX } from "../../protocols/rounds/messages.ts";
import { gridFor } from "../gossip_averaging/grid.ts";
import type { RunPlan } from "./plan.ts";

/**
 * Groups of a grid that is chosen for so many members. Each device fetches one vector less than that in a step. With 5 instead of 4 a hundred devices fill rows of
 * a grid with three axes instead of four, and have the exact mean after three steps, where four steps left 0.4 % of the variance.
 */
const SIDE_USUAL = 5;
/**
 * Rules that move with what they average: shifting all vectors shifts the result. Only these mean the same for parameters as for differences of
 * parameters. Rules that need more vectors than a small group has are left out.
 */
const RULES = ["weightedMean", "coordinateMedian", "trimmedMean", "geometricMedian"];
const STRATEGIES = ["fedAvg", "fedProx"];

/** Why no grid comes with a promise of privacy. */
export const NO_PRIVACY_ON_A_GRID =
  'on a grid devices see each other\'s parameters, with no sum that noise could hide in; expected aggregation "secure" or "secureGroups", or no ε';

/** How a run averages on a grid. */
export type GridChoice = Extract<RunPlan["aggregation"], { readonly type: "grid" }>;

/** Most devices in one group: with 2M and more, it is split. */
export function groupMost(side: number): number {
  return 2 * side - 1;
}

/** A grid for so many members. At least two axes: with one, groups of a larger mesh than that would never mix. */
export function gridOfMembers(members: number): Pick<GridChoice, "dimensions" | "side"> {
  const { dimensions, side } = gridFor(Math.max(2, members), SIDE_USUAL);
  return { dimensions: Math.min(GRID_AXES_MAX, Math.max(2, dimensions)), side };
}

/** Choices of a plan that nobody could carry out on a grid; undefined when it can be done. */
export function problemOfGrid(
  { strategy, privacy, compression, participation }: RunPlan,
  { rule }: GridChoice,
): string | undefined {
  if (privacy !== null) return `it promises privacy, and ${NO_PRIVACY_ON_A_GRID}`;
  if (!RULES.includes(rule.name)) {
    return `its rule is "${rule.name}", expected one of ${
      RULES.join(", ")
    } on a grid: others need more vectors than a group has, or differences instead of parameters`;
  }
  if (!STRATEGIES.includes(strategy.name) || (strategy.numbers.serverRate ?? 1) !== 1) {
    return `its strategy is "${strategy.name}"${
      STRATEGIES.includes(strategy.name) ? " with another rate than 1" : ""
    }, and on a grid nobody steps for all; expected fedAvg or fedProx`;
  }
  if (compression !== null) {
    return `its compression is "${compression.name}", and devices of a grid exchange whole parameters; expected none`;
  }
  if (participation.fraction !== 1) {
    return `it calls ${participation.fraction} of the devices, and on a grid nobody calls: all take part; expected fraction 1`;
  }
  return undefined;
}
