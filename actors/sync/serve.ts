/** Answers to what peers ask for: blocks within the asker's interest and permission, and chunks. Bounded by one answer per request. */
import type { Block } from "../../protocols/blocks/block.ts";
import { encodeBlock } from "../../protocols/blocks/encode.ts";
import type { BlockId, DeviceId } from "../../protocols/ids.ts";
import { may } from "../../protocols/registry/registry.ts";
import {
  type RequestBlocks,
  type RequestChunks,
  SYNC_LIMITS,
  type SyncInterest,
} from "../../protocols/sync/messages.ts";
import { isForEveryone, isWanted } from "../../protocols/sync/interest.ts";
import type { Store } from "../../store/store.ts";
import type { Context } from "../kernel/actor.ts";
import type { ReadBlocks, SyncCommand } from "./commands.ts";
import { resolveShortIds } from "./reconciliation.ts";
import { tell } from "./requests.ts";
import { type PeerSync, SYNC_BOUNDS, type SyncDependencies, type SyncState } from "./state.ts";

/** A peer asks for something that is on the disk: read at once, or when its earlier reads have ended. */
export function onRequest(
  context: Context<SyncCommand>,
  state: SyncState,
  deps: SyncDependencies,
  peer: PeerSync,
  message: RequestBlocks | RequestChunks,
): void {
  if (peer.readQueue.length >= SYNC_BOUNDS.readQueuePerPeer) {
    const reason = `asked for more than ${SYNC_BOUNDS.readQueuePerPeer} things at once`;
    context.send(deps.sessions, { type: "strike", deviceId: peer.id, reason });
    return;
  }
  peer.readQueue.push(message);
  readNext(context, state, deps, peer);
}

/** One read of this peer has ended. */
export function onReadEnded(
  context: Context<SyncCommand>,
  state: SyncState,
  deps: SyncDependencies,
  from: DeviceId,
): void {
  const peer = state.peers.get(from);
  if (peer === undefined) return;
  // A session that came up meanwhile counts anew.
  peer.reading = Math.max(0, peer.reading - 1);
  readNext(context, state, deps, peer);
}

function readNext(
  context: Context<SyncCommand>,
  state: SyncState,
  deps: SyncDependencies,
  peer: PeerSync,
): void {
  while (peer.reading < SYNC_BOUNDS.readsPerPeer) {
    const message = peer.readQueue.shift();
    if (message === undefined) return;
    if (message.type === "requestBlocks") startReadingBlocks(context, state, deps, peer, message);
    else startReadingChunk(context, state, deps, peer, message);
  }
}

function startReadingBlocks(
  context: Context<SyncCommand>,
  state: SyncState,
  deps: SyncDependencies,
  peer: PeerSync,
  message: RequestBlocks,
): void {
  const ids = [...new Set([...message.ids, ...resolveShortIds(peer, message.shortIds)])];
  const view = {
    interest: message.payloads ? null : peer.interest,
    mayRead: may(state.registry, peer.id, "blocks.read"),
  };
  peer.reading++;
  context.perform(
    () => readBlocks(deps.store, message, ids, view),
    (outcome) => ({ type: "blocksRead", to: peer.id, requestId: message.requestId, outcome }),
  );
}

/** The blocks are read: one answer, whatever became of it, so that the asker need not wait for a timeout. */
export function onBlocksRead(
  context: Context<SyncCommand>,
  deps: SyncDependencies,
  command: Extract<SyncCommand, { type: "blocksRead" }>,
): void {
  const { to, requestId, outcome } = command;
  if (!outcome.ok) {
    context.log.write("warning", "Cannot read blocks for a peer", {
      peer: to,
      error: String(outcome.error),
    });
  }
  const read: ReadBlocks = outcome.ok ? outcome.value : { blocks: [], complete: true };
  tell(context, deps, to, {
    type: "blocks",
    requestId,
    blocks: read.blocks.map((block) => encodeBlock(block)),
    complete: read.complete,
  });
}

function startReadingChunk(
  context: Context<SyncCommand>,
  state: SyncState,
  deps: SyncDependencies,
  peer: PeerSync,
  message: RequestChunks,
): void {
  const { requestId } = message;
  const hash = message.hashes[0];
  if (hash === undefined || !may(state.registry, peer.id, "blocks.read")) {
    tell(context, deps, peer.id, { type: "chunks", requestId, chunks: [] });
    return;
  }
  peer.reading++;
  context.perform(
    () => deps.store.chunks.get(hash),
    (outcome) => ({ type: "chunkRead", to: peer.id, requestId, outcome }),
  );
}

/** The chunk is read, or is not here. */
export function onChunkRead(
  context: Context<SyncCommand>,
  deps: SyncDependencies,
  command: Extract<SyncCommand, { type: "chunkRead" }>,
): void {
  const { outcome, to, requestId } = command;
  const bytes = outcome.ok ? outcome.value : undefined;
  tell(context, deps, to, {
    type: "chunks",
    requestId,
    chunks: bytes === undefined ? [] : [bytes],
  });
}

/** Blocks read by id at a time. */
const IDS_PER_READ = 64;

interface ReadView {
  readonly interest: SyncInterest | null;
  readonly mayRead: boolean;
}

async function readBlocks(
  store: Pick<Store, "blocks">,
  message: RequestBlocks,
  ids: readonly BlockId[],
  view: ReadView,
): Promise<ReadBlocks> {
  const blocks: Block[] = [];
  let bytes = 0;
  for (const range of message.ranges) {
    const budget = SYNC_LIMITS.answerBytes - bytes;
    if (budget <= 0 || blocks.length >= SYNC_LIMITS.blocks) return { blocks, complete: false };
    const toSequence = Math.min(
      range.toSequence,
      range.fromSequence + SYNC_LIMITS.blocks - blocks.length - 1,
    );
    const stored = await store.blocks.range({ ...range, toSequence, bytesMax: budget });
    for (const block of stored) {
      const shown = withinView(block, view);
      blocks.push(shown);
      bytes += sizeOf(shown);
    }
    const last = stored.at(-1)?.header.sequence;
    // Fewer than asked for: cut by the budget, or our log ends here. The asker asks again and finds out.
    if (last !== undefined && last < range.toSequence) return { blocks, complete: false };
  }
  // A few at a time: what does not fit into the answer is not read at all.
  for (let i = 0; i < ids.length; i += IDS_PER_READ) {
    for (const block of await store.blocks.get(ids.slice(i, i + IDS_PER_READ))) {
      if (block === undefined) continue;
      if (bytes >= SYNC_LIMITS.answerBytes) return { blocks, complete: false };
      const shown = withinView(block, view);
      blocks.push(shown);
      bytes += sizeOf(shown);
    }
  }
  return { blocks, complete: true };
}

/** The block as this peer may and wants to have it: membership always, payloads by permission and interest. */
function withinView(block: Block, view: ReadView): Block {
  if (block.payload === null || isForEveryone(block.header.kind)) return block;
  return view.mayRead && isWanted(view.interest, block.header)
    ? block
    : { ...block, payload: null };
}

function sizeOf(block: Block): number {
  return block.headerBytes.length + 64 + (block.payload?.length ?? 0);
}
