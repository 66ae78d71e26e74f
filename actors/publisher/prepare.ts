/** What is done to drafts before they are signed: bodies split and hashed, an earlier answer to the same request looked up. */
import type { Block, BlockDraft, BlockHeader } from "../../protocols/blocks/block.ts";
import { splitBody } from "../../protocols/blocks/body.ts";
import type { ContentHash, DeviceId } from "../../protocols/ids.ts";
import type { Crypto } from "../../platform/ports.ts";
import type { Store } from "../../store/store.ts";

/** The settings key of one idempotency record. */
export function idempotencyKeyOf(key: string): string {
  return `idempotency/${key}`;
}

/** How long an answer is remembered. */
export const IDEMPOTENCY_MS = 24 * 60 * 60 * 1000;

/** Written durably before the blocks it describes: after a crash it tells whether they were stored. */
export interface IdempotencyRecord {
  /** The blocks come somewhere after this sequence of our log. */
  readonly afterSequence: number;
  /** What each block says, as far as it was known before its place in the log: `contentOf`. */
  readonly contents: readonly string[];
  readonly createdAtMs: number;
}

/** An earlier answer is looked for in pages of this many sequences and bytes: other requests may have been signed in between. */
const SEARCHED_SEQUENCES = 1024;
const SEARCHED_BYTES = 8 * 1024 * 1024;
/** Old records removed in one transaction. */
const PRUNED_AT_ONCE = 1000;

/** A draft that only needs its place in the log. */
export interface PreparedDraft {
  readonly draft: BlockDraft;
  readonly payload: Uint8Array;
  readonly payloadHash: ContentHash;
  readonly bodyBytes: number;
}

export interface PreparedDrafts {
  readonly drafts: readonly PreparedDraft[];
  readonly chunks: readonly { readonly hash: ContentHash; readonly bytes: Uint8Array }[];
  /** The answer that was given before; null when this is new. */
  readonly earlier: readonly Block[] | null;
}

export interface PrepareOptions {
  readonly idempotencyKey: string | null;
  readonly nowMs: number;
  /** Our newest sequence when the request came. */
  readonly afterSequence: number;
  readonly self: DeviceId;
  readonly crypto: Crypto;
  readonly store: Pick<Store, "blocks" | "settings">;
}

/** Task: hashes bodies; with an idempotency key, looks for an earlier answer or notes durably that one is being made. */
export async function prepare(
  drafts: readonly BlockDraft[],
  options: PrepareOptions,
): Promise<PreparedDrafts> {
  const chunks: { hash: ContentHash; bytes: Uint8Array }[] = [];
  const prepared = drafts.map((draft): PreparedDraft => {
    const body = splitBody(draft.body, options.crypto);
    for (const chunk of body.chunks) chunks.push(chunk);
    const payloadHash = options.crypto.sha256Hex(body.payload) as ContentHash;
    return { draft, payload: body.payload, payloadHash, bodyBytes: draft.body.length };
  });
  const earlier = options.idempotencyKey === null
    ? null
    : await findEarlier(options.idempotencyKey, prepared, options);
  return { drafts: prepared, chunks, earlier };
}

async function findEarlier(
  idempotencyKey: string,
  prepared: readonly PreparedDraft[],
  options: PrepareOptions,
): Promise<readonly Block[] | null> {
  const key = idempotencyKeyOf(idempotencyKey);
  const contents = prepared.map(({ draft, payloadHash }) =>
    contentOf({ ...draft, target: draft.target ?? null, payloadHash })
  );
  const record = await options.store.settings.get(key) as IdempotencyRecord | undefined;
  if (record !== undefined && options.nowMs - record.createdAtMs <= IDEMPOTENCY_MS) {
    const found = await findRun(record, options);
    if (found !== null) return found;
  }
  const fresh: IdempotencyRecord = {
    afterSequence: options.afterSequence,
    contents,
    createdAtMs: options.nowMs,
  };
  await options.store.settings.set({ [key]: fresh });
  return null;
}

/** What a draft and the block made of it have in common. Bodies alone are not enough: "ok" may be said twice, about two things. */
function contentOf(
  said: Pick<BlockHeader, "kind" | "topic" | "tags" | "mediaType" | "target" | "payloadHash">,
): string {
  const { kind, topic, tags, mediaType, target, payloadHash } = said;
  return JSON.stringify([kind, topic, [...tags].sort(), mediaType, target, payloadHash]);
}

/** The first run of consecutive blocks of ours with these contents; null when there is none. */
async function findRun(
  { afterSequence, contents }: IdempotencyRecord,
  { store, self }: PrepareOptions,
): Promise<readonly Block[] | null> {
  const run: { readonly block: Block; readonly content: string }[] = [];
  let fromSequence = afterSequence + 1;
  for (;;) {
    const page = await store.blocks.range({
      author: self,
      fromSequence,
      toSequence: fromSequence + SEARCHED_SEQUENCES - 1,
      bytesMax: SEARCHED_BYTES,
    });
    const last = page.at(-1);
    if (last === undefined) return null;
    for (const block of page) {
      const content = contentOf(block.header);
      run.push({ block, content });
      if (content !== contents[run.length - 1]) {
        // The run may begin inside of what only looked like it.
        do run.shift(); while (run.some((one, i) => one.content !== contents[i]));
      }
      if (run.length === contents.length) return run.map((one) => one.block);
    }
    fromSequence = last.header.sequence + 1;
  }
}

/** Task: forgets the answers that are no longer given again. */
export async function pruneIdempotency(
  store: Pick<Store, "settings">,
  nowMs: number,
): Promise<void> {
  const entries = await store.settings.entries(idempotencyKeyOf(""));
  const old = entries.filter(([, value]) => {
    // A clock that was set back makes records from the future; they count by their distance, too.
    const ageMs = nowMs - (value as IdempotencyRecord).createdAtMs;
    return !(Math.abs(ageMs) <= IDEMPOTENCY_MS);
  });
  for (let i = 0; i < old.length; i += PRUNED_AT_ONCE) {
    const keys = old.slice(i, i + PRUNED_AT_ONCE).map(([key]) => key);
    await store.settings.set(Object.fromEntries(keys.map((key) => [key, undefined])));
  }
}
