/** Bodies too large for a block: which chunks are missing, who is asked, what arrives. Survives interruption chunk by chunk. */
import { type Block, INLINE_BODY_BYTES_MAX } from "../../protocols/blocks/block.ts";
import type { BlockId, ContentHash, DeviceId } from "../../protocols/ids.ts";
import type { Chunks } from "../../protocols/sync/messages.ts";
import type { Store } from "../../store/store.ts";
import { nodeEvents } from "../events.ts";
import type { Context } from "../kernel/actor.ts";
import type { MissingChunks, SyncCommand } from "./commands.ts";
import { closeRequest, open } from "./requests.ts";
import { type PeerSync, SYNC_BOUNDS, type SyncDependencies, type SyncState } from "./state.ts";

const HASH_BYTES = 32;

/** Hashes of a chunked body's pieces, in order; empty when the body is inline or its list is not here. */
export function chunkHashesOf(block: Block): readonly ContentHash[] {
  if (block.header.bodyBytes <= INLINE_BODY_BYTES_MAX || block.payload === null) return [];
  const hashes: ContentHash[] = [];
  for (let offset = 0; offset + HASH_BYTES <= block.payload.length; offset += HASH_BYTES) {
    hashes.push(block.payload.subarray(offset, offset + HASH_BYTES).toHex() as ContentHash);
  }
  return hashes;
}

/** Reads which chunks of these bodies are not here. Task. */
export async function findMissingChunks(
  store: Pick<Store, "chunks">,
  blocks: readonly { readonly block: Block; readonly receivedFrom: DeviceId | null }[],
): Promise<readonly MissingChunks[]> {
  const result: MissingChunks[] = [];
  for (const { block, receivedFrom } of blocks) {
    const hashes = [...new Set(chunkHashesOf(block))];
    const known = await store.chunks.known(hashes);
    const missing = hashes.filter((hash) => !known.has(hash));
    if (missing.length > 0) result.push({ id: block.id, missing, from: receivedFrom });
  }
  return result;
}

/** Notes chunks to fetch; beyond the bound the rest is found again when things are tended to. */
export function wantChunks(state: SyncState, bodies: readonly MissingChunks[]): void {
  const shelved = (body: MissingChunks) => Number(state.shelvedBodies.has(body.id));
  for (const body of bodies.toSorted((a, b) => shelved(a) - shelved(b))) {
    if (state.incompleteBodies.has(body.id)) continue;
    if (state.chunkWants.size + body.missing.length > SYNC_BOUNDS.chunkWantsMax) {
      state.looking.nextAtMs = 0;
      if (shelved(body) === 1) return;
      shelveUnavailable(state);
      if (state.chunkWants.size + body.missing.length > SYNC_BOUNDS.chunkWantsMax) return;
    }
    state.incompleteBodies.set(body.id, body.missing.length);
    for (const hash of body.missing) {
      const want = state.chunkWants.get(hash);
      if (want === undefined) {
        state.chunkWants.set(hash, {
          blocks: new Set([body.id]),
          preferred: body.from,
          without: new Set(),
          asked: false,
        });
      } else want.blocks.add(body.id);
    }
  }
}

/** Lets go of bodies of which every peer has denied a part: a member may name chunks that never were, and they would wait for ever. */
function shelveUnavailable(state: SyncState): void {
  if (state.shelvedBodies.size >= SYNC_BOUNDS.chunkWantsMax) state.shelvedBodies.clear();
  const peers = [...state.peers.keys()];
  if (peers.length === 0) return;
  const gone = new Set<BlockId>();
  for (const want of state.chunkWants.values()) {
    if (want.asked || !peers.every((peer) => want.without.has(peer))) continue;
    for (const id of want.blocks) gone.add(id);
  }
  for (const id of gone) {
    state.shelvedBodies.add(id);
    state.incompleteBodies.delete(id);
  }
  for (const [hash, want] of state.chunkWants) {
    for (const id of want.blocks) if (gone.has(id)) want.blocks.delete(id);
    if (want.blocks.size === 0) state.chunkWants.delete(hash);
  }
}

/** Asks for chunks, the peer that sent the block first, others when it has none. */
export function requestChunks(
  context: Context<SyncCommand>,
  state: SyncState,
  deps: SyncDependencies,
): void {
  let free = 0;
  for (const peer of state.peers.values()) {
    free += SYNC_BOUNDS.openChunkRequestsPerPeer - peer.openChunkRequests;
  }
  if (free <= 0) return;
  for (const [hash, want] of state.chunkWants) {
    if (free === 0) return;
    if (want.asked) continue;
    const peer = choosePeer(state, want.preferred, want.without);
    if (peer === undefined) continue;
    want.asked = true;
    free--;
    open(context, state, deps, { kind: "chunk", peer: peer.id, hash, waits: 0 });
  }
}

function choosePeer(
  state: SyncState,
  preferred: DeviceId | null,
  without: ReadonlySet<DeviceId>,
): PeerSync | undefined {
  const first = preferred === null ? undefined : state.peers.get(preferred);
  if (first !== undefined && isFree(first, without)) return first;
  for (const peer of state.peers.values()) if (isFree(peer, without)) return peer;
  return undefined;
}

function isFree(peer: PeerSync, without: ReadonlySet<DeviceId>): boolean {
  return peer.openChunkRequests < SYNC_BOUNDS.openChunkRequestsPerPeer && !without.has(peer.id);
}

/** A chunk has come, or the peer does not have it. */
export function onChunks(
  context: Context<SyncCommand>,
  state: SyncState,
  deps: SyncDependencies,
  from: DeviceId,
  message: Chunks,
): void {
  const request = closeRequest(context, state, from, message.requestId, ["chunk"]);
  if (request === undefined) return;
  const want = state.chunkWants.get(request.hash);
  const bytes = message.chunks[0];
  if (want === undefined) return;
  if (bytes === undefined) {
    want.asked = false;
    want.without.add(from);
  } else if (deps.crypto.sha256Hex(bytes) !== request.hash) {
    want.asked = false;
    want.without.add(from);
    context.send(deps.sessions, {
      type: "strike",
      deviceId: from,
      reason: `chunk ${request.hash} does not match its hash`,
    });
  } else {
    const token = state.nextToken++;
    state.storingChunks.set(token, request.hash);
    context.send(deps.storage, {
      type: "storeChunks",
      chunks: [{ hash: request.hash, bytes }],
      replyTo: context.self,
      token,
    });
  }
  requestChunks(context, state, deps);
}

/** A chunk is durable: bodies that are whole now are announced. */
export function onChunksStored(
  context: Context<SyncCommand>,
  state: SyncState,
  token: number,
): void {
  const hash = state.storingChunks.get(token);
  if (hash === undefined) return;
  state.storingChunks.delete(token);
  const want = state.chunkWants.get(hash);
  if (want === undefined) return;
  state.chunkWants.delete(hash);
  for (const id of want.blocks) {
    const left = (state.incompleteBodies.get(id) ?? 1) - 1;
    if (left > 0) state.incompleteBodies.set(id, left);
    else {
      state.incompleteBodies.delete(id);
      state.shelvedBodies.delete(id);
      context.publish(nodeEvents, { type: "bodyCompleted", id });
    }
  }
}

/** Peers may have gained chunks since they said no: when their frontiers change they are asked again. */
export function forgetRefusals(state: SyncState, peer: DeviceId): void {
  for (const want of state.chunkWants.values()) want.without.delete(peer);
}
