/**
 * Keeps the number of sessions bounded however many members a mesh has: chooses whom to dial (`peer_choice.ts`), takes in those
 * who chose us, and lets go of the least wanted when there are too many. In small meshes everybody has a session with everybody.
 */
import type { DeviceId } from "../../protocols/ids.ts";
import { isAdmitted } from "../../protocols/registry/registry.ts";
import {
  choosePeers,
  CHOSEN_MAX,
  EVERYBODY_MAX,
  KEPT_MAX,
  pairRank,
  SESSIONS_MAX,
} from "./peer_choice.ts";
import type { LivenessChanged } from "../liveness/commands.ts";
import type { SessionsCommand } from "./commands.ts";
import type { Peer, SessionsContext, SessionsState } from "./sessions_state.ts";

/** News of peers is collected this long before a new choice, ms. */
const CHOOSE_MS = 250;
/** A session that nobody chose and that has no path is kept this long, for a path that is coming back, ms. */
const UNWANTED_MS = 10_000;

/** Peers have come, gone or moved: a new choice soon, or at once where there is nothing to choose. */
export function chooseSoon(
  context: SessionsContext,
  state: SessionsState,
  delayMs: number = CHOOSE_MS,
): void {
  if (state.choicePending || (state.chosen === null && state.peers.size <= EVERYBODY_MAX)) return;
  state.choicePending = true;
  context.startTimer("choose", delayMs, { type: "choiceDue" });
}

/** Do we want a session with this peer? Before the first choice of a large mesh, with the first that show themselves. */
export function isWanted(state: SessionsState, device: DeviceId): boolean {
  const peer = state.peers.get(device);
  if (peer?.pinned === true || state.kept.has(device)) return true;
  if (state.chosen !== null) return state.chosen.has(device);
  if (state.peers.size <= EVERYBODY_MAX || peer?.child) return true;
  let sessions = 0;
  for (const { child } of state.peers.values()) if (child !== null) sessions++;
  return sessions < EVERYBODY_MAX;
}

/** Chooses anew. `start` begins the session of a chosen peer, `end` ends one that nobody wants. */
export function onChoiceDue(
  context: SessionsContext,
  state: SessionsState,
  start: (device: DeviceId) => void,
  end: (device: DeviceId, peer: Peer) => void,
): void {
  state.choicePending = false;
  const reachable = [...state.peers].filter(([id, peer]) =>
    (peer.addresses.length > 0 || peer.child !== null) && isAdmitted(state.registry, id)
  );
  const ids = reachable.map(([id]) => id);
  state.chosen = choose(state, reachable);
  for (const id of state.chosen ?? ids) start(id);
  if (state.chosen === null) return;
  let young = false;
  for (const [id, peer] of reachable) {
    if (peer.child === null || isWanted(state, id) || isConnected(peer)) continue;
    if (context.monotonicMs() - peer.child.sinceMs < UNWANTED_MS) young = true;
    else end(id, peer);
  }
  for (const guest of guestsOf(state).slice(guestsMax(state))) end(...guest);
  if (young) chooseSoon(context, state, UNWANTED_MS);
}

function choose(
  state: SessionsState,
  reachable: readonly (readonly [DeviceId, Peer])[],
): ReadonlySet<DeviceId> | null {
  if (reachable.length <= EVERYBODY_MAX) return null;
  const rank = (id: DeviceId): number => rankOf(state, id);
  const present = reachable.filter(([, peer]) => peer.sighted || isConnected(peer));
  const chosen = new Set(choosePeers(state.self, present.map(([id]) => id), rank));
  // Nobody announces itself where multicast does not reach: addresses of earlier days are better than nothing.
  const absent = reachable.filter(([, peer]) => !peer.sighted && !isConnected(peer));
  const spare = Math.max(0, CHOSEN_MAX - chosen.size);
  absent.sort(([a], [b]) => rank(a) - rank(b));
  for (const [id] of absent.slice(0, spare)) chosen.add(id);
  return chosen;
}

/** Those who learn together with us are others now. With too many of them the lowest ranks, which both ends agree on. */
export function onKeepSessions(
  context: SessionsContext,
  state: SessionsState,
  { devices, most }: Extract<SessionsCommand, { type: "keepSessions" }>,
  start: (device: DeviceId) => void,
): void {
  const ranked = devices.toSorted((a, b) => rankOf(state, a) - rankOf(state, b));
  state.kept = new Set(ranked.slice(0, Math.min(most, KEPT_MAX)));
  for (const device of state.kept) start(device);
  // Those who are kept no longer are guests from now on.
  chooseSoon(context, state);
}

/** Others have heard of a peer that was gone: it is dialled now, not when its backoff ends. */
export function onLivenessChanged(
  context: SessionsContext,
  state: SessionsState,
  event: LivenessChanged,
): void {
  const peer = state.peers.get(event.deviceId);
  if (event.state !== "alive" || peer === undefined || peer.child === null) return;
  if (!isConnected(peer)) context.send(peer.child.ref, { type: "connectNow" });
}

/**
 * Makes room for a peer that has reached us. False when there is none: then it has others that took it in. `end` ends the session
 * that is wanted least.
 */
export function makeRoom(
  state: SessionsState,
  device: DeviceId,
  end: (device: DeviceId, peer: Peer) => void,
): boolean {
  const peer = state.peers.get(device);
  if (peer?.pinned === true || state.kept.has(device) || state.chosen?.has(device) === true) {
    return true;
  }
  const guests = guestsOf(state);
  if (guests.length < guestsMax(state)) return true;
  const least = guests.at(-1);
  // The order is the same for all, so that two guests never drive each other out in turn.
  if (least === undefined || rankOf(state, least[0]) < rankOf(state, device)) return false;
  end(...least);
  return true;
}

/** Peers with a session that nobody here has chosen, the most wanted first. */
function guestsOf(state: SessionsState): readonly (readonly [DeviceId, Peer])[] {
  const guests = [...state.peers].filter(([id, peer]) =>
    peer.child !== null && !peer.pinned && !state.kept.has(id) && state.chosen?.has(id) !== true
  );
  return guests.sort(([a], [b]) => rankOf(state, a) - rankOf(state, b));
}

function guestsMax(state: SessionsState): number {
  return SESSIONS_MAX - (state.chosen === null ? 0 : CHOSEN_MAX);
}

function isConnected({ report }: Peer): boolean {
  return report?.state === "up" || report?.state === "handshaking";
}

function rankOf(state: SessionsState, id: DeviceId): number {
  const peer = state.peers.get(id);
  if (peer === undefined) return pairRank(state.self, id);
  return peer.rank ??= pairRank(state.self, id);
}
