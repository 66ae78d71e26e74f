/**
 * Whether the members of today can play a plan at all. A run that waits for devices which nobody has told to come waits for good; so it is refused before it
 * is published, with what these members could do, unless whoever starts it says that more will come.
 */
import type { Aggregation as Rule } from "../aggregation/rules.ts";
import { aggregationOf } from "../aggregation/rules.ts";
import { SUM_DEVICES_MIN } from "../secure/contract.ts";
import type { Aggregation } from "./aggregation_choice.ts";
import type { OpenedPlan } from "./opened_plan.ts";

/** Who is there when a run starts. */
export interface Company {
  /** Members that may join, this device among them. */
  readonly members: number;
  /** Those of them that may coordinate. */
  readonly coordinators: number;
  /** Why this device has nothing to train on; null when it has, or when that is not known. */
  readonly ownLack: string | null;
}

/** Devices beside a coordinator that a sum with a second party takes. */
const SECOND_PARTIES = 1;
const WAIT = "to start it all the same and wait for more, say wait (submind learn start --wait)";

/** Fewest devices with which a round can end; `clientsMin` is what the rule needs. */
export function leastPossible(aggregation: Aggregation, clientsMin: number): number {
  switch (aggregation.type) {
    case "secure":
    case "twoServers":
    case "paillier":
      return SUM_DEVICES_MIN;
    case "secureGroups":
      return aggregation.groupSize * clientsMin;
    case "grid":
      return 2;
    case "clear":
      return clientsMin;
  }
}

/** Why these members can never play the plan, for people; undefined when they can. `waits`: more are said to come. */
export function problemOfCompany(
  opened: OpenedPlan,
  company: Company,
  waits: boolean,
): string | undefined {
  const { plan } = opened;
  const { members, ownLack } = company;
  const { least } = plan.participation;
  if (plan.share !== null && least > members) {
    return `participants.least is ${least}, and the data set is divided among the ${
      counted(members)
    } of today; expected at most ${members}, or no share`;
  }
  if (waits) return undefined;
  if (least > members) return `${tooFew(opened, members)}; ${WAIT}`;
  const second = problemOfSecondParty(plan.aggregation, company);
  if (second !== undefined) return `${second}; ${WAIT}`;
  if (ownLack === null || least < members) return undefined;
  return `participants.least is ${least}, and this device, one of ${
    counted(members)
  }, has nothing to learn from: ${ownLack}; expected examples here, or ${
    possibleWithout(opened, members)
  }; ${WAIT}`;
}

/** Why there are too few members, and what they could do. */
function tooFew(opened: OpenedPlan, members: number): string {
  const { aggregation, participation: { least } } = opened.plan;
  const possible = leastPossible(aggregation, opened.rule?.clientsMin ?? 1);
  const may = `${counted(members)} may join`;
  if (possible <= members) {
    return `participants.least is ${least}, and ${may}; expected at most ${members}, or more members first`;
  }
  if (!("rule" in aggregation) || possible === baseOf(aggregation)) {
    const other = members === 1
      ? "with participants.least 1, to learn alone"
      : "where the coordinator sees each update";
    return `aggregation "${aggregation.type}" needs ${possible} devices, and ${may}; possible would be ${
      counted(possible)
    }, or aggregation "clear", ${other}`;
  }
  const rule = aggregationOf(aggregation.rule);
  const updates = aggregation.type === "secureGroups"
    ? Math.floor(members / aggregation.groupSize)
    : members;
  const groups = aggregation.type === "secureGroups"
    ? ` in groups of ${aggregation.groupSize}`
    : "";
  // Who is alone learns alone, and must say so.
  const isEnough = updates >= 1 && members > 1;
  const ways = [counted(possible), ...waysOf(rule, updates, isEnough)];
  return `rule "${rule.name}"${
    saidOf(rule)
  } needs ${possible} devices${groups}, and ${may}; possible would be ${ways.join(", or ")}`;
}

/** Devices that the aggregation needs with a rule that is content with one update. */
function baseOf(aggregation: Aggregation): number {
  return leastPossible(aggregation, 1);
}

/** The numbers that a rule's need follows from, as they are said. */
function saidOf(rule: Rule): string {
  const { name: _, ...numbers } = rule;
  const said = Object.entries(numbers).map(([key, value]) => `${key} ${value}`);
  return said.length === 0 ? "" : ` with ${said.join(" and ")}`;
}

/** What a rule could bear with so many updates; and the median, which is content with one, where that is enough for a run. */
function waysOf(rule: Rule, updates: number, isEnough: boolean): readonly string[] {
  const median = isEnough ? ['rule "coordinateMedian"'] : [];
  switch (rule.name) {
    case "krum":
      return updates < 3 ? median : [`faulty ${Math.floor((updates - 3) / 2)}`, ...median];
    case "bulyan":
      return updates < 3 ? median : [`faulty ${Math.floor((updates - 3) / 4)}`, ...median];
    case "multiKrum": {
      if (updates < 3) return median;
      const faulty = Math.min(rule.faulty, Math.floor((updates - 3) / 2));
      return [`faulty ${faulty} and keep ${Math.min(rule.keep, updates - faulty)}`, ...median];
    }
    case "trimmedMean":
      // Half of each end would leave nothing, so two cannot be trimmed.
      return updates < 3 ? median : [`share ${Math.ceil(1e4 / updates) / 1e4}`, ...median];
    default:
      return median;
  }
}

function problemOfSecondParty(
  aggregation: Aggregation,
  { coordinators }: Company,
): string | undefined {
  if (aggregation.type !== "twoServers" && aggregation.type !== "paillier") return undefined;
  if (coordinators > SECOND_PARTIES) return undefined;
  return `aggregation "${aggregation.type}" needs a second party beside the coordinator, and ${
    counted(coordinators)
  } may coordinate (learn.coordinate); expected ${1 + SECOND_PARTIES}, or aggregation "secure"`;
}

/** What would be possible while this device has no examples. */
function possibleWithout(opened: OpenedPlan, members: number): string {
  const { aggregation } = opened.plan;
  const others = members - 1;
  const possible = leastPossible(aggregation, opened.rule?.clientsMin ?? 1);
  if (others >= Math.max(1, possible)) return `participants.least ${others}`;
  return `${counted(possible + 1)}`;
}

function counted(members: number): string {
  return members === 1 ? "1 member" : `${members} members`;
}
