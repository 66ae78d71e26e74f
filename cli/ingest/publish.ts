/** Sends drafts in batches: few requests for many small parts, none larger than the gateway takes. */
import {
  type BlockDraft,
  CHUNK_BYTES,
  INLINE_BODY_BYTES_MAX,
} from "../../protocols/blocks/block.ts";
import type { NodeClient } from "../client.ts";
import { sha256Hex } from "./draft.ts";

/** The gateway takes 100 drafts at once; together they stay well under a megabyte. */
const BATCH_DRAFTS_MAX = 100;
const BATCH_BYTES_MAX = 512 * 1024;

export interface Publisher {
  /** Takes drafts in order; they may wait for more. */
  publish(drafts: readonly BlockDraft[]): Promise<void>;
  /** Sends what waits. */
  flush(): Promise<void>;
  /** The hash that the payload of a body will have. */
  payloadHash(body: Uint8Array): string;
}

/** Publishes through a client. `nonce` makes the idempotency keys of this run unlike those of other runs. */
export function createPublisher(client: NodeClient, nonce: string): Publisher {
  let waiting: BlockDraft[] = [];
  let waitingBytes = 0;
  let requests = 0;
  const nextKey = () => `add-${nonce}-${++requests}`;

  const flush = async () => {
    if (waiting.length === 0) return;
    const batch = waiting;
    waiting = [];
    waitingBytes = 0;
    await client.addBlocks(batch, nextKey());
  };
  return {
    flush,
    payloadHash,
    async publish(drafts) {
      for (const draft of drafts) {
        if (draft.body.length > INLINE_BODY_BYTES_MAX) {
          await flush();
          await client.addRaw(draft, nextKey());
          continue;
        }
        const full = waiting.length >= BATCH_DRAFTS_MAX ||
          waitingBytes + draft.body.length > BATCH_BYTES_MAX;
        if (full) await flush();
        waiting.push(draft);
        waitingBytes += draft.body.length;
      }
    },
  };
}

/** SHA-256 of a body that fits into a block; else of the list of its chunks' hashes. */
function payloadHash(body: Uint8Array): string {
  if (body.length <= INLINE_BODY_BYTES_MAX) return sha256Hex(body);
  let list = "";
  for (let offset = 0; offset < body.length; offset += CHUNK_BYTES) {
    list += sha256Hex(body.subarray(offset, offset + CHUNK_BYTES));
  }
  return sha256Hex(Uint8Array.fromHex(list));
}
