/**
 * Our part in rounds that somebody coordinates: answer the call, share keys, sign for the survivors, help to unmask. What is between, training, is
 * in `training.ts`.
 *
 * Invariants:
 * - A word about survivors is on the disk before it is sent, and is given for one attempt of a round; a further one is another release and
 *   is charged as such. What it takes to keep it is written together with it.
 */
import { sumRoundOf, survivorsLeast } from "../../learning/runs/secure_round.ts";
import { advertise, reveal, shareKeys, signSurvivors } from "../../learning/secure/client.ts";
import type { SumOutcome } from "../../learning/secure/contract.ts";
import { checkForgedShares, decodeForgedShares } from "../../learning/secure/forged_shares.ts";
import { keptState } from "../../learning/secure/kept_state.ts";
import { rosterView } from "../../learning/secure/roster.ts";
import {
  decodeReceivedShares,
  decodeRoster,
  decodeSurvivorClaim,
  decodeUnmaskRequest,
  encodeAdvertisement,
  encodeKeyShares,
  encodeReveal,
  encodeSurvivorSignature,
} from "../../learning/secure/wire.ts";
import { type DeviceId, deviceIdOf } from "../../protocols/ids.ts";
import { may } from "../../protocols/registry/registry.ts";
import type { Decline, RoundStart, SecurePhase } from "../../protocols/rounds/messages.ts";
import type { KeptPart } from "./commands.ts";
import { onOpened } from "./confirming.ts";
import { releaseIn, signedAt, signedSetting, wordFor } from "./given_word.ts";
import { goBack, storedParts } from "./kept_parts.ts";
import { lookAgain } from "./local_training.ts";
import { outAfterRestore } from "./restored.ts";
import { roundPlan } from "./round_plan.ts";
import {
  newPart,
  type Of,
  type Part,
  type RunActorState,
  type RunContext,
  type RunDependencies,
} from "./run_state.ts";
import {
  isForOurSet,
  onSmallClaim,
  onSmallRoster,
  problemOfCalled,
  smallPartFor,
} from "./small_part.ts";
import { attemptOf, sameAttempt, shortReason, tell } from "./talking.ts";
import { noteAttempt } from "./terms.ts";
import { beginTraining, refuse } from "./training.ts";
import { sumClientDependencies } from "./sum_dependencies.ts";

/**
 * A word about survivors binds this long in runs with privacy; then the coordinator is taken to be gone for good, and a further attempt is another
 * release with noise of its own, which is charged, ms. Without noise two sums over different survivors would tell a device's update by their
 * difference: there the word binds for good, and only that attempt can be finished.
 */
const SIGNED_BINDS_MS = 60_000;

const PUBLIC_KEY_BYTES = 32;

/** The coordinator calls. `follow` was asked before. */
export function onRoundStart(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  from: DeviceId,
  call: RoundStart,
): void {
  const key = attemptOf(call);
  const decline = (why: Decline["why"], reason: string) =>
    tell(context, deps, from, { type: "decline", ...key, why, reason: shortReason(reason) });
  const { head, examples } = state;
  if (head === undefined || examples === undefined) return decline("busy", "still starting");
  const isBehind = call.round > head.round + 1 || head.model === null;
  if (isBehind) {
    // The result it goes on from is on its way to us: answered when it is here, if the coordinator still waits then.
    state.held = { from, call, untilMs: context.monotonicMs() + call.withinMs };
    return;
  }
  if (call.round !== head.round + 1 || call.model.hash !== head.parameters || head.model === null) {
    return decline("staleModel", `this device has round ${head.round}`);
  }
  if (!noteAttempt(context, state, call.attempt)) {
    return decline("cannot", "its attempt is out of order");
  }
  // Why the attempt before came to nothing is no news any more.
  state.waitingFor = outAfterRestore(state);
  if (state.waitingFor !== null) return decline("busy", state.waitingFor);
  if ("unavailable" in examples) {
    lookAgain(context, state, deps);
    return decline("noData", examples.unavailable);
  }
  if (!call.called.includes(deps.self)) return;
  const crowd = problemOfCalled(deps, call.called);
  if (crowd !== undefined) return decline("cannot", crowd);
  const again = state.part;
  if (again !== null && sameAttempt(again.key, key)) return;
  const small = smallPartFor(state, deps, from, call);
  if (typeof small === "string") return decline("cannot", small);
  const signed = signedAt(state, call.round);
  const isForSet = signed !== null && isForOurSet(signed, call.called, from);
  if (signed !== null && !isForSet) {
    const isBound = deps.opened.plan.privacy === null;
    if (isBound || context.monotonicMs() - (state.signedAtMs ?? 0) < SIGNED_BINDS_MS) {
      return decline("busy", `attempt ${signed.attempt} may still come to its sum`);
    }
  }
  const release = isForSet ? signed.release : releaseIn(state, from, call);
  const part = newPart({
    key,
    small,
    // Nobody of the set may be missing, and nobody else be in it.
    only: isForSet ? call.called : null,
    coordinator: from,
    called: call.called,
    release,
    // Another release is another update: equal noise under other survivors would tell their difference.
    update: again?.key.round === key.round && again.release === release ? again.update : null,
  });
  let keys: Uint8Array = new Uint8Array();
  const round = small !== null ? null : sumRoundOf(roundPlan(state, deps), {
    ...key,
    modelHash: head.parameters,
    devices: call.called.length,
  });
  if (round !== null) {
    const previous = again?.kept ?? again?.sum;
    const step = advertise(
      {
        round,
        device: deps.self,
        ...(previous && again?.release === release && !isForSet && { previous }),
      },
      sumClientDependencies(context, deps),
    );
    if (!step.ok) return decline("cannot", step.detail);
    part.sum = step.value.state;
    keys = encodeAdvertisement(step.value.message);
  }
  state.part = part;
  tell(context, deps, from, { type: "peerReady", ...key, modelHash: head.parameters, keys });
}

/** The model has moved on: a call that came too early for us is answered now. */
export function answerHeldCall(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
): void {
  const { held } = state;
  if (held === null) return;
  const isPast = context.monotonicMs() > held.untilMs || held.call.term !== state.term ||
    held.from !== state.coordinator;
  if (isPast) {
    state.held = null;
    return;
  }
  if (held.call.round > (state.head?.round ?? 0) + 1) return;
  state.held = null;
  onRoundStart(context, state, deps, held.from, held.call);
}

/**
 * A sum hides an update among those of other members, as many as the plan promises. A coordinator that filled the roster with keys of its own would
 * know all vectors but ours.
 */
function problemOfRoster(
  state: RunActorState,
  { opened }: RunDependencies,
  { called, only }: Part,
  keys: Uint8Array,
): string | undefined {
  const { aggregation, participation } = opened.plan;
  const least = only !== null
    ? only.length
    : aggregation.type === "secureGroups"
    ? Math.min(aggregation.groupSize, participation.least)
    : participation.least;
  const count = keys.length / PUBLIC_KEY_BYTES;
  if (!Number.isInteger(count) || count < least) {
    return `its roster has ${count} devices, expected at least ${least}`;
  }
  for (let at = 0; at < keys.length; at += PUBLIC_KEY_BYTES) {
    const device = deviceIdOf(keys.subarray(at, at + PUBLIC_KEY_BYTES));
    if (!called.includes(device) || !may(state.registry, device, "learn.join")) {
      return `its roster has ${device}, which was not called or may not take part`;
    }
  }
  return undefined;
}

/** A step of the secure sum. */
export function onSecurePhase(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  from: DeviceId,
  message: SecurePhase,
): void {
  if (message.phase === "forgedShares") return onForgedShares(context, state, deps, message);
  if (message.phase === "opened") return onOpened(context, state, deps, from, message);
  const isOurs = state.part !== null && sameAttempt(state.part.key, message);
  // An earlier attempt that was given up may be finished after all, by those whose vectors are in it.
  const part = isOurs
    ? state.part
    : message.phase === "survivors" || message.phase === "unmaskRequest"
    ? goBack(state, deps, message)
    : null;
  if (part === null) return;
  // A new coordinator may finish what another has begun; the caller has checked that it is the one to follow.
  part.coordinator = from;
  const answer = (phase: SecurePhase["phase"], body: Uint8Array) =>
    tell(context, deps, from, { type: "securePhase", ...part.key, phase, body });
  switch (message.phase) {
    case "roster": {
      if (part.small !== null) {
        return onSmallRoster(context, state, deps, part, {
          body: message.body,
          problemOf: (devices) => problemOfRoster(state, deps, part, devices),
        });
      }
      if (part.sum === null) return;
      const roster = decodeRoster(message.body);
      if (!roster.ok) return refuse(context, deps, part, roster.reason);
      const problem = problemOfRoster(state, deps, part, roster.message.devices);
      if (problem !== undefined) return refuse(context, deps, part, problem);
      const step = taken(
        context,
        deps,
        part,
        shareKeys(part.sum, roster.message, sumClientDependencies(context, deps)),
      );
      if (step === null) return;
      part.sum = step.state;
      return answer("shares", encodeKeyShares(step.message));
    }
    case "inbox": {
      if (part.sum === null) return;
      const received = decodeReceivedShares(message.body);
      if (!received.ok) return refuse(context, deps, part, received.reason);
      part.received = received.message;
      return beginTraining(context, state, deps);
    }
    case "survivors": {
      if (part.small !== null) return onSmallClaim(context, state, deps, part, message.body);
      if (part.kept === null) return;
      const claim = decodeSurvivorClaim(message.body);
      if (!claim.ok) return refuse(context, deps, part, claim.reason);
      const least = survivorsLeast(deps.opened.plan);
      const survivors = bitCount(claim.message.survivors);
      if (survivors < least) {
        return refuse(context, deps, part, `fewer than ${least} survivors: too little noise`);
      }
      if (part.only !== null && survivors !== part.only.length) {
        const reason = `${survivors} survivors, and it has signed for ${part.only.length}`;
        return refuse(context, deps, part, reason);
      }
      const step = taken(
        context,
        deps,
        part,
        signSurvivors(part.kept, claim.message, sumClientDependencies(context, deps)),
      );
      if (step === null) return;
      part.kept = keptState(step.state, deps);
      const { coordinator, release, vector, key: { round, attempt } } = part;
      const body = encodeSurvivorSignature(step.message);
      const word = wordFor(part, deps);
      const kept: KeptPart = { round, attempt, coordinator, release, vector, sum: part.kept };
      state.kept = [kept];
      const stored = { [signedSetting(deps.run)]: word, ...storedParts(deps.run, state.kept) };
      return context.perform(
        () => deps.store.settings.set(stored),
        (outcome) => ({ type: "signedKept", round, attempt, body, outcome }),
      );
    }
    case "unmaskRequest": {
      if (part.kept === null) return;
      const request = decodeUnmaskRequest(message.body);
      if (!request.ok) return refuse(context, deps, part, request.reason);
      const step = taken(
        context,
        deps,
        part,
        reveal(part.kept, request.message, sumClientDependencies(context, deps)),
      );
      if (step === null) return;
      part.kept = step.state;
      part.phase = "revealed";
      return answer("unmask", encodeReveal(step.message));
    }
    default:
      // What devices say to coordinators.
      return;
  }
}

/**
 * The sum that this device has signed for cannot be opened, because of what one of its devices dealt: the others of the set may do the round again without
 * that one, if they are still as many as any sum of that roster must have. In memory only: after a restart it is shown again.
 */
function onForgedShares(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  { round, attempt, body }: SecurePhase,
): void {
  const { signed } = state;
  const kept = state.kept.find((one) => one.round === round && one.attempt === attempt)?.sum;
  if (signed?.set === undefined || signed.round !== round || signed.attempt !== attempt) return;
  if (kept === undefined || kept.phase === "masked") return;
  const proof = decodeForgedShares(body);
  const dependencies = sumClientDependencies(context, deps);
  const checked = proof.ok
    ? checkForgedShares(kept, proof.message, dependencies)
    : { ok: false as const, detail: proof.reason };
  if (!checked.ok) {
    return context.log.write("warning", "what was said of false shares proves nothing", {
      detail: checked.detail,
    });
  }
  const dealer = checked.value;
  const set = signed.set.filter((device) => device !== dealer);
  const view = rosterView(kept, dependencies);
  if (!view.ok || set.length < view.value.shape.quorum) return;
  context.log.write("warning", "a device has dealt false shares", { dealer });
  state.signed = { ...signed, set };
}

/** Our word is on the disk: it may be given. */
export function onSignedKept(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  { round, attempt, body, outcome }: Of<"signedKept">,
): void {
  const { part } = state;
  if (part?.key.round !== round || part.key.attempt !== attempt || part.kept === null) return;
  if (!outcome.ok) {
    // It has left nowhere and binds nobody: this device takes part in the next attempt.
    part.kept = null;
    state.kept = [];
    return refuse(context, deps, part, "its disk does not keep its word");
  }
  state.signed = wordFor(part, deps);
  state.signedAtMs = context.monotonicMs();
  part.phase = "signed";
  tell(context, deps, part.coordinator, {
    type: "securePhase",
    ...part.key,
    phase: "consistency",
    body,
  });
}

/** A step's value; or null, when the coordinator's message was refused, and it was told. */
function taken<T>(
  context: RunContext,
  deps: RunDependencies,
  part: Part,
  outcome: SumOutcome<T>,
): T | null {
  if (outcome.ok) return outcome.value;
  context.log.write("warning", "a step of the secure sum was refused", {
    refusal: outcome.refusal,
    detail: outcome.detail,
  });
  refuse(context, deps, part, outcome.detail);
  return null;
}

function bitCount(bits: Uint8Array): number {
  let count = 0;
  for (const byte of bits) for (let rest = byte; rest !== 0; rest &= rest - 1) count++;
  return count;
}
