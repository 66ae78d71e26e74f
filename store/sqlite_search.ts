/**
 * Full-text search of a SQLite store: FTS5, ranked by BM25 with the title weighted.
 *
 * Scoring costs time per match, so only the newest `RANKED_MAX` matches are ranked: a word that is in half of all notes still
 * answers quickly, and what is old and matches only such a word is found by adding another word.
 */
import type { Block } from "../protocols/blocks/block.ts";
import { decodeHeader } from "../protocols/blocks/decode.ts";
import type { BlockId } from "../protocols/ids.ts";
import { sha256Hex } from "./hash.ts";
import {
  checkRange,
  SEARCH_LIMIT_MAX,
  SEARCH_OFFSET_MAX,
  SEARCH_TOTAL_MAX,
  WORK_LIMIT_MAX,
} from "./limits.ts";
import type { NodeSqlite } from "./node_sqlite.ts";
import { parseSearchQuery, type SearchTerm } from "./search_query.ts";
import { withoutControls } from "./searchable_text.ts";
import type { SqliteContext } from "./sqlite_blocks.ts";
import { guarded, storeError } from "./sqlite_errors.ts";
import { HIT_START, snippetOf } from "./snippet.ts";
import { rowsFor } from "./sqlite_put.ts";
import type { SearchDocument, SearchHit, SearchIndex, SearchPage, SearchQuery } from "./store.ts";
import { blockOf, STORED_COLUMNS, type StoredRow } from "./stored_block.ts";

/** Matches that are ranked, newest first; a page beyond them is empty. */
export const RANKED_MAX = 500;
/** Weights of title, text and topic word, as in `MemorySearch`. */
const RANK = "bm25(documents, 4.0, 1.0, 0.0)";

/** The search index on the store's one connection. */
export class SqliteSearch implements SearchIndex {
  readonly #context: SqliteContext;

  constructor(context: SqliteContext) {
    this.#context = context;
  }

  index(documents: readonly SearchDocument[]): Promise<void> {
    return this.#write("index text", (database) => {
      const rows = placesOf(database, documents.map((document) => document.blockId));
      for (const { blockId, title, text } of documents) {
        const row = rows.get(blockId);
        if (row === undefined) continue;
        if (row.search_state !== 0) {
          database.run("DELETE FROM documents WHERE rowid = ?", row.position);
        } else {
          database.run("UPDATE blocks SET search_state = 1 WHERE position = ?", row.position);
        }
        if (row.replaced !== 0) continue;
        database.run(
          "INSERT INTO documents (rowid, title, text, topic) VALUES (?, ?, ?, ?)",
          row.position,
          withoutControls(title),
          withoutControls(text),
          topicWord(row.topic),
        );
        row.search_state = 1;
      }
    });
  }

  skip(ids: readonly BlockId[]): Promise<void> {
    return this.#write("mark blocks as not searchable", (database) => {
      for (const { position } of placesOf(database, ids).values()) {
        database.run("UPDATE blocks SET search_state = 1 WHERE position = ?", position);
        database.run("DELETE FROM documents WHERE rowid = ?", position);
      }
    });
  }

  unindexed(limit: number): Promise<readonly Block[]> {
    checkRange("limit", limit, 1, WORK_LIMIT_MAX);
    return this.#read("list blocks to index", (database) =>
      database.all<StoredRow>(
        `SELECT ${STORED_COLUMNS.join(", ")} FROM blocks
        WHERE search_state = 0 AND replaced = 0 AND payload IS NOT NULL ORDER BY position LIMIT ?`,
        limit,
      ).map(blockOf));
  }

  search(query: SearchQuery): Promise<SearchPage> {
    checkRange("limit", query.limit, 1, SEARCH_LIMIT_MAX);
    checkRange("offset", query.offset, 0, SEARCH_OFFSET_MAX);
    return this.#read("search", (database) => {
      const terms = parseSearchQuery(query.text);
      const expression = matchExpression(terms, query.topic);
      if (expression === undefined) return { hits: [], total: 0 };
      const ranked = database.all<{ position: number; rank: number }>(
        `SELECT position, rank FROM (
          SELECT rowid AS position, ${RANK} AS rank FROM documents
          WHERE documents MATCH ? ORDER BY rowid DESC LIMIT ${RANKED_MAX})
        ORDER BY rank, position DESC`,
        expression,
      );
      const page = ranked.slice(query.offset, query.offset + query.limit);
      return {
        hits: page.length === 0 ? [] : hitsOf(database, terms, page),
        total: ranked.length < RANKED_MAX ? ranked.length : countUpTo(database, expression),
      };
    });
  }

  #read<T>(action: string, work: (database: NodeSqlite) => T): Promise<T> {
    const { kysely, database } = this.#context;
    return guarded(
      action,
      () => kysely.connection().execute(() => Promise.resolve(work(database))),
    );
  }

  #write(action: string, work: (database: NodeSqlite) => void): Promise<void> {
    const { kysely, database } = this.#context;
    return guarded(action, () =>
      kysely.transaction().execute(() => {
        work(database);
        return Promise.resolve();
      }));
  }
}

/** Matches, counted up to the port's maximum: cheap, because nothing is scored. */
function countUpTo(database: NodeSqlite, expression: string): number {
  const row = database.first<{ count: number }>(
    `SELECT count(*) AS count FROM (SELECT 1 FROM documents WHERE documents MATCH ? LIMIT ${SEARCH_TOTAL_MAX})`,
    expression,
  );
  return row?.count ?? 0;
}

interface PlaceRow {
  readonly id: Uint8Array;
  readonly position: number;
  readonly topic: string;
  readonly replaced: number;
  search_state: number;
}

function placesOf(database: NodeSqlite, ids: readonly BlockId[]): Map<BlockId, PlaceRow> {
  const rows = rowsFor<PlaceRow>(
    database,
    "SELECT id, position, topic, replaced, search_state FROM blocks WHERE id",
    ids,
  );
  return new Map(rows.map((row) => [row.id.toHex() as BlockId, row]));
}

/** One word for a topic. A hash, because a topic may hold what no word can; long enough that nobody finds two alike. */
function topicWord(topic: string): string {
  return "t" + sha256Hex(new TextEncoder().encode(topic)).slice(0, 32);
}

/**
 * The FTS5 expression for parsed terms; undefined when nothing is asked for. Words only hold letters, marks and numbers and
 * are quoted besides, so no input can be an operator or a syntax error.
 */
export function matchExpression(
  terms: readonly SearchTerm[],
  topic: string | undefined,
): string | undefined {
  const wanted = terms.filter((term) => !term.excluded).map(termExpression);
  const excluded = terms.filter((term) => term.excluded).map(termExpression);
  if (wanted.length === 0) return undefined;
  const without = excluded.length === 0 ? "" : ` NOT (${excluded.join(" OR ")})`;
  const words = `{title text} : ((${wanted.join(" AND ")})${without})`;
  return topic === undefined ? words : `${words} AND {topic} : "${topicWord(topic)}"`;
}

function termExpression({ words, prefix }: SearchTerm): string {
  return `"${words.join(" ")}"${prefix ? " *" : ""}`;
}

function hitsOf(
  database: NodeSqlite,
  terms: readonly SearchTerm[],
  page: readonly { readonly position: number; readonly rank: number }[],
): SearchHit[] {
  const places = page.map(({ position }) => position).join(",");
  // Not FTS5's own snippet(): asked for single rows it runs the whole query once for each of them.
  const texts = new Map(
    database.all<{ position: number; title: string; text: string }>(
      `SELECT rowid AS position, title, text FROM documents WHERE rowid IN (${places})`,
    ).map((row) => [row.position, row]),
  );
  const blocks = new Map(
    database.all<{ position: number; id: Uint8Array; header: Uint8Array }>(
      `SELECT position, id, header FROM blocks WHERE position IN (${places})`,
    ).map((row) => [row.position, row]),
  );
  return page.map(({ position, rank }) => {
    const text = texts.get(position);
    const block = blocks.get(position);
    const header = block && decodeHeader(block.header);
    if (text === undefined || block === undefined || !header?.ok) {
      throw storeError(`Cannot search: the index names a block that is not here`, "corrupt");
    }
    const { topic, author, timeMs } = header.header;
    const blockId = block.id.toHex() as BlockId;
    const inText = snippetOf(text.text, terms);
    const snippet = inText.includes(HIT_START) ? inText : snippetOf(text.title, terms);
    return { blockId, title: text.title, topic, author, timeMs, snippet, score: -rank };
  });
}
