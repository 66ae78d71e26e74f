/**
 * Runs whose updates gather in a buffer (FedBuff): which plans allow it, which version each update was trained from, and what that makes of a result. Round r
 * is the buffer from which version r comes; an update trained from version b is signed as one of round b + 1, attempt 0, so that how stale it is follows
 * from what its device signed.
 */
import type { ProofSubject } from "../models/proof.ts";
import { strategyOf, strategyProblem } from "../strategies/strategy.ts";
import { aggregationOf } from "../aggregation/rules.ts";
import type { FedBuffOptions } from "../strategies/fedbuff.ts";
import type { ContentHash, DeviceId } from "../../protocols/ids.ts";
import { countedLeast } from "./order.ts";
import type { RunPlan } from "./plan.ts";
import type { ResultSubmission, RoundResult } from "./result.ts";

/** The attempt that every update of such a run is signed for: it is the same update whoever gathers it. */
export const BUFFERED_ATTEMPT = 0;

/** Why a plan that names FedBuff cannot be carried out, for people; undefined when it can, or names another strategy. */
export function problemOfBuffering(plan: RunPlan): string | undefined {
  const { aggregation, privacy, participation } = plan;
  const strategy = strategyOf(plan.strategy);
  if (strategy.name !== "fedBuff") return undefined;
  if (aggregation.type !== "clear") {
    return `its strategy "fedBuff" takes updates one by one as they come, and aggregation "${aggregation.type}" hides them in a sum of those who come together; expected aggregation "clear", where the coordinator sees each update, or another strategy`;
  }
  const rule = strategyProblem(strategy, aggregationOf(aggregation.rule));
  if (rule !== null) return rule;
  if (privacy !== null) {
    return 'its strategy "fedBuff" promises no privacy: an update that was handed in is handed in again when its coordinator falls silent, and two coordinators may each release it with noise of their own; expected another strategy, or no privacy';
  }
  if (participation.fraction !== 1) {
    return `its strategy "fedBuff" calls nobody, so that no share of the devices can be drawn; participation.fraction is ${participation.fraction}, expected 1`;
  }
  const { goal } = strategy;
  if (goal > participation.most) {
    return `its strategy "fedBuff" has each device once in a buffer; goal is ${goal}, expected at most participation.most, ${participation.most}`;
  }
  const least = countedLeast(plan);
  if (goal < least) {
    return `its strategy "fedBuff" makes versions of ${goal} updates, and with participation.least ${participation.least} a version has at least ${least}; expected a goal of ${least} or more`;
  }
  return undefined;
}

/** What a submission of a result was signed for. */
export function subjectOf(result: RoundResult, { base }: ResultSubmission): ProofSubject {
  const { run, round, attempt, parent } = result;
  if (base === undefined) return { run, round, attempt, parent };
  return { run, round: base.round + 1, attempt: BUFFERED_ATTEMPT, parent: base.parameters };
}

/** Versions that lie between an update's base and the version it is in; undefined in runs that go by rounds. */
export function stalenessIn(
  { round }: Pick<RoundResult, "round">,
  { base }: Pick<ResultSubmission, "base">,
): number | undefined {
  return base === undefined ? undefined : round - 1 - base.round;
}

/** Why the bases that a result's submissions name cannot be; undefined when they can. `buffer` is null for runs that go by rounds. */
export function problemOfBases(
  result: RoundResult,
  buffer: FedBuffOptions | null,
): string | undefined {
  const { submissions, round, parent } = result;
  if (buffer === null) {
    const named = submissions.find(({ base }) => base !== undefined);
    return named &&
      `${named.device} names a version it was trained from, and the run goes by rounds`;
  }
  if (submissions.length > buffer.goal) {
    return `${submissions.length} updates are in it, expected at most ${buffer.goal}`;
  }
  for (const submission of submissions) {
    const { device, base, weight } = submission;
    if (base === undefined) return `${device} names no version it was trained from`;
    const staleness = stalenessIn(result, submission)!;
    if (!(staleness >= 0 && staleness <= buffer.stalenessMax)) {
      return `the update of ${device} is ${staleness} versions old, expected 0 to ${buffer.stalenessMax}`;
    }
    if (base.round === round - 1 && base.parameters !== parent) {
      return `the update of ${device} was trained from ${base.parameters}, version ${base.round} is ${parent}`;
    }
    if (weight !== 1) return `the update of ${device} weighs ${weight}, expected 1`;
  }
  return undefined;
}

/** A version by its number and the hash of its parameters. */
export interface VersionPlace {
  readonly round: number;
  readonly parameters: ContentHash;
}

/** The results that led to a version, newest first: as many as are known in a row, `most` at most. */
export function chainTo(
  version: VersionPlace,
  known: Iterable<RoundResult>,
  most: number,
): readonly RoundResult[] {
  const byPlace = new Map<string, RoundResult>();
  for (const one of known) {
    if (one.round <= version.round && one.round > version.round - most) {
      byPlace.set(`${one.round}/${one.result}`, one);
    }
  }
  const chain: RoundResult[] = [];
  let { round, parameters } = version;
  for (;;) {
    const found = byPlace.get(`${round}/${parameters}`);
    if (found === undefined) return chain;
    chain.push(found);
    round -= 1;
    parameters = found.parent;
  }
}

/** Results that must be known to judge any update of a run. */
export function chainLength({ stalenessMax }: FedBuffOptions): number {
  return stalenessMax + 1;
}

/**
 * Why nobody can have trained from this base; undefined when somebody can. `chain` are the results that led to `head`, newest first; what lies before them
 * is not known and not held against anybody.
 */
export function problemOfBase(
  base: VersionPlace,
  head: VersionPlace,
  chain: readonly RoundResult[],
): string | undefined {
  const known = base.round === head.round
    ? head.parameters
    : chain.find(({ round }) => round === base.round + 1)?.parent;
  if (known !== undefined && known !== base.parameters) {
    return `its base is ${base.parameters}, version ${base.round} is ${known}`;
  }
  return undefined;
}

/** The version of a chain that has an update of this device from this base already, or from a later one; undefined when none has. */
export function countedIn(
  { device, base }: { readonly device: DeviceId; readonly base: VersionPlace },
  chain: readonly RoundResult[],
): number | undefined {
  for (const { round, submissions } of chain) {
    if (round <= base.round) break;
    const earlier = submissions.find((one) => one.device === device)?.base;
    if (earlier !== undefined && earlier.round >= base.round) return round;
  }
  return undefined;
}

/** Why a result's updates cannot follow those of the results before it; undefined when they can. `known` may be any results of the run. */
export function problemOfLineage(
  result: RoundResult,
  known: Iterable<RoundResult>,
  buffer: FedBuffOptions,
): string | undefined {
  const head = { round: result.round - 1, parameters: result.parent };
  const chain = chainTo(head, known, chainLength(buffer));
  for (const { device, base } of result.submissions) {
    if (base === undefined) continue;
    const problem = problemOfBase(base, head, chain);
    if (problem !== undefined) return `of ${device}: ${problem}`;
    const counted = countedIn({ device, base }, chain);
    if (counted !== undefined) {
      return `of ${device}: one from version ${base.round}, or from later, is in version ${counted} already`;
    }
  }
  return undefined;
}
