/** What every aggregation rule is: many updates in, one out; pure and the same bits wherever it is computed. */
import type { Parameters } from "../parameters.ts";
import { atOnce, type ClientUpdate, type Reading, type UpdateSource } from "./update_source.ts";

/** How large a round is, for asking a rule what memory it needs. */
export interface AggregationSize {
  readonly clients: number;
  /** Numbers per update. */
  readonly count: number;
}

export interface AggregationRule {
  /** As in the plan: "trimmedMean". */
  readonly name: string;
  /** Fewest updates it accepts. */
  readonly clientsMin: number;
  /** Whether clients' weights count. Rules that bear liars do not read what clients claim about themselves. */
  readonly weighted: boolean;
  /** Working memory beside the updates themselves and the result, in bytes. */
  workingBytes(size: AggregationSize): number;
  /** Combines all updates of the source. Throws an `AggregationError` when there are too few or the result is not finite. */
  aggregate(source: UpdateSource): Parameters;
  /** The same over a source whose numbers are not all at hand: says which stretch it reads next. */
  steps(source: UpdateSource): Reading<Parameters>;
  /** Takes updates one after another and keeps none; null for rules that must see all of them together. Same bits as `aggregate`. */
  readonly begin: ((count: number) => StreamingAggregate) | null;
}

/** A sum under way. */
export interface StreamingAggregate {
  /** Updates added so far. */
  readonly clients: number;
  /** Throws an `AggregationError` when the update is faulty; the sum is then as it was. */
  add(update: ClientUpdate): void;
  /** The combined update. Throws an `AggregationError` when none was added or the result is not finite. */
  finish(): Parameters;
}

/** A rule from everything but what follows: combining at once is combining in steps without waiting. */
export function ruleOf(rule: Omit<AggregationRule, "aggregate">): AggregationRule {
  return { ...rule, aggregate: (source) => atOnce(rule.steps(source)) };
}
