/** Privacy that a few devices can pay for, with noise that hides a whole model of points: for runs in which something else is looked at. */
import type { RunPlan } from "../../learning/runs/plan.ts";

export const NOISE: NonNullable<RunPlan["privacy"]> = {
  clip: 1,
  noiseMultiplier: 8,
  noise: "distributed",
  delta: 1e-5,
  dropout: 0.3,
  epsilonMax: 900,
};
