/** Blocks as rows: reading one back parses its signed header bytes, so that columns are never a second truth. */
import type { Block } from "../protocols/blocks/block.ts";
import { decodeHeader } from "../protocols/blocks/decode.ts";
import type { BlockId } from "../protocols/ids.ts";
import { storeError } from "./sqlite_errors.ts";

/** The columns of a block, as `STORED_COLUMNS` selects them. */
export interface StoredRow {
  readonly id: Uint8Array;
  readonly header: Uint8Array;
  readonly signature: Uint8Array;
  readonly payload: Uint8Array | null;
}

export const STORED_COLUMNS = ["id", "header", "signature", "payload"] as const;

/**
 * The block of a row.
 *
 * @throws {StoreError} with reason "corrupt" when the stored header cannot be parsed
 */
export function blockOf(row: StoredRow): Block {
  const id = row.id.toHex() as BlockId;
  const decoded = decodeHeader(row.header);
  if (!decoded.ok) {
    throw storeError(`Cannot read block ${id}: its stored ${decoded.reason}`, "corrupt");
  }
  return {
    id,
    header: decoded.header,
    headerBytes: row.header,
    signature: row.signature,
    payload: row.payload,
  };
}
