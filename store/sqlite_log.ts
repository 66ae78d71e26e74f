/**
 * What a SQLite store remembers of the logs between transactions: one row per author, the blocks that were set aside, the
 * next position. It is the only writer, so what it remembers is what the database holds; a transaction works on a copy
 * (`LogChanges`), which is kept only when the transaction was committed.
 */
import type { BlockId, DeviceId } from "../protocols/ids.ts";
import type { NodeSqlite } from "./node_sqlite.ts";

export interface AuthorRow {
  readonly key: number;
  readonly device: DeviceId;
  /** Sequence and id of the newest block ever stored. */
  sequence: number;
  head: BlockId;
  blocks: number;
  bytes: number;
  withoutPayload: number;
}

export interface SetAsidePlace {
  readonly id: BlockId;
  readonly position: number;
  readonly authorKey: number;
  readonly sequence: number;
  readonly rank: number;
}

/** The state of all logs, as committed. */
export class LogState {
  readonly authors = new Map<DeviceId, AuthorRow>();
  readonly deviceByKey = new Map<number, DeviceId>();
  readonly setAside = new Map<BlockId, SetAsidePlace>();
  nextPosition = 1;
  /** Whether a block may be stored that replaces another; false only when there is none. */
  hasTargets = false;

  constructor(database: NodeSqlite) {
    this.load(database);
  }

  /** Reads everything anew. */
  load(database: NodeSqlite): void {
    this.authors.clear();
    this.deviceByKey.clear();
    this.setAside.clear();
    for (const row of database.all<StoredAuthor>("SELECT * FROM authors")) {
      const device = row.device as DeviceId;
      this.deviceByKey.set(row.key, device);
      this.authors.set(device, {
        key: row.key,
        device,
        sequence: row.head_sequence,
        head: row.head_id.toHex() as BlockId,
        blocks: row.blocks,
        bytes: row.bytes,
        withoutPayload: row.without_payload,
      });
    }
    const places = database.all<StoredPlace>(
      "SELECT id, position, author_key, sequence, rank FROM damaged_blocks ORDER BY position",
    );
    for (const row of places) {
      const id = row.id.toHex() as BlockId;
      const { position, sequence, rank } = row;
      this.setAside.set(id, { id, position, authorKey: row.author_key, sequence, rank });
    }
    const last = database.first<{ last: number | null }>(
      "SELECT max(position) AS last FROM (SELECT max(position) AS position FROM blocks " +
        "UNION ALL SELECT max(position) FROM damaged_blocks)",
    );
    this.nextPosition = (last?.last ?? 0) + 1;
    this.hasTargets =
      database.first("SELECT 1 AS one FROM blocks WHERE target IS NOT NULL LIMIT 1") !== undefined;
  }
}

interface StoredAuthor {
  key: number;
  device: string;
  head_sequence: number;
  head_id: Uint8Array;
  blocks: number;
  bytes: number;
  without_payload: number;
}

interface StoredPlace {
  id: Uint8Array;
  position: number;
  author_key: number;
  sequence: number;
  rank: number;
}

/** What one transaction changes of a `LogState`. */
export class LogChanges {
  readonly #state: LogState;
  readonly #authors = new Map<DeviceId, AuthorRow>();
  readonly #returned = new Set<BlockId>();
  #nextPosition: number;
  #newAuthors = 0;
  #hasTargets: boolean;

  constructor(state: LogState) {
    this.#state = state;
    this.#nextPosition = state.nextPosition;
    this.#hasTargets = state.hasTargets;
  }

  /** See `LogState.hasTargets`. */
  get hasTargets(): boolean {
    return this.#hasTargets;
  }

  /** A block that replaces another is inserted. */
  noteTarget(): void {
    this.#hasTargets = true;
  }

  /** The author as this transaction sees it. Do not modify. */
  author(device: DeviceId): AuthorRow | undefined {
    return this.#authors.get(device) ?? this.#state.authors.get(device);
  }

  /** The author's row to modify; a new one when there is none. */
  change(device: DeviceId): AuthorRow {
    const changed = this.#authors.get(device);
    if (changed !== undefined) return changed;
    const row = { ...(this.#state.authors.get(device) ?? this.#newAuthor(device)) };
    this.#authors.set(device, row);
    return row;
  }

  setAside(id: BlockId): SetAsidePlace | undefined {
    return this.#returned.has(id) ? undefined : this.#state.setAside.get(id);
  }

  /** The set-aside block at this place of a log. */
  setAsideAt(authorKey: number, sequence: number): BlockId | undefined {
    for (const place of this.#state.setAside.values()) {
      const { id } = place;
      if (place.authorKey !== authorKey || place.sequence !== sequence || place.rank !== 0) {
        continue;
      }
      if (!this.#returned.has(id)) return id;
    }
    return undefined;
  }

  returned(id: BlockId): void {
    this.#returned.add(id);
  }

  takePosition(): number {
    return this.#nextPosition++;
  }

  /** Writes the changed authors, one statement each. */
  write(database: NodeSqlite): void {
    for (const row of this.#authors.values()) {
      database.run(
        `INSERT INTO authors (key, device, head_sequence, head_id, blocks, bytes, without_payload)
        VALUES (?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (key) DO UPDATE SET head_sequence = excluded.head_sequence, head_id = excluded.head_id,
        blocks = excluded.blocks, bytes = excluded.bytes, without_payload = excluded.without_payload`,
        row.key,
        row.device,
        row.sequence,
        Uint8Array.fromHex(row.head),
        row.blocks,
        row.bytes,
        row.withoutPayload,
      );
    }
  }

  /** Call when the transaction was committed. */
  keep(): void {
    for (const [device, row] of this.#authors) {
      this.#state.authors.set(device, row);
      this.#state.deviceByKey.set(row.key, device);
    }
    for (const id of this.#returned) this.#state.setAside.delete(id);
    this.#state.nextPosition = this.#nextPosition;
    this.#state.hasTargets ||= this.#hasTargets;
  }

  #newAuthor(device: DeviceId): AuthorRow {
    // Authors are never deleted and keys are given in order, so the next key is one more than there are.
    const key = this.#state.authors.size + 1 + this.#newAuthors++;
    return {
      key,
      device,
      sequence: 0,
      head: "" as BlockId,
      blocks: 0,
      bytes: 0,
      withoutPayload: 0,
    };
  }
}
