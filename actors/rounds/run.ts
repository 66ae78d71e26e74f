/**
 * One run of federated learning on this device: takes part in its rounds, coordinates them when it is our turn, and makes each published result
 * the model that the next round begins with. Lives as long as the run is joined; everything it must remember is on the disk.
 */
import { SourceBudget } from "../../protocols/discovery/source_budget.ts";
import { may } from "../../protocols/registry/registry.ts";
import { nodeEvents } from "../events.ts";
import type { Behaviour } from "../kernel/actor.ts";
import { considerAdopting, openRun } from "./adopting.ts";
import {
  onChargedForBuffer,
  onOpenedForBuffer,
  onPeersChanged as onPeersChangedForBuffer,
  onPreparedForBuffer,
  onTrainedForBuffer,
  onVersion,
  takePart,
} from "./buffered_part.ts";
import { noBuffer } from "./buffered_state.ts";
import { onCheckpointStored, onRecovered, recover, takeLead, tryAgain } from "./checkpoints.ts";
import { onCombined } from "./combining.ts";
import { onConfirmationMade, publish, publishWhenOneIsAway } from "./confirming.ts";
import type { KeptPart, RunCommand } from "./commands.ts";
import { reportFaults } from "./faults.ts";
import { goBack } from "./kept_parts.ts";
import { call, enter, onPhaseDue } from "./lead.ts";
import { tendBuffer } from "./lead_buffered.ts";
import {
  askToUnmask,
  closeSharing,
  closeSigning,
  closeUnmasking,
  sendClaims,
} from "./lead_sums.ts";
import { remind } from "./lead_small_sums.ts";
import { closeTrainingWhenAll, onUpdateStored, tendFetching } from "./lead_updates.ts";
import { answerHeldCall, onSignedKept } from "./participant.ts";
import { listen } from "./restored.ts";
import { evaluateHead, onEvaluated, report } from "./reporting.ts";
import { RETURN_RATE } from "./other_version.ts";
import { keepWaiting } from "./results_in_mind.ts";
import { onPeerMessage, stepDown } from "./run_messages.ts";
import type { Of, RunActorState, RunContext, RunDependencies } from "./run_state.ts";
import { onRead, transferEnds } from "./run_vectors.ts";
import { onPrimesDrawn, onTotalMade } from "./second_party.ts";
import { onWordKept } from "./small_part.ts";
import { isReachable, reachable, tellAll } from "./talking.ts";
import { tellMore } from "./telling.ts";
import { attemptsAhead, beat, BEAT_MS, hasSeat, nextTerm, untilOurTurnMs } from "./terms.ts";
import { onCharged, onPartKept, onPrepared, onTrained } from "./training.ts";
import { elsewhere, tendTransfers } from "./transfers.ts";

/** Pause before a disk that fails is read again, ms. */
const REOPEN_MS = 5_000;

/** The behaviour of one run. */
export function run(deps: RunDependencies): Behaviour<RunCommand, RunActorState> {
  return {
    name: "run",
    init: (context) => start(context, deps),
    receive(context, state, command) {
      const isBuffered = deps.opened.strategy.buffer !== null;
      switch (command.type) {
        case "peerMessage":
          return onPeerMessage(context, state, deps, command.from, command.message);
        case "peersChanged":
          return onPeersChanged(context, state, deps, command);
        case "resultCommitted": {
          const { committed } = command;
          if (state.invalid.has(committed.block)) return;
          keepWaiting(state.waiting, committed);
          return considerAdopting(context, state, deps);
        }
        case "charged":
          if (isBuffered) return onChargedForBuffer(context, state, deps, command);
          return onCharged(context, state, deps, command);
        case "opened":
          return onOpened(context, state, deps, command);
        case "openDue":
          return open(context, deps);
        case "tick":
          return onTick(context, state, deps);
        case "silenceDue":
          return watchCoordinator(context, state, deps);
        case "phaseDue":
          return onPhaseDue(context, state, deps, command, {
            closeSharing: () => closeSharing(context, state, deps),
            sendClaims: () => sendClaims(context, state, deps),
            closeSigning: () => closeSigning(context, state, deps),
            closeUnmasking: () => closeUnmasking(context, state, deps),
            publish: () => publish(context, state, deps),
            recovered: () => onRecovered(context, state, deps),
          });
        case "callDue":
          return tryAgain(context, state, deps);
        case "tellDue":
          return tellMore(context, state, deps);
        case "trainingStep":
          return onTrainingStep(context, state, deps, command);
        case "trained":
          if (isBuffered) return onTrainedForBuffer(context, state, deps, command);
          return onTrained(context, state, deps, command);
        case "prepared":
          if (isBuffered) return onPreparedForBuffer(context, state, deps, command);
          return onPrepared(context, state, deps, command);
        case "partKept":
          return onPartKept(context, state, deps, command);
        case "signedKept":
          return onSignedKept(context, state, deps, command);
        case "wordKept":
          return onWordKept(context, state, deps, command);
        case "primesDrawn":
          return onPrimesDrawn(context, state, deps, command);
        case "totalMade":
          return onTotalMade(context, state, deps, command);
        case "vectorRead":
          return onRead(context, state, deps, command);
        case "checkpointKept":
          return onCheckpointStored(context, state, deps, command);
        case "updateStored":
          return onUpdateStored(context, state, deps, command);
        case "roomGivenBack":
        case "restoreNoted":
          return;
        case "combined":
          return onCombined(context, state, deps, command);
        case "confirmationMade":
          return onConfirmationMade(context, deps, command);
        case "adopted":
          return onAdopted(context, state, deps, command);
        case "evaluated":
          return onEvaluated(context, state, deps, command);
        case "examplesRead":
          state.looking = false;
          if (command.outcome.ok) state.examples = command.outcome.value;
          return report(context, state, deps);
        default:
          command satisfies never;
      }
    },
  };
}

function start(context: RunContext, deps: RunDependencies): RunActorState {
  open(context, deps);
  context.startTimer("tick", BEAT_MS, { type: "tick" });
  const waiting: RunActorState["waiting"] = new Map();
  for (const committed of deps.results) keepWaiting(waiting, committed);
  return {
    head: undefined,
    examples: undefined,
    looking: false,
    peers: new Map(),
    registry: deps.registry,
    coordinates: may(deps.registry, deps.self, "learn.coordinate"),
    seats: null,
    term: 0,
    coordinator: null,
    heardAtMs: context.monotonicMs(),
    phase: "waiting",
    attempt: 0,
    attemptsAhead: attemptsAhead(context.monotonicMs()),
    waiting,
    adopting: null,
    wanted: null,
    fetchedParameters: null,
    unavailable: new Map(),
    preferred: null,
    returns: new SourceBudget(RETURN_RATE),
    spoiled: null,
    invalid: new Set(),
    part: null,
    kept: [],
    held: null,
    signed: null,
    signedAtMs: null,
    checkpoint: null,
    second: null,
    secondFailures: new Map(),
    drawing: false,
    restored: null,
    lead: null,
    incoming: new Map(),
    tooSlow: new Map(),
    serving: new Map(),
    reading: new Map(),
    waitingFor: null,
    residual: null,
    buffered: noBuffer(),
    trainings: new Map(),
  };
}

function open(context: RunContext, deps: RunDependencies): void {
  context.perform(() => openRun(deps), (outcome) => ({ type: "opened", outcome }));
}

function onOpened(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  { outcome }: Of<"opened">,
): void {
  if (!outcome.ok) {
    context.log.write("warning", "a run could not be opened", { error: String(outcome.error) });
    return context.startTimer("open", REOPEN_MS, { type: "openDue" });
  }
  const { head, examples, signed, kept, checkpoint, restored = null } = outcome.value;
  const isFirst = state.head === undefined;
  // It was read again for a version that was fetched; a later one may have come meanwhile.
  if (!isFirst && state.head!.round > head.round) return;
  state.head = head;
  state.examples = examples;
  state.checkpoint = checkpoint;
  state.restored ??= restored;
  if (signed !== null && signed.round === head.round + 1) {
    state.signed = signed;
    state.signedAtMs = context.monotonicMs();
    state.attempt = signed.attempt;
  }
  if (isFirst) goOn(state, deps, kept);
  // Whoever starts a run calls its first round at once; everybody else listens first.
  if (isFirst && deps.fresh && head.round === 0 && state.coordinates) {
    takeLead(context, state, deps, 0);
  }
  onOpenedForBuffer(state, deps);
  considerAdopting(context, state, deps);
  takePart(context, state, deps);
  report(context, state, deps);
}

/** Where a restart has interrupted us: nobody is told, whoever coordinates asks. */
function goOn(state: RunActorState, deps: RunDependencies, kept: readonly KeptPart[]): void {
  const newest = kept.at(-1);
  if (newest === undefined) return;
  const { round, attempt } = newest;
  state.kept = kept;
  state.attempt = Math.max(state.attempt, attempt);
  goBack(state, deps, { round, attempt, term: state.term });
}

function onPeersChanged(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  { peers, seats, registry }: Of<"peersChanged">,
): void {
  state.registry = registry;
  state.seats = seats ?? null;
  state.coordinates = may(registry, deps.self, "learn.coordinate") && hasSeat(state, deps.self);
  if (!state.coordinates && state.lead !== null) stepDown(context, state, deps);
  state.peers = new Map(peers.map((peer) => [peer.deviceId, peer]));
  for (const incoming of [...state.incoming.values()]) {
    if (isReachable(state, deps, incoming.from)) continue;
    elsewhere(context, state, deps, {
      incoming,
      ends: transferEnds(context, state, deps),
      reason: "its owner is away",
    });
  }
  closeTrainingWhenAll(context, state, deps);
  publishWhenOneIsAway(context, state, deps);
  remind(context, state, deps);
  if (state.lead?.phase === "waiting") call(context, state, deps);
  onPeersChangedForBuffer(context, state, deps);
  tellMore(context, state, deps);
  considerAdopting(context, state, deps);
  report(context, state, deps);
}

function onTick(context: RunContext, state: RunActorState, deps: RunDependencies): void {
  context.startTimer("tick", BEAT_MS, { type: "tick" });
  tendTransfers(context, state, deps, transferEnds(context, state, deps));
  tendFetching(context, state, deps);
  tendBuffer(context, state, deps);
  listen(context, state, deps);
  considerAdopting(context, state, deps);
  const isFinished = (state.head?.round ?? 0) >= deps.opened.plan.rounds;
  if (isFinished && state.lead === null) return;
  if (state.lead !== null) {
    beat(context, state, deps);
    if (state.lead.phase === "unmasking") askToUnmask(context, state, deps);
    remind(context, state, deps);
  }
  if (state.lead !== null) {
    if (state.lead.phase === "waiting" && state.waitingFor !== null && state.lead.failures === 0) {
      call(context, state, deps);
    }
  } else watchCoordinator(context, state, deps);
  takePart(context, state, deps);
  report(context, state, deps);
}

/** Takes the coordinator's part when it is our turn; looks again at the very moment when that may be. */
function watchCoordinator(context: RunContext, state: RunActorState, deps: RunDependencies): void {
  if ((state.head?.round ?? 0) >= deps.opened.plan.rounds) return;
  const leftMs = untilOurTurnMs(context, state, deps);
  if (leftMs === null) return;
  if (leftMs <= 0) return takeLead(context, state, deps, nextTerm(state));
  if (leftMs < BEAT_MS) {
    // In whole ms, so that the clock has moved when it fires.
    context.startTimer("silence", Math.ceil(leftMs) + 1, { type: "silenceDue" });
  }
}

function onTrainingStep(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  { done, total }: Of<"trainingStep">,
): void {
  const round = state.part?.key.round;
  if (round === undefined) return;
  context.publish(nodeEvents, { type: "trainingProgress", run: deps.run, round, done, total });
}

function onAdopted(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  { committed, outcome }: Of<"adopted">,
): void {
  state.adopting = null;
  const { block, author } = committed;
  if (!outcome.ok) {
    context.log.write("warning", "a version could not be kept", { error: String(outcome.error) });
    return;
  }
  if (outcome.value.type === "invalid") {
    const { reason } = outcome.value;
    state.invalid.add(block);
    state.waiting.delete(block);
    state.wanted = null;
    context.send(deps.rounds, { type: "resultInvalid", run: deps.run, block });
    context.log.write("error", "a version does not hold", { block, author, reason });
    context.publish(nodeEvents, {
      type: "warning",
      source: "learning",
      message: `A version by ${author.slice(0, 8)} does not follow from its round: ${reason}`,
    });
    return considerAdopting(context, state, deps);
  }
  const { head } = outcome.value;
  const isLater = head.round > (state.head?.round ?? 0);
  state.head = head;
  const { part } = state;
  if (deps.opened.strategy.buffer !== null) onVersion(state, deps, committed);
  else if (part !== null && part.key.round <= head.round) {
    const isCounted = part.key.round === head.round &&
      committed.result.submissions.some(({ device }) => device === deps.self);
    if (isCounted && part.update !== null) state.residual = part.update.residual;
    state.part = null;
  }
  state.kept = state.kept.filter(({ round }) => round > head.round);
  if (state.signed !== null && state.signed.round <= head.round) {
    state.signed = null;
    state.signedAtMs = null;
  }
  if (state.checkpoint !== null && state.checkpoint.round <= head.round) state.checkpoint = null;
  // Another version of the same round leaves the attempts at the next one as they are.
  if (isLater) {
    state.attempt = 0;
    state.preferred = null;
    state.spoiled = null;
    state.tooSlow.clear();
  }
  context.send(deps.rounds, { type: "runAdvanced", run: deps.run, round: head.round });
  answerHeldCall(context, state, deps);
  evaluateHead(context, state, deps, committed);
  const { lead } = state;
  if (lead !== null) {
    const { result } = committed;
    const key = lead.key ??
      { run: deps.run, round: result.round, term: state.term, attempt: result.attempt };
    tellAll(context, deps, reachable(state), {
      type: "modelUpdate",
      ...key,
      version: block,
      aggregate: result.aggregate,
    });
    reportFaults(context, state, deps);
    lead.key = null;
    if (state.preferred === block) recover(context, state, deps);
    else {
      lead.failures = 0;
      enter(context, state, deps, "waiting", null);
      call(context, state, deps);
    }
  }
  takePart(context, state, deps);
  considerAdopting(context, state, deps);
  report(context, state, deps);
}
