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
/** Whoever has a seat and no session so long loses it to the next; and so long whoever was only named is looked for, ms. */
export const SEAT_MS = 60_000;
/** News of others is collected so long before the number is said, ms. */
const COMPANY_MS = 1_000;
/** So long after its last round a device keeps sessions for those who are behind: whoever says so for good gets no more, ms. */
export const LAST_MS = 3_600_000;
/**
 * Of a large company so many are named: more than make it large, those first who come first for a seat. With whom else nobody would have a session: a thousand
 * would tell each other a thousand names.
 */
export const NAMED_MAX = 2 * COMPANY_MAX;
/** Of those that one device has named, so many are looked for at once: names that are made up delay others little. */
const SOUGHT_OF_ONE = 2;

/** How many others this device knows to have joined, or has heard of. */
export function companySize({ devices, heardOf }: KnownRun): number {
  return Math.min(PARTICIPANTS_MAX, devices.size + heardOf.size);
}

/**
 * Somebody has said that it has joined, and knows of fewer than this device: it is told of those who said so here, themselves, but not what it was told before.
 * Names that others have named are not passed on.
 */
export function tellCompany(
  context: RoundsContext,
  state: RoundsState,
  deps: RoundsDependencies,
  known: KnownRun,
  to: DeviceId,
  { joined, company }: RunMembership,
): void {
  if (!joined || !known.joined || company >= companySize(known)) return;
  const { run } = known;
  const named = toName(state, deps, known);
  const devices = named.filter((device) => device !== to && known.devices.has(device))
    .slice(0, PARTICIPANTS_MAX).sort();
  if (devices.length === 0 || known.told.get(to) === named) return;
  if (!state.asking.allows(to, context.monotonicMs())) return;
  known.told.set(to, named);
  const body = encodeRoundsMessage({ type: "runCompany", run, devices });
  context.send(deps.sessions, { type: "sendToPeer", to, protocol: "rounds", body });
}

/** Whom this device names to others; the same array as long as they are the same. */
function toName(
  { registry }: RoundsState,
  { crypto }: RoundsDependencies,
  known: KnownRun,
): readonly DeviceId[] {
  const { devices, arrivals, plan, places, naming } = known;
  if (naming.arrivals === arrivals) return naming.devices;
  let named = [...devices.keys()];
  if (named.length > NAMED_MAX && plan.aggregation.type !== "grid") {
    const seated = named.filter((device) => may(registry, device, "learn.coordinate"));
    const others = named.filter((device) => !may(registry, device, "learn.coordinate"));
    named = [...seatOrder(seated, known, crypto, places), ...others].slice(0, NAMED_MAX);
  }
  const isSame = named.length === naming.devices.length &&
    named.every((device, i) => device === naming.devices[i]);
  known.naming = { arrivals, devices: isSame ? naming.devices : named };
  return known.naming.devices;
}

/** This device knows of more than it has said. */
export function sayCompanySoon(context: RoundsContext, run: KnownRun): void {
  if (run.companyPending) return;
  run.companyPending = true;
  context.startTimer(`company/${run.run}`, COMPANY_MS, { type: "companyDue", run: run.run });
}

/** Somebody that has joined names others. False when it is not listened to. */
export function onRunCompany(
  context: RoundsContext,
  state: RoundsState,
  deps: RoundsDependencies,
  from: DeviceId,
  { run: id, devices }: RunCompany,
): boolean {
  const run = state.runs.get(id);
  if (run === undefined || !run.joined || !run.devices.has(from)) return false;
  if (!state.naming.allows(from, context.monotonicMs())) return false;
  const before = companySize(run);
  for (const device of devices) {
    if (device === deps.self || run.devices.has(device) || run.heardOf.has(device)) continue;
    if (!may(state.registry, device, "learn.join")) continue;
    if (companySize(run) >= PARTICIPANTS_MAX && !makeRoom(run, from)) break;
    run.heardOf.set(device, from);
  }
  if (companySize(run) > before) sayCompanySoon(context, run);
  keepCompany(context, state, deps);
  return true;
}

/** Forgets the oldest name of whoever has named most, where that is more than `from` has: nobody fills up what is remembered. */
function makeRoom({ heardOf }: KnownRun, from: DeviceId): boolean {
  const named = new Map<DeviceId, number>();
  for (const by of heardOf.values()) named.set(by, (named.get(by) ?? 0) + 1);
  const [most, count] = [...named].reduce((a, b) => b[1] > a[1] ? b : a, [from, 0]);
  if (count <= (named.get(from) ?? 0) + 1) return false;
  const oldest = [...heardOf].find(([, by]) => by === most);
  return oldest !== undefined && heardOf.delete(oldest[0]);
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
    noteFinished(context, run);
    if (isOver(context, state, run)) continue;
    const company = [...run.devices.keys(), ...run.heardOf.keys()]
      .filter((device) => may(state.registry, device, "learn.join"));
    takeSeats(state, deps, run, company);
    const { seats, sought } = run;
    const wanted = seats === null || seats.has(deps.self) ? company : [...seats, ...sought];
    for (const device of wanted) {
      if (device !== deps.self) kept.add(device);
    }
    most = Math.max(most, seats === null ? GRID_SESSIONS_MAX : PARTICIPANTS_MAX);
  }
  awaitSeats(context, state, deps);
  const isSame = kept.size === state.kept.size &&
    [...kept].every((device) => state.kept.has(device));
  if (isSame && !(again && kept.size > 0)) return;
  state.kept = kept;
  context.send(deps.sessions, { type: "keepSessions", devices: [...kept], most });
}

/**
 * Who takes turns at coordinating; all who may in a small company, and on a grid nobody, where each averages with whom it reaches. Those whose session has ended
 * lose their seat to the next, until they are back. Whoever was only named is looked for, and has a seat as well for as long as this device, new in a
 * large company, has not had the time to meet anybody.
 */
function takeSeats(
  { registry, gone }: RoundsState,
  { self, crypto }: RoundsDependencies,
  run: KnownRun,
  company: readonly DeviceId[],
): void {
  if (company.length <= COMPANY_MAX || run.plan.aggregation.type === "grid") {
    run.seats = null;
    run.sought = new Set();
    return;
  }
  const candidates = [self, ...company].filter((device) =>
    may(registry, device, "learn.coordinate") && !gone.has(device)
  );
  const order = seatOrder(candidates, run, crypto, run.places);
  const isMet = (device: DeviceId) => device === self || run.devices.has(device);
  run.seats = new Set(order.filter((device) => isMet(device) || !run.isSettled).slice(0, SEATS));
  const sought = new Map<DeviceId | undefined, number>();
  run.sought = new Set(
    order.filter((device) => {
      const by = run.heardOf.get(device);
      if (by === undefined) return true;
      const count = (sought.get(by) ?? 0) + 1;
      sought.set(by, count);
      return count <= SOUGHT_OF_ONE;
    }).slice(0, SEATS),
  );
}

/** Gives those who have a seat, or would have one, and are not there, a while to come. */
function awaitSeats(
  context: RoundsContext,
  state: RoundsState,
  { self }: RoundsDependencies,
): void {
  if (state.awaited.size > 0) return;
  const absent: DeviceId[] = [];
  for (const run of state.runs.values()) {
    if (run.seats === null || isOver(context, state, run)) continue;
    const missing = [...run.seats, ...run.sought].filter((device) =>
      device !== self && !(state.up.has(device) && run.devices.has(device))
    );
    run.isSettled ||= missing.length === 0;
    absent.push(...missing);
  }
  if (absent.length === 0) return;
  state.awaited = new Set(absent);
  context.startTimer("seats", SEAT_MS, { type: "seatsDue" });
}

/** From now on the others have a while to come to the end as well. */
function noteFinished(context: RoundsContext, run: KnownRun): void {
  if (run.finishedAtMs !== null || run.round < run.plan.rounds) return;
  run.finishedAtMs = context.monotonicMs();
  context.startTimer(`over/${run.run}`, LAST_MS, { type: "companyDue", run: run.run });
}

/** True when nobody who is there needs this device for the run any more; who has not come to the end by then asks for sessions itself. */
function isOver(
  context: RoundsContext,
  state: RoundsState,
  { child, round, plan, devices, finishedAtMs }: KnownRun,
): boolean {
  if (child === null) return true;
  if (round < plan.rounds) return false;
  if (finishedAtMs !== null && context.monotonicMs() - finishedAtMs >= LAST_MS) return true;
  return [...devices].every(([device, done]) => done >= plan.rounds || !state.up.has(device));
}
