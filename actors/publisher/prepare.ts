/** What is done to drafts before they are signed: bodies split and hashed, an earlier answer to the same request looked up. */
import type { Block, BlockDraft } from "../../protocols/blocks/block.ts";
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
  readonly payloadHashes: readonly string[];
  readonly createdAtMs: number;
}

/** How far behind `afterSequence` an earlier answer is looked for: other requests may have been signed in between. */
const SEARCHED_SEQUENCES = 4096;

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
    const payloadHash = options.crypto.sha256(body.payload).toHex() as ContentHash;
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
  const payloadHashes = prepared.map(({ payloadHash }) => payloadHash);
  const record = await options.store.settings.get(key) as IdempotencyRecord | undefined;
  if (record !== undefined && options.nowMs - record.createdAtMs <= IDEMPOTENCY_MS) {
    const blocks = await options.store.blocks.range({
      author: options.self,
      fromSequence: record.afterSequence + 1,
      toSequence: record.afterSequence + SEARCHED_SEQUENCES,
      bytesMax: Number.MAX_SAFE_INTEGER,
    });
    const found = findRun(blocks, record.payloadHashes);
    if (found !== null) return found;
  }
  const fresh: IdempotencyRecord = {
    afterSequence: options.afterSequence,
    payloadHashes,
    createdAtMs: options.nowMs,
  };
  await options.store.settings.set({ [key]: fresh });
  return null;
}

/** The first run of consecutive blocks with these payloads; null when there is none. */
function findRun(
  blocks: readonly Block[],
  payloadHashes: readonly string[],
): readonly Block[] | null {
  for (let start = 0; start + payloadHashes.length <= blocks.length; start++) {
    const run = blocks.slice(start, start + payloadHashes.length);
    if (run.every((block, i) => block.header.payloadHash === payloadHashes[i])) return run;
  }
  return null;
}
