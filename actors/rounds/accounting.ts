/** The privacy ledger: asked before anything that depends on this device's examples leaves, written down before the answer. */
import {
  charge,
  chargedRounds,
  decodeStoredLedger,
  type Ledger,
  openRun,
  spentOf,
  withLimit,
} from "./ledger_setting.ts";
import { mechanismOf } from "../../learning/runs/secure_round.ts";
import { LEDGER_ROUNDS_MAX } from "../../learning/privacy/ledger.ts";
import type { RunId } from "../../learning/runs/plan.ts";
import { type OpenedPlan, openPlan } from "../../learning/runs/opened_plan.ts";
import { nodeEvents } from "../events.ts";
import type { BudgetSummary, ChargeAnswer, ChargeRequest } from "./commands.ts";
import { ledgerSetting, secretSetting } from "./ledger_setting.ts";
import { partSetting } from "./kept_parts.ts";
import { forgetUpdate } from "./kept_update.ts";
import { onJoinSaved } from "./library.ts";
import type { RoundsDependencies } from "./rounds.ts";
import type { Of, RoundsContext, RoundsState } from "./state.ts";

/** Further releases of a round are charged under other numbers: rounds of runs stay below this. */
const NEXT_RELEASE = 100_001;
const SECRET_BYTES = 32;

/** A child wants to train: the same round again gets the same secret and costs nothing. */
export function onCharge(
  context: RoundsContext,
  state: RoundsState,
  deps: RoundsDependencies,
  request: ChargeRequest,
): void {
  const run = state.runs.get(request.run);
  if (run?.child == null) return;
  const number = request.round + request.release * NEXT_RELEASE;
  const key = `${request.run}/${number}`;
  const answer = (value: ChargeAnswer["answer"]) =>
    context.send(run.child!, { type: "charged", ...attemptOf(request), answer: value });
  const tooOften = () =>
    answer({ ok: false, reason: `round ${request.round} was released too often` });
  if (number >= LEDGER_ROUNDS_MAX) return tooOften();
  // Nobody trains on what is not on the disk yet: the answer comes when it is, for whichever attempt is under way then.
  const isUnderWay = [...state.requests.values()].some((one) =>
    one.type === "charge" && one.key === key
  );
  if (isUnderWay) return;
  const known = state.secrets.get(key);
  if (known !== undefined) return answer({ ok: true, secret: known });
  let { ledger } = state;
  const { privacy } = run.plan;
  if (privacy !== null) {
    const mechanism = mechanismOf(openPlan(run.plan, deps))!;
    const limit = { epsilon: privacy.epsilonMax, delta: privacy.delta };
    // Everybody may learn who was called: sampling hides nothing here.
    const opened = openRun(ledger, { run: request.run, limit, mechanism, sampling: { rate: 1 } });
    let charged = opened.type === "opened" ? charge(opened.ledger, request.run, number) : opened;
    // Its secret is gone: what was paid for cannot be made again, so this is paid for once more, under a number that no release has paid for.
    for (let paid = number; charged.type === "alreadyCharged" && !state.unsaved.has(key);) {
      paid += NEXT_RELEASE;
      if (paid >= LEDGER_ROUNDS_MAX) return tooOften();
      charged = charge(charged.ledger, request.run, paid);
    }
    if (charged.type === "refused") {
      const { reason, wouldBe, limit } = charged;
      const what = reason === "deviceLimit"
        ? `this device allows ε ${limit.device} in all, and it would become ${
          wouldBe.device.toFixed(2)
        }`
        : `the run allows ε ${limit.run}, and it would become ${
          wouldBe.run.toFixed(2)
        } (${reason})`;
      return answer({ ok: false, reason: `the privacy budget is spent: ${what}` });
    }
    ledger = charged.ledger;
  }
  const secret = state.unsaved.get(key) ?? context.random.bytes(SECRET_BYTES);
  const id = state.nextRequest++;
  state.requests.set(id, { type: "charge", charge: request, ledger, key, secret });
  // What a failing disk may have written all the same stays paid for.
  state.ledger = ledger;
  context.perform(
    () =>
      deps.store.settings.set({
        ...ledgerSetting(ledger),
        [secretSetting(key)]: secret.toBase64(),
      }),
    (outcome) => ({ type: "saved", request: id, outcome }),
  );
}

/** Something is on the disk, or is not. */
export function onSaved(
  context: RoundsContext,
  state: RoundsState,
  deps: RoundsDependencies,
  { request: id, outcome }: Of<"saved">,
): void {
  const request = state.requests.get(id);
  state.requests.delete(id);
  if (!outcome.ok) {
    context.log.write("warning", "learning could not write to the disk", {
      error: String(outcome.error),
    });
  }
  if (request === undefined) return;
  const why = outcome.ok ? "" : String(outcome.error);
  switch (request.type) {
    case "charge": {
      const child = state.runs.get(request.charge.run)?.child;
      if (outcome.ok) {
        state.secrets.set(request.key, request.secret);
        state.unsaved.delete(request.key);
      } else state.unsaved.set(request.key, request.secret);
      if (child == null) return;
      return context.send(child, {
        type: "charged",
        ...attemptOf(request.charge),
        answer: outcome.ok
          ? { ok: true, secret: request.secret }
          : { ok: false, reason: `the privacy ledger could not be written: ${why}` },
      });
    }
    case "budget":
      if (outcome.ok) {
        state.ledger = { ...state.ledger, limit: request.ledger.limit };
        return context.send(request.replyTo, { type: "done", value: budgetOf(state) });
      }
      return context.send(request.replyTo, {
        type: "refused",
        reason: "unavailable",
        message: `Cannot set the privacy budget: ${why}`,
      });
    case "join":
      return onJoinSaved(context, state, deps, request, outcome.ok ? null : why);
    default:
      return;
  }
}

function attemptOf({ round, release }: ChargeRequest) {
  return { round, release };
}

/**
 * Secrets of rounds that are over are forgotten: whoever gets hold of the disk later could take the noise off what was released. `upTo` is the last round
 * that is done; null for a run that has ended.
 */
export function forgetSecrets(
  context: RoundsContext,
  state: RoundsState,
  { store }: Pick<RoundsDependencies, "store">,
  run: RunId,
  upTo: number | null,
): void {
  const over = [...state.secrets.keys()].filter((key) => {
    const [of, number] = key.split("/");
    return of === run && (upTo === null || Number(number) % NEXT_RELEASE <= upTo);
  });
  if (over.length === 0) return;
  for (const key of over) state.secrets.delete(key);
  context.perform(
    () =>
      store.settings.set(Object.fromEntries(over.map((key) => [secretSetting(key), undefined]))),
    (outcome) => ({ type: "saved", request: 0, outcome }),
  );
}

/** A run has ended: nothing of it will be signed or revealed any more. */
export function forgetParts(
  context: RoundsContext,
  { store, vectors }: Pick<RoundsDependencies, "store" | "vectors">,
  run: RunId,
): void {
  context.perform(
    async () => {
      await store.settings.set({ [partSetting(run)]: undefined });
      await forgetUpdate({ store, vectors }, run);
    },
    (outcome) => ({ type: "saved", request: 0, outcome }),
  );
}

/** Why this device could not pay for all rounds of a run, for people; undefined when it can, or the run costs nothing. */
export function problemOfBudget(ledger: Ledger, opened: OpenedPlan): string | undefined {
  const { privacy, rounds } = opened.plan;
  if (privacy === null) return undefined;
  const limit = { epsilon: privacy.epsilonMax, delta: privacy.delta };
  const mechanism = mechanismOf(opened)!;
  const outcome = openRun(
    ledger,
    { run: "planned", limit, mechanism, sampling: { rate: 1 } },
    rounds,
  );
  // What the run itself allows, whoever wrote its plan has weighed.
  if (outcome.type === "opened" || outcome.reason === "runLimit") return undefined;
  if (outcome.reason === "ledgerFull") {
    return "this device's privacy ledger has no room for another run";
  }
  const { wouldBe, roundsLeft } = outcome;
  return `this device allows ε ${ledger.limit.epsilon} in all, ε ${
    spentOf(ledger).device.toFixed(2)
  } is spent, and after ${rounds} rounds of it that would be ε ${
    wouldBe.device.toFixed(2)
  }; possible would be ${roundsLeft} rounds, a smaller epsilon, or a larger budget (submind learn budget --set)`;
}

/** What was spent, of what is allowed. */
export function budgetOf(state: RoundsState): BudgetSummary {
  const { ledger } = state;
  return {
    epsilonMax: ledger.limit.epsilon,
    delta: ledger.limit.delta,
    epsilonSpent: spentOf(ledger).device,
    runs: ledger.runs.map((entry) => ({
      run: entry.run as BudgetSummary["runs"][number]["run"],
      rounds: chargedRounds(entry),
      epsilon: spentOf(ledger, entry.run).run,
    })),
  };
}

export function onSetBudget(
  context: RoundsContext,
  state: RoundsState,
  deps: RoundsDependencies,
  { epsilonMax, replyTo }: Of<"setBudget">,
): void {
  if (!(epsilonMax > 0 && epsilonMax <= 1e6)) {
    return context.send(replyTo, {
      type: "refused",
      reason: "invalid",
      message:
        `Cannot set the privacy budget to ${epsilonMax}: expected a number above 0, at most 1000000`,
    });
  }
  const ledger = withLimit(state.ledger, { ...state.ledger.limit, epsilon: epsilonMax });
  const id = state.nextRequest++;
  state.requests.set(id, { type: "budget", ledger, replyTo });
  context.perform(
    () => deps.store.settings.set(ledgerSetting(ledger)),
    (outcome) => ({ type: "saved", request: id, outcome }),
  );
}

/** Reads the ledger as the disk has it; a damaged one stops learning, because what was spent is not known. */
export function restoreLedger(
  context: RoundsContext,
  stored: unknown,
  epsilonMax: number,
): Ledger | null {
  const read = decodeStoredLedger(stored, epsilonMax);
  if (read.ok) return read.message;
  context.publish(nodeEvents, {
    type: "warning",
    source: "learning",
    message:
      `The privacy ledger cannot be read (${read.reason}): this device takes part in no runs with privacy until it is restored from a backup`,
  });
  return null;
}
