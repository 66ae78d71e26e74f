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
import { isWanted } from "../../protocols/sync/interest.ts";
import type { Store } from "../../store/store.ts";
import type { Context } from "../kernel/actor.ts";
import type { ReadBlocks, SyncCommand } from "./commands.ts";
import { resolveShortIds } from "./reconciliation.ts";
import { tell } from "./requests.ts";
import type { PeerSync, SyncDependencies, SyncState } from "./state.ts";

/** A peer asks for blocks: reads them outside the actor, answers in `onBlocksRead`. */
export function onRequestBlocks(
  context: Context<SyncCommand>,
  state: SyncState,
  deps: SyncDependencies,
  peer: PeerSync,
  message: RequestBlocks,
): void {
  const ids = [...message.ids, ...resolveShortIds(peer, message.shortIds)];
  const view = {
    interest: message.payloads ? null : peer.interest,
    mayRead: may(state.registry, peer.id, "blocks.read"),
  };
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

/** A peer asks for a chunk. */
export function onRequestChunks(
  context: Context<SyncCommand>,
  state: SyncState,
  deps: SyncDependencies,
  from: DeviceId,
  message: RequestChunks,
): void {
  const hash = message.hashes[0];
  if (hash === undefined) return;
  if (!may(state.registry, from, "blocks.read")) {
    tell(context, deps, from, { type: "chunks", requestId: message.requestId, chunks: [] });
    return;
  }
  context.perform(
    () => deps.store.chunks.get(hash),
    (outcome) => ({ type: "chunkRead", to: from, requestId: message.requestId, outcome }),
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
  for (const block of await store.blocks.get(ids)) {
    if (block === undefined) continue;
    if (bytes >= SYNC_LIMITS.answerBytes) return { blocks, complete: false };
    const shown = withinView(block, view);
    blocks.push(shown);
    bytes += sizeOf(shown);
  }
  return { blocks, complete: true };
}

/** The block as this peer may and wants to have it: membership always, payloads by permission and interest. */
function withinView(block: Block, view: ReadView): Block {
  if (
    block.payload === null || block.header.kind === "founding" || block.header.kind === "member"
  ) return block;
  return view.mayRead && isWanted(view.interest, block.header)
    ? block
    : { ...block, payload: null };
}

function sizeOf(block: Block): number {
  return block.headerBytes.length + 64 + (block.payload?.length ?? 0);
}
