/** Requests under way: made from the plan, answered, or timed out. */
import type { BlockId } from "../../protocols/ids.ts";
import { SYNC_LIMITS, type SyncMessage } from "../../protocols/sync/messages.ts";
import { encodeSyncMessage } from "../../protocols/sync/wire.ts";
import type { LogRange } from "../../protocols/sync/messages.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import type { Context } from "../kernel/actor.ts";
import type { SyncCommand } from "./commands.ts";
import { releaseRanges, takeRanges } from "./plan.ts";
import {
  type OpenRequest,
  type PeerSync,
  SYNC_BOUNDS,
  type SyncDependencies,
  type SyncState,
} from "./state.ts";

/** How often a request may wait on while others are answered. */
const WAITS_MAX = 8;

/** Encodes and sends one sync message. */
export function tell(
  context: Context<SyncCommand>,
  deps: SyncDependencies,
  to: DeviceId,
  message: SyncMessage,
): void {
  context.send(deps.sessions, {
    type: "sendToPeer",
    to,
    protocol: "sync",
    body: encodeSyncMessage(message),
  });
}

/** Sends as many requests as the bounds allow: first what was asked for by id, then logs. */
export function requestMore(
  context: Context<SyncCommand>,
  state: SyncState,
  deps: SyncDependencies,
): void {
  for (const peer of state.peers.values()) requestFrom(context, state, deps, peer);
}

/** As `requestMore`, for one peer. */
export function requestFrom(
  context: Context<SyncCommand>,
  state: SyncState,
  deps: SyncDependencies,
  peer: PeerSync,
): void {
  while (peer.openRequests < SYNC_BOUNDS.openRequestsPerPeer && hasRoom(state, peer)) {
    const byId = takeIds(peer);
    if (byId !== null) {
      open(context, state, deps, byId);
      continue;
    }
    const ranges = takeRanges(state, peer);
    if (ranges.length === 0) return;
    open(context, state, deps, {
      kind: "log",
      peer: peer.id,
      ranges,
      sequences: lengthOf(ranges),
      waits: 0,
    });
  }
}

/** Asks the same peer again for what its answer cut off; the claim on the logs is kept. */
export function requestRest(
  context: Context<SyncCommand>,
  state: SyncState,
  deps: SyncDependencies,
  peer: PeerSync,
  ranges: readonly LogRange[],
): void {
  if (ranges.length === 0) return;
  open(context, state, deps, {
    kind: "log",
    peer: peer.id,
    ranges,
    sequences: lengthOf(ranges),
    waits: 0,
  });
}

/** Takes a request off the books when its answer has come; undefined when there is none like it from this peer. */
export function closeRequest<Kind extends OpenRequest["kind"]>(
  context: Context<SyncCommand>,
  state: SyncState,
  from: DeviceId,
  requestId: number,
  kinds: readonly Kind[],
): Extract<OpenRequest, { kind: Kind }> | undefined {
  const request = state.requests.get(requestId);
  if (request === undefined || request.peer !== from || !kinds.includes(request.kind as Kind)) {
    return undefined;
  }
  const peer = state.peers.get(from);
  if (peer !== undefined) peer.answeredAtMs = context.monotonicMs();
  forget(context, state, requestId, request);
  return request as Extract<OpenRequest, { kind: Kind }>;
}

/**
 * A request was not answered in time: what it claimed is free for others, and the peer is struck. Answers come one after another, so
 * while others come this one waits for its turn on a slow path; there are never more than eight in front of it.
 */
export function onRequestDue(
  context: Context<SyncCommand>,
  state: SyncState,
  deps: SyncDependencies,
  requestId: number,
): void {
  const request = state.requests.get(requestId);
  if (request === undefined) return;
  const peer = state.peers.get(request.peer);
  const silentMs = context.monotonicMs() - (peer?.answeredAtMs ?? Number.NEGATIVE_INFINITY);
  if (silentMs < SYNC_BOUNDS.requestTimeoutMs && request.waits < WAITS_MAX) {
    request.waits++;
    return startTimer(context, requestId, SYNC_BOUNDS.requestTimeoutMs - silentMs);
  }
  forget(context, state, requestId, request);
  release(state, request);
  // Whoever else has it is asked first now.
  if (request.kind === "log") {
    for (const { author } of request.ranges) {
      peer?.refused.add(author);
    }
  }
  const reason = `did not answer a sync request within ${SYNC_BOUNDS.requestTimeoutMs} ms`;
  context.send(deps.sessions, { type: "strike", deviceId: request.peer, reason });
}

/** Frees everything that was asked of a peer whose session ended. */
export function dropRequestsOf(
  context: Context<SyncCommand>,
  state: SyncState,
  peer: DeviceId,
): void {
  for (const [requestId, request] of state.requests) {
    if (request.peer !== peer) continue;
    forget(context, state, requestId, request);
    release(state, request);
  }
}

/** Registers a request, starts its timer and sends it. */
export function open(
  context: Context<SyncCommand>,
  state: SyncState,
  deps: SyncDependencies,
  request: OpenRequest,
): void {
  const peer = state.peers.get(request.peer);
  if (peer === undefined) return;
  const requestId = state.nextRequestId;
  state.nextRequestId = requestId === 2 ** 32 - 1 ? 1 : requestId + 1;
  state.requests.set(requestId, request);
  if (request.kind === "chunk") peer.openChunkRequests++;
  else peer.openRequests++;
  startTimer(context, requestId, SYNC_BOUNDS.requestTimeoutMs);
  tell(context, deps, request.peer, messageOf(requestId, request));
}

function startTimer(context: Context<SyncCommand>, requestId: number, delayMs: number): void {
  context.startTimer(`request ${requestId}`, delayMs, { type: "requestDue", requestId });
}

function messageOf(requestId: number, request: OpenRequest): SyncMessage {
  switch (request.kind) {
    case "log":
      return {
        type: "requestBlocks",
        requestId,
        ranges: request.ranges,
        ids: [],
        shortIds: [],
        payloads: false,
      };
    case "ids":
      return {
        type: "requestBlocks",
        requestId,
        ranges: [],
        ids: request.ids,
        shortIds: request.shortIds,
        payloads: request.payloads,
      };
    case "chunk":
      return { type: "requestChunks", requestId, hashes: [request.hash] };
  }
}

function forget(
  context: Context<SyncCommand>,
  state: SyncState,
  requestId: number,
  request: OpenRequest,
): void {
  state.requests.delete(requestId);
  context.cancelTimer(`request ${requestId}`);
  const peer = state.peers.get(request.peer);
  if (peer === undefined) return;
  if (request.kind === "chunk") peer.openChunkRequests--;
  else peer.openRequests--;
}

function release(state: SyncState, request: OpenRequest): void {
  if (request.kind === "log") releaseRanges(state, request.ranges);
  if (request.kind === "chunk") {
    const want = state.chunkWants.get(request.hash);
    if (want !== undefined) want.asked = false;
  }
}

/** The next ids to ask this peer for, taken off its lists; null when there are none. */
function takeIds(peer: PeerSync): OpenRequest | null {
  const payloads = peer.wantedPayloads.size > 0;
  const ids = takeFrom<BlockId>(payloads ? peer.wantedPayloads : peer.wantedIds);
  const shortIds = payloads ? [] : takeFrom(peer.wantedShortIds);
  if (ids.length === 0 && shortIds.length === 0) return null;
  return { kind: "ids", peer: peer.id, ids, shortIds, salt: peer.shortIdSalt, payloads, waits: 0 };
}

function takeFrom<T>(set: Set<T>): T[] {
  const taken: T[] = [];
  for (const value of set) {
    if (taken.length === SYNC_LIMITS.ids) break;
    taken.push(value);
  }
  for (const value of taken) set.delete(value);
  return taken;
}

function lengthOf(ranges: readonly LogRange[]): number {
  return ranges.reduce((sum, range) => sum + range.toSequence - range.fromSequence + 1, 0);
}

/** False before our own logs are known, and while so much waits for verification that asking for more would only fill memory. */
function hasRoom(state: SyncState, peer: PeerSync): boolean {
  if (!state.loaded || state.heldBytes >= SYNC_BOUNDS.arrivalBytesMax / 2) return false;
  if (state.arrivals.length + state.earlyCount >= SYNC_BOUNDS.arrivalsMax / 2) return false;
  const held = state.held.get(peer.id);
  return held === undefined ||
    (held.count < SYNC_BOUNDS.heldPerPeer && held.bytes < SYNC_BOUNDS.heldBytesPerPeer);
}
