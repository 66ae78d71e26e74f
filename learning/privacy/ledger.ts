/**
 * The privacy ledger of one device: what every run has cost it, and whether one more round is within what its owner allows. A pure state
 * machine; the host stores what it returns *before* an update leaves, and keeps to the answer.
 *
 * Invariants:
 * - A round of a run is charged once, however often it is asked for.
 * - What is charged never passes the run's limit, nor, all runs together, the device's.
 * - Costs are Rényi curves in integers (2^−40 nats, rounded up): sums do not depend on their order and a resumed ledger has the same bits.
 * - Nothing is ever given back: a round that was given up stays paid for.
 */
import { invariant } from "../../platform/invariant.ts";
import { type Mechanism, rdpOfMechanism, type Sampling } from "./mechanism.ts";
import { epsilonOfCurve, RDP_ORDERS } from "./rdp.ts";

/** (ε, δ). */
export interface PrivacyLimit {
  readonly epsilon: number;
  readonly delta: number;
}

/** One run as the ledger knows it. */
export interface LedgerRun {
  /** Name of the run: its block id. */
  readonly run: string;
  readonly limit: PrivacyLimit;
  /**
   * Whether the cost of a round counts on nobody knowing who was drawn. Then every round of the run costs, drawn or not: the cost of being
   * drawn rarely is the average of both.
   */
  readonly sampled: boolean;
  /** Cost of one round at `RDP_ORDERS`, in units of 2^−40 nats; `COST_UNBOUNDED` where an order says nothing. */
  readonly roundCost: readonly number[];
  /** Rounds charged, ascending and apart: [first, last] each inclusive. */
  readonly rounds: readonly (readonly [first: number, last: number])[];
}

export interface Ledger {
  /** All runs together, for the device's lifetime. */
  readonly limit: PrivacyLimit;
  /** In the order in which they were opened. */
  readonly runs: readonly LedgerRun[];
}

/** Units of cost in a nat. */
export const COST_UNITS = 2 ** 40;
/** A cost beyond any limit that means something; sums stay there. */
export const COST_UNBOUNDED = Number.MAX_SAFE_INTEGER;
/** Rounds of one run are numbered below this. */
export const LEDGER_ROUNDS_MAX = 1_000_000;
/** Stretches of rounds one run may have: a device that joins every other round for 20,000 rounds. */
export const LEDGER_STRETCHES_MAX = 10_000;
/** Runs a device can keep account of. */
export const LEDGER_RUNS_MAX = 4_096;

/** A ledger in which nothing was spent. */
export function openLedger(limit: PrivacyLimit): Ledger {
  checkLimit(limit);
  return { limit, runs: [] };
}

/** The device's owner allows more or less. What was spent stays; below it every further round is refused. */
export function withLimit(ledger: Ledger, limit: PrivacyLimit): Ledger {
  checkLimit(limit);
  return { ...ledger, limit };
}

/** What a run asks of a device. */
export interface RunTerms {
  readonly run: string;
  readonly limit: PrivacyLimit;
  readonly mechanism: Mechanism;
  /** A rate below 1 says that nobody learns who was drawn; the ledger then charges every round. */
  readonly sampling: Sampling;
}

export type RefusalReason =
  /** The run's own limit. */
  | "runLimit"
  /** The device's limit for all runs together. */
  | "deviceLimit"
  /** The run was opened with other terms: what it costs cannot change once something was charged. */
  | "termsChanged"
  /** The run is not open. */
  | "unknownRun"
  /** More runs or stretches of rounds than the ledger can hold. */
  | "ledgerFull";

/** Why not, and what would be possible. */
export interface Refusal {
  readonly type: "refused";
  readonly reason: RefusalReason;
  /** ε of the run and of the device as it would have become; the same as spent where nothing was reckoned. */
  readonly wouldBe: { readonly run: number; readonly device: number };
  readonly limit: { readonly run: number; readonly device: number };
  /** Further rounds of this run that both limits allow. */
  readonly roundsLeft: number;
}

export type OpenOutcome =
  | { readonly type: "opened"; readonly ledger: Ledger; readonly roundsPossible: number }
  | Refusal;

/**
 * Takes up a run; with equal terms again and again. Refuses when not even `rounds` of it fit (1 by default): a run that a device could not
 * finish is not begun.
 */
export function openRun(ledger: Ledger, terms: RunTerms, rounds = 1): OpenOutcome {
  checkLimit(terms.limit);
  const roundCost = costOf(terms);
  const known = runOf(ledger, terms.run);
  const fresh: LedgerRun = {
    run: terms.run,
    limit: terms.limit,
    sampled: terms.sampling.rate < 1,
    roundCost,
    rounds: [],
  };
  if (known !== undefined && !sameTerms(known, fresh)) {
    return refusal(ledger, known, "termsChanged");
  }
  if (known === undefined && ledger.runs.length >= LEDGER_RUNS_MAX) {
    return refusal(ledger, fresh, "ledgerFull");
  }
  const entry = known ?? fresh;
  const next = known === undefined ? { ...ledger, runs: [...ledger.runs, fresh] } : ledger;
  const roundsPossible = roundsLeft(next, entry);
  const wanted = Math.max(0, rounds - chargedRounds(entry));
  if (roundsPossible < wanted) return refusalOf(next, entry, wanted);
  return { type: "opened", ledger: next, roundsPossible };
}

export type ChargeOutcome =
  /** Store `ledger` durably; then the update may leave. */
  | { readonly type: "charged"; readonly ledger: Ledger; readonly spent: PrivacySpent }
  /** This round was paid for before: the same update may leave again, another one must not. */
  | { readonly type: "alreadyCharged"; readonly ledger: Ledger; readonly spent: PrivacySpent }
  | Refusal;

/**
 * Charges one round (0 ≤ round < 10⁶). Under secret sampling all rounds before it are charged with it, and a device charges also when it
 * was not drawn.
 */
export function charge(ledger: Ledger, run: string, round: number): ChargeOutcome {
  invariant(
    Number.isInteger(round) && round >= 0 && round < LEDGER_ROUNDS_MAX,
    () => `Cannot charge round ${round}, expected an integer from 0 to ${LEDGER_ROUNDS_MAX - 1}`,
  );
  const entry = runOf(ledger, run);
  if (entry === undefined) {
    const device = spentOf(ledger).device;
    return {
      type: "refused",
      reason: "unknownRun",
      wouldBe: { run: 0, device },
      limit: { run: 0, device: ledger.limit.epsilon },
      roundsLeft: 0,
    };
  }
  const rounds = withRounds(entry.rounds, entry.sampled ? 0 : round, round);
  const more = countOf(rounds) - chargedRounds(entry);
  if (more === 0) return { type: "alreadyCharged", ledger, spent: spentOf(ledger, run) };
  if (rounds.length > LEDGER_STRETCHES_MAX) return refusal(ledger, entry, "ledgerFull");
  if (roundsLeft(ledger, entry) < more) return refusalOf(ledger, entry, more);
  const charged = { ...entry, rounds };
  const next = { ...ledger, runs: ledger.runs.map((one) => one === entry ? charged : one) };
  return { type: "charged", ledger: next, spent: spentOf(next, run) };
}

/** ε spent so far, rounded up by at most 10⁻⁹. */
export interface PrivacySpent {
  /** Of the run asked for, at its own δ; 0 without one. */
  readonly run: number;
  /** Of all runs together, at the device's δ. */
  readonly device: number;
}

/** What was spent. */
export function spentOf(ledger: Ledger, run?: string): PrivacySpent {
  const entry = run === undefined ? undefined : runOf(ledger, run);
  return {
    run: entry === undefined ? 0 : runEpsilon(entry, 0),
    device: deviceEpsilon(ledger, undefined, 0),
  };
}

/** How often a run was charged. */
export function chargedRounds(entry: LedgerRun): number {
  return countOf(entry.rounds);
}

function roundsLeft(ledger: Ledger, entry: LedgerRun): number {
  const fits = (more: number) =>
    runEpsilon(entry, more) <= entry.limit.epsilon &&
    deviceEpsilon(ledger, entry, more) <= ledger.limit.epsilon;
  let low = 0;
  let high = LEDGER_ROUNDS_MAX - chargedRounds(entry) + 1;
  if (!fits(1)) return 0;
  // ε never falls with a further round, so the last number that fits is found by halving.
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (fits(middle)) low = middle;
    else high = middle;
  }
  return low;
}

function runEpsilon(entry: LedgerRun, more: number): number {
  const times = chargedRounds(entry) + more;
  return epsilonOfCosts(entry.roundCost.map((cost) => scaled(cost, times)), entry.limit.delta);
}

function deviceEpsilon(ledger: Ledger, entry: LedgerRun | undefined, more: number): number {
  const total: number[] = new Array(RDP_ORDERS.length).fill(0);
  const add = (one: LedgerRun, times: number) => {
    for (let i = 0; i < total.length; i++) {
      total[i] = Math.min(COST_UNBOUNDED, total[i]! + scaled(one.roundCost[i]!, times));
    }
  };
  for (const one of ledger.runs) add(one, chargedRounds(one));
  if (entry !== undefined) add(entry, more);
  return epsilonOfCosts(total, ledger.limit.delta);
}

/** Costs × times, staying at the bound; a product beyond 2^53 is far beyond every limit. */
function scaled(cost: number, times: number): number {
  return Math.min(COST_UNBOUNDED, cost * times);
}

function epsilonOfCosts(costs: readonly number[], delta: number): number {
  const curve = Float64Array.from(
    costs,
    (cost) => cost === COST_UNBOUNDED ? Infinity : cost / COST_UNITS,
  );
  return epsilonOfCurve(curve, delta).epsilon;
}

/** Cost of one round in units, rounded up. */
function costOf({ mechanism, sampling }: RunTerms): number[] {
  return Array.from(
    rdpOfMechanism(mechanism, sampling),
    (cost) => Math.min(COST_UNBOUNDED, Math.ceil(cost * COST_UNITS)),
  );
}

function sameTerms(a: LedgerRun, b: LedgerRun): boolean {
  return a.limit.epsilon === b.limit.epsilon && a.limit.delta === b.limit.delta &&
    a.sampled === b.sampled && a.roundCost.every((cost, i) => {
      // Another version of the system's mathematics may round the last digits otherwise; what was charged first stays.
      const other = b.roundCost[i]!;
      return Math.abs(cost - other) <= 2 + 1e-9 * Math.max(cost, other);
    });
}

function runOf(ledger: Ledger, run: string): LedgerRun | undefined {
  return ledger.runs.find((one) => one.run === run);
}

/** The stretches with first … last added, joined where they touch. */
function withRounds(
  rounds: LedgerRun["rounds"],
  first: number,
  last: number,
): LedgerRun["rounds"] {
  const apart = rounds.filter(([from, to]) => to < first - 1 || from > last + 1);
  const touching = rounds.filter(([from, to]) => !(to < first - 1 || from > last + 1));
  const from = Math.min(first, ...touching.map(([start]) => start));
  const to = Math.max(last, ...touching.map(([, end]) => end));
  return [...apart, [from, to] as const].sort(([a], [b]) => a - b);
}

function countOf(rounds: LedgerRun["rounds"]): number {
  return rounds.reduce((sum, [from, to]) => sum + to - from + 1, 0);
}

function refusalOf(ledger: Ledger, entry: LedgerRun, more: number): Refusal {
  const overRun = runEpsilon(entry, more) > entry.limit.epsilon;
  return refusal(ledger, entry, overRun ? "runLimit" : "deviceLimit", more);
}

function refusal(ledger: Ledger, entry: LedgerRun, reason: RefusalReason, more = 0): Refusal {
  return {
    type: "refused",
    reason,
    wouldBe: { run: runEpsilon(entry, more), device: deviceEpsilon(ledger, entry, more) },
    limit: { run: entry.limit.epsilon, device: ledger.limit.epsilon },
    roundsLeft: roundsLeft(ledger, entry),
  };
}

function checkLimit({ epsilon, delta }: PrivacyLimit): void {
  if (!(epsilon > 0 && Number.isFinite(epsilon))) {
    throw new RangeError(
      `Cannot keep a privacy limit: ε is ${epsilon}, expected a finite number > 0`,
    );
  }
  if (!(delta > 0 && delta < 1)) {
    throw new RangeError(
      `Cannot keep a privacy limit: δ is ${delta}, expected a number between 0 and 1`,
    );
  }
}
