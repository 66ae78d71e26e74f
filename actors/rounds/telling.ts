/**
 * What a coordinator says to each of its devices, a few at a time. A roster of a thousand devices is 45 kB for each of them: made and sent in one go that is a turn of
 * seconds, in which nobody else is answered, and 45 MB in memory and in front of everything else on the network.
 *
 * Invariants:
 * - A message is made when its turn comes; one turn of the actor makes little more than `TURN_BYTES`.
 * - Little more than `WINDOW_BYTES` are said and neither answered nor `HEARD_MS` old.
 * - Whoever is told in a phase is told nothing of it when the phase is over.
 */
import type { DeviceId } from "../../protocols/ids.ts";
import type { RoundsMessage, SecurePhase } from "../../protocols/rounds/messages.ts";
import { encodeRoundsMessage } from "../../protocols/rounds/wire.ts";
import type { RunActorState, RunContext, RunDependencies } from "./run_state.ts";
import { sumMessage } from "./lead_sums.ts";
import { isReachable } from "./talking.ts";

/** Made in one turn: some milliseconds' work. */
const TURN_BYTES = 256 * 1_024;
/** Said and not answered: what a link of 34 Mbit/s takes in a second. */
const WINDOW_BYTES = 4 * 1_024 * 1_024;
/** After this long without an answer a message is taken to be there: whoever has fallen silent, or works on it, keeps nobody waiting, ms. */
const HEARD_MS = 1_000;
/** Whoever has not answered for this long is asked again, where that is done, ms. A session loses nothing, so that is for those who have begun anew. */
const AGAIN_MS = 5_000;

/** What is being said to many. */
export interface Telling {
  readonly phase: SecurePhase["phase"];
  /** Who is still to be told, the next one last. */
  left: DeviceId[];
  /** Told and not answered, the oldest first. */
  readonly underWay: Map<DeviceId, { readonly bytes: number; readonly atMs: number }>;
  underWayBytes: number;
  /** When each was told last, ms of the monotonic clock. */
  readonly toldAtMs: Map<DeviceId, number>;
}

/** Begins to tell these devices what a phase has for each of them, in place of what was being said before. */
export function tellInTurn(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  phase: Telling["phase"],
  devices: readonly DeviceId[],
): void {
  state.lead!.telling = {
    phase,
    left: devices.toReversed(),
    underWay: new Map(),
    underWayBytes: 0,
    toldAtMs: new Map(),
  };
  tellMore(context, state, deps);
}

/** Goes on as far as one turn and the window allow; whoever has gone away makes room. */
export function tellMore(context: RunContext, state: RunActorState, deps: RunDependencies): void {
  const telling = state.lead?.telling;
  if (telling == null || telling.left.length === 0) return;
  const nowMs = context.monotonicMs();
  for (const [device, { atMs }] of telling.underWay) {
    const isWaitedFor = nowMs - atMs < HEARD_MS && isReachable(state, deps, device);
    if (!isWaitedFor) forget(telling, device);
  }
  let turnBytes = 0;
  while (turnBytes < TURN_BYTES && telling.underWayBytes < WINDOW_BYTES) {
    const device = telling.left.pop();
    if (device === undefined) return context.cancelTimer("telling");
    telling.toldAtMs.set(device, nowMs);
    const message = sumMessage(state.lead!, device, telling.phase);
    if (message === undefined) continue;
    const bytes = tellOne(context, deps, device, message);
    turnBytes += bytes;
    if (device === deps.self) continue;
    telling.underWay.set(device, { bytes, atMs: nowMs });
    telling.underWayBytes += bytes;
  }
  if (telling.left.length === 0) return context.cancelTimer("telling");
  const [oldest] = telling.underWay.values();
  const isFull = telling.underWayBytes >= WINDOW_BYTES;
  // Without a pause others still have their turn in between.
  const pauseMs = isFull && oldest !== undefined ? oldest.atMs + HEARD_MS - nowMs : 0;
  context.startTimer("telling", pauseMs, { type: "tellDue" });
}

/** A device has said something: what it was told is there. */
export function noteAnswer(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  device: DeviceId,
): void {
  const telling = state.lead?.telling;
  if (telling == null) return;
  const wasFull = telling.underWayBytes >= WINDOW_BYTES;
  forget(telling, device);
  if (wasFull && telling.underWayBytes < WINDOW_BYTES) tellMore(context, state, deps);
}

/** Tells those who have not answered for a while, or were away since; `isOpen` says from whom something is missing. Called once a second. */
export function tellAgain(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  options: {
    readonly devices: readonly DeviceId[];
    readonly isOpen: (device: DeviceId) => boolean;
  },
): void {
  const telling = state.lead?.telling;
  if (telling == null || telling.left.length > 0) return;
  const { toldAtMs } = telling;
  const nowMs = context.monotonicMs();
  telling.left = options.devices.filter((device) => {
    if (!options.isOpen(device)) return false;
    if (!isReachable(state, deps, device)) {
      toldAtMs.delete(device);
      return false;
    }
    return nowMs - (toldAtMs.get(device) ?? -Infinity) >= AGAIN_MS;
  }).reverse();
  tellMore(context, state, deps);
}

function forget(telling: Telling, device: DeviceId): void {
  telling.underWayBytes -= telling.underWay.get(device)?.bytes ?? 0;
  telling.underWay.delete(device);
}

/** How many bytes that was. */
function tellOne(
  context: RunContext,
  deps: RunDependencies,
  to: DeviceId,
  message: RoundsMessage,
): number {
  if (to === deps.self) {
    context.send(context.self, { type: "peerMessage", from: to, message });
    return 0;
  }
  const body = encodeRoundsMessage(message);
  context.send(deps.sessions, { type: "sendToPeer", to, protocol: "rounds", body });
  return body.length;
}
