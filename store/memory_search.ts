/** Full-text search of a memory store: a scan with the same words and the same ranking formula, for small collections. */
import type { Block } from "../protocols/blocks/block.ts";
import type { BlockId } from "../protocols/ids.ts";
import {
  checkRange,
  SEARCH_LIMIT_MAX,
  SEARCH_OFFSET_MAX,
  SEARCH_TOTAL_MAX,
  WORK_LIMIT_MAX,
} from "./limits.ts";
import type { MemoryDisk, MemoryTables } from "./memory_disk.ts";
import { parseSearchQuery, type SearchTerm, wordsOf } from "./search_query.ts";
import { isSearchable, withoutControls } from "./searchable_text.ts";
import { HIT_START, snippetOf } from "./snippet.ts";
import type { SearchDocument, SearchHit, SearchIndex, SearchPage, SearchQuery } from "./store.ts";

/** How much more a hit in the title counts than one in the text. */
export const TITLE_WEIGHT = 4;
// Okapi BM25 with the constants that SQLite's FTS5 uses (sqlite.org/fts5.html, "The bm25() function").
const K1 = 1.2;
const B = 0.75;

/** The search index on `disk`. */
export class MemorySearch implements SearchIndex {
  readonly #disk: MemoryDisk;
  readonly #epoch: number;
  readonly #tables: MemoryTables;

  constructor(disk: MemoryDisk) {
    this.#disk = disk;
    this.#epoch = disk.epoch;
    this.#tables = disk.tables;
  }

  index(documents: readonly SearchDocument[]): Promise<void> {
    return this.#mark(
      documents.map(({ blockId, title, text }) => [
        blockId,
        { blockId, title: withoutControls(title), text: withoutControls(text) },
      ]),
    );
  }

  skip(ids: readonly BlockId[]): Promise<void> {
    return this.#mark(ids.map((id) => [id, null]));
  }

  // deno-lint-ignore require-await -- the port is asynchronous
  async unindexed(limit: number): Promise<readonly Block[]> {
    checkRange("limit", limit, 1, WORK_LIMIT_MAX);
    const found: Block[] = [];
    for (const stored of this.#tables.order) {
      if (found.length >= limit) break;
      if (stored === undefined || stored.replaced || stored.block.payload === null) continue;
      if (this.#tables.documents.has(stored.block.id)) continue;
      if (isSearchable(stored.block.header)) found.push(stored.block);
    }
    return found;
  }

  // deno-lint-ignore require-await -- the port is asynchronous
  async search(query: SearchQuery): Promise<SearchPage> {
    checkRange("limit", query.limit, 1, SEARCH_LIMIT_MAX);
    checkRange("offset", query.offset, 0, SEARCH_OFFSET_MAX);
    const terms = parseSearchQuery(query.text);
    const wanted = terms.filter((term) => !term.excluded);
    const excluded = terms.filter((term) => term.excluded);
    if (wanted.length === 0) return { hits: [], total: 0 };
    const found = this.#scored(wanted, excluded, query.topic);
    found.sort((a, b) => b.score - a.score || b.position - a.position);
    return {
      hits: found.slice(query.offset, query.offset + query.limit)
        .map(({ block, document, score }) => hitOf(block, document, wanted, score)),
      total: Math.min(found.length, SEARCH_TOTAL_MAX),
    };
  }

  #mark(entries: readonly (readonly [BlockId, SearchDocument | null])[]): Promise<void> {
    return this.#disk.write("search", this.#epoch, (remember) => {
      for (const [id, document] of entries) {
        const before = this.#tables.documents.get(id);
        this.#tables.documents.set(id, document);
        remember(() => {
          if (before === undefined) this.#tables.documents.delete(id);
          else this.#tables.documents.set(id, before);
        });
      }
    });
  }

  #scored(
    wanted: readonly SearchTerm[],
    excluded: readonly SearchTerm[],
    topic: string | undefined,
  ): Scored[] {
    const all: Scored[] = [];
    for (const [id, document] of this.#tables.documents) {
      const stored = this.#tables.blocks.get(id);
      if (document === null || stored === undefined || stored.replaced) continue;
      const title = wordsOf(document.title);
      const text = wordsOf(document.text);
      all.push({ ...stored, document, title, text, score: 0 });
    }
    const averageLength = all.reduce((sum, d) => sum + d.title.length + d.text.length, 0) /
      Math.max(1, all.length);
    const has = (document: Scored, term: SearchTerm) =>
      occurrences(document.title, term) + occurrences(document.text, term) > 0;
    const rarity = wanted.map((term) => {
      const matching = all.filter((document) => has(document, term)).length;
      return Math.max(1e-6, Math.log((all.length - matching + 0.5) / (matching + 0.5)));
    });
    const fitting = all.filter((document) =>
      (topic === undefined || document.block.header.topic === topic) &&
      wanted.every((term) => has(document, term)) &&
      !excluded.some((term) => has(document, term))
    );
    for (const document of fitting) {
      const length = document.title.length + document.text.length;
      document.score = wanted.reduce((sum, term, i) => {
        const frequency = TITLE_WEIGHT * occurrences(document.title, term) +
          occurrences(document.text, term);
        const saturation = frequency + K1 * (1 - B + B * length / averageLength);
        return sum + rarity[i]! * frequency * (K1 + 1) / saturation;
      }, 0);
    }
    return fitting;
  }
}

interface Scored {
  readonly position: number;
  readonly block: Block;
  readonly document: SearchDocument;
  readonly title: readonly string[];
  readonly text: readonly string[];
  score: number;
}

function occurrences(words: readonly string[], term: SearchTerm): number {
  let count = 0;
  for (let start = 0; start + term.words.length <= words.length; start++) {
    if (matchesAt(words, start, term)) count++;
  }
  return count;
}

function matchesAt(words: readonly string[], start: number, term: SearchTerm): boolean {
  const last = term.words.length - 1;
  return term.words.every((word, i) => {
    const candidate = words[start + i];
    if (candidate === undefined) return false;
    return i === last && term.prefix ? candidate.startsWith(word) : candidate === word;
  });
}

function hitOf(
  block: Block,
  document: SearchDocument,
  wanted: readonly SearchTerm[],
  score: number,
): SearchHit {
  const { topic, author, timeMs } = block.header;
  const inText = snippetOf(document.text, wanted);
  const snippet = inText.includes(HIT_START) ? inText : snippetOf(document.title, wanted);
  return { blockId: block.id, title: document.title, topic, author, timeMs, snippet, score };
}
