/** Registry blocks in pages that fit into a pairing message, and back. */
import type { Crypto } from "../../platform/ports.ts";
import { invariant } from "../../platform/invariant.ts";
import type { Block } from "../blocks/block.ts";
import { decodeBlock } from "../blocks/decode.ts";
import { encodeBlock } from "../blocks/encode.ts";
import { PAIRING_LIMITS } from "./messages.ts";

/** Encoded blocks, page by page, in the order given. Undefined when they are more than a pairing can carry. */
export function pagesOf(blocks: readonly Block[]): readonly (readonly Uint8Array[])[] | undefined {
  const pages: Uint8Array[][] = [];
  let page: Uint8Array[] = [];
  let pageBytes = 0;
  for (const block of blocks) {
    const encoded = encodeBlock(block);
    invariant(
      encoded.length <= PAIRING_LIMITS.blockBytes,
      () => `registry block ${block.id} has ${encoded.length} bytes`,
    );
    const full = pageBytes + encoded.length > PAIRING_LIMITS.pageBytes ||
      page.length === PAIRING_LIMITS.blocksPerPage;
    if (full) {
      pages.push(page);
      page = [];
      pageBytes = 0;
    }
    page.push(encoded);
    pageBytes += encoded.length;
  }
  pages.push(page);
  return pages.length <= PAIRING_LIMITS.pages ? pages : undefined;
}

/** The blocks of one page, whose form and hashes are right; a reason when one is no block. Signatures are checked by whoever adopts them. */
export function blocksOf(
  page: readonly Uint8Array[],
  crypto: Crypto,
): { readonly ok: true; readonly blocks: readonly Block[] } | {
  readonly ok: false;
  readonly reason: string;
} {
  const blocks: Block[] = [];
  for (const encoded of page) {
    const outcome = decodeBlock(encoded, crypto);
    if (!outcome.ok) return outcome;
    blocks.push(outcome.block);
  }
  return { ok: true, blocks };
}
