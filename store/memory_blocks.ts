/** Blocks of a memory store: maps on a `MemoryDisk`. */
import {
  type Block,
  type BlockKind,
  type Frontier,
  INLINE_BODY_BYTES_MAX,
} from "../protocols/blocks/block.ts";
import type { BlockId, DeviceId } from "../protocols/ids.ts";
import { invariant } from "../platform/invariant.ts";
import { type AppendVerdict, judgeAppend, type LogView } from "./append_rule.ts";
import {
  checkRange,
  GET_IDS_MAX,
  KNOWN_IDS_MAX,
  PAGE_LIMIT_MAX,
  timeBucketOf,
  WORK_LIMIT_MAX,
} from "./limits.ts";
import type { MemoryDisk, MemoryTables, StoredBlock, Undo } from "./memory_disk.ts";
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

/** The block repository on `disk`. */
export class MemoryBlocks implements BlockRepository {
  readonly #disk: MemoryDisk;
  readonly #epoch: number;
  readonly #tables: MemoryTables;
  /** Sorted once, reused until the next change. */
  #reconcileItems: readonly ReconcileItem[] | undefined;

  constructor(disk: MemoryDisk) {
    this.#disk = disk;
    this.#epoch = disk.epoch;
    this.#tables = disk.tables;
  }

  put(blocks: readonly Block[]): Promise<readonly PutOutcome[]> {
    return this.#disk.write("blocks", this.#epoch, (remember) => {
      this.#reconcileItems = undefined;
      return blocks.map((block) => putOne(this.#tables, block, remember));
    });
  }

  // deno-lint-ignore require-await -- the port is asynchronous
  async get(ids: readonly BlockId[]): Promise<readonly (Block | undefined)[]> {
    checkRange("number of ids", ids.length, 0, GET_IDS_MAX);
    return ids.map((id) => this.#tables.blocks.get(id)?.block);
  }

  // deno-lint-ignore require-await -- the port is asynchronous
  async known(ids: readonly BlockId[]): Promise<ReadonlySet<BlockId>> {
    checkRange("number of ids", ids.length, 0, KNOWN_IDS_MAX);
    return new Set(ids.filter((id) => this.#tables.blocks.has(id)));
  }

  // deno-lint-ignore require-await -- the port is asynchronous
  async frontiers(): Promise<readonly Frontier[]> {
    const { logs, setAside } = this.#tables;
    const firstHole = new Map<DeviceId, number>();
    for (const { author, sequence, counts } of setAside.values()) {
      if (counts && sequence < (firstHole.get(author) ?? Infinity)) firstHole.set(author, sequence);
    }
    const frontiers: Frontier[] = [];
    for (const [author, log] of logs) {
      const sequence = Math.min(log.length, (firstHole.get(author) ?? Infinity) - 1);
      if (sequence > 0) frontiers.push({ author, sequence, head: log[sequence - 1]! });
    }
    return frontiers.sort((a, b) => a.author < b.author ? -1 : 1);
  }

  // deno-lint-ignore require-await -- the port is asynchronous
  async head(author: DeviceId): Promise<Frontier | undefined> {
    const log = this.#tables.logs.get(author);
    const head = log?.at(-1);
    return head === undefined ? undefined : { author, sequence: log!.length, head };
  }

  // deno-lint-ignore require-await -- the port is asynchronous
  async missing(): Promise<readonly MissingBlock[]> {
    return [...this.#tables.setAside.values()].sort((a, b) => a.position - b.position)
      .map(({ author, sequence, id }) => ({ author, sequence, id }));
  }

  // deno-lint-ignore require-await -- the port is asynchronous
  async range(
    query: { author: DeviceId; fromSequence: number; toSequence: number; bytesMax: number },
  ): Promise<readonly Block[]> {
    const { author, fromSequence, toSequence, bytesMax } = query;
    const log = this.#tables.logs.get(author) ?? [];
    const twins = this.#tables.twins.get(author) ?? [];
    const found: Block[] = [];
    let bytes = 0;
    const last = Math.min(toSequence, log.length);
    for (let sequence = Math.max(1, fromSequence); sequence <= last; sequence++) {
      const counting = this.#tables.blocks.get(log[sequence - 1]!);
      const here = twins.filter((twin) => twin.block.header.sequence === sequence);
      for (const stored of counting === undefined ? here : [counting, ...here]) {
        bytes += bytesOf(stored.block);
        if (found.length > 0 && bytes > bytesMax) return found;
        found.push(stored.block);
      }
    }
    return found;
  }

  // deno-lint-ignore require-await -- the port is asynchronous
  async list(query: BlockQuery): Promise<BlockPage> {
    checkRange("limit", query.limit, 1, PAGE_LIMIT_MAX);
    const { order } = this.#tables;
    const before = query.cursor === undefined ? order.length : Number(query.cursor);
    const blocks: Block[] = [];
    for (let position = Math.min(before, order.length) - 1; position >= 0; position--) {
      const stored = order[position];
      if (stored === undefined || !fits(stored, query)) continue;
      if (blocks.length === query.limit) return { blocks, nextCursor: String(position + 1) };
      blocks.push(stored.block);
    }
    return { blocks, nextCursor: null };
  }

  // deno-lint-ignore require-await -- the port is asynchronous
  async reconcileItems(): Promise<readonly ReconcileItem[]> {
    this.#reconcileItems ??= [...this.#tables.blocks.values()]
      .map(({ block }) => ({ timeBucket: timeBucketOf(block.header.timeMs), id: block.id }))
      .sort((a, b) => a.timeBucket - b.timeBucket || (a.id < b.id ? -1 : 1));
    return this.#reconcileItems;
  }

  // deno-lint-ignore require-await -- the port is asynchronous
  async targeting(target: BlockId): Promise<readonly Block[]> {
    return (this.#tables.targeting.get(target) ?? []).map(({ block }) => block);
  }

  // deno-lint-ignore require-await -- the port is asynchronous
  async ofKinds(kinds: readonly BlockKind[]): Promise<readonly Block[]> {
    return this.#select((stored) => kinds.includes(stored.block.header.kind), Infinity);
  }

  // deno-lint-ignore require-await -- the port is asynchronous
  async equivocations(): Promise<readonly Equivocation[]> {
    const { logs, twins } = this.#tables;
    const found: Equivocation[] = [];
    for (const [author, others] of twins) {
      for (const { block } of others) {
        const { sequence } = block.header;
        found.push({ author, sequence, first: logs.get(author)![sequence - 1]!, second: block.id });
      }
    }
    return found.sort((a, b) =>
      a.author < b.author
        ? -1
        : a.author > b.author
        ? 1
        : a.sequence - b.sequence || (a.second < b.second ? -1 : 1)
    );
  }

  // deno-lint-ignore require-await -- the port is asynchronous
  async withoutPayload(limit: number): Promise<readonly Block[]> {
    checkRange("limit", limit, 1, WORK_LIMIT_MAX);
    return this.#select((stored) => stored.block.payload === null, limit);
  }

  // deno-lint-ignore require-await -- the port is asynchronous
  async largeBodies(): Promise<readonly Block[]> {
    return this.#select(
      ({ block }) => block.payload !== null && block.header.bodyBytes > INLINE_BODY_BYTES_MAX,
      Infinity,
    );
  }

  // deno-lint-ignore require-await -- the port is asynchronous
  async stats(): Promise<BlockStats> {
    const { blocks, logs } = this.#tables;
    let bytes = 0;
    let withoutPayload = 0;
    for (const { block } of blocks.values()) {
      bytes += bytesOf(block);
      if (block.payload === null) withoutPayload++;
    }
    return { blocks: blocks.size, bytes, authors: logs.size, withoutPayload };
  }

  #select(wanted: (stored: StoredBlock) => boolean, limit: number): readonly Block[] {
    const found: Block[] = [];
    for (const stored of this.#tables.order) {
      if (found.length >= limit) break;
      if (stored !== undefined && wanted(stored)) found.push(stored.block);
    }
    return found;
  }
}

/** Bytes of header and payload. */
function bytesOf(block: Block): number {
  return block.headerBytes.length + (block.payload?.length ?? 0);
}

function fits({ block, replaced }: StoredBlock, query: BlockQuery): boolean {
  const { header } = block;
  return (query.topic === undefined || header.topic === query.topic) &&
    (query.author === undefined || header.author === query.author) &&
    (query.kinds === undefined || query.kinds.includes(header.kind)) &&
    (query.tag === undefined || header.tags.includes(query.tag)) &&
    !(query.currentOnly && replaced);
}

function viewOf(tables: MemoryTables): LogView {
  return {
    stored(id) {
      const stored = tables.blocks.get(id);
      return stored && { hasPayload: stored.block.payload !== null };
    },
    isSetAside: (id) => tables.setAside.has(id),
    head(author) {
      const log = tables.logs.get(author);
      const id = log?.at(-1);
      return id === undefined ? undefined : { sequence: log!.length, id };
    },
    at: (author, sequence) => tables.logs.get(author)?.[sequence - 1],
  };
}

type Remember = (undo: Undo) => void;

function putOne(tables: MemoryTables, block: Block, remember: Remember): PutOutcome {
  const { id } = block;
  const verdict: AppendVerdict = judgeAppend(block, viewOf(tables));
  switch (verdict.type) {
    case "duplicate":
      return { type: "duplicate", id };
    case "gap":
      return { type: "gap", id, expectedSequence: verdict.expectedSequence };
    case "complete":
      complete(tables, block, remember);
      return { type: "completed", id };
    case "append": {
      insert(tables, block, { position: tables.order.length, counts: true }, remember);
      const log = tables.logs.getOrInsertComputed(block.header.author, () => []);
      log.push(id);
      remember(() => log.length === 1 ? tables.logs.delete(block.header.author) : log.pop());
      return { type: "stored", id };
    }
    case "twin":
      insert(tables, block, { position: tables.order.length, counts: false }, remember);
      return { type: "equivocation", id, other: verdict.other };
    case "restore": {
      const place = tables.setAside.get(id);
      invariant(place !== undefined, `block ${id} has no place to return to`);
      tables.setAside.delete(id);
      remember(() => tables.setAside.set(id, place));
      insert(tables, block, place, remember);
      return { type: "stored", id };
    }
  }
}

function complete(tables: MemoryTables, block: Block, remember: Remember): void {
  const stored = tables.blocks.get(block.id)!;
  const before = stored.block;
  stored.block = block;
  remember(() => stored.block = before);
}

function insert(
  tables: MemoryTables,
  block: Block,
  place: { readonly position: number; readonly counts: boolean },
  remember: Remember,
): void {
  const { position, counts } = place;
  const replaced = (tables.targeting.get(block.id)?.length ?? 0) > 0;
  const stored: StoredBlock = { position, counts, block, replaced };
  tables.blocks.set(block.id, stored);
  tables.order[position] = stored;
  if (!counts) tables.twins.getOrInsertComputed(block.header.author, () => []).push(stored);
  if (block.header.target !== null) addTargeting(tables, block.header.target, stored);
  remember(() => removeBlock(tables, stored, { keepPlace: false }));
}

function addTargeting(tables: MemoryTables, target: BlockId, stored: StoredBlock): void {
  const list = tables.targeting.getOrInsertComputed(target, () => []);
  list.push(stored);
  list.sort((a, b) => a.position - b.position);
  const replaced = tables.blocks.get(target);
  if (replaced !== undefined) replaced.replaced = true;
}

/** Takes a block out of every table but its author's log. With `keepPlace` its position is never given to another block. */
export function removeBlock(
  tables: MemoryTables,
  stored: StoredBlock,
  options: { readonly keepPlace: boolean },
): void {
  const { block, position } = stored;
  const { author, target } = block.header;
  tables.blocks.delete(block.id);
  if (!options.keepPlace && position === tables.order.length - 1) tables.order.pop();
  else tables.order[position] = undefined;
  const twins = tables.twins.get(author)?.filter((twin) => twin !== stored) ?? [];
  if (twins.length > 0) tables.twins.set(author, twins);
  else tables.twins.delete(author);
  // A damaged tombstone must not bring back what it removed: only taking a put back changes `replaced`.
  if (target === null || options.keepPlace) return;
  const others = (tables.targeting.get(target) ?? []).filter((other) => other !== stored);
  tables.targeting.set(target, others);
  const replaced = tables.blocks.get(target);
  if (replaced !== undefined) replaced.replaced = others.length > 0;
}
