/**
 * One run without a coordinator on this device. In every round it trains, and then averages its parameters with the devices of its group on a grid, once for
 * each axis (`learning/gossip_averaging/grid.ts`). Every device has its own versions; with all of them there, and a full grid, they are the same.
 *
 * Invariants:
 * - Nobody is waited for longer than the plan's deadlines say, and nobody who has gone at all.
 * - A version is on the disk before others hear that its round is done here.
 * - Of each device one place and a few older ones are remembered, and of parameters those of one group.
 */
import type { GridPlace } from "../../../protocols/rounds/messages.ts";
import type { Behaviour } from "../../kernel/actor.ts";
import type { AnyRunCommand } from "../commands.ts";
import { lookAgain } from "../local_training.ts";
import { tell } from "../talking.ts";
import { partsOf } from "../../../protocols/rounds/transfer.ts";
import {
  elsewhere,
  onRequestParts,
  onVectorPart,
  onVectorRead,
  tendTransfers,
} from "../transfers.ts";
import type { GridCommand, OfGrid } from "./grid_commands.ts";
import { firstPlaces, openGrid, publishLast } from "./grid_head.ts";
import { onGridPlace } from "./grid_places.ts";
import { type GridContext, type GridDependencies, type GridState, newTally } from "./grid_state.ts";
import { onGridEvaluated, onKept } from "./keeping.ts";
import { gridTransferEnds, onAveraged, onWindowOver } from "./meeting.ts";
import { announce, enter, moveTo, report } from "./moving.ts";
import { goOn, onGridTrained, onGridTrainingStep } from "./resting.ts";

/** Between two looks at what stands still, ms. */
const TICK_MS = 1_000;
/** Everybody says again where it is after so many ticks: a device that has started anew has forgotten it. */
const SAY_AGAIN_TICKS = 5;
/** A device without examples looks for some after so many ticks. */
const LOOK_TICKS = 10;
/** Others are heard for so long before a device that has just started begins anything, ms. */
const LISTEN_MS = 2_000;
/** Pause before a disk that fails is read again, ms. */
const REOPEN_MS = 5_000;

/** The behaviour of one run on a grid. */
export function gridRun(deps: GridDependencies): Behaviour<GridCommand, GridState> {
  return {
    name: "gridRun",
    init: (context) => start(context, deps),
    receive(context, state, command) {
      switch (command.type) {
        case "peerMessage":
          return onPeerMessage(context, state, deps, command);
        case "peersChanged":
          return onPeersChanged(context, state, deps, command);
        case "resultCommitted":
          if (command.committed.author === deps.self) state.isPublished = true;
          return;
        case "charged":
          // Nothing is charged here: no privacy is promised.
          return;
        case "opened":
          return onOpened(context, state, deps, command);
        case "openDue":
          return open(context, deps);
        case "examplesRead":
          return onExamplesRead(context, state, deps, command);
        case "tick":
          return onTick(context, state, deps);
        case "windowOver":
          return onWindowOver(context, state, deps, command);
        case "trainingStep":
          return onGridTrainingStep(context, state, deps, command);
        case "trained":
          return onGridTrained(context, state, deps, command);
        case "averaged":
          return onAveraged(context, state, deps, command);
        case "kept":
          return onKept(context, state, deps, command);
        case "evaluated":
          return onGridEvaluated(context, deps, command);
        case "vectorRead":
          return onVectorRead(context, state, deps, command);
        default:
          command satisfies never;
      }
    },
  };
}

function start(context: GridContext, deps: GridDependencies): GridState {
  open(context, deps);
  context.startTimer("tick", TICK_MS, { type: "tick" });
  const nowMs = context.monotonicMs();
  return {
    peers: new Map(),
    head: undefined,
    examples: undefined,
    phase: "opening",
    move: 0,
    place: null,
    model: null,
    others: new Map(),
    tardy: new Set(),
    meeting: null,
    offered: new Map(),
    tally: newTally(nowMs),
    restUntilMs: nowMs + LISTEN_MS,
    waitingFor: null,
    ticks: 0,
    looking: false,
    publishedAtMs: null,
    isPublished: deps.results.some(({ author }) => author === deps.self),
    part: null,
    incoming: new Map(),
    serving: new Map(),
    reading: new Map(),
  };
}

function open(context: GridContext, deps: GridDependencies): void {
  context.perform(() => openGrid(deps), (outcome) => ({ type: "opened", outcome }));
}

function onOpened(
  context: GridContext,
  state: GridState,
  deps: GridDependencies,
  { outcome }: OfGrid<"opened">,
): void {
  if (!outcome.ok) {
    const error = String(outcome.error);
    context.log.write("warning", "a run could not be opened", { error });
    return context.startTimer("open", REOPEN_MS, { type: "openDue" });
  }
  const { head, examples } = outcome.value;
  // It was read again for where the run begins; meanwhile this device may have caught up.
  if (state.head !== undefined && state.head.round > head.round) return;
  state.head = head;
  state.examples = examples;
  enter(context, state, deps, "resting");
  const places = head.places ?? firstPlaces(state, deps);
  moveTo(context, state, deps, { round: head.round + 1, step: 0, places, model: head.model });
  goOn(context, state, deps);
}

function onPeersChanged(
  context: GridContext,
  state: GridState,
  deps: GridDependencies,
  { peers }: Extract<AnyRunCommand, { type: "peersChanged" }>,
): void {
  const isNew = peers.flatMap(({ deviceId, up }) =>
    up && state.peers.get(deviceId)?.up !== true ? [deviceId] : []
  );
  state.peers = new Map(peers.map((peer) => [peer.deviceId, peer]));
  for (const device of state.others.keys()) {
    if (!state.peers.has(device)) state.others.delete(device);
  }
  announce(context, state, deps, isNew);
  const ends = gridTransferEnds(context, state, deps);
  for (const incoming of [...state.incoming.values()]) {
    if (state.peers.get(incoming.from)?.up === true) continue;
    elsewhere(context, state, deps, { incoming, ends, reason: "its owner is away" });
  }
  goOn(context, state, deps);
  report(context, state, deps);
}

function onTick(context: GridContext, state: GridState, deps: GridDependencies): void {
  context.startTimer("tick", TICK_MS, { type: "tick" });
  state.ticks++;
  tendTransfers(context, state, deps, gridTransferEnds(context, state, deps));
  const { head } = state;
  if (head !== undefined && head.round >= deps.opened.plan.rounds) {
    publishLast(context, state, deps);
  }
  if (state.ticks % SAY_AGAIN_TICKS === 0) {
    announce(
      context,
      state,
      deps,
      [...state.peers.values()].flatMap(({ deviceId, up, round }) =>
        // Whoever has done all needs to hear of nobody.
        up && round < deps.opened.plan.rounds ? [deviceId] : []
      ),
    );
  }
  const { examples } = state;
  const isWithout = examples !== undefined && "unavailable" in examples;
  if (isWithout && state.ticks % LOOK_TICKS === 0) lookAgain(context, state, deps);
  goOn(context, state, deps);
  report(context, state, deps);
}

function onExamplesRead(
  context: GridContext,
  state: GridState,
  deps: GridDependencies,
  { outcome }: OfGrid<"examplesRead">,
): void {
  state.looking = false;
  if (!outcome.ok) return;
  state.examples = outcome.value;
  const { place, model } = state;
  // From now on it gives, and the others wait for it.
  if (place !== null && !("unavailable" in outcome.value)) {
    moveTo(context, state, deps, { ...where(place), model });
  }
  goOn(context, state, deps);
}

function where({ round, step, places }: GridPlace): Pick<GridPlace, "round" | "step" | "places"> {
  return { round, step, places };
}

function onPeerMessage(
  context: GridContext,
  state: GridState,
  deps: GridDependencies,
  { from, message }: Extract<AnyRunCommand, { type: "peerMessage" }>,
): void {
  switch (message.type) {
    case "gridPlace":
      if (onGridPlace(context, state, deps, from, message)) goOn(context, state, deps);
      return;
    case "requestParts": {
      const { run } = deps;
      const bytes = state.offered.get(message.hash);
      // What is on its way to an average is for those who take part in the run.
      if (bytes === undefined || !state.peers.has(from)) {
        return onRequestParts(context, state, deps, from, message);
      }
      for (const part of partsOf({ run, hash: message.hash }, bytes, message)) {
        tell(context, deps, from, part);
      }
      return;
    }
    case "vectorPart": {
      const ends = gridTransferEnds(context, state, deps);
      return onVectorPart(context, state, deps, { from, part: message, ends });
    }
    case "vectorMissing": {
      const incoming = state.incoming.get(message.hash);
      if (incoming?.from !== from) return;
      const ends = gridTransferEnds(context, state, deps);
      return elsewhere(context, state, deps, { incoming, ends, reason: "it is not there" });
    }
    default:
      // Nobody coordinates here: what coordinators and their participants say to each other means nothing.
      return;
  }
}
