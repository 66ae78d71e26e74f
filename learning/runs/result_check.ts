/**
 * Whether a result's signatures hold: what each device says it submitted, and for secure sums that a quorum signed for exactly this set of
 * vectors. That the new parameters follow from the aggregate is checked by making them.
 */
import type { Crypto, SignedMessage } from "../../platform/ports.ts";
import type { MaskStream } from "../../platform/ports.ts";
import { type DeviceId, publicKeyOf } from "../../protocols/ids.ts";
import { submissionStatement } from "../models/proof.ts";
import { confirmationMessage } from "../secure/sum_check.ts";
import { survivorsMessage } from "../secure/transcripts.ts";
import { smallAggregationOf } from "./aggregation_choice.ts";
import { problemOfBases, subjectOf } from "./buffered.ts";
import { countedLeast } from "./order.ts";
import type { OpenedPlan } from "./opened_plan.ts";
import { atRound, problemOfTuning } from "./round_form.ts";
import type { RoundResult, SurvivorProof } from "./result.ts";
import { survivorsLeast } from "./secure_round.ts";
import { claimOfProof, rosterOfProof } from "./sum_confirmation.ts";

export interface ResultCheckDependencies {
  readonly crypto: Pick<
    Crypto,
    "sha256" | "hkdf" | "seal" | "open" | "agreementKeyPair" | "verifyMany"
  >;
  readonly masks: MaskStream;
}

/** Why the result does not hold; undefined when it does. That its round was tuned to what the version before says is for whoever has that. */
export async function resultProblem(
  result: RoundResult,
  plan: OpenedPlan,
  deps: ResultCheckDependencies,
): Promise<string | undefined> {
  const { submissions, sums, run, round } = result;
  if (plan.plan.aggregation.type === "grid") return await gridResultProblem(result, deps);
  const tuning = problemOfTuning(plan.plan, result.tuning);
  if (tuning !== undefined) return tuning;
  const opened = atRound(plan, { run, round, tuning: result.tuning?.used ?? null }, deps.crypto);
  const least = countedLeast(opened.plan);
  if (submissions.length < least) {
    return `${submissions.length} devices are in it, expected at least ${least}`;
  }
  const isSecure = opened.plan.aggregation.type !== "clear";
  if (isSecure !== sums.length > 0) {
    return `it has ${sums.length} secure sums, the plan says "${opened.plan.aggregation.type}"`;
  }
  if (!ascending(submissions.map(({ device }) => device))) return "a device submitted twice";
  const bases = problemOfBases(result, opened.strategy.buffer);
  if (bases !== undefined) return bases;
  const signed: (SignedMessage & { readonly device: DeviceId })[] = submissions.map((one) => ({
    device: one.device,
    publicKey: publicKeyOf(one.device),
    message: submissionStatement(subjectOf(result, one), one),
    signature: one.signature,
  }));
  const summed = new Set<DeviceId>();
  for (const sum of sums) {
    const problem = problemOfSum(sum, { result, opened, deps, signed });
    if (problem !== undefined) return problem;
    for (const { device } of sum.inputs) summed.add(device);
  }
  if (isSecure && submissions.some(({ device }) => !summed.has(device))) {
    return "a submission is in none of its sums";
  }
  if (isSecure && summed.size !== submissions.length) return "its sums and submissions differ";
  const valid = await deps.crypto.verifyMany(signed);
  const forged = signed.find((_, i) => valid[i] !== true);
  return forged && `the signature of ${forged.device} does not hold`;
}

/** Nobody coordinates a grid: each device publishes what it has come to, as its own one submission, which is released as it is. */
async function gridResultProblem(
  { submissions, sums, run, round, attempt, parent, result, state, aggregate }: RoundResult,
  { crypto }: ResultCheckDependencies,
): Promise<string | undefined> {
  const [own] = submissions;
  if (submissions.length !== 1 || sums.length !== 0 || state !== null || own === undefined) {
    return "it stands for more than its author, and on a grid every device publishes its own";
  }
  if (own.commitment !== result || aggregate.hash !== result) {
    return `it names ${result}, and ${own.device} signed for ${own.commitment}`;
  }
  const [valid] = await crypto.verifyMany([{
    publicKey: publicKeyOf(own.device),
    message: submissionStatement({ run, round, attempt, parent }, own),
    signature: own.signature,
  }]);
  return valid === true ? undefined : `the signature of ${own.device} does not hold`;
}

/** Checks one sum's shape and adds its signatures to those that are verified. */
function problemOfSum(
  sum: SurvivorProof,
  { result, opened, deps, signed }: {
    readonly result: RoundResult;
    readonly opened: OpenedPlan;
    readonly deps: ResultCheckDependencies;
    readonly signed: (SignedMessage & { readonly device: DeviceId })[];
  },
): string | undefined {
  const { inputs, signatures } = sum;
  const view = rosterOfProof(sum, { result, opened, deps });
  if (!view.ok) return view.detail;
  const { indexOf, shape, hash } = view.value;
  const inSum = inputs.map(({ device }) => device);
  if (!ascending(inSum) || inSum.some((device) => !indexOf.has(device))) {
    return "a sum has a vector of somebody outside its roster";
  }
  if (inputs.length < Math.max(shape.quorum, survivorsLeast(opened.plan))) {
    return `a sum has ${inputs.length} vectors, expected at least ${
      Math.max(shape.quorum, survivorsLeast(opened.plan))
    }`;
  }
  if (smallAggregationOf(opened.plan) !== null) {
    // Here what a device submits is what is summed, with nothing around it.
    const submitted = new Map(result.submissions.map((one) => [one.device, one.commitment]));
    const other = inputs.find(({ device, hash }) => submitted.get(device) !== hash.toHex());
    if (other !== undefined) return `a sum has another vector of ${other.device} than it submitted`;
  }
  const signers = signatures.map(({ device }) => device);
  if (!ascending(signers) || signers.some((device) => !inSum.includes(device))) {
    return "somebody signed for a sum that its vector is not in";
  }
  if (signers.length < shape.quorum) {
    return `${signers.length} devices signed for a sum, expected at least ${shape.quorum}`;
  }
  const claim = claimOfProof(sum, view.value, deps.crypto);
  const message = survivorsMessage(hash, claim);
  for (const { device, signature } of signatures) {
    signed.push({ device, publicKey: publicKeyOf(device), message, signature });
  }
  const { confirmations } = sum;
  if (confirmations === undefined) return undefined;
  if (smallAggregationOf(opened.plan) !== null || confirmations.length !== inputs.length) {
    return `${confirmations.length} devices confirm a sum of ${inputs.length}, expected all or none`;
  }
  const aggregate = Uint8Array.fromHex(result.aggregate.hash);
  for (const [i, { totals, signature }] of confirmations.entries()) {
    const device = inSum[i]!;
    const confirmed = confirmationMessage({ roster: hash, claim, aggregate }, totals);
    signed.push({ device, publicKey: publicKeyOf(device), message: confirmed, signature });
  }
  return undefined;
}

function ascending(devices: readonly DeviceId[]): boolean {
  return devices.every((device, i) => i === 0 || devices[i - 1]! < device);
}
