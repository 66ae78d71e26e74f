/**
 * From what a person says about a new run to its plan: defaults for everything else, and a refusal, before anything is published, of what could never
 * work, which says what would.
 */
import { errorText } from "../../platform/error_text.ts";
import type { Crypto } from "../../platform/ports.ts";
import type { ContentHash, DeviceId } from "../../protocols/ids.ts";
import { PARTICIPANTS_MAX } from "../../protocols/rounds/messages.ts";
import { aggregationOf } from "../aggregation/rules.ts";
import { compressionOf } from "../compression/compressions.ts";
import { SUM_DEVICES_MIN } from "../secure/contract.ts";
import { toChoice } from "../strategies/choice.ts";
import { strategyOf } from "../strategies/strategy.ts";
import type { LearningTask, TaskOptions } from "../task.ts";
import { TrainingError } from "../trainer.ts";
import { type Aggregation, EXAMPLES_PER_WEIGHT_MAX } from "./aggregation_choice.ts";
import { leastPossible, problemOfCompany } from "./enough_members.ts";
import { gridOfMembers, NO_PRIVACY_ON_A_GRID } from "./grid_plan.ts";
import { privacyOf, type PrivacyWish } from "./new_run_privacy.ts";
import { networkHash, type OpenedPlan, openPlan } from "./opened_plan.ts";
import { decodePlan, encodePlan } from "./plan_codec.ts";
import { problemOfSize } from "./plan_limits.ts";
import type { Choice, Participation, RunPlan } from "./plan.ts";
import { PrivacyImpossible, refusalOf, type Trial } from "./possible_wishes.ts";
import { problemOfSumCompression } from "./sum_compression.ts";

/** What a person may say when a run starts; everything else has the task's defaults. */
export interface NewRun {
  readonly task: string;
  readonly title?: string;
  readonly options?: TaskOptions;
  readonly rounds?: number;
  readonly participants?: {
    readonly least?: number;
    readonly most?: number;
    readonly fraction?: number;
  };
  readonly local?: Partial<RunPlan["local"]>;
  readonly strategy?: Choice;
  /** "secure" (default with three devices and more), "secureGroups", "clear", "grid", or, for small models, "twoServers" and "paillier". */
  readonly aggregation?: Aggregation["type"];
  /** The rule for "clear" and "grid" (default weightedMean) and "secureGroups" (default coordinateMedian). */
  readonly rule?: Choice;
  /** Of aggregation "grid": averaging steps of a round, and devices of a group; default: as fits the members. */
  readonly grid?: { readonly dimensions?: number; readonly side?: number };
  readonly compression?: Choice;
  /** Asks for privacy: the noise follows from ε, or is stated. */
  readonly privacy?: PrivacyWish;
  readonly deadlines?: Partial<RunPlan["deadlines"]>;
  /** Divides a common data set among the members of now, for experiments. */
  readonly share?: { readonly kind: "iid" | "shards" | "dirichlet"; readonly alpha?: number };
  readonly startFrom?: ContentHash;
  /** More devices will come, or examples: a run that the members of now cannot play begins all the same, and waits. */
  readonly wait?: boolean;
  /** The same key within 24 h is the same run. */
  readonly idempotencyKey?: string;
}

/** What a plan is made from beside the wishes. */
export interface PlanningContext {
  readonly tasks: readonly LearningTask[];
  readonly crypto: Pick<Crypto, "sha256Hex">;
  /** Members that may join, this device among them. */
  readonly members: readonly DeviceId[];
  /** Those of them that may coordinate; absent: all. */
  readonly coordinators?: number;
  /** Examples that this device has to train on; null or absent when it has none or does not know. */
  readonly ownExamples?: number | null;
  /** Why it has none; null or absent when it has, or does not know. */
  readonly ownLack?: string | null;
  /** ε that this device allows in all; absent: any. */
  readonly epsilonMax?: number;
  /** 32 random bytes. */
  readonly seed: Uint8Array;
}

export type Planning =
  | { readonly type: "planned"; readonly opened: OpenedPlan }
  | { readonly type: "impossible"; readonly message: string };

/** Differences of parameters seldom leave ±1; what does is cut there. Sixteen bits make their rounding error 2^−15 of that. */
const ENCODING = { range: 1, bits: 16 };
const GROUP_SIZE = 3;
/** About 128 bits of security take a key half as long again, and three times the work; a key of an attempt hides one round's updates. */
const KEY_BITS = 2_048;
/** Half of the heaviest weight of a secure sum: others may have twice as much. */
const OWN_WEIGHT_MAX = 64;
const DEADLINES: RunPlan["deadlines"] = { readyMs: 10_000, trainMs: 600_000, phaseMs: 30_000 };
/** A few hundred hashes: nothing for a device, something for a flood. */
const PROOF_OF_WORK_BITS = 8;
/** K of the FedBuff paper's experiments: a buffer has room for so many when nobody says otherwise. */
const BUFFER_GOAL_MAX = 10;
/** Asked beyond those that are drawn. */
const OVER_SELECTION = 0.3;

/** The plan of a new run, or why there is none and what would be possible. */
export function planRun(wish: NewRun, context: PlanningContext): Planning {
  try {
    const opened = plan(wish, context);
    checkCompany(opened, wish, context);
    return { type: "planned", opened };
  } catch (error) {
    if (!(error instanceof RangeError || error instanceof TrainingError)) throw error;
    const problem = error instanceof PrivacyImpossible
      ? refusalOf(error, wish, trialOf(context))
      : error.message;
    return { type: "impossible", message: `Cannot plan the run: ${problem}` };
  }
}

function checkCompany(opened: OpenedPlan, wish: NewRun, context: PlanningContext): void {
  const { members, coordinators = members.length, ownLack = null } = context;
  const company = { members: members.length, coordinators, ownLack };
  const problem = problemOfCompany(opened, company, wish.wait === true);
  if (problem !== undefined) throw new RangeError(problem);
}

/** With what other wishes are tried; of members that are not there yet, only how many they are counts. */
function trialOf(context: PlanningContext): Trial {
  const { members, tasks, epsilonMax = Infinity } = context;
  return {
    members: members.length,
    epsilonMax,
    sizes: (task) => tasks.find(({ name }) => name === task)?.sizes ?? [],
    begins(wish, count) {
      const { share: _, ...other } = wish;
      const more = Array.from({ length: count }, (_, i) => members[i % members.length]!);
      const isSame = count === members.length;
      const then = { ...context, members: isSame ? members : more };
      try {
        checkCompany(plan(isSame ? wish : other, then), wish, then);
        return true;
      } catch (error) {
        if (error instanceof RangeError || error instanceof TrainingError) return false;
        throw error;
      }
    },
  };
}

function plan(wish: NewRun, context: PlanningContext): OpenedPlan {
  const task = taskOf(wish, context);
  const options = wish.options ?? {};
  const strategy = strategyOf(strategyFor(wish, context.members.length));
  const { defaults } = task;
  const aggregation = withWeights(aggregationFor(wish, context.members.length), wish, context);
  const compression = wish.compression === undefined ? null : compressionOf(wish.compression);
  if (compression !== null && aggregation.type === "grid") {
    throw new RangeError(
      `compression "${compression.name}" is for differences, and devices of a grid exchange whole parameters; expected none, or aggregation "clear"`,
    );
  }
  const draft: RunPlan = {
    version: 1,
    title: wish.title ?? task.title.en,
    task: task.name,
    options,
    networkHash: networkHash(task.network(options), context.crypto),
    seed: context.seed,
    startFrom: wish.startFrom ?? null,
    rounds: wish.rounds ?? defaults.rounds,
    participation: participationFor(wish, aggregation, context.members.length),
    local: {
      epochs: wish.local?.epochs ?? defaults.epochs,
      batchSize: wish.local?.batchSize ?? defaults.batchSize,
      learningRate: wish.local?.learningRate ?? defaults.learningRate,
      momentum: wish.local?.momentum ?? defaults.momentum ?? null,
      proximal: wish.local?.proximal ?? null,
    },
    strategy: toChoice(strategy),
    aggregation,
    compression: compression === null ? null : toChoice(compression),
    privacy: null,
    deadlines: { ...DEADLINES, ...wish.deadlines },
    proofOfWorkBits: PROOF_OF_WORK_BITS,
    share: shareFor(wish, task, context.members),
  };
  const problem = problemOfSumCompression(draft);
  if (problem !== undefined) throw new RangeError(problem);
  const open = (one: RunPlan) => openPlan(checked(one), context);
  const { privacy } = wish;
  if (privacy === undefined) return fitting(draft, wish, open);
  if (aggregation.type === "grid") {
    throw new RangeError(`privacy cannot be promised: ${NO_PRIVACY_ON_A_GRID}`);
  }
  if (aggregation.type === "clear" && aggregation.rule.name !== "weightedMean") {
    throw new RangeError(
      `privacy with rule "${aggregation.rule.name}" is not accounted for: noise is added to a mean; expected rule weightedMean, or aggregation "secureGroups"`,
    );
  }
  try {
    const noise = privacyOf(privacy, open(draft), roundDevices(draft, context));
    return fitting({ ...draft, privacy: noise }, wish, open);
  } catch (error) {
    // What is too few for any run, no other privacy mends.
    if (error instanceof PrivacyImpossible) {
      checkCompany(fitting(draft, wish, open), wish, context);
    }
    throw error;
  }
}

function taskOf({ task: name }: NewRun, { tasks }: PlanningContext): LearningTask {
  const task = tasks.find((one) => one.name === name);
  if (task !== undefined) return task;
  const known = tasks.map((one) => one.name).join(", ");
  throw new RangeError(`no task "${name}" is known, expected one of: ${known}`);
}

/** The strategy that is asked for. A buffer that nobody gave a size has one for half of the members, so that none waits for the slow ones. */
function strategyFor({ strategy }: NewRun, members: number): Choice {
  if (strategy === undefined) return { name: "fedAvg", numbers: {} };
  if (strategy.name !== "fedBuff") return strategy;
  const goal = Math.max(1, Math.min(BUFFER_GOAL_MAX, Math.ceil(members / 2)));
  return { ...strategy, numbers: { goal, ...strategy.numbers } };
}

function aggregationFor({ aggregation, rule, grid }: NewRun, members: number): Aggregation {
  const type = aggregation ?? (members >= SUM_DEVICES_MIN ? "secure" : "clear");
  if (grid !== undefined && type !== "grid") {
    throw new RangeError(`a grid is for aggregation "grid" only, and the aggregation is "${type}"`);
  }
  if (type === "secure" || type === "twoServers" || type === "paillier") {
    if (rule === undefined) {
      return type === "paillier"
        ? { type, encoding: ENCODING, keyBits: KEY_BITS }
        : { type, encoding: ENCODING };
    }
    throw new RangeError(
      `rule "${rule.name}" needs more than one sum, and "${type}" has one; expected aggregation "secureGroups", or "clear"`,
    );
  }
  const name = type === "secureGroups" ? "coordinateMedian" : "weightedMean";
  const chosen = toChoice(aggregationOf(rule ?? { name, numbers: {} }));
  if (type === "grid") return { type, ...gridOfMembers(members), ...grid, rule: chosen };
  return type === "clear"
    ? { type, rule: chosen }
    : { type, encoding: ENCODING, groupSize: GROUP_SIZE, rule: chosen };
}

/**
 * Scales weights in secure sums by what this device has: it weighs 33 to 64 of at most 127, so that who has twice as much counts twice as much, too. How many bits a
 * sum takes does not depend on it. A power of two says no more of this device than it must.
 */
function withWeights(
  aggregation: Aggregation,
  { share, privacy }: NewRun,
  { members, ownExamples }: PlanningContext,
): Aggregation {
  if (!("encoding" in aggregation) || privacy !== undefined || ownExamples == null) {
    return aggregation;
  }
  const own = share === undefined ? ownExamples : ownExamples / Math.max(1, members.length);
  let examplesPerWeight = 1;
  while (own / examplesPerWeight > OWN_WEIGHT_MAX) examplesPerWeight *= 2;
  if (examplesPerWeight === 1) return aggregation;
  return {
    ...aggregation,
    encoding: {
      ...aggregation.encoding,
      examplesPerWeight: Math.min(EXAMPLES_PER_WEIGHT_MAX, examplesPerWeight),
    },
  };
}

function participationFor(
  { participants = {}, privacy }: NewRun,
  aggregation: Aggregation,
  members: number,
): Participation {
  const { fraction = 1 } = participants;
  const isSecure = "encoding" in aggregation;
  // The noise is reckoned for the fewest: with more than that, there is more noise than is needed.
  const forNoise = privacy === undefined || !isSecure ? 0 : Math.ceil(2 * fraction * members / 3);
  const most = participants.most ?? PARTICIPANTS_MAX;
  const least = participants.least ??
    Math.max(isSecure ? SUM_DEVICES_MIN : Math.min(2, most), Math.min(most, forNoise));
  if (least > most) {
    throw new RangeError(`participants.least is ${least}, expected at most ${most}`);
  }
  return { least, most, fraction, overSelection: fraction < 1 ? OVER_SELECTION : 0 };
}

function shareFor(
  { share }: NewRun,
  task: LearningTask,
  members: readonly DeviceId[],
): RunPlan["share"] {
  if (share === undefined) return null;
  if (task.ownDataOnly === true) {
    throw new RangeError(
      `share.kind is "${share.kind}", and what devices have for task "${task.name}" is their own; expected no share`,
    );
  }
  const { kind, alpha } = share;
  if (alpha !== undefined && kind !== "dirichlet") {
    throw new RangeError(`share.alpha is for "dirichlet" only, and share.kind is "${kind}"`);
  }
  if (members.length > PARTICIPANTS_MAX) {
    throw new RangeError(
      `a data set is shared among at most ${PARTICIPANTS_MAX} devices, and ${members.length} may join`,
    );
  }
  return {
    kind,
    alpha: kind === "dirichlet" ? alpha ?? 0.5 : null,
    devices: [...members].sort(),
  };
}

/** Devices that a round counts on, when all members of now join. */
function roundDevices({ participation }: RunPlan, { members }: PlanningContext): number {
  const { least, most, fraction } = participation;
  return Math.min(most, Math.max(least, Math.round(fraction * members.length)));
}

/** The plan as everybody will read it; throws what is wrong with it. */
function checked(draft: RunPlan): RunPlan {
  let bytes: Uint8Array;
  try {
    bytes = encodePlan(draft);
  } catch (error) {
    throw new RangeError(errorText(error), { cause: error });
  }
  const decoded = decodePlan(bytes);
  if (!decoded.ok) throw new RangeError(decoded.reason);
  return decoded.message;
}

/** With as many devices as fit, where the person has not said how many; throws why even the fewest do not. */
function fitting(
  draft: RunPlan,
  { participants }: NewRun,
  open: (plan: RunPlan) => OpenedPlan,
): OpenedPlan {
  const { participation, aggregation } = draft;
  const opened = open(draft);
  const possible = leastPossible(aggregation, opened.rule?.clientsMin ?? 1);
  if (participation.least < possible) {
    if (participants?.least !== undefined) {
      throw new RangeError(
        `participants.least is ${participation.least}, expected at least ${possible} with aggregation "${aggregation.type}"${
          "rule" in aggregation ? ` and rule "${aggregation.rule.name}"` : ""
        }`,
      );
    }
    if (participation.most < possible) {
      throw new RangeError(
        `participants.most is ${participation.most}, expected at least ${possible}`,
      );
    }
  }
  const least = Math.max(participation.least, possible);
  for (let most = participation.most;; most = Math.max(least, Math.floor(most / 2))) {
    const tried = open({ ...draft, participation: { ...participation, least, most } });
    const problem = problemOfSize(tried, most);
    if (problem === undefined) return tried;
    if (participants?.most === undefined && most > least) continue;
    throw new RangeError(
      participants?.most === undefined ? problem : `participants.most is ${most}: ${problem}`,
    );
  }
}
