/** What the devices of a run say to each other, and whom this one believes what. */
import type { DeviceId } from "../../protocols/ids.ts";
import type { RoundsMessage } from "../../protocols/rounds/messages.ts";
import { answerWhere, onCheckpointKept, onHereIAm, onKeepCheckpoint } from "./checkpoints.ts";
import { onBeat, onRefused } from "./buffered_part.ts";
import { noteAbandoned, paysForHandingIn } from "./given_word.ts";
import { onDecline, onPeerReady, tellAbandoned } from "./lead.ts";
import { onDevicePhase } from "./lead_sums.ts";
import { onSmallPhase } from "./lead_small_sums.ts";
import { giveBackRoom, onSubmission } from "./lead_updates.ts";
import { onRoundStart, onSecurePhase } from "./participant.ts";
import { report } from "./reporting.ts";
import type { RunActorState, RunContext, RunDependencies } from "./run_state.ts";
import { transferEnds } from "./run_vectors.ts";
import { noteSecond, onSecondPhase } from "./second_party.ts";
import { sameAttempt } from "./talking.ts";
import { noteAnswer } from "./telling.ts";
import { follow, noteAttempt, showProgress } from "./terms.ts";
import { beginTraining } from "./training.ts";
import { dropSubmissions, elsewhere, onRequestParts, onVectorPart } from "./transfers.ts";

/** Somebody rightful coordinates instead of us. */
export function stepDown(context: RunContext, state: RunActorState, deps: RunDependencies): void {
  context.cancelTimer("phase");
  context.cancelTimer("call");
  dropSubmissions(state);
  if (state.lead !== null) {
    giveBackRoom(context, state.lead);
    if (paysForHandingIn(deps)) tellAbandoned(context, deps, state.lead, "another one coordinates");
  }
  state.lead = null;
}

/** Somebody says something; also this device, where it coordinates and takes part. */
export function onPeerMessage(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  from: DeviceId,
  message: RoundsMessage,
): void {
  switch (message.type) {
    // Said by devices to their coordinator.
    case "peerReady":
      return onPeerReady(context, state, deps, from, message);
    case "decline":
      return onDecline(context, state, deps, from, message);
    case "gradientSubmission":
      noteAnswer(context, state, deps, from);
      return onSubmission(context, state, deps, from, message);
    case "hereIAm":
      return onHereIAm(context, state, deps, from, message);
    case "checkpointKept":
      return onCheckpointKept(context, state, deps, from, message);
    // Between any two.
    case "requestParts":
      return onRequestParts(context, state, deps, from, message);
    case "vectorPart":
      return onVectorPart(context, state, deps, {
        from,
        part: message,
        ends: transferEnds(context, state, deps),
      });
    case "vectorMissing": {
      const incoming = state.incoming.get(message.hash);
      if (incoming?.from !== from) return;
      const ends = transferEnds(context, state, deps);
      return elsewhere(context, state, deps, { incoming, ends, reason: "it is not there" });
    }
    case "roundAbandoned":
      noteAbandoned(state, from, message);
      break;
    case "runMembership":
    case "runCompany":
      // The parent's.
      return;
    case "gridPlace":
      // Of runs without a coordinator.
      return;
    case "securePhase":
      // In the clear nobody finishes what another has begun: an update is for the coordinator that called.
      if (deps.opened.plan.aggregation.type === "clear") return;
      if (message.phase === "part") return onSecondPhase(context, state, deps, from, message);
      if (SAID_OF_SMALL_SUMS.has(message.phase) && state.lead?.small != null) {
        return onSmallPhase(context, state, deps, from, message);
      }
      if (SAID_BY_DEVICES.has(message.phase)) {
        noteAnswer(context, state, deps, from);
        return onDevicePhase(context, state, deps, from, message);
      }
      break;
  }
  // Said by whoever coordinates.
  const { term } = message;
  const stepsDown = () => stepDown(context, state, deps);
  if (!follow(context, state, deps, { from, term, stepDown: stepsDown })) return;
  switch (message.type) {
    case "roundStart":
      state.phase = "calling";
      noteSecond(context, state, deps, from, message);
      onRoundStart(context, state, deps, from, message);
      return report(context, state, deps);
    case "trainNow":
      if (state.part !== null && sameAttempt(state.part.key, message)) {
        beginTraining(context, state, deps);
      }
      return;
    case "securePhase":
      if (state.second !== null) onSecondPhase(context, state, deps, from, message);
      return onSecurePhase(context, state, deps, from, message);
    case "submissionRefused":
      context.log.write("warning", "our update was refused", { reason: message.reason });
      return onRefused(state, deps, message);
    case "roundAbandoned":
      state.waitingFor = message.reason;
      return;
    case "coordinatorBeat":
      if (from !== deps.self) {
        state.phase = message.phase;
        if (message.round === (state.head?.round ?? 0) + 1) {
          noteAttempt(context, state, message.attempt);
        }
        showProgress(context, deps, message);
        onBeat(context, state, deps, message);
      }
      return;
    case "whereAreYou":
      return answerWhere(context, state, deps, from);
    case "keepCheckpoint":
      return onKeepCheckpoint(context, state, deps, from, message);
    case "modelUpdate":
      return;
    default:
      message satisfies never;
  }
}

const SAID_OF_SMALL_SUMS = new Set(["consistency", "key", "presentBoth", "total"]);
const SAID_BY_DEVICES = new Set([
  ...SAID_OF_SMALL_SUMS,
  "shares",
  "unmask",
  "confirmed",
]);
