/**
 * One run of federated learning on this device: takes part in its rounds, coordinates them when it is our turn, and makes each published result
 * the model that the next round begins with. Lives as long as the run is joined; everything it must remember is on the disk.
 */
import type { RoundsMessage } from "../../protocols/rounds/messages.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import { nodeEvents } from "../events.ts";
import type { Behaviour } from "../kernel/actor.ts";
import { adopt, considerAdopting, onObtained, openRun } from "./adopting.ts";
import {
  answerWhere,
  onCheckpointFetched,
  onCheckpointKept,
  onCheckpointStored,
  onHereIAm,
  onKeepCheckpoint,
  onRecovered,
  resume,
  takeLead,
} from "./checkpoints.ts";
import { onCombined } from "./combining.ts";
import type { RunCommand } from "./commands.ts";
import { reportFaults } from "./faults.ts";
import {
  call,
  closeTrainingWhenAll,
  enter,
  onDecline,
  onPeerReady,
  onPhaseDue,
  onSubmission,
  onUpdateFetched,
  onUpdateLost,
} from "./lead.ts";
import {
  askToUnmask,
  closeSharing,
  closeSigning,
  closeUnmasking,
  onDevicePhase,
  sendClaims,
} from "./lead_sums.ts";
import {
  answerHeldCall,
  beginTraining,
  onCharged,
  onPrepared,
  onRoundStart,
  onSecurePhase,
  onSignedKept,
  onTrained,
} from "./participant.ts";
import { evaluateHead, onEvaluated, report } from "./reporting.ts";
import type { Incoming, Of, RunActorState, RunContext, RunDependencies } from "./run_state.ts";
import { reachable, sameAttempt, tellAll } from "./talking.ts";
import { beat, BEAT_MS, follow, isOurTurn, nextTerm } from "./terms.ts";
import {
  elsewhere,
  onRequestParts,
  onVectorPart,
  onVectorRead,
  tendTransfers,
  type TransferEnds,
} from "./transfers.ts";

/** Pause before a disk that fails is read again, ms. */
const REOPEN_MS = 5_000;

/** The behaviour of one run. */
export function run(deps: RunDependencies): Behaviour<RunCommand, RunActorState> {
  return {
    name: "run",
    init: (context) => start(context, deps),
    receive(context, state, command) {
      switch (command.type) {
        case "peerMessage":
          return onPeerMessage(context, state, deps, command.from, command.message);
        case "peersChanged":
          return onPeersChanged(context, state, deps, command);
        case "resultCommitted": {
          const { committed } = command;
          if (state.invalid.has(committed.block)) return;
          state.waiting.set(committed.block, committed);
          return considerAdopting(context, state, deps);
        }
        case "charged":
          return onCharged(context, state, deps, command);
        case "opened":
          return onOpened(context, state, deps, command);
        case "openDue":
          return open(context, deps);
        case "tick":
          return onTick(context, state, deps);
        case "phaseDue":
          return onPhaseDue(context, state, deps, command, {
            closeSharing: () => closeSharing(context, state, deps),
            sendClaims: () => sendClaims(context, state, deps),
            closeSigning: () => closeSigning(context, state, deps),
            closeUnmasking: () => closeUnmasking(context, state, deps),
            recovered: () => onRecovered(context, state, deps),
          });
        case "callDue":
          return call(context, state, deps);
        case "trainingStep":
          return onTrainingStep(context, state, deps, command);
        case "trained":
          return onTrained(context, state, deps, command);
        case "prepared":
          return onPrepared(context, state, deps, command);
        case "signedKept":
          return onSignedKept(context, state, deps, command);
        case "vectorRead":
          return onRead(context, state, deps, command);
        case "checkpointKept":
          return onCheckpointStored(context, state, deps, command);
        case "combined":
          return onCombined(context, state, deps, command);
        case "adopted":
          return onAdopted(context, state, deps, command);
        case "evaluated":
          return onEvaluated(context, state, deps, command);
        default:
          command satisfies never;
      }
    },
  };
}

function start(context: RunContext, deps: RunDependencies): RunActorState {
  open(context, deps);
  context.startTimer("tick", BEAT_MS, { type: "tick" });
  return {
    head: undefined,
    examples: undefined,
    peers: new Map(),
    term: 0,
    coordinator: null,
    heardAtMs: context.monotonicMs(),
    phase: "waiting",
    attempt: 0,
    waiting: new Map(deps.results.map((committed) => [committed.block, committed])),
    adopting: null,
    wanted: null,
    fetchedParameters: null,
    invalid: new Set(),
    part: null,
    held: null,
    signed: null,
    signedAtMs: null,
    checkpoint: null,
    lead: null,
    incoming: new Map(),
    serving: new Map(),
    reading: new Map(),
    waitingFor: null,
    residual: null,
    trainingLoss: null,
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
  const { head, examples, signed, checkpoint } = outcome.value;
  state.head = head;
  state.examples = examples;
  state.checkpoint = checkpoint;
  if (signed !== null && signed.round === head.round + 1) {
    state.signed = signed;
    state.signedAtMs = context.monotonicMs();
    state.attempt = signed.attempt;
  }
  // Whoever starts a run calls its first round at once; everybody else listens first.
  if (deps.fresh && head.round === 0 && deps.coordinates) takeLead(context, state, deps, 0);
  considerAdopting(context, state, deps);
  report(context, state, deps);
}

function onPeersChanged(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  { peers }: Of<"peersChanged">,
): void {
  state.peers = new Map(peers.map((peer) => [peer.deviceId, peer]));
  for (const incoming of [...state.incoming.values()]) {
    if (incoming.from === deps.self || state.peers.get(incoming.from)?.up === true) continue;
    elsewhere(context, state, deps, {
      incoming,
      ends: transferEnds(context, state, deps),
      reason: "its owner is away",
    });
  }
  closeTrainingWhenAll(context, state, deps);
  if (state.lead?.phase === "waiting") call(context, state, deps);
  considerAdopting(context, state, deps);
  report(context, state, deps);
}

function onTick(context: RunContext, state: RunActorState, deps: RunDependencies): void {
  context.startTimer("tick", BEAT_MS, { type: "tick" });
  tendTransfers(context, state, deps, transferEnds(context, state, deps));
  const isFinished = (state.head?.round ?? 0) >= deps.opened.plan.rounds;
  if (isFinished && state.lead === null) return;
  if (state.lead !== null) {
    beat(context, state, deps);
    if (state.lead.phase === "unmasking") askToUnmask(context, state, deps);
    if (state.lead.phase === "waiting" && state.waitingFor !== null && state.lead.failures === 0) {
      call(context, state, deps);
    }
  } else if (state.head !== undefined && isOurTurn(context, state, deps)) {
    takeLead(context, state, deps, nextTerm(state));
  }
  considerAdopting(context, state, deps);
  report(context, state, deps);
}

/** Somebody rightful coordinates instead of us. */
function stepDown(context: RunContext, state: RunActorState): void {
  context.cancelTimer("phase");
  context.cancelTimer("call");
  for (const [hash, { purpose }] of [...state.incoming]) {
    if (purpose.type === "submission") state.incoming.delete(hash);
  }
  state.lead = null;
}

function onPeerMessage(
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
      return onSubmission(context, state, deps, from, message);
    case "hereIAm":
      return onHereIAm(context, state, deps, from, message);
    case "checkpointKept":
      return onCheckpointKept(context, state, deps, message);
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
    case "runMembership":
      // The parent's.
      return;
    case "securePhase":
      if (SAID_BY_DEVICES.has(message.phase)) {
        return onDevicePhase(context, state, deps, from, message);
      }
      break;
  }
  // Said by whoever coordinates.
  const { term } = message;
  const stepsDown = () => stepDown(context, state);
  if (!follow(context, state, deps, { from, term, stepDown: stepsDown })) return;
  switch (message.type) {
    case "roundStart":
      state.phase = "calling";
      onRoundStart(context, state, deps, from, message);
      return report(context, state, deps);
    case "trainNow":
      if (state.part !== null && sameAttempt(state.part.key, message)) {
        beginTraining(context, state, deps);
      }
      return;
    case "securePhase":
      return onSecurePhase(context, state, deps, from, message);
    case "submissionRefused":
      return context.log.write("warning", "our update was refused", { reason: message.reason });
    case "roundAbandoned":
      state.waitingFor = message.reason;
      return;
    case "coordinatorBeat":
      if (from !== deps.self) {
        state.phase = message.phase;
        state.attempt = Math.max(state.attempt, message.attempt);
        publishProgress(context, deps, message);
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

const SAID_BY_DEVICES = new Set(["shares", "consistency", "unmask"]);

function publishProgress(
  context: RunContext,
  deps: RunDependencies,
  { round, phase, ready, submitted, fetched }: Extract<RoundsMessage, { type: "coordinatorBeat" }>,
): void {
  context.publish(nodeEvents, {
    type: "roundProgress",
    run: deps.run,
    round,
    phase,
    ready,
    submitted,
    fetched,
  });
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

/** What becomes of fetched vectors. */
function transferEnds(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
): TransferEnds {
  return {
    whole(incoming: Incoming) {
      const { purpose } = incoming;
      const { bytes } = incoming.vector;
      if (purpose.type === "submission") {
        return onUpdateFetched(context, state, deps, incoming, purpose.device);
      }
      if (purpose.type !== "checkpoint") return adopt(context, state, deps, purpose, bytes);
      if (state.lead?.phase !== "recovering") {
        return onCheckpointFetched(context, deps, incoming, purpose.attempt);
      }
      if (!resume(context, state, deps, bytes)) begin(context, state, deps);
    },
    failed(incoming: Incoming, reason: string) {
      const { purpose } = incoming;
      if (purpose.type === "submission") {
        return onUpdateLost(context, state, deps, purpose.device, reason);
      }
      if (purpose.type === "checkpoint") {
        if (state.lead?.phase === "recovering") begin(context, state, deps);
        return;
      }
      // It is looked for again at the next tick, among those who are there then.
      state.adopting = null;
    },
  };
}

function begin(context: RunContext, state: RunActorState, deps: RunDependencies): void {
  enter(context, state, deps, "waiting", null);
  call(context, state, deps);
}

function onRead(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  read: Of<"vectorRead">,
): void {
  const bytes = read.outcome.ok ? read.outcome.value : undefined;
  const { hash } = read;
  const isObtained = onObtained(context, state, deps, { hash, bytes });
  if (state.lead?.phase === "recovering" && hash === state.checkpoint?.offer.hash) {
    if (bytes === undefined || !resume(context, state, deps, bytes)) begin(context, state, deps);
  }
  if (!isObtained || state.reading.has(hash)) onVectorRead(context, state, deps, read);
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
    context.log.write("error", "a version does not hold", { block, author, reason });
    context.publish(nodeEvents, {
      type: "warning",
      source: "learning",
      message: `A version by ${author.slice(0, 8)} does not follow from its round: ${reason}`,
    });
    return considerAdopting(context, state, deps);
  }
  const { head } = outcome.value;
  state.head = head;
  state.waiting.delete(block);
  const { part } = state;
  if (part !== null && part.key.round <= head.round) {
    const isCounted = committed.result.submissions.some(({ device }) => device === deps.self);
    if (isCounted && part.update?.type === "clear") state.residual = part.update.residual;
    state.part = null;
  }
  state.signed = null;
  state.signedAtMs = null;
  state.checkpoint = null;
  state.attempt = 0;
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
    lead.failures = 0;
    enter(context, state, deps, "waiting", null);
    call(context, state, deps);
  }
  considerAdopting(context, state, deps);
  report(context, state, deps);
}
