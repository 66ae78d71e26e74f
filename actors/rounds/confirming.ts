/**
 * Between opening a round's secure sums and publishing its result: all whose vectors are in them say that these are the sums (`learning/secure/sum_check.ts`).
 * A result is published all the same when somebody does not, without these words: who can hold up a round by silence, holds up all.
 */
import { addsUp, confirmationMessage, confirmSum } from "../../learning/secure/sum_check.ts";
import type { Confirmation } from "../../learning/secure/sum_check.ts";
import {
  decodeConfirmation,
  decodeMaskedInput,
  encodeConfirmation,
} from "../../learning/secure/wire.ts";
import { encodeResult } from "../../learning/runs/result.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import type { SecurePhase } from "../../protocols/rounds/messages.ts";
import type { CombinedRound } from "./commands.ts";
import { enter } from "./lead.ts";
import type { Of, RunActorState, RunContext, RunDependencies } from "./run_state.ts";
import { sumClientDependencies, sumDependencies } from "./sum_dependencies.ts";
import { attemptOf, isReachable, sameAttempt, tell, tellAll } from "./talking.ts";

/** Some milliseconds of arithmetic and one message: whoever takes longer is taken to have gone, ms. */
const CONFIRM_MS = 5_000;
/** Publishing waits for the disk, ms. */
const PUBLISH_MS = 60_000;

/** What waits for its devices' words. */
export type Confirming = Pick<CombinedRound, "result" | "opened"> & {
  readonly said: Map<DeviceId, Confirmation>;
};

/** A round is combined: asks all in its sums for their word, where all can be reached; else publishes it as it is. */
export function askToConfirm(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  { result, opened }: Pick<CombinedRound, "result" | "opened">,
): void {
  const lead = state.lead!;
  lead.confirming = { result, opened, said: new Map() };
  if (opened.length === 0) return publish(context, state, deps);
  const devices = result.submissions.map(({ device }) => device);
  enter(
    context,
    state,
    deps,
    "confirming",
    Math.min(CONFIRM_MS, deps.opened.plan.deadlines.phaseMs),
  );
  const body = Uint8Array.fromHex(result.aggregate.hash);
  tellAll(context, deps, devices, { type: "securePhase", ...lead.key!, phase: "opened", body });
  publishWhenOneIsAway(context, state, deps);
}

/** Without the word of all, nobody's is of use: so as soon as one in the sums cannot be reached, the result is published. */
export function publishWhenOneIsAway(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
): void {
  const { confirming } = state.lead ?? {};
  const isAway = confirming?.result.submissions.some(({ device }) =>
    !isReachable(state, deps, device)
  );
  if (isAway === true) publish(context, state, deps);
}

/** A device's word. An empty one says that it cannot give it, so that nobody waits. */
export function onConfirmed(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  from: DeviceId,
  { body }: SecurePhase,
): void {
  const { confirming } = state.lead!;
  if (confirming === null || confirming.said.has(from)) return;
  const { result, opened, said } = confirming;
  const place = result.sums.findIndex(({ inputs }) => inputs.some(({ device }) => device === from));
  if (place < 0) return;
  if (body.length === 0) return publish(context, state, deps);
  const word = decodeConfirmation(body);
  const message = word.ok && confirmationMessage(opened[place]!.sum, word.message.totals);
  if (
    !word.ok || message === false ||
    !sumDependencies(deps).verify(from, message, word.message.signature)
  ) {
    context.log.write("warning", "a device's word about a sum is none", {
      from,
      detail: word.ok ? "its signature does not hold" : word.reason,
    });
    return publish(context, state, deps);
  }
  said.set(from, word.message);
  if (said.size === result.submissions.length) publish(context, state, deps);
}

/** Hands the result to the parent, which publishes it as a block; the rest follows from that. */
export function publish(context: RunContext, state: RunActorState, deps: RunDependencies): void {
  const lead = state.lead!;
  const { result, opened, said } = lead.confirming!;
  lead.confirming = null;
  const sums = result.sums.map((sum, i) => {
    const group = opened[i];
    const confirmations = sum.inputs.flatMap(({ device }) => said.get(device) ?? []);
    if (group === undefined || confirmations.length < sum.inputs.length) return sum;
    if (addsUp(confirmations, group)) return { ...sum, confirmations };
    // Which of them it is cannot be seen from here: the coordinator has added up their vectors, and kept none.
    context.log.write("warning", "a sum is not confirmed: a device of it says something untrue", {
      round: result.round,
      devices: confirmations.length,
    });
    return sum;
  });
  lead.isReleased = true;
  enter(context, state, deps, "publishing", PUBLISH_MS);
  const body = encodeResult({ ...result, sums });
  context.send(deps.rounds, { type: "publishResult", run: deps.run, body });
}

/** The coordinator has opened the sum: our word, if our vector is in it and what masked it is still here. */
export function onOpened(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  from: DeviceId,
  message: SecurePhase,
): void {
  const { part } = state;
  const key = attemptOf(message);
  const isOurs = part !== null && sameAttempt(part.key, message);
  const { masked = null, kept = null, bytes = null } = isOurs ? part : {};
  const input = bytes && decodeMaskedInput(bytes);
  if (
    masked === null || kept?.phase !== "revealed" || input?.ok !== true ||
    message.body.length !== 32
  ) {
    return tell(context, deps, from, {
      type: "securePhase",
      ...key,
      phase: "confirmed",
      body: new Uint8Array(),
    });
  }
  const { maskWork } = deps;
  const dependencies = { ...sumClientDependencies(context, deps), maskWork };
  context.perform(
    async () => {
      const word = await confirmSum(masked, {
        aggregate: message.body,
        claim: kept.claim,
        packed: input.message.packed,
      }, dependencies);
      return word === undefined ? new Uint8Array() : encodeConfirmation(word);
    },
    (outcome) => ({ type: "confirmationMade", to: from, key, outcome }),
  );
}

/** Our word is ready. */
export function onConfirmationMade(
  context: RunContext,
  deps: RunDependencies,
  { to, key, outcome }: Of<"confirmationMade">,
): void {
  const body = outcome.ok ? outcome.value : new Uint8Array();
  tell(context, deps, to, { type: "securePhase", ...key, phase: "confirmed", body });
}
