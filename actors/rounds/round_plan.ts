/** The plan as the round under way carries it out. */
import type { OpenedPlan } from "../../learning/runs/opened_plan.ts";
import { atRound } from "../../learning/runs/round_form.ts";
import type { RunActorState, RunDependencies } from "./run_state.ts";

/** The plan for the round that follows this device's head. Where rounds are alike, the plan itself. */
export function roundPlan(
  { head }: Pick<RunActorState, "head">,
  { opened, run, crypto }: Pick<RunDependencies, "opened" | "run" | "crypto">,
): OpenedPlan {
  const round = (head?.round ?? 0) + 1;
  return atRound(opened, { run, round, tuning: head?.model?.tuning ?? null }, crypto);
}
