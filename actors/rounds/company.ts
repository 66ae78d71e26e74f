/**
 * Who learns together finds each other. In a large mesh a device has sessions with a few others only; those who have joined a run tell each other who else
 * has, and keep sessions with all of them until the run is over. Nothing that is said of somebody else counts: it only leads to a session, and there each speaks
 * for itself.
 */
import { seatOrder } from "../../learning/runs/order.ts";
import { may } from "../../protocols/registry/registry.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import {
  PARTICIPANTS_MAX,
  type RunCompany,
  type RunMembership,
} from "../../protocols/rounds/messages.ts";
import { encodeRoundsMessage } from "../../protocols/rounds/wire.ts";
import type { RoundsDependencies } from "./rounds.ts";
import type { KnownRun, RoundsContext, RoundsState } from "./state.ts";

/** Up to so many others, everybody keeps sessions with everybody. */
export const COMPANY_MAX = 32;
/** On a grid nobody has a seat: in a large company everybody keeps so many sessions, with those on whom both ends agree. */
const GRID_SESSIONS_MAX = 128;
/** So many take turns at coordinating a larger one: enough that one is always there, few enough for everybody's sessions. */
export const SEATS = 8;
/** Whoever has a seat and no session so long loses it to the next: of some nothing is known but that somebody has named them, ms. */
export const SEAT_MS = 60_000;
/** News of others is collected so long before the number is said, ms. */
const COMPANY_MS = 1_000;

/** How many others this device knows to have joined, or has heard of. */
export function companySize({ devices, heardOf }: KnownRun): number {
  return Math.min(PARTICIPANTS_MAX, devices.size + heardOf.size);
}

/** Somebody has said that it has joined, and knows of fewer than this device: it is told. */
export function tellCompany(
  context: RoundsContext,
  deps: RoundsDependencies,
  known: KnownRun,
  to: DeviceId,
  { joined, company }: RunMembership,
): void {
  if (!joined || !known.joined || company >= companySize(known)) return;
  const { run } = known;
  const devices = [...known.devices.keys(), ...known.heardOf].filter((device) => device !== to)
    .slice(0, PARTICIPANTS_MAX).sort();
  if (devices.length === 0) return;
  const body = encodeRoundsMessage({ type: "runCompany", run, devices });
  context.send(deps.sessions, { type: "sendToPeer", to, protocol: "rounds", body });
}

/** This device knows of more than it has said. */
export function sayCompanySoon(context: RoundsContext, run: KnownRun): void {
  if (run.companyPending) return;
  run.companyPending = true;
  context.startTimer(`company/${run.run}`, COMPANY_MS, { type: "companyDue", run: run.run });
}

/** Somebody that has joined names others. */
export function onRunCompany(
  context: RoundsContext,
  state: RoundsState,
  deps: RoundsDependencies,
  from: DeviceId,
  { run: id, devices }: RunCompany,
): void {
  const run = state.runs.get(id);
  if (run === undefined || !run.joined || !run.devices.has(from)) return;
  for (const device of devices) {
    if (companySize(run) >= PARTICIPANTS_MAX) break;
    if (device === deps.self || run.devices.has(device)) continue;
    if (may(state.registry, device, "learn.join")) run.heardOf.add(device);
  }
  sayCompanySoon(context, run);
  keepCompany(context, state, deps);
}

/**
 * Asks for sessions with all whom this device needs for the runs that go on; with `again` also when nothing has changed. In a large company that is
 * everybody only for those who take turns at coordinating.
 */
export function keepCompany(
  context: RoundsContext,
  state: RoundsState,
  deps: RoundsDependencies,
  again = false,
): void {
  const kept = new Set<DeviceId>();
  let most = 0;
  for (const run of state.runs.values()) {
    if (isOver(state, run)) continue;
    const company = [...run.devices.keys(), ...run.heardOf]
      .filter((device) => may(state.registry, device, "learn.join"));
    run.seats = seatsOf(state, deps, run, company);
    const wanted = run.seats === null || run.seats.has(deps.self) ? company : run.seats;
    for (const device of wanted) kept.add(device);
    most = Math.max(most, run.seats === null ? GRID_SESSIONS_MAX : PARTICIPANTS_MAX);
  }
  awaitSeats(context, state, deps);
  const isSame = kept.size === state.kept.size &&
    [...kept].every((device) => state.kept.has(device));
  if (isSame && !(again && kept.size > 0)) return;
  state.kept = kept;
  context.send(deps.sessions, { type: "keepSessions", devices: [...kept], most });
}

/**
 * Who takes turns at coordinating; null when all do who may. Those whose session has ended lose their seat to the next, until they are back. On a grid
 * nobody coordinates, and each averages with whom it reaches.
 */
function seatsOf(
  { registry, gone }: RoundsState,
  { self, crypto }: RoundsDependencies,
  run: KnownRun,
  company: readonly DeviceId[],
): ReadonlySet<DeviceId> | null {
  if (company.length <= COMPANY_MAX || run.plan.aggregation.type === "grid") return null;
  const candidates = [self, ...company].filter((device) =>
    may(registry, device, "learn.coordinate") && !gone.has(device)
  );
  return new Set(seatOrder(candidates, run, crypto).slice(0, SEATS));
}

/** Gives those who have a seat, and are not there, a while to come. */
function awaitSeats(
  context: RoundsContext,
  state: RoundsState,
  { self }: RoundsDependencies,
): void {
  if (state.awaited.size > 0) return;
  const absent = [...state.runs.values()].filter((run) => !isOver(state, run))
    .flatMap(({ seats }) => [...seats ?? []])
    .filter((device) => device !== self && !state.up.has(device));
  if (absent.length === 0) return;
  state.awaited = new Set(absent);
  context.startTimer("seats", SEAT_MS, { type: "seatsDue" });
}

/** True when nobody who is there needs this device for the run any more. */
function isOver(state: RoundsState, { child, round, plan, devices }: KnownRun): boolean {
  if (child === null) return true;
  if (round < plan.rounds) return false;
  return [...devices].every(([device, done]) => done >= plan.rounds || !state.up.has(device));
}
