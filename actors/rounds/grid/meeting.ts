/**
 * Averaging: a device waits where it is for those who may still come, works out its group, fetches the parameters of the others in it, and goes on with what the
 * plan's rule makes of them. Nothing is agreed on: where views differ, or somebody falls away, a group averages over whoever answered in time.
 */
import { afterRound } from "../../../learning/gossip_averaging/grid.ts";
import { groupModel } from "../../../learning/gossip_averaging/group_model.ts";
import { isFinite, parametersFromBytes, parametersHash } from "../../../learning/parameters.ts";
import type { ContentHash, DeviceId } from "../../../protocols/ids.ts";
import type { VectorOffer } from "../../../protocols/rounds/messages.ts";
import type { Incoming } from "../run_state.ts";
import { fetchVector, type TransferEnds } from "../transfers.ts";
import type { OfGrid } from "./grid_commands.ts";
import { openGrid } from "./grid_head.ts";
import { awaited, gatheredAt, groupOf, presentOthers, refuse } from "./grid_places.ts";
import type { GridContext, GridDependencies, GridState, Meeting } from "./grid_state.ts";
import { keep } from "./keeping.ts";
import { enter, moveTo, showProgress } from "./moving.ts";
import { rest } from "./resting.ts";

/** Waits at `step` of a round for those who may still come. */
export function gather(
  context: GridContext,
  state: GridState,
  deps: GridDependencies,
  at: { readonly round: number; readonly step: number; readonly places: readonly number[] },
): void {
  const { deadlines } = deps.opened.plan;
  enter(context, state, deps, "gathering");
  moveTo(context, state, deps, { ...at, model: state.model });
  const trainedMs = context.monotonicMs() - state.tally.beganMs;
  const windowMs = at.step === 1
    ? Math.max(deadlines.readyMs, deadlines.trainMs - trainedMs)
    : deadlines.phaseMs;
  context.startTimer("window", windowMs, { type: "windowOver", move: state.move });
  meetWhenAll(context, state, deps);
}

/** Averages as soon as nobody is awaited any more. */
export function meetWhenAll(context: GridContext, state: GridState, deps: GridDependencies): void {
  if (state.phase !== "gathering" || state.place === null) return;
  if (awaited(state, state.place).length === 0) meet(context, state, deps);
}

/** The time of those who are waited for is over. */
export function onWindowOver(
  context: GridContext,
  state: GridState,
  deps: GridDependencies,
  { move }: OfGrid<"windowOver">,
): void {
  if (move !== state.move || state.place === null) return;
  if (state.phase === "gathering") {
    for (const device of awaited(state, state.place)) state.tardy.add(device);
    return meet(context, state, deps);
  }
  if (state.phase !== "fetching" || state.meeting === null) return;
  state.tally.dropped += [...state.meeting.missing.values()].flat().length;
  state.meeting.missing.clear();
  combineWhenAll(context, state, deps);
}

function meet(context: GridContext, state: GridState, deps: GridDependencies): void {
  const place = state.place!;
  const gathered = gatheredAt(state, deps.self, place);
  const devices = groupOf(deps, gathered);
  if (place.step === 1) state.tally.ready = gathered.size;
  const offers = devices.flatMap((device) => {
    const offer = gathered.get(device)?.model;
    return device === deps.self || offer == null ? [] : [[device, offer] as const];
  });
  const { round } = place;
  fetchAll(context, state, deps, { purpose: "average", round, devices, offers });
}

/** Takes the parameters of those who are where most are, without adding to them: they have done rounds that this device has not. */
export function catchUp(
  context: GridContext,
  state: GridState,
  deps: GridDependencies,
  round: number,
): void {
  const there = presentOthers(state).filter(([, place]) =>
    place.gives && place.round === round && place.model !== null
  );
  const bySteps = Map.groupBy(there, ([, { step }]) => step);
  const most = [...bySteps.values()].sort((a, b) => b.length - a.length)[0] ?? [];
  // Drawn by this device alone: nobody can arrange to be asked.
  const drawn = most.map((one) => [context.random.float(), one] as const)
    .sort(([a], [b]) => a - b).slice(0, deps.grid.side).map(([, one]) => one);
  const offers = drawn.map(([device, { model }]) => [device, model!] as const);
  const devices = offers.map(([device]) => device);
  context.log.write(
    "info",
    "a run on a grid went on without this device; it takes what they have",
    {
      round,
      from: devices.length,
    },
  );
  fetchAll(context, state, deps, { purpose: "catchUp", round, devices, offers });
}

function fetchAll(
  context: GridContext,
  state: GridState,
  deps: GridDependencies,
  options: Pick<Meeting, "purpose" | "round" | "devices"> & {
    readonly offers: readonly (readonly [DeviceId, VectorOffer])[];
  },
): void {
  const { offers, ...what } = options;
  const own = what.purpose === "average" ? state.model : null;
  const missing = new Map<ContentHash, DeviceId[]>();
  const models = own === null ? [] : [own];
  for (const [device, { hash }] of offers) {
    // Who has the same bits need not send them.
    if (own?.hash === hash) {
      models.push(own);
      state.tally.counted.add(device);
    } else missing.set(hash, [...missing.get(hash) ?? [], device]);
  }
  state.meeting = { ...what, missing, models };
  enter(context, state, deps, "fetching");
  const { phaseMs } = deps.opened.plan.deadlines;
  context.startTimer("window", phaseMs, { type: "windowOver", move: state.move });
  for (const [hash, sources] of missing) {
    const offer = { hash, bytes: 4 * deps.opened.layout.count };
    fetchVector(context, state, deps, { offer, sources, purpose: { type: "member" } });
  }
  combineWhenAll(context, state, deps);
}

/** What becomes of parameters that were fetched. */
export function gridTransferEnds(
  context: GridContext,
  state: GridState,
  deps: GridDependencies,
): TransferEnds {
  return {
    whole({ vector, purpose }: Incoming) {
      const { hash } = vector.offer;
      if (purpose.type === "start") {
        return context.perform(async () => {
          await deps.vectors.put(hash, vector.bytes);
          return await openGrid(deps);
        }, (outcome) => ({ type: "opened", outcome }));
      }
      const { meeting } = state;
      const devices = meeting?.missing.get(hash);
      if (meeting == null || devices === undefined) return;
      meeting.missing.delete(hash);
      const values = parametersFromBytes(vector.bytes);
      if (values === undefined || !isFinite(values)) {
        for (const device of devices) {
          refuse(context, state, deps, {
            device,
            round: meeting.round,
            reason: "its parameters hold NaN or infinities",
            fault: "notFinite",
          });
        }
      } else {
        for (const device of devices) {
          meeting.models.push({ hash, values });
          state.tally.counted.add(device);
        }
      }
      combineWhenAll(context, state, deps);
    },
    failed({ vector, purpose }: Incoming) {
      if (purpose.type === "start") return;
      const devices = state.meeting?.missing.get(vector.offer.hash);
      if (devices === undefined) return;
      state.meeting!.missing.delete(vector.offer.hash);
      state.tally.dropped += devices.length;
      combineWhenAll(context, state, deps);
    },
  };
}

function combineWhenAll(context: GridContext, state: GridState, deps: GridDependencies): void {
  const { meeting } = state;
  if (state.phase !== "fetching" || meeting === null) return;
  showProgress(context, state, deps);
  if (meeting.missing.size > 0) return;
  for (const [hash, { purpose }] of state.incoming) {
    if (purpose.type === "member") state.incoming.delete(hash);
  }
  const { models } = meeting;
  if (models.length === 0) {
    state.meeting = null;
    return rest(context, state, deps, "the others have not sent their parameters");
  }
  enter(context, state, deps, "averaging");
  const { move } = state;
  context.perform(
    () => {
      if (models.length === 1) return models[0]!;
      const values = groupModel(deps.opened.rule!, models);
      return { hash: parametersHash(values, deps.crypto), values };
    },
    (outcome) => ({ type: "averaged", move, outcome }),
  );
}

/** The group has its average, as this device sees it. */
export function onAveraged(
  context: GridContext,
  state: GridState,
  deps: GridDependencies,
  { move, outcome }: OfGrid<"averaged">,
): void {
  const { meeting, place } = state;
  if (move !== state.move || meeting === null || place === null) return;
  state.meeting = null;
  if (!outcome.ok) {
    const error = String(outcome.error);
    context.log.write("warning", "parameters could not be averaged", { error });
    if (meeting.purpose === "catchUp") return rest(context, state, deps, error);
  }
  const model = outcome.ok ? outcome.value : state.model!;
  const { round } = meeting;
  if (meeting.purpose === "catchUp") {
    return keep(context, state, deps, { round: round - 1, places: state.head!.places, model });
  }
  const index = meeting.devices.indexOf(deps.self);
  const { places } = afterRound(deps.grid, { device: deps.self, places: place.places }, index);
  state.model = model;
  if (place.step < deps.grid.dimensions) {
    return gather(context, state, deps, { round, step: place.step + 1, places });
  }
  keep(context, state, deps, { round, places, model });
}
