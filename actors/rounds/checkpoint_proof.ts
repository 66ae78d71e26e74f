/** What a checkpoint proves: that the devices of its sums have handed in for its attempt, on one version of the round before. */
import { submissionStatement } from "../../learning/models/proof.ts";
import { type Checkpoint, restoreGroup } from "../../learning/runs/checkpoint.ts";
import type { OpenedPlan } from "../../learning/runs/opened_plan.ts";
import type { ResultSubmission } from "../../learning/runs/result.ts";
import { atRound } from "../../learning/runs/round_form.ts";
import { sumRoundOf } from "../../learning/runs/secure_round.ts";
import { type ContentHash, publicKeyOf } from "../../protocols/ids.ts";
import type { CommittedResult } from "./commands.ts";
import type { RunActorState, RunDependencies, SumGroup } from "./run_state.ts";
import { sumDependencies } from "./sum_dependencies.ts";

/** The sums of a checkpoint as they were when the vectors were in, on a version; null when they contradict it, or themselves. */
export function groupsOn(
  deps: RunDependencies,
  { groups, round, attempt, called }: Checkpoint,
  { plan, parameters }: {
    /** For the round after the version. */
    readonly plan: OpenedPlan;
    readonly parameters: ContentHash;
  },
): SumGroup[] | null {
  const sum = sumRoundOf(plan, {
    run: deps.run,
    round,
    attempt,
    modelHash: parameters,
    devices: called.length,
  });
  if (sum === null) return null;
  const restored: SumGroup[] = [];
  for (const group of groups) {
    const server = restoreGroup(group, sum, sumDependencies(deps));
    if (server === undefined) return null;
    restored.push({ members: [...server.advertisements.keys()], server, failed: false });
  }
  return restored;
}

/** True when a submission of a checkpoint is for that version: whoever submits signs for the version that it goes on from. */
export function isFor(
  { run, crypto }: Pick<RunDependencies, "run" | "crypto">,
  { round, attempt }: Checkpoint,
  { device, signature, ...submission }: ResultSubmission,
  { result }: CommittedResult,
): boolean {
  const message = submissionStatement({ run, round, attempt, parent: result.result }, submission);
  return crypto.verify({ publicKey: publicKeyOf(device), message, signature });
}

/**
 * True when members have begun its sums on that version, as many as a sum takes, and everybody whose vector is in one of them has handed it in for that: nobody
 * makes that up, because all of them have signed it.
 */
export function isProvedFor(
  { registry }: Pick<RunActorState, "registry">,
  deps: RunDependencies,
  checkpoint: Checkpoint,
  version: CommittedResult,
): boolean {
  const { round, called, submissions } = checkpoint;
  const { opened, run, crypto } = deps;
  const { result } = version;
  if (called.length > opened.plan.participation.most) return false;
  const plan = atRound(opened, { run, round, tuning: result.tuning?.next ?? null }, crypto);
  const groups = groupsOn(deps, checkpoint, { plan, parameters: result.result });
  if (groups === null) return false;
  const submitted = new Map(submissions.map((one) => [one.device, one]));
  return groups.every(({ members, server }) => {
    const { devices } = server.roster!.view;
    return members.every((device) => registry?.members.has(device) === true) &&
      [...server.inputs.keys()].every((index) => {
        const submission = submitted.get(devices[index]!);
        return submission !== undefined && isFor(deps, checkpoint, submission, version);
      });
  });
}
