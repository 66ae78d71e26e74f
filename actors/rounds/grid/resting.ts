/** Between rounds: whether to train, to take what the others have, or to wait for them. And the training itself. */
import { isFinite, parametersHash } from "../../../learning/parameters.ts";
import { nodeEvents } from "../../events.ts";
import { localTraining } from "../local_training.ts";
import { reachable } from "../talking.ts";
import { fetchVector } from "../transfers.ts";
import type { OfGrid } from "./grid_commands.ts";
import { firstPlaces, publishLast } from "./grid_head.ts";
import { frontOf, presentOthers } from "./grid_places.ts";
import { type GridContext, type GridDependencies, type GridState, newTally } from "./grid_state.ts";
import { catchUp, gather, meetWhenAll } from "./meeting.ts";
import { enter, moveTo } from "./moving.ts";

/** Pause after something that failed, ms. */
const PAUSE_MS = 2_000;

/** Something is different now: somebody came, went or moved, or time has passed. */
export function goOn(context: GridContext, state: GridState, deps: GridDependencies): void {
  if (state.phase === "gathering") return meetWhenAll(context, state, deps);
  if (state.phase === "resting") return leaveRest(context, state, deps);
  if (state.phase !== "training" || state.place === null) return;
  const front = frontOf(state);
  // What is trained on a model that old would only hold the others back.
  if (front !== null && isTooLate(state.place.round, front, deps)) {
    catchUp(context, state, deps, front);
  }
}

/** Goes back to rest for a moment. */
export function rest(
  context: GridContext,
  state: GridState,
  deps: GridDependencies,
  why: string,
): void {
  state.restUntilMs = context.monotonicMs() + PAUSE_MS;
  state.waitingFor = why;
  enter(context, state, deps, "resting");
  const { head, place } = state;
  if (head === undefined || place === null) return;
  // What a round had come to is given up: the version before it is where this device is.
  const { places, model } = head;
  const round = head.round + 1;
  moveTo(context, state, deps, { round, step: 0, places: places ?? place.places, model });
}

function leaveRest(context: GridContext, state: GridState, deps: GridDependencies): void {
  const { head, place, examples } = state;
  if (head === undefined || place === null || examples === undefined) return;
  if (context.monotonicMs() < state.restUntilMs) return;
  const { rounds, participation, startFrom } = deps.opened.plan;
  if (head.round >= rounds) {
    state.waitingFor = null;
    return publishLast(context, state, deps);
  }
  const front = frontOf(state);
  if (front !== null && front > place.round) return catchUp(context, state, deps, front);
  if (head.model === null) {
    if (startFrom === null) return;
    fetchVector(context, state, deps, {
      offer: { hash: startFrom, bytes: 4 * deps.opened.layout.count },
      sources: reachable(state),
      purpose: { type: "start" },
    });
    return;
  }
  const there = presentOthers(state).length + 1;
  if (there < participation.least) {
    state.waitingFor = `${there} of ${participation.least} devices are there`;
    return;
  }
  state.waitingFor = null;
  if (!("unavailable" in examples)) train(context, state, deps);
}

/** Results of training for a round that most have left by more than one are not used. */
function isTooLate(round: number, front: number, { opened }: GridDependencies): boolean {
  return front >= round + 2 || (front > round && front > opened.plan.rounds);
}

function train(context: GridContext, state: GridState, deps: GridDependencies): void {
  const { examples, place } = state;
  const model = state.head!.model!;
  if (examples === undefined || "unavailable" in examples) return;
  enter(context, state, deps, "training");
  state.tally = newTally(context.monotonicMs());
  const { move } = state;
  const training = localTraining(context, deps, {
    round: place!.round,
    parameters: model.values,
    dataset: examples.training,
  });
  context.perform(async () => {
    const { loss, parameters } = await training();
    if (!isFinite(parameters)) throw new RangeError("training has left the finite numbers");
    return { loss, model: { hash: parametersHash(parameters, deps.crypto), values: parameters } };
  }, (outcome) => ({ type: "trained", move, outcome }));
}

/** How far this device is with its training. */
export function onGridTrainingStep(
  context: GridContext,
  { phase, place }: GridState,
  deps: GridDependencies,
  { done, total }: OfGrid<"trainingStep">,
): void {
  if (phase !== "training" || place === null) return;
  const { round } = place;
  context.publish(nodeEvents, { type: "trainingProgress", run: deps.run, round, done, total });
}

/** Trained: to the others, where most of them are now. */
export function onGridTrained(
  context: GridContext,
  state: GridState,
  deps: GridDependencies,
  { move, outcome }: OfGrid<"trained">,
): void {
  const { place } = state;
  if (move !== state.move || place === null) return;
  if (!outcome.ok) {
    const reason = outcome.error instanceof Error ? outcome.error.message : String(outcome.error);
    context.log.write("warning", "this device could not train", { round: place.round, reason });
    return rest(context, state, deps, reason);
  }
  const { loss, model } = outcome.value;
  const front = frontOf(state) ?? place.round;
  if (isTooLate(place.round, front, deps)) return catchUp(context, state, deps, front);
  state.tally.trainingLoss = loss;
  state.model = model;
  const places = state.head!.places ?? firstPlaces(state, deps);
  gather(context, state, deps, { round: Math.max(place.round, front), step: 1, places });
}
