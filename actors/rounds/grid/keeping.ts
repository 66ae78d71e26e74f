/** A round is over on this device: its version becomes durable, is measured, and is where the next round begins. */
import type { RoundMetrics } from "../../learning_handle.ts";
import { evaluateHeldOut, figuresOf } from "../reporting.ts";
import type { GridModel, OfGrid } from "./grid_commands.ts";
import { firstPlaces, keepHead } from "./grid_head.ts";
import { type GridContext, type GridDependencies, type GridState, newTally } from "./grid_state.ts";
import { enter, moveTo } from "./moving.ts";
import { goOn, rest } from "./resting.ts";

/** Makes a version durable before anybody hears of it as one. */
export function keep(
  context: GridContext,
  state: GridState,
  deps: GridDependencies,
  version: {
    readonly round: number;
    readonly places: readonly number[] | null;
    readonly model: GridModel;
  },
): void {
  enter(context, state, deps, "keeping");
  const { move } = state;
  const { hash } = version.model;
  const head = { ...version, hash, parent: state.head!.hash };
  context.perform(() => keepHead(deps, head), (outcome) => ({ type: "kept", move, outcome }));
}

/** It is on the disk, or is not. */
export function onKept(
  context: GridContext,
  state: GridState,
  deps: GridDependencies,
  { move, outcome }: OfGrid<"kept">,
): void {
  if (move !== state.move) return;
  if (!outcome.ok) {
    // The averages of this round are lost; what the others have is taken when they are ahead.
    const error = String(outcome.error);
    context.log.write("warning", "a version could not be kept", { error });
    return rest(context, state, deps, error);
  }
  const head = outcome.value;
  state.head = head;
  context.send(deps.rounds, { type: "runAdvanced", run: deps.run, round: head.round });
  measure(context, state, deps);
  state.tally = newTally(context.monotonicMs());
  state.waitingFor = null;
  enter(context, state, deps, "resting");
  const places = head.places ?? firstPlaces(state, deps);
  moveTo(context, state, deps, { round: head.round + 1, step: 0, places, model: head.model });
  goOn(context, state, deps);
}

/** Measures the version on this device's held-out examples, beside everything else. */
function measure(context: GridContext, state: GridState, deps: GridDependencies): void {
  const { head, examples, tally } = state;
  const { round, model } = head!;
  const bytes = 4 * deps.opened.layout.count;
  const metrics: RoundMetrics = {
    round,
    atMs: context.wallMs(),
    durationMs: Math.round(context.monotonicMs() - tally.beganMs),
    coordinator: deps.self,
    called: [...state.peers.values()].filter(({ up }) => up).length + 1,
    ready: tally.ready,
    counted: tally.counted.size + (tally.trainingLoss === null ? 0 : 1),
    dropped: tally.dropped,
    refused: tally.refused,
    accuracy: null,
    loss: null,
    trainingLoss: tally.trainingLoss,
    updateBytes: bytes,
    parameterBytes: bytes,
    epsilon: null,
  };
  const parameters = model?.values ?? null;
  context.perform(
    () => evaluateHeldOut(deps, { round, parameters, examples }),
    (outcome) => ({ type: "evaluated", metrics, outcome }),
  );
}

/** Measured: the numbers of the round are kept and told. */
export function onGridEvaluated(
  context: GridContext,
  deps: GridDependencies,
  { metrics, outcome }: OfGrid<"evaluated">,
): void {
  if (!outcome.ok) {
    const error = String(outcome.error);
    context.log.write("warning", "a version could not be measured", { error });
  }
  const measured = { ...metrics, ...figuresOf(outcome.ok ? outcome.value : null) };
  context.send(deps.rounds, { type: "roundMeasured", run: deps.run, metrics: measured });
}
