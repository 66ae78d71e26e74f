/** How the actor of a run speaks: to peers over their sessions, and to itself where it coordinates and takes part. */
import type { DeviceId } from "../../protocols/ids.ts";
import type { Attempt, RoundsMessage } from "../../protocols/rounds/messages.ts";
import { encodeRoundsMessage } from "../../protocols/rounds/wire.ts";
import type { Context } from "../kernel/actor.ts";
import type { PeerMessage } from "../sessions/commands.ts";
import type { RunActorState, RunDependencies } from "./run_state.ts";

/** Sends to one device, also to this one. */
export function tell(
  context: Context<PeerMessage<RoundsMessage>>,
  deps: Pick<RunDependencies, "self" | "sessions">,
  to: DeviceId,
  message: RoundsMessage,
): void {
  if (to === deps.self) {
    return context.send(context.self, { type: "peerMessage", from: to, message });
  }
  const body = encodeRoundsMessage(message);
  context.send(deps.sessions, { type: "sendToPeer", to, protocol: "rounds", body });
}

/** Sends one message to several devices; it is encoded once. */
export function tellAll(
  context: Context<PeerMessage<RoundsMessage>>,
  deps: Pick<RunDependencies, "self" | "sessions">,
  devices: Iterable<DeviceId>,
  message: RoundsMessage,
): void {
  let body: Uint8Array | undefined;
  for (const to of devices) {
    if (to === deps.self) tell(context, deps, to, message);
    else {
      body ??= encodeRoundsMessage(message);
      context.send(deps.sessions, { type: "sendToPeer", to, protocol: "rounds", body });
    }
  }
}

/** The other devices that have joined and can be reached now. */
export function reachable(state: Pick<RunActorState, "peers">): DeviceId[] {
  return [...state.peers.values()].filter(({ up }) => up).map(({ deviceId }) => deviceId);
}

/** True for this device, and for others that have joined and can be reached now. */
export function isReachable(
  { peers }: Pick<RunActorState, "peers">,
  { self }: Pick<RunDependencies, "self">,
  device: DeviceId,
): boolean {
  return device === self || peers.get(device)?.up === true;
}

/** True for this device, and for others that have joined, reachable or not, and were not proved to have cheated too often. */
export function isTrusted(
  { peers }: Pick<RunActorState, "peers">,
  { self }: Pick<RunDependencies, "self">,
  device: DeviceId,
): boolean {
  return device === self || peers.get(device)?.trusted === true;
}

/** True when both name the same try at the same round, under whichever coordinator: a new one may finish what another has begun. */
export function sameAttempt(a: Attempt, b: Attempt): boolean {
  return a.round === b.round && a.attempt === b.attempt && a.run === b.run;
}

/** Only the fields that name an attempt. */
export function attemptOf({ run, round, term, attempt }: Attempt): Attempt {
  return { run, round, term, attempt };
}

/** Text for people that fits into a message. */
export function shortReason(reason: string): string {
  return reason.length <= 180 ? reason : `${reason.slice(0, 179)}…`;
}
