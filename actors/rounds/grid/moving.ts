/** A device moves on: says where it is, and what becomes known of that at this node. */
import type { GridPlace, RoundPhase } from "../../../protocols/rounds/messages.ts";
import type { DeviceId } from "../../../protocols/ids.ts";
import { nodeEvents } from "../../events.ts";
import { reachable, tellAll } from "../talking.ts";
import { parameterBytes } from "../../../learning/parameters.ts";
import type { GridModel } from "./grid_commands.ts";
import type { GridContext, GridDependencies, GridState } from "./grid_state.ts";

/** Begins something else: what was begun before and comes back later is dropped. */
export function enter(
  context: GridContext,
  state: GridState,
  deps: GridDependencies,
  phase: GridState["phase"],
): void {
  context.cancelTimer("window");
  state.move++;
  state.phase = phase;
  report(context, state, deps);
}

/** This device is somewhere else now: everybody hears of it, and may fetch its parameters. */
export function moveTo(
  context: GridContext,
  state: GridState,
  deps: GridDependencies,
  to: Pick<GridPlace, "round" | "step" | "places"> & { readonly model: GridModel | null },
): void {
  const { model, ...where } = to;
  const { examples, offered } = state;
  state.model = model;
  if (model !== null) {
    const bytes = parameterBytes(model.values);
    offered.delete(model.hash);
    offered.set(model.hash, bytes);
    // A round's averagings, and the version before and after them.
    for (const old of offered.keys()) {
      if (offered.size <= deps.grid.dimensions + 2) break;
      offered.delete(old);
    }
  }
  state.place = {
    type: "gridPlace",
    run: deps.run,
    ...where,
    model: model && { hash: model.hash, bytes: 4 * model.values.length },
    gives: model !== null && examples !== undefined && !("unavailable" in examples),
  };
  announce(context, state, deps, reachable(state));
}

/** Says where this device is. */
export function announce(
  context: GridContext,
  { place }: GridState,
  deps: GridDependencies,
  to: readonly DeviceId[],
): void {
  if (place !== null) tellAll(context, deps, to, place);
}

const PHASES: Readonly<Record<GridState["phase"], RoundPhase>> = {
  opening: "waiting",
  resting: "waiting",
  training: "training",
  gathering: "collecting",
  fetching: "collecting",
  averaging: "collecting",
  keeping: "publishing",
};

/** Tells the parent how the run stands. */
export function report(context: GridContext, state: GridState, deps: GridDependencies): void {
  const { head, examples, phase } = state;
  const isOver = (head?.round ?? 0) >= deps.opened.plan.rounds;
  context.send(deps.rounds, {
    type: "runReport",
    report: {
      run: deps.run,
      round: head?.round ?? 0,
      parameters: head?.model == null ? null : head.hash,
      phase: isOver ? "finished" : PHASES[phase],
      coordinator: null,
      term: 0,
      devices: reachable(state).length + 1,
      waitingFor: state.waitingFor ??
        (examples !== undefined && "unavailable" in examples ? examples.unavailable : null),
    },
  });
}

/** Shows how far the averaging under way is. */
export function showProgress(
  context: GridContext,
  { place, meeting, phase, tally }: GridState,
  deps: GridDependencies,
): void {
  if (place === null || place.round > deps.opened.plan.rounds) return;
  context.publish(nodeEvents, {
    type: "roundProgress",
    run: deps.run,
    round: place.round,
    phase: PHASES[phase],
    ready: tally.ready,
    submitted: meeting?.devices.length ?? 0,
    fetched: meeting?.models.length ?? 0,
  });
}
