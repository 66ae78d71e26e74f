/**
 * Puts blocks into a SQLite store: inside one transaction, synchronously.
 *
 * Blocks are judged one after another; one that simply continues its author's log needs no look at the database. Each is
 * inserted by one statement that is kept: SQLite was measured to take half as long again for the same rows in statements of many.
 */
import type { Block } from "../protocols/blocks/block.ts";
import type { BlockId, DeviceId } from "../protocols/ids.ts";
import { invariant } from "../platform/invariant.ts";
import { type AppendVerdict, continuesLog, judgeAppend, type LogView } from "./append_rule.ts";
import { timeBucketOf } from "./limits.ts";
import type { NodeSqlite } from "./node_sqlite.ts";
import { isSearchable } from "./searchable_text.ts";
import type { LogChanges } from "./sqlite_log.ts";
import type { PutOutcome } from "./store.ts";

const COLUMNS = [
  "position",
  "id",
  "author_key",
  "sequence",
  "rank",
  "kind",
  "topic",
  "target",
  "time_bucket",
  "body_bytes",
  "replaced",
  "search_state",
  "signature",
  "header",
  "payload",
] as const;
const INSERT = `INSERT INTO blocks (${COLUMNS.join(",")}) VALUES (${
  questionMarks(COLUMNS.length)
})`;
/** The id of the row that is being inserted: SQLite has its own copy when the statement has run. */
const idBytes = new Uint8Array(32);
/** Ids in one lookup at most; smaller ones have powers of two, so that few statements are kept. */
const IDS_MAX = 256;

/** Puts `blocks` within an open transaction of `database`; the caller keeps `log` when it is committed. */
export function putBlocks(
  database: NodeSqlite,
  log: LogChanges,
  blocks: readonly Block[],
): PutOutcome[] {
  const batch = new PutBatch(database, log, blocks);
  const outcomes = blocks.map((block) => batch.put(block));
  batch.finish();
  return outcomes;
}

interface Place {
  readonly position: number;
  readonly authorKey: number;
  readonly rank: number;
}

class PutBatch {
  readonly #database: NodeSqlite;
  readonly #log: LogChanges;
  /** Stored before or put in this batch; ids that were neither looked up nor put are absent. */
  readonly #stored: Map<BlockId, { readonly hasPayload: boolean }>;
  readonly #lookedUp: ReadonlySet<BlockId>;
  /** Ids that a stored or waiting block supersedes or removes. */
  readonly #replaced: Set<BlockId>;
  readonly #newTargets: BlockId[] = [];
  readonly #view: LogView;

  constructor(database: NodeSqlite, log: LogChanges, blocks: readonly Block[]) {
    this.#database = database;
    this.#log = log;
    const unclear = idsToLookUp(log, blocks);
    this.#lookedUp = new Set(unclear);
    this.#stored = new Map();
    const known = rowsFor<{ id: Uint8Array; has_payload: number }>(
      database,
      "SELECT id, payload IS NOT NULL AS has_payload FROM blocks WHERE id",
      unclear,
    );
    for (const row of known) {
      this.#stored.set(row.id.toHex() as BlockId, { hasPayload: row.has_payload === 1 });
    }
    const targets = rowsFor<{ target: Uint8Array }>(
      database,
      "SELECT target FROM blocks WHERE target IS NOT NULL AND target",
      log.hasTargets ? blocks.map((block) => block.id) : [],
    );
    this.#replaced = new Set(targets.map((row) => row.target.toHex() as BlockId));
    this.#view = {
      stored: (id) => this.#storedBlock(id),
      isSetAside: (id) => log.setAside(id) !== undefined,
      head(author) {
        const row = log.author(author);
        return row && { sequence: row.sequence, id: row.head };
      },
      at: (author, sequence) => this.#at(author, sequence),
    };
  }

  put(block: Block): PutOutcome {
    const { id } = block;
    const verdict: AppendVerdict = judgeAppend(block, this.#view);
    switch (verdict.type) {
      case "duplicate":
        return { type: "duplicate", id };
      case "gap":
        return { type: "gap", id, expectedSequence: verdict.expectedSequence };
      case "complete":
        this.#complete(block);
        return { type: "completed", id };
      case "append": {
        const author = this.#log.change(block.header.author);
        author.sequence = block.header.sequence;
        author.head = id;
        const position = this.#log.takePosition();
        this.#insert(block, { position, authorKey: author.key, rank: 0 });
        return { type: "stored", id };
      }
      case "twin":
        this.#insert(block, this.#placeOfTwin(block));
        return { type: "equivocation", id, other: verdict.other };
      case "restore":
        this.#restore(block);
        return { type: "stored", id };
    }
  }

  /** Writes what the blocks replace, and the authors. */
  finish(): void {
    for (const target of this.#newTargets) markReplaced(this.#database, target);
    this.#log.write(this.#database);
  }

  #storedBlock(id: BlockId): { readonly hasPayload: boolean } | undefined {
    const here = this.#stored.get(id);
    if (here !== undefined || this.#lookedUp.has(id)) return here;
    const row = this.#database.first<{ has_payload: number }>(
      "SELECT payload IS NOT NULL AS has_payload FROM blocks WHERE id = ?",
      Uint8Array.fromHex(id),
    );
    return row && { hasPayload: row.has_payload === 1 };
  }

  #at(device: DeviceId, sequence: number): BlockId | undefined {
    const author = this.#log.author(device);
    if (author === undefined) return undefined;
    const row = this.#database.first<{ id: Uint8Array }>(
      "SELECT id FROM blocks WHERE author_key = ? AND sequence = ? AND rank = 0",
      author.key,
      sequence,
    );
    return row === undefined
      ? this.#log.setAsideAt(author.key, sequence)
      : row.id.toHex() as BlockId;
  }

  #placeOfTwin(block: Block): Place {
    const author = this.#log.change(block.header.author);
    const { sequence } = block.header;
    const row = this.#database.first<{ rank: number | null }>(
      `SELECT max(rank) AS rank FROM (SELECT rank FROM blocks WHERE author_key = ? AND sequence = ?
      UNION ALL SELECT rank FROM damaged_blocks WHERE author_key = ? AND sequence = ?)`,
      author.key,
      sequence,
      author.key,
      sequence,
    );
    const rank = (row?.rank ?? 0) + 1;
    return { position: this.#log.takePosition(), authorKey: author.key, rank };
  }

  #restore(block: Block): void {
    const author = this.#log.change(block.header.author);
    const place = this.#log.setAside(block.id);
    if (place === undefined) {
      this.#insert(block, { position: this.#log.takePosition(), authorKey: author.key, rank: 0 });
      return;
    }
    this.#database.run("DELETE FROM damaged_blocks WHERE position = ?", place.position);
    this.#log.returned(block.id);
    this.#insert(block, place);
  }

  #complete(block: Block): void {
    invariant(block.payload !== null, "only a block with a payload completes another");
    this.#database.run(
      "UPDATE blocks SET payload = ?, search_state = ? WHERE id = ?",
      block.payload,
      isSearchable(block.header) ? 0 : 1,
      Uint8Array.fromHex(block.id),
    );
    this.#stored.set(block.id, { hasPayload: true });
    const author = this.#log.change(block.header.author);
    author.bytes += block.payload.length;
    author.withoutPayload--;
  }

  #insert(block: Block, place: Place): void {
    const { id, header, headerBytes, signature, payload } = block;
    idBytes.setFromHex(id);
    this.#database.runBound(INSERT, [
      place.position,
      idBytes,
      place.authorKey,
      header.sequence,
      place.rank,
      header.kind,
      header.topic,
      header.target === null ? null : Uint8Array.fromHex(header.target),
      timeBucketOf(header.timeMs),
      header.bodyBytes,
      this.#replaced.has(id) ? 1 : 0,
      isSearchable(header) ? 0 : 1,
      signature,
      headerBytes,
      payload,
    ]);
    this.#stored.set(id, { hasPayload: payload !== null });
    if (header.target !== null) {
      this.#log.noteTarget();
      this.#replaced.add(header.target);
      this.#newTargets.push(header.target);
    }
    const author = this.#log.change(header.author);
    author.blocks++;
    author.bytes += headerBytes.length + (payload?.length ?? 0);
    if (payload === null) author.withoutPayload++;
  }
}

/** The blocks that do not simply continue their author's log, taken in order. */
function idsToLookUp(log: LogChanges, blocks: readonly Block[]): BlockId[] {
  const heads = new Map<DeviceId, { readonly sequence: number; readonly id: BlockId }>();
  const unclear: BlockId[] = [];
  for (const block of blocks) {
    const { author, sequence } = block.header;
    let head = heads.get(author);
    if (head === undefined) {
      const row = log.author(author);
      head = row && { sequence: row.sequence, id: row.head };
    }
    if (continuesLog(block, head)) heads.set(author, { sequence, id: block.id });
    else unclear.push(block.id);
  }
  return unclear;
}

/** Marks a block as superseded or removed, and takes it out of the search index. Unknown blocks are ignored. */
function markReplaced(database: NodeSqlite, target: BlockId): void {
  const row = database.first<{ position: number }>(
    "SELECT position FROM blocks WHERE id = ?",
    Uint8Array.fromHex(target),
  );
  if (row === undefined) return;
  database.run("UPDATE blocks SET replaced = 1 WHERE position = ?", row.position);
  database.run("DELETE FROM documents WHERE rowid = ?", row.position);
}

/** All rows of `<select> IN (ids)`; the select ends with the column. */
export function rowsFor<Row>(
  database: NodeSqlite,
  select: string,
  ids: readonly string[],
): Row[] {
  const found: Row[] = [];
  for (let from = 0; from < ids.length;) {
    const count = powerOfTwoUpTo(Math.min(IDS_MAX, ids.length - from));
    const bytes = ids.slice(from, from + count).map((id) => Uint8Array.fromHex(id));
    found.push(...database.all<Row>(`${select} IN (${questionMarks(count)})`, ...bytes));
    from += count;
  }
  return found;
}

function powerOfTwoUpTo(count: number): number {
  return 2 ** Math.floor(Math.log2(count));
}

function questionMarks(count: number): string {
  return new Array(count).fill("?").join(",");
}
