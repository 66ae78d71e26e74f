/** Who takes part in which run: devices tell each other when a session comes up and when it changes. */
import { may } from "../../protocols/registry/registry.ts";
import type { RunId } from "../../learning/runs/plan.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import { encodeRoundsMessage } from "../../protocols/rounds/wire.ts";
import type { MembershipChanged } from "../members/commands.ts";
import type { PeerSessionEvent } from "../sessions/commands.ts";
import type { RunPeer } from "./commands.ts";
import { companySize, keepCompany, onRunCompany, sayCompanySoon, tellCompany } from "./company.ts";
import { isTrusted } from "./faults.ts";
import { passOnToFetches } from "./fetching.ts";
import { declinesCall } from "./opted_out.ts";
import { handOut } from "./handing_out.ts";
import { isTooMuch } from "./rate_limit.ts";
import type { RoundsDependencies } from "./rounds.ts";
import type { KnownRun, Of, RoundsContext, RoundsState } from "./state.ts";

/** Devices remembered for one run, at most. */
const DEVICES_MAX = 20_000;

export function onMembershipChanged(
  context: RoundsContext,
  state: RoundsState,
  deps: RoundsDependencies,
  event: MembershipChanged,
): void {
  state.registry = event.registry;
  keepCompany(context, state, deps);
  for (const run of state.runs.values()) tellChild(context, state, run);
}

export function onSessionChanged(
  context: RoundsContext,
  state: RoundsState,
  deps: RoundsDependencies,
  event: PeerSessionEvent,
): void {
  if (event.type === "up") {
    state.up.add(event.deviceId);
    if (state.gone.delete(event.deviceId)) keepCompany(context, state, deps);
    // Also after a resumed session: the other side may have restarted its actor.
    for (const run of state.runs.values()) {
      run.told.delete(event.deviceId);
      if (run.joined) say(context, deps, event.deviceId, run);
    }
  } else {
    state.up.delete(event.deviceId);
    state.gone.add(event.deviceId);
    // The actor of the sessions may have started anew, and have forgotten whom to keep.
    keepCompany(context, state, deps, true);
  }
  for (const run of state.runs.values()) {
    if (run.devices.has(event.deviceId)) tellChild(context, state, run);
  }
}

/** What a peer says: its membership is ours, the rest is the run's. */
export function onPeerMessage(
  context: RoundsContext,
  state: RoundsState,
  deps: RoundsDependencies,
  { from, message }: Of<"peerMessage">,
): void {
  if (isTooMuch(context, state, deps, from, message)) return;
  if (message.type === "runMembership") {
    const run = state.runs.get(message.run);
    // Its plan is on its way by sync; the peer says it again at the next change.
    if (run === undefined) return;
    const isNew = !run.devices.has(from);
    run.heardOf.delete(from);
    if (!message.joined) run.devices.delete(from);
    else if (run.devices.size < DEVICES_MAX) {
      run.devices.set(from, message.round);
      if (isNew) run.arrivals++;
    }
    // It may not have known the run when we joined.
    if (message.joined && isNew && run.joined) {
      say(context, deps, from, run);
      sayCompanySoon(context, run);
    }
    tellCompany(context, state, deps, run, from, message);
    if (isNew || !message.joined || message.round >= run.plan.rounds) {
      keepCompany(context, state, deps);
    }
    return tellChild(context, state, run);
  }
  if (!may(state.registry, from, "learn.join")) return;
  if (message.type === "runCompany") {
    if (onRunCompany(context, state, deps, from, message)) {
      tellChild(context, state, state.runs.get(message.run)!);
    }
    return;
  }
  passOnToFetches(context, state, from, message);
  if (declinesCall(context, state, deps, from, message)) return;
  const child = state.runs.get(message.run)?.child;
  if (child != null) return context.send(child, { type: "peerMessage", from, message });
  if (message.type === "requestParts") handOut(context, state, deps, from, message);
}

/** Tells everybody connected which of these runs this device has joined, and how far it is. */
export function tellMembership(
  context: RoundsContext,
  state: RoundsState,
  deps: RoundsDependencies,
  runs: readonly RunId[],
): void {
  for (const id of runs) {
    const run = state.runs.get(id);
    if (run !== undefined) { for (const device of state.up) say(context, deps, device, run); }
  }
  keepCompany(context, state, deps);
}

/** Those who have joined a run hear how many this device knows: whoever knows of more says them. */
export function onCompanyDue(
  context: RoundsContext,
  state: RoundsState,
  deps: RoundsDependencies,
  id: RunId,
): void {
  const run = state.runs.get(id);
  if (run === undefined) return;
  run.companyPending = false;
  for (const device of run.devices.keys()) {
    if (run.joined && state.up.has(device)) say(context, deps, device, run);
  }
  keepCompany(context, state, deps);
}

/** Whoever has a seat and did not come loses it to the next; so does whoever came, and has not joined. */
export function onSeatsDue(
  context: RoundsContext,
  state: RoundsState,
  deps: RoundsDependencies,
): void {
  for (const device of state.awaited) {
    if (!state.up.has(device)) state.gone.add(device);
  }
  for (const run of state.runs.values()) {
    if (run.seats === null) continue;
    run.isSettled = true;
    for (const device of state.awaited) run.heardOf.delete(device);
  }
  state.awaited = new Set();
  keepCompany(context, state, deps);
  for (const run of state.runs.values()) {
    if (run.seats !== null) tellChild(context, state, run);
  }
}

function say(
  context: RoundsContext,
  deps: RoundsDependencies,
  to: DeviceId,
  known: KnownRun,
): void {
  const { run, joined, round } = known;
  const company = companySize(known);
  const body = encodeRoundsMessage({ type: "runMembership", run, joined, round, company });
  context.send(deps.sessions, { type: "sendToPeer", to, protocol: "rounds", body });
}

/** Tells a run's actor who is there. */
export function tellChild(context: RoundsContext, state: RoundsState, run: KnownRun): void {
  if (run.child === null) return;
  const { registry } = state;
  const peers = [...run.devices].filter(([device]) => may(registry, device, "learn.join"))
    .map(([deviceId, round]): RunPeer => ({
      deviceId,
      up: state.up.has(deviceId),
      coordinates: may(registry, deviceId, "learn.coordinate"),
      round,
      trusted: isTrusted(state, deviceId),
    }));
  const { seats } = run;
  context.send(run.child, {
    type: "peersChanged",
    peers,
    registry,
    ...(seats === null ? {} : { seats }),
  });
}
