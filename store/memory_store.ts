/**
 * The Store port on maps: deterministic, cheap enough for thousands of nodes in one process, and able to crash.
 *
 * What lasts lives on a `MemoryDisk`; a store is a handle on it. To crash a device call `disk.crash()` and open a new store.
 */
import type { ContentHash } from "../protocols/ids.ts";
import { sha256Hex } from "./hash.ts";
import { invariant } from "../platform/invariant.ts";
import { checkRange, KNOWN_CHUNKS_MAX, settingJson } from "./limits.ts";
import { MemoryBlocks, removeBlock } from "./memory_blocks.ts";
import { damageOf, MemoryDisk, type MemoryTables, type StoredBlock } from "./memory_disk.ts";
import { copyMail, MemoryMail } from "./memory_mail.ts";
import { MemoryReadings } from "./memory_readings.ts";
import { MemorySearch } from "./memory_search.ts";
import {
  type ChunkRepository,
  type Damage,
  type SettingsRepository,
  type Store,
  StoreError,
} from "./store.ts";

export { MemoryDisk } from "./memory_disk.ts";

export interface MemoryStoreOptions {
  /** What is already there; default a new empty disk. */
  readonly disk?: MemoryDisk;
  /** Where `backup` puts copies, by name; default: backups are refused. */
  readonly backups?: Map<string, MemoryDisk>;
}

/** Opens a store on a disk in memory. One open store per disk at a time, as with a real folder. */
export function openMemoryStore(options: MemoryStoreOptions = {}): Store {
  const disk = options.disk ?? new MemoryDisk();
  const { tables } = disk;
  return {
    blocks: new MemoryBlocks(disk),
    chunks: new MemoryChunks(disk),
    search: new MemorySearch(disk),
    settings: new MemorySettings(disk),
    mail: new MemoryMail(disk),
    readings: new MemoryReadings(disk),
    verify: ({ deep, onProgress }) => verifyTables(disk, deep, onProgress),
    // deno-lint-ignore require-await -- the port is asynchronous
    async backup(directory, onProgress) {
      if (options.backups === undefined || options.backups.has(directory)) {
        throw new StoreError(
          `Cannot write a backup to "${directory}": ${
            options.backups ? "it exists already" : "this store has no place for backups"
          }`,
          "failed",
          "Name a folder that does not exist yet.",
        );
      }
      options.backups.set(directory, copyOf(tables));
      onProgress?.(1, 1);
    },
    // deno-lint-ignore require-await -- the port is asynchronous
    async close() {
      tables.cleanPosition = tables.order.length;
    },
  };
}

class MemoryChunks implements ChunkRepository {
  readonly #disk: MemoryDisk;
  readonly #epoch: number;

  constructor(disk: MemoryDisk) {
    this.#disk = disk;
    this.#epoch = disk.epoch;
  }

  put(chunks: readonly { hash: ContentHash; bytes: Uint8Array }[]): Promise<void> {
    return this.#disk.write("chunks", this.#epoch, (remember) => {
      for (const { hash, bytes } of chunks) {
        if (this.#disk.tables.chunks.has(hash)) continue;
        this.#disk.tables.chunks.set(hash, bytes);
        remember(() => this.#disk.tables.chunks.delete(hash));
      }
    });
  }

  // deno-lint-ignore require-await -- the port is asynchronous
  async get(hash: ContentHash): Promise<Uint8Array | undefined> {
    return this.#disk.tables.chunks.get(hash);
  }

  // deno-lint-ignore require-await -- the port is asynchronous
  async known(hashes: readonly ContentHash[]): Promise<ReadonlySet<ContentHash>> {
    checkRange("number of hashes", hashes.length, 0, KNOWN_CHUNKS_MAX);
    return new Set(hashes.filter((hash) => this.#disk.tables.chunks.has(hash)));
  }

  // deno-lint-ignore require-await -- the port is asynchronous
  async stats(): Promise<{ readonly chunks: number; readonly bytes: number }> {
    const { chunks } = this.#disk.tables;
    let bytes = 0;
    for (const chunk of chunks.values()) bytes += chunk.length;
    return { chunks: chunks.size, bytes };
  }
}

class MemorySettings implements SettingsRepository {
  readonly #disk: MemoryDisk;
  readonly #epoch: number;

  constructor(disk: MemoryDisk) {
    this.#disk = disk;
    this.#epoch = disk.epoch;
  }

  // deno-lint-ignore require-await -- the port is asynchronous
  async get(key: string): Promise<unknown> {
    const json = this.#disk.tables.settings.get(key);
    return json === undefined ? undefined : JSON.parse(json);
  }

  // deno-lint-ignore require-await -- the port is asynchronous
  async entries(prefix: string): Promise<readonly (readonly [key: string, value: unknown])[]> {
    return [...this.#disk.tables.settings]
      .filter(([key]) => key.startsWith(prefix))
      .sort(([a], [b]) => a < b ? -1 : 1)
      .map(([key, json]) => [key, JSON.parse(json)] as const);
  }

  async set(changes: Readonly<Record<string, unknown>>): Promise<void> {
    // Copied before the disk is waited for: the caller may go on changing its objects.
    const texts = Object.entries(changes).map(([key, value]) =>
      [key, value === undefined ? undefined : settingJson(key, value)] as const
    );
    const { settings } = this.#disk.tables;
    await this.#disk.write("settings", this.#epoch, (remember) => {
      for (const [key, json] of texts) {
        const before = settings.get(key);
        remember(() => before === undefined ? settings.delete(key) : settings.set(key, before));
        if (json === undefined) settings.delete(key);
        else settings.set(key, json);
      }
    });
  }
}

async function verifyTables(
  disk: MemoryDisk,
  deep: boolean,
  onProgress?: (done: number, total: number) => void,
): Promise<readonly Damage[]> {
  const { tables } = disk;
  const blocks = tables.order.slice(deep ? 0 : tables.cleanPosition);
  const chunks = deep ? [...tables.chunks] : [];
  const total = blocks.length + chunks.length;
  let done = 0;
  const found: Damage[] = [];
  await disk.write("blocks", disk.epoch, () => {
    for (const stored of blocks) {
      const damage = stored && checkBlock(tables, stored);
      if (damage) found.push(damage);
      onProgress?.(++done, total);
    }
    for (const [hash, bytes] of chunks) {
      if (sha256Hex(bytes) !== hash) {
        tables.chunks.delete(hash);
        found.push(damageOf("chunks", hash, "its bytes do not match its hash"));
      }
      onProgress?.(++done, total);
    }
  });
  return found;
}

function checkBlock(tables: MemoryTables, stored: StoredBlock): Damage | undefined {
  const { block, position, counts } = stored;
  const { id, header } = block;
  if (sha256Hex(block.headerBytes) !== id) {
    removeBlock(tables, stored, { keepPlace: true });
    const { author, sequence } = header;
    tables.setAside.set(id, { id, author, sequence, position, counts });
    tables.documents.delete(id);
    return damageOf("blocks", id, "its header does not match its id");
  }
  if (block.payload === null || sha256Hex(block.payload) === header.payloadHash) return undefined;
  stored.block = { ...block, payload: null };
  tables.documents.delete(id);
  return damageOf("blocks", id, "its payload does not match its hash");
}

function copyOf(tables: MemoryTables): MemoryDisk {
  const disk = new MemoryDisk();
  const copies = new Map<StoredBlock, StoredBlock>();
  for (const stored of tables.blocks.values()) copies.set(stored, { ...stored });
  const copied = (stored: StoredBlock): StoredBlock => {
    const copy = copies.get(stored);
    invariant(copy !== undefined, `block ${stored.block.id} is in a list but not stored`);
    return copy;
  };
  const to = disk.tables;
  for (const [id, stored] of tables.blocks) to.blocks.set(id, copied(stored));
  for (const stored of tables.order) to.order.push(stored && copied(stored));
  for (const [author, log] of tables.logs) to.logs.set(author, [...log]);
  for (const [author, twins] of tables.twins) to.twins.set(author, twins.map(copied));
  for (const [target, list] of tables.targeting) to.targeting.set(target, list.map(copied));
  for (const [id, place] of tables.setAside) to.setAside.set(id, place);
  for (const [hash, bytes] of tables.chunks) to.chunks.set(hash, bytes);
  for (const [id, document] of tables.documents) to.documents.set(id, document);
  for (const [key, json] of tables.settings) to.settings.set(key, json);
  copyMail(tables.mail, to.mail);
  for (const [key, row] of tables.readings) to.readings.set(key, row);
  to.cleanPosition = to.order.length;
  return disk;
}
