/**
 * The Store port: what a node keeps. `sqlite_store.ts` and `memory_store.ts` implement it and pass one contract suite.
 *
 * Whatever a promise of this port has resolved is durable (synchronous=FULL); calls that change several things are one
 * transaction. Methods reject with a `StoreError` when the disk does not do its part; nothing is half-written then.
 */
import type { Block, BlockKind, Frontier } from "../protocols/blocks/block.ts";
import type { BlockId, ContentHash, DeviceId } from "../protocols/ids.ts";
import type { MailRepository } from "./mail.ts";
import type { ReadingsRepository } from "./readings.ts";

/** Something the disk or the database could not do. `hint` tells a person what to do. */
export class StoreError extends Error {
  override readonly name = "StoreError";
  constructor(
    message: string,
    readonly reason: "full" | "readOnly" | "corrupt" | "locked" | "tooNew" | "failed",
    readonly hint: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** What happened to a block that was put. */
export type PutOutcome =
  | { readonly type: "stored"; readonly id: BlockId }
  /** The same header was here and now has its payload too. */
  | { readonly type: "completed"; readonly id: BlockId }
  | { readonly type: "duplicate"; readonly id: BlockId }
  /** Another block of this author has this sequence; both are kept as proof, `other` stays the one that counts. */
  | { readonly type: "equivocation"; readonly id: BlockId; readonly other: BlockId }
  /** sequence − 1 of this author, or `previous` itself, is not here; nothing was stored. */
  | { readonly type: "gap"; readonly id: BlockId; readonly expectedSequence: number };

/** Two signed blocks with one (author, sequence): a proof that anyone can check. */
export interface Equivocation {
  readonly author: DeviceId;
  readonly sequence: number;
  readonly first: BlockId;
  readonly second: BlockId;
}

export interface BlockQuery {
  readonly topic?: string;
  readonly author?: DeviceId;
  readonly kinds?: readonly BlockKind[];
  /** Only blocks that carry exactly this tag. */
  readonly tag?: string;
  /** Only blocks that no known block supersedes or removes. */
  readonly currentOnly?: boolean;
  /** Continue after this cursor from an earlier page. */
  readonly cursor?: string;
  /** 1–500. */
  readonly limit: number;
}

export interface BlockPage {
  /** Newest first, by the order in which this device stored them. */
  readonly blocks: readonly Block[];
  /** Where the next page starts; null at the end. */
  readonly nextCursor: string | null;
}

/** One block as reconciliation sees it: sorted by (timeBucket, id). */
export interface ReconcileItem {
  /** ⌊timeMs / 3,600,000⌋ of the header. */
  readonly timeBucket: number;
  readonly id: BlockId;
}

export interface BlockStats {
  readonly blocks: number;
  /** Sum of header and inline payload bytes. */
  readonly bytes: number;
  readonly authors: number;
  /** Blocks whose payload is not here. */
  readonly withoutPayload: number;
}

/** A block that was here until its bytes were found damaged. */
export interface MissingBlock {
  readonly author: DeviceId;
  readonly sequence: number;
  readonly id: BlockId;
}

export interface BlockRepository {
  /**
   * Stores verified blocks in one durable transaction, in the order given; outcome i belongs to block i. Within one call a
   * block may build on an earlier one. A payload that does not hash to `payloadHash` must never be given.
   */
  put(blocks: readonly Block[]): Promise<readonly PutOutcome[]>;
  /** Result i belongs to id i; undefined when unknown. At most 1,000 ids. */
  get(ids: readonly BlockId[]): Promise<readonly (Block | undefined)[]>;
  /** Which of the ids are stored. At most 10,000. */
  known(ids: readonly BlockId[]): Promise<ReadonlySet<BlockId>>;
  /**
   * One per author, ascending by author. Never claims a block that was set aside as damaged: the frontier then ends before
   * it, although later blocks are here, so that ordinary sync fetches it again.
   */
  frontiers(): Promise<readonly Frontier[]>;
  /**
   * The author's newest block that was ever stored here, also when it or an earlier one is set aside. Whoever makes blocks
   * continues after this, never after the frontier: else a damaged disk would make this device equivocate.
   */
  head(author: DeviceId): Promise<Frontier | undefined>;
  /** Blocks that were set aside as damaged, in the order stored. A put of one answers "stored" and it is back in its place. */
  missing(): Promise<readonly MissingBlock[]>;
  /** An author's blocks (equivocating ones after the one that counts) with fromSequence ≤ s ≤ toSequence, ascending, until `bytesMax` is reached (at least one if any). */
  range(
    query: { author: DeviceId; fromSequence: number; toSequence: number; bytesMax: number },
  ): Promise<readonly Block[]>;
  list(query: BlockQuery): Promise<BlockPage>;
  /** All blocks (equivocating ones too) for reconciliation, sorted by (timeBucket, id). */
  reconcileItems(): Promise<readonly ReconcileItem[]>;
  /** Blocks that name `target` in a supersede or tombstone. */
  targeting(target: BlockId): Promise<readonly Block[]>;
  /** Blocks of these kinds in the order stored; for rebuilding the registry and other folds. */
  ofKinds(kinds: readonly BlockKind[]): Promise<readonly Block[]>;
  equivocations(): Promise<readonly Equivocation[]>;
  /** Blocks without payload, oldest first. */
  withoutPayload(limit: number): Promise<readonly Block[]>;
  /** Blocks whose body is chunked and whose list of chunks is here, oldest first; for resuming interrupted transfers. */
  largeBodies(): Promise<readonly Block[]>;
  stats(): Promise<BlockStats>;
}

/** Chunks of bodies too large for a block; content-addressed files. */
export interface ChunkRepository {
  /** Stores chunks durably. A chunk that does not hash to its name is a programming error. */
  put(chunks: readonly { hash: ContentHash; bytes: Uint8Array }[]): Promise<void>;
  get(hash: ContentHash): Promise<Uint8Array | undefined>;
  /** Which of these are here. At most 4,096. */
  known(hashes: readonly ContentHash[]): Promise<ReadonlySet<ContentHash>>;
  stats(): Promise<{ readonly chunks: number; readonly bytes: number }>;
}

/** Text that can be found. Kept beside the blocks, rebuilt from them when lost. */
export interface SearchDocument {
  readonly blockId: BlockId;
  readonly title: string;
  readonly text: string;
}

export interface SearchQuery {
  /** What a person typed: words, "quoted phrases", -excluded, prefix*. Never a syntax error. At most 512 characters. */
  readonly text: string;
  readonly topic?: string;
  /** 1–100. */
  readonly limit: number;
  /** 0–10,000. */
  readonly offset: number;
}

export interface SearchHit {
  readonly blockId: BlockId;
  readonly title: string;
  readonly topic: string;
  readonly author: DeviceId;
  readonly timeMs: number;
  /** Text around the hits; hits between U+0002 and U+0003, so that every view marks them its own way. */
  readonly snippet: string;
  /** Higher is better (negated BM25). */
  readonly score: number;
}

export interface SearchPage {
  readonly hits: readonly SearchHit[];
  /** Hits in all, counted up to 1,000. */
  readonly total: number;
}

export interface SearchIndex {
  /** Adds or replaces, in one transaction. Superseded and removed blocks are never found. */
  index(documents: readonly SearchDocument[]): Promise<void>;
  search(query: SearchQuery): Promise<SearchPage>;
  /** Blocks with a searchable payload that are not indexed yet, oldest first (after a crash or an upgrade). */
  unindexed(limit: number): Promise<readonly Block[]>;
  /** Marks blocks as having nothing to index. */
  skip(ids: readonly BlockId[]): Promise<void>;
}

/** Small named values of this device (never replicated): mesh id, invites, chosen name, counters. JSON inside. */
export interface SettingsRepository {
  get(key: string): Promise<unknown>;
  /** All keys that start with `prefix`, ascending. */
  entries(prefix: string): Promise<readonly (readonly [key: string, value: unknown])[]>;
  /** Sets (or, with undefined, removes) several in one transaction. A value is at most 1 MiB of JSON. */
  set(changes: Readonly<Record<string, unknown>>): Promise<void>;
}

/** A stored thing that does not match its hash or cannot be read. */
export interface Damage {
  readonly table: "blocks" | "chunks" | "settings" | "database";
  /** Block id, chunk hash, key or page. */
  readonly key: string;
  readonly problem: string;
}

export interface Store {
  readonly blocks: BlockRepository;
  readonly chunks: ChunkRepository;
  readonly search: SearchIndex;
  readonly settings: SettingsRepository;
  readonly mail: MailRepository;
  readonly readings: ReadingsRepository;
  /**
   * Recomputes every hash (`deep`) or only what changed since the last clean stop plus SQLite's quick check, and names each
   * damaged row. Damaged blocks and chunks are set aside so that sync fetches them again.
   */
  verify(
    options: {
      readonly deep: boolean;
      readonly onProgress?: (done: number, total: number) => void;
    },
  ): Promise<readonly Damage[]>;
  /** Writes a consistent copy of everything into the new folder `directory` while in use. */
  backup(directory: string, onProgress?: (done: number, total: number) => void): Promise<void>;
  close(): Promise<void>;
}

/** Setting: true after a restore or after the database had to be made anew, until a peer was compared: others may hold newer blocks of this device. */
export const RESTORED_SETTING = "restored";

/** Settings under this prefix must never come back in an older form: what is made anew from a backup or a damaged database lacks them. */
export const ONCE_PREFIX = "once/";
