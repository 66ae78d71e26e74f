/** Blocks of a SQLite store. */
import { type Kysely, sql } from "kysely";
import {
  type Block,
  type BlockKind,
  type Frontier,
  INLINE_BODY_BYTES_MAX,
} from "../protocols/blocks/block.ts";
import type { BlockId, DeviceId } from "../protocols/ids.ts";
import {
  checkRange,
  GET_IDS_MAX,
  KNOWN_IDS_MAX,
  PAGE_LIMIT_MAX,
  WORK_LIMIT_MAX,
} from "./limits.ts";
import type { NodeSqlite } from "./node_sqlite.ts";
import type { Schema } from "./schema.ts";
import { guarded } from "./sqlite_errors.ts";
import { LogChanges, type LogState } from "./sqlite_log.ts";
import { putBlocks, rowsFor } from "./sqlite_put.ts";
import type {
  BlockPage,
  BlockQuery,
  BlockRepository,
  BlockStats,
  Equivocation,
  MissingBlock,
  PutOutcome,
  ReconcileItem,
} from "./store.ts";
import { blockOf, STORED_COLUMNS, type StoredRow } from "./stored_block.ts";

const utf8 = new TextEncoder();

/** What the repositories of one SQLite store share. */
export interface SqliteContext {
  /** Its transactions are the turns in which the one connection is used. */
  readonly kysely: Kysely<Schema>;
  readonly database: NodeSqlite;
  readonly log: LogState;
}

const SELECT_STORED = `SELECT ${STORED_COLUMNS.join(", ")} FROM blocks WHERE`;
/** How many rows of a range are read in one go, at most; and at first, before it is known how long they are. */
const RANGE_ROWS_MAX = 256;
const RANGE_ROWS_FIRST = 4;

/** The block repository on the store's one connection. */
export class SqliteBlocks implements BlockRepository {
  readonly #context: SqliteContext;
  /** Valid until the next put: peers ask for it far more often than blocks come. */
  #reconcileItems: readonly ReconcileItem[] | undefined;

  constructor(context: SqliteContext) {
    this.#context = context;
  }

  put(blocks: readonly Block[]): Promise<readonly PutOutcome[]> {
    return guarded(`store ${blocks.length} blocks`, async () => {
      if (blocks.length === 0) return [];
      const { kysely, database, log } = this.#context;
      let changes: LogChanges | undefined;
      const outcomes = await kysely.transaction().execute(() => {
        // Made here, when it is our turn: an earlier put may have changed the logs while we waited.
        changes = new LogChanges(log);
        return Promise.resolve(putBlocks(database, changes, blocks));
      });
      changes?.keep();
      this.forgetReconcileItems();
      return outcomes;
    });
  }

  /** Call after blocks were changed behind this repository. */
  forgetReconcileItems(): void {
    this.#reconcileItems = undefined;
  }

  get(ids: readonly BlockId[]): Promise<readonly (Block | undefined)[]> {
    checkRange("number of ids", ids.length, 0, GET_IDS_MAX);
    return this.#read("read blocks", (database) => {
      const found = new Map<BlockId, Block>();
      for (const row of rowsFor<StoredRow>(database, `${SELECT_STORED} id`, ids)) {
        const block = blockOf(row);
        found.set(block.id, block);
      }
      return ids.map((id) => found.get(id));
    });
  }

  known(ids: readonly BlockId[]): Promise<ReadonlySet<BlockId>> {
    checkRange("number of ids", ids.length, 0, KNOWN_IDS_MAX);
    return this.#read("look up blocks", (database) => {
      const rows = rowsFor<{ id: Uint8Array }>(database, "SELECT id FROM blocks WHERE id", ids);
      return new Set(rows.map((row) => row.id.toHex() as BlockId));
    });
  }

  frontiers(): Promise<readonly Frontier[]> {
    return this.#read("read the frontiers", (database) => {
      const { authors, setAside } = this.#context.log;
      const firstHole = new Map<number, number>();
      for (const { authorKey, sequence, rank } of setAside.values()) {
        if (rank !== 0) continue;
        firstHole.set(authorKey, Math.min(sequence, firstHole.get(authorKey) ?? Infinity));
      }
      const frontiers: Frontier[] = [];
      for (const { key, device, sequence, head } of authors.values()) {
        const hole = firstHole.get(key);
        if (hole === undefined) frontiers.push({ author: device, sequence, head });
        else if (hole > 1) {
          const before = database.first<{ id: Uint8Array }>(
            "SELECT id FROM blocks WHERE author_key = ? AND sequence = ? AND rank = 0",
            key,
            hole - 1,
          );
          if (before === undefined) continue;
          const id = before.id.toHex() as BlockId;
          frontiers.push({ author: device, sequence: hole - 1, head: id });
        }
      }
      return frontiers.sort((a, b) => a.author < b.author ? -1 : 1);
    });
  }

  head(author: DeviceId): Promise<Frontier | undefined> {
    return this.#read("read an author's head", () => {
      const row = this.#context.log.authors.get(author);
      return row && { author, sequence: row.sequence, head: row.head };
    });
  }

  missing(): Promise<readonly MissingBlock[]> {
    return this.#read("list set-aside blocks", () => {
      const { setAside, deviceByKey } = this.#context.log;
      return [...setAside.values()].sort((a, b) => a.position - b.position)
        .map(({ id, authorKey, sequence }) => ({
          author: deviceByKey.get(authorKey)!,
          sequence,
          id,
        }));
    });
  }

  range(
    query: { author: DeviceId; fromSequence: number; toSequence: number; bytesMax: number },
  ): Promise<readonly Block[]> {
    return this.#read("read a range of blocks", (database) => {
      const author = this.#context.log.authors.get(query.author);
      const found: Block[] = [];
      if (author === undefined) return found;
      let bytes = 0;
      // Rows that do not fit any more were read in vain, with their bodies.
      let limit = RANGE_ROWS_FIRST;
      let from = { sequence: query.fromSequence, rank: 0 };
      const last = Math.min(query.toSequence, author.sequence);
      while (true) {
        const rows = database.all<StoredRow & { sequence: number; rank: number }>(
          `SELECT ${STORED_COLUMNS.join(", ")}, sequence, rank FROM blocks
          WHERE author_key = ? AND (sequence, rank) >= (?, ?) AND sequence <= ?
          ORDER BY sequence, rank LIMIT ?`,
          author.key,
          from.sequence,
          from.rank,
          last,
          limit,
        );
        for (const row of rows) {
          bytes += row.header.length + (row.payload?.length ?? 0);
          if (found.length > 0 && bytes > query.bytesMax) return found;
          found.push(blockOf(row));
          from = { sequence: row.sequence, rank: row.rank + 1 };
        }
        if (rows.length < limit) return found;
        const rest = Math.max(0, query.bytesMax - bytes) / (bytes / found.length);
        limit = Math.min(RANGE_ROWS_MAX, Math.floor(rest) + 1);
      }
    });
  }

  list(query: BlockQuery): Promise<BlockPage> {
    checkRange("limit", query.limit, 1, PAGE_LIMIT_MAX);
    return guarded("list blocks", async () => {
      const author = query.author === undefined
        ? undefined
        : this.#context.log.authors.get(query.author);
      if (query.author !== undefined && author === undefined) {
        return { blocks: [], nextCursor: null };
      }
      let select = this.#context.kysely.selectFrom("blocks")
        .select(["position", ...STORED_COLUMNS])
        .orderBy("position", "desc")
        .limit(query.limit + 1);
      if (query.topic !== undefined) select = select.where("topic", "=", query.topic);
      if (author !== undefined) select = select.where("author_key", "=", author.key);
      if (query.kinds !== undefined) select = select.where("kind", "in", query.kinds);
      // Said so that the index of the other kinds can be used.
      if (query.kinds?.includes("put") === false) {
        select = select.where("kind", "<>", sql.lit("put"));
      }
      if (query.currentOnly) select = select.where("replaced", "=", 0);
      const { tag } = query;
      if (tag !== undefined) {
        // Tags are only in the signed header. Its bytes hold the text of each; what else they happen to match is left out below.
        select = select.where(sql<boolean>`instr(header, ${utf8.encode(tag)}) > 0`);
      }
      const found: { readonly position: number; readonly block: Block }[] = [];
      let before = query.cursor === undefined ? NaN : Number(query.cursor);
      while (found.length <= query.limit) {
        const rows =
          await (Number.isSafeInteger(before) ? select.where("position", "<", before) : select)
            .execute();
        for (const row of rows) {
          const block = blockOf(row);
          before = row.position;
          if (tag === undefined || block.header.tags.includes(tag)) {
            found.push({ position: row.position, block });
          }
        }
        if (rows.length <= query.limit) break;
      }
      const page = found.slice(0, query.limit);
      return {
        blocks: page.map(({ block }) => block),
        nextCursor: found.length > query.limit ? String(page.at(-1)!.position) : null,
      };
    });
  }

  reconcileItems(): Promise<readonly ReconcileItem[]> {
    return this.#read("list blocks for reconciliation", (database) => {
      this.#reconcileItems ??= database.all<{ time_bucket: number; id: Uint8Array }>(
        "SELECT time_bucket, id FROM blocks ORDER BY time_bucket, id",
      ).map((row) => ({ timeBucket: row.time_bucket, id: row.id.toHex() as BlockId }));
      return this.#reconcileItems;
    });
  }

  targeting(target: BlockId): Promise<readonly Block[]> {
    return this.#read("read replacing blocks", (database) =>
      database.all<StoredRow>(
        `${SELECT_STORED} target = ? ORDER BY position`,
        Uint8Array.fromHex(target),
      ).map(blockOf));
  }

  ofKinds(kinds: readonly BlockKind[]): Promise<readonly Block[]> {
    return guarded("read blocks by kind", async () => {
      if (kinds.length === 0) return [];
      let select = this.#context.kysely.selectFrom("blocks").select(STORED_COLUMNS)
        .where("kind", "in", kinds);
      if (!kinds.includes("put")) select = select.where("kind", "<>", sql.lit("put"));
      const rows = await select.orderBy("position").execute();
      return rows.map(blockOf);
    });
  }

  equivocations(): Promise<readonly Equivocation[]> {
    return this.#read("list equivocations", (database) => {
      const { deviceByKey, setAside } = this.#context.log;
      const rows = database.all<
        { author_key: number; sequence: number; second: Uint8Array; first: Uint8Array | null }
      >(`SELECT twin.author_key, twin.sequence, twin.id AS second, counting.id AS first
        FROM blocks AS twin LEFT JOIN blocks AS counting
        ON counting.author_key = twin.author_key AND counting.sequence = twin.sequence AND counting.rank = 0
        WHERE twin.rank > 0`);
      const found: Equivocation[] = [];
      for (const { author_key, sequence, second, first } of rows) {
        const counting = first?.toHex() ??
          [...setAside.values()].find((place) =>
            place.authorKey === author_key && place.sequence === sequence && place.rank === 0
          )?.id;
        if (counting === undefined) continue;
        found.push({
          author: deviceByKey.get(author_key)!,
          sequence,
          first: counting as BlockId,
          second: second.toHex() as BlockId,
        });
      }
      return found.sort(byAuthorSequenceAndId);
    });
  }

  withoutPayload(limit: number): Promise<readonly Block[]> {
    checkRange("limit", limit, 1, WORK_LIMIT_MAX);
    return this.#read(
      "list blocks without payload",
      (database) =>
        database.all<StoredRow>(`${SELECT_STORED} payload IS NULL ORDER BY position LIMIT ?`, limit)
          .map(blockOf),
    );
  }

  largeBodies(): Promise<readonly Block[]> {
    return this.#read("list blocks with chunked bodies", (database) =>
      database.all<StoredRow>(
        `${SELECT_STORED} body_bytes > ${INLINE_BODY_BYTES_MAX} AND payload IS NOT NULL ORDER BY position`,
      ).map(blockOf));
  }

  stats(): Promise<BlockStats> {
    return this.#read("count blocks", () => {
      const total = { blocks: 0, bytes: 0, authors: 0, withoutPayload: 0 };
      for (const author of this.#context.log.authors.values()) {
        total.authors++;
        total.blocks += author.blocks;
        total.bytes += author.bytes;
        total.withoutPayload += author.withoutPayload;
      }
      return total;
    });
  }

  /** Reads in a turn of its own, so that it never sees half of a transaction. */
  #read<T>(action: string, work: (database: NodeSqlite) => T): Promise<T> {
    const { kysely, database } = this.#context;
    return guarded(
      action,
      () => kysely.connection().execute(() => Promise.resolve(work(database))),
    );
  }
}

function byAuthorSequenceAndId(a: Equivocation, b: Equivocation): number {
  if (a.author !== b.author) return a.author < b.author ? -1 : 1;
  return a.sequence - b.sequence || (a.second < b.second ? -1 : 1);
}
