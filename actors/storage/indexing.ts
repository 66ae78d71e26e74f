/**
 * Makes stored text findable: in small rounds, after commits, so that storing never waits for indexing. What a crash
 * interrupts is found again by `unindexed`.
 */
import { INLINE_BODY_BYTES_MAX } from "../../protocols/blocks/block.ts";
import type { Block } from "../../protocols/blocks/block.ts";
import { chunksOf } from "../../protocols/blocks/body.ts";
import type { BlockId, ContentHash } from "../../protocols/ids.ts";
import { searchableText } from "../../store/searchable_text.ts";
import type { SearchDocument, Store } from "../../store/store.ts";
import { nodeEvents } from "../events.ts";
import type { Context, TaskOutcome } from "../kernel/actor.ts";
import type { IndexRound, StorageCommand } from "./commands.ts";

/** Blocks in one round. */
export const INDEX_BLOCKS_MAX = 64;
/** Wait after a commit, so that a burst of blocks is indexed together. */
export const INDEX_DELAY_MS = 50;
/** Wait after a failed round. */
export const INDEX_RETRY_MS = 30_000;
/** Blocks that wait for their first chunk at most; of more, the newest ones are not searchable. */
export const DEFERRED_MAX = 4_096;

export interface IndexState {
  /** `scheduled`: a timer runs; `again`: a round is under way and another is wanted after it. */
  phase: "idle" | "scheduled" | "running" | "again";
  /** Blocks whose text begins in a chunk that is not here, with that chunk. */
  readonly deferred: Map<BlockId, ContentHash>;
  /** Chunks that came while a round was under way: it may have missed them. */
  readonly cameMeanwhile: Set<ContentHash>;
}

type Ctx = Context<StorageCommand>;

/** Wants a round soon. */
export function scheduleIndexing(context: Ctx, index: IndexState): void {
  if (index.phase === "running") index.phase = "again";
  if (index.phase !== "idle") return;
  index.phase = "scheduled";
  context.startTimer("index", INDEX_DELAY_MS, { type: "indexDue" });
}

/** The timer has run down: starts a round. */
export function onIndexDue(context: Ctx, index: IndexState, store: Store): void {
  index.phase = "running";
  index.cameMeanwhile.clear();
  const deferred = new Set(index.deferred.keys());
  context.perform(
    () => indexRound(store, deferred),
    (outcome) => ({ type: "indexed", outcome }),
  );
}

/** A round has ended: goes on while there is something to do. */
export function onIndexed(
  context: Ctx,
  index: IndexState,
  store: Store,
  outcome: TaskOutcome<IndexRound>,
): void {
  const wanted = index.phase === "again";
  index.phase = "idle";
  if (!outcome.ok) {
    context.publish(nodeEvents, {
      type: "warning",
      source: "storage",
      message: `Cannot index text for search: ${String(outcome.error)}`,
    });
    index.phase = "scheduled";
    context.startTimer("index", INDEX_RETRY_MS, { type: "indexDue" });
    return;
  }
  const { done, deferred } = outcome.value;
  for (const { id, chunk } of deferred) {
    if (!index.cameMeanwhile.has(chunk)) index.deferred.set(id, chunk);
  }
  if (done + deferred.length > 0) return onIndexDue(context, index, store);
  if (wanted) scheduleIndexing(context, index);
}

/** Chunks are durable: text that waited for one of them can be indexed. */
export function onChunksHere(
  context: Ctx,
  index: IndexState,
  hashes: readonly ContentHash[],
): void {
  if (index.phase === "running" || index.phase === "again") {
    for (const hash of hashes) index.cameMeanwhile.add(hash);
  }
  if (index.deferred.size === 0) return;
  const here = new Set(hashes);
  let found = false;
  for (const [id, chunk] of index.deferred) {
    if (!here.has(chunk)) continue;
    index.deferred.delete(id);
    found = true;
  }
  if (found) scheduleIndexing(context, index);
}

async function indexRound(store: Store, waiting: ReadonlySet<BlockId>): Promise<IndexRound> {
  const listed = await store.search.unindexed(INDEX_BLOCKS_MAX + waiting.size);
  const blocks = listed.filter(({ id }) => !waiting.has(id)).slice(0, INDEX_BLOCKS_MAX);
  const documents: SearchDocument[] = [];
  const skipped: BlockId[] = [];
  const deferred: { id: BlockId; chunk: ContentHash }[] = [];
  for (const block of blocks) {
    const { body, chunk } = await beginningOf(store, block);
    if (body === undefined) {
      if (waiting.size + deferred.length < DEFERRED_MAX) deferred.push({ id: block.id, chunk });
      else skipped.push(block.id);
      continue;
    }
    const found = searchableText(block.header, body);
    if (found === null) skipped.push(block.id);
    else documents.push({ blockId: block.id, ...found });
  }
  if (documents.length > 0) await store.search.index(documents);
  if (skipped.length > 0) await store.search.skip(skipped);
  return { done: documents.length + skipped.length, deferred };
}

type Beginning =
  | { readonly body: Uint8Array; readonly chunk?: undefined }
  | { readonly body: undefined; readonly chunk: ContentHash };

/** The whole body, or its first chunk, which is as much as is indexed. */
async function beginningOf(store: Store, { header, payload }: Block): Promise<Beginning> {
  if (payload === null || header.bodyBytes <= INLINE_BODY_BYTES_MAX) {
    return { body: payload ?? new Uint8Array() };
  }
  const [first] = chunksOf(header, payload);
  if (first === undefined) return { body: new Uint8Array() };
  const body = await store.chunks.get(first.hash);
  return body === undefined ? { body, chunk: first.hash } : { body };
}
