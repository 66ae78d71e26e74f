/**
 * Every table and column of `node.db`, as Kysely sees it. `migrations.ts` makes them; `docs/protocols/store.md` explains them.
 *
 * Hashes are BLOBs of 32 bytes, device ids text, times ms since the epoch. Signed bytes are kept exactly as they were signed.
 */

/** Small facts of the store itself. */
export interface StoreStateTable {
  /** "cleanPosition": blocks before this position were here at the last clean stop. */
  key: string;
  value: number;
}

/** One row per author of whom a block was ever stored. */
export interface AuthorsTable {
  /** Short name inside this file; never leaves it. */
  key: number;
  /** Device id. */
  device: string;
  /** Sequence of the newest block ever stored, set aside or not. */
  head_sequence: number;
  /** Id of that block. */
  head_id: Uint8Array;
  /** Blocks stored now. */
  blocks: number;
  /** Header and payload bytes stored now. */
  bytes: number;
  /** Of these blocks, those whose payload is not here. */
  without_payload: number;
}

/** One row per block. A rowid table, ordered as stored; the payload is last so that reading headers does not touch it. */
export interface BlocksTable {
  /** The order in which this device stored it; never given to another block. */
  position: number;
  id: Uint8Array;
  /** → authors.key */
  author_key: number;
  sequence: number;
  /** 0: the block that counts at this (author, sequence); 1, 2, …: other blocks with the same, kept as proof. */
  rank: number;
  kind: string;
  topic: string;
  /** The block it supersedes or removes. */
  target: Uint8Array | null;
  /** ⌊header time / 3,600,000⌋. */
  time_bucket: number;
  /** Length of the whole body, bytes. */
  body_bytes: number;
  /** 1 when some known block supersedes or removes it. */
  replaced: number;
  /** 0: has text that is not indexed yet; 1: indexed, or nothing to index. */
  search_state: number;
  signature: Uint8Array;
  header: Uint8Array;
  payload: Uint8Array | null;
}

/** Blocks that were set aside because their bytes are damaged; a row goes when the block has come again. */
export interface DamagedBlocksTable {
  /** Where it belongs in `blocks`. */
  position: number;
  id: Uint8Array;
  author_key: number;
  sequence: number;
  rank: number;
  /** The bytes as they were found. */
  header: Uint8Array;
  signature: Uint8Array;
  payload: Uint8Array | null;
  problem: string;
}

/** Which chunks are in `blobs/`. A row is written after its file is durable. */
export interface ChunksTable {
  hash: Uint8Array;
  bytes: number;
}

export interface SettingsTable {
  key: string;
  /** JSON. */
  value: string;
}

/** Full-text index (FTS5); rowid is the block's position. */
export interface DocumentsTable {
  rowid: number;
  title: string;
  text: string;
  /** One word made from the topic, so that a topic filter is part of the same index lookup. */
  topic: string;
}

export interface Schema {
  store_state: StoreStateTable;
  authors: AuthorsTable;
  blocks: BlocksTable;
  damaged_blocks: DamagedBlocksTable;
  chunks: ChunksTable;
  settings: SettingsTable;
  documents: DocumentsTable;
}
