/**
 * Where the others are. Everybody tells everybody; from equal announcements all work out equal groups, and nobody hands anything out. What somebody says
 * of itself is bounded and checked when it comes.
 */
import { formGroups } from "../../../learning/gossip_averaging/grid.ts";
import type { DeviceId } from "../../../protocols/ids.ts";
import { type GridPlace, PARTICIPANTS_MAX } from "../../../protocols/rounds/messages.ts";
import type { RoundFault } from "../../../learning/screening/reputation_effects.ts";
import { shortReason } from "../talking.ts";
import { type GridContext, type GridDependencies, type GridState, placeKey } from "./grid_state.ts";

/** Somebody says where it is: remembered, or refused with a reason. True when it was taken. */
export function onGridPlace(
  context: GridContext,
  state: GridState,
  deps: GridDependencies,
  from: DeviceId,
  place: GridPlace,
): boolean {
  const known = state.others.get(from);
  const problem = problemOfPlace(deps, place) ??
    (known === undefined && state.others.size >= PARTICIPANTS_MAX
      ? { reason: `more than ${PARTICIPANTS_MAX} devices are on the grid`, fault: null }
      : undefined) ??
    (isReplay(known?.given ?? null, place)
      ? {
        reason: `gives the parameters of round ${known?.given?.round} once more in ${place.round}`,
        fault: null,
      }
      : undefined);
  if (problem !== undefined) {
    refuse(context, state, deps, { device: from, round: place.round, ...problem });
    return false;
  }
  // Whoever says the same again is no nearer: it would be waited for once more in every step.
  const hasMoved = known === undefined || placeKey(known.latest) !== placeKey(place) ||
    known.latest.gives !== place.gives;
  if (hasMoved) state.tardy.delete(from);
  const other = known ?? { latest: place, recent: new Map<string, GridPlace>(), given: null };
  other.latest = place;
  const key = placeKey(place);
  other.recent.delete(key);
  other.recent.set(key, place);
  for (const old of other.recent.keys()) {
    if (other.recent.size <= deps.grid.dimensions + 2) break;
    other.recent.delete(old);
  }
  if (place.gives && place.step === 1 && place.model !== null) {
    other.given = { round: place.round, hash: place.model.hash };
  }
  state.others.set(from, other);
  return true;
}

interface PlaceProblem {
  readonly reason: string;
  /** What it costs the device; null for what may be no fault. */
  readonly fault: RoundFault | null;
}

function problemOfPlace(
  { grid, opened }: GridDependencies,
  { round, step, places, model }: GridPlace,
): PlaceProblem | undefined {
  const { rounds } = opened.plan;
  const last = round > rounds ? 0 : grid.dimensions;
  if (round > rounds + 1 || step > last) {
    return {
      reason:
        `stands in round ${round}, step ${step}: there are ${rounds} rounds of ${grid.dimensions} steps`,
      fault: null,
    };
  }
  if (places.length !== grid.dimensions - 1 || places.some((one) => one >= grid.side)) {
    return { reason: `stands at ${places.join(".")}, which is not on the grid`, fault: null };
  }
  const bytes = 4 * opened.layout.count;
  if (model !== null && model.bytes !== bytes) {
    const fault = model.bytes > bytes ? "tooLarge" : "misshapen";
    return { reason: `offers ${model.bytes} bytes, expected ${bytes}`, fault };
  }
  return undefined;
}

function isReplay(
  given: { readonly round: number; readonly hash: string } | null,
  { round, step, gives, model }: GridPlace,
): boolean {
  return given !== null && gives && step === 1 && round > given.round && model?.hash === given.hash;
}

/** What a device sent is not used; where it cannot be chance, that costs reputation. */
export function refuse(
  context: GridContext,
  state: GridState,
  deps: GridDependencies,
  { device, round, reason, fault }: PlaceProblem & {
    readonly device: DeviceId;
    readonly round: number;
  },
): void {
  state.tally.refused++;
  context.log.write("warning", "what a device of a grid sent was refused", {
    device,
    round,
    reason: shortReason(reason),
  });
  if (fault === null) return;
  const faults = [{ device, fault }];
  context.send(deps.rounds, { type: "roundFaults", run: deps.run, round, faults });
}

/** Those of the run that can be heard now and have said where they are. */
export function presentOthers(state: GridState): readonly (readonly [DeviceId, GridPlace])[] {
  return [...state.others].flatMap(([device, { latest }]) =>
    isHeard(state, device) ? [[device, latest] as const] : []
  );
}

function isHeard(state: GridState, device: DeviceId): boolean {
  const peer = state.peers.get(device);
  return peer?.up === true && peer.trusted;
}

/**
 * The round in which half of those who give are at least: the lower median of their rounds, so that nobody alone draws the others ahead. Null while nobody is
 * heard.
 */
export function frontOf(state: GridState): number | null {
  const rounds = presentOthers(state).filter(([, { gives }]) => gives)
    .map(([, { round }]) => round).sort((a, b) => a - b);
  return rounds[(rounds.length - 1) >> 1] ?? null;
}

/** Those who may still come to where this device waits: behind, but by no more than a round. */
export function awaited(state: GridState, { round, step }: GridPlace): readonly DeviceId[] {
  return presentOthers(state).flatMap(([device, other]) => {
    const isBehind = other.round === round - 1 || (other.round === round && other.step < step);
    return other.gives && isBehind && !state.tardy.has(device) ? [device] : [];
  });
}

/** Those who are or were at a place with something to give, this device among them. */
export function gatheredAt(state: GridState, self: DeviceId, place: GridPlace) {
  const key = placeKey(place);
  const found = new Map<DeviceId, GridPlace>([[self, place]]);
  for (const [device, { recent }] of state.others) {
    const there = recent.get(key);
    if (there?.gives === true && there.model !== null && isHeard(state, device)) {
      found.set(device, there);
    }
  }
  return found;
}

/** The group in which this device averages now, in the order of the places in it. */
export function groupOf(
  { grid, self }: Pick<GridDependencies, "grid" | "self">,
  gathered: ReadonlyMap<DeviceId, GridPlace>,
): readonly DeviceId[] {
  const peers = [...gathered].map(([device, { places }]) => ({ device, places }));
  const own = formGroups(grid, peers).find(({ devices }) => devices.includes(self));
  return (own?.devices ?? [self]) as readonly DeviceId[];
}
