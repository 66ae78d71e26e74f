/**
 * The Store port on a data folder: `node.db` (SQLite, WAL, synchronous=FULL), `blobs/` (chunks by hash), `lock`.
 *
 * One process at a time; everything of one store goes over one connection, in turns. When much is stored, a worker with a
 * connection of its own writes SQLite's log back into the database meanwhile.
 */
import { join } from "node:path";
import { CheckpointLane } from "../platform/checkpoint_lane.ts";
import { type FileLock, lockFile } from "../platform/file_lock.ts";
import type { Crypto } from "../platform/ports.ts";
import { writeBackup } from "./backup.ts";
import { Checkpoints } from "./checkpoints.ts";
import { ChunkFiles } from "./chunk_files.ts";
import {
  DATABASE_FILE,
  forgetRebuild,
  markForRebuild,
  openOrReplaceDatabase,
  type ReplacedDatabase,
} from "./database_file.ts";
import { sha256Hex } from "./hash.ts";
import { SqliteBlocks, type SqliteContext } from "./sqlite_blocks.ts";
import { SqliteChunks } from "./sqlite_chunks.ts";
import { SqliteMail } from "./sqlite_mail.ts";
import { SqliteReadings } from "./sqlite_readings.ts";
import { salvage } from "./salvage.ts";
import { guarded, toStoreError } from "./sqlite_errors.ts";
import { LogState } from "./sqlite_log.ts";
import { SqliteSearch } from "./sqlite_search.ts";
import { SqliteSettings } from "./sqlite_settings.ts";
import { databaseProblems, settingsProblems, verifyBlocks } from "./sqlite_verify.ts";
import { type Damage, RESTORED_SETTING, type Store, StoreError } from "./store.ts";

/** Folder of chunk files inside the data folder. */
export const BLOBS_FOLDER = "blobs";
/** The lock file inside the data folder. */
export const LOCK_FILE = "lock";

export interface SqliteStoreOptions {
  /** The data folder; made when it is not there. */
  readonly directory: string;
  /** Checks signatures when the store is verified. */
  readonly crypto: Crypto;
  /** Pages of 4 KiB that `node.db` may have at most; more is a full disk. For tests and quotas. */
  readonly databasePagesMax?: number;
  /** Checkpoints of this database, and of others; whoever made it closes it. Default: one of the store's own. */
  readonly checkpointLane?: CheckpointLane;
}

/**
 * Opens the store of a data folder and holds it until `close`.
 *
 * A database that cannot be read is moved to `damaged/` and replaced by a new one with what could be salvaged; the first `verify` says so
 * (`Damage` with table "database"), and setting `RESTORED_SETTING` is true.
 *
 * @throws {StoreError} "locked" when another process holds the folder, "readOnly", "full", "tooNew" or "failed"
 */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<Store> {
  const { directory } = options;
  const lock = await takeLock(directory);
  try {
    const { database, kysely, replaced } = await openOrReplaceDatabase(directory);
    try {
      if (options.databasePagesMax !== undefined) {
        database.all(`PRAGMA max_page_count = ${Math.floor(options.databasePagesMax)}`);
      }
      const context: SqliteContext = { kysely, database, log: new LogState(database) };
      const lane = options.checkpointLane ?? new CheckpointLane();
      const checkpoints = new Checkpoints(database, join(directory, DATABASE_FILE), lane);
      database.onCommit = () => checkpoints.onCommit();
      const files = new ChunkFiles(join(directory, BLOBS_FOLDER));
      await files.open();
      const store = new SqliteStore({
        ...options,
        context,
        files,
        lock,
        replaced,
        checkpoints,
        lane,
      });
      try {
        await store.start();
      } catch (error) {
        await store.endCheckpoints();
        throw error;
      }
      return store;
    } catch (error) {
      database.close();
      throw error;
    }
  } catch (error) {
    lock.release();
    throw toStoreError(`open data folder "${directory}"`, error);
  }
}

interface SqliteStoreParts extends SqliteStoreOptions {
  readonly context: SqliteContext;
  readonly files: ChunkFiles;
  readonly lock: FileLock;
  readonly replaced: ReplacedDatabase | null;
  readonly checkpoints: Checkpoints;
  readonly lane: CheckpointLane;
}

class SqliteStore implements Store {
  readonly blocks: SqliteBlocks;
  readonly chunks: SqliteChunks;
  readonly search: SqliteSearch;
  readonly settings: SqliteSettings;
  readonly mail: SqliteMail;
  readonly readings: SqliteReadings;
  readonly #parts: SqliteStoreParts;
  /** Blocks before this were checked or cleanly closed before. */
  #cleanPosition = 1;
  #unreported: Damage[] = [];
  #closed = false;

  constructor(parts: SqliteStoreParts) {
    this.#parts = parts;
    this.blocks = new SqliteBlocks(parts.context);
    this.chunks = new SqliteChunks(parts.context, parts.files);
    this.search = new SqliteSearch(parts.context);
    this.settings = new SqliteSettings(parts.context);
    this.mail = new SqliteMail(parts.context);
    this.readings = new SqliteReadings(parts.context);
  }

  /** Finishes opening: reads where the last clean stop was, and takes stock after a rebuild. */
  async start(): Promise<void> {
    const row = this.#parts.context.database.first<{ value: number }>(
      "SELECT value FROM store_state WHERE key = 'cleanPosition'",
    );
    this.#cleanPosition = row?.value ?? 1;
    const { replaced } = this.#parts;
    if (replaced === null) return;
    const { path, problem } = replaced;
    this.#unreported.push({ table: "database", key: "node.db", problem });
    await this.chunks.adoptFiles();
    await salvage(path, this);
    await this.settings.set({ [RESTORED_SETTING]: true });
    await forgetRebuild(this.#parts.directory);
  }

  verify(
    options: {
      readonly deep: boolean;
      readonly onProgress?: (done: number, total: number) => void;
    },
  ): Promise<readonly Damage[]> {
    return guarded("verify the store", async () => {
      const { context, crypto } = this.#parts;
      const found = this.#unreported.splice(0);
      const problems = await this.#databaseProblems();
      found.push(...problems);
      // What a damaged tree hides cannot be looked at row by row.
      if (problems.length > 0) return found;
      const fromPosition = options.deep ? 1 : this.#cleanPosition;
      const hashes = options.deep ? await this.#chunkHashes() : [];
      const blocks = context.database.first<{ count: number }>(
        "SELECT count(*) AS count FROM blocks WHERE position >= ?",
        fromPosition,
      );
      const total = (blocks?.count ?? 0) + hashes.length;
      let done = 0;
      const onBlock = () => options.onProgress?.(++done, total);
      found.push(...await verifyBlocks(context, crypto, { fromPosition, onBlock }));
      this.blocks.forgetReconcileItems();
      for (const hash of hashes) {
        const problem = await this.#chunkProblem(hash);
        if (problem !== undefined) found.push({ table: "chunks", key: hash, problem });
        options.onProgress?.(++done, total);
      }
      found.push(...settingsProblems(context.database));
      return found;
    });
  }

  backup(directory: string, onProgress?: (done: number, total: number) => void): Promise<void> {
    const { context, files } = this.#parts;
    return guarded(
      `write a backup to "${directory}"`,
      () => writeBackup({ context, files, directory, ...(onProgress && { onProgress }) }),
    );
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const { context, lock } = this.#parts;
    try {
      await guarded("close the store", async () => {
        await context.kysely.insertInto("store_state")
          .values({ key: "cleanPosition", value: context.log.nextPosition })
          .onConflict((conflict) =>
            conflict.column("key").doUpdateSet({ value: context.log.nextPosition })
          ).execute();
      });
    } finally {
      await this.endCheckpoints();
      await context.kysely.destroy();
      context.database.close();
      lock.release();
    }
  }

  /** Leaves no connection but our own: the last one to close empties and removes the log. */
  async endCheckpoints(): Promise<void> {
    const { checkpoints, lane, checkpointLane } = this.#parts;
    await checkpoints.close();
    if (checkpointLane === undefined) await lane.close();
  }

  async #databaseProblems(): Promise<Damage[]> {
    const { context, directory } = this.#parts;
    let problems: Damage[];
    try {
      problems = databaseProblems(context.database);
    } catch (error) {
      const { reason, message } = toStoreError("check the database", error);
      if (reason !== "corrupt") throw error;
      problems = [{ table: "database", key: "node.db", problem: message }];
    }
    const [first] = problems;
    if (first !== undefined) await markForRebuild(directory, first.problem);
    return problems;
  }

  async #chunkHashes() {
    const rows = await this.#parts.context.kysely.selectFrom("chunks").select("hash").execute();
    return rows.map((row) => row.hash.toHex() as Parameters<SqliteChunks["setAside"]>[0]);
  }

  async #chunkProblem(hash: Parameters<SqliteChunks["setAside"]>[0]): Promise<string | undefined> {
    const bytes = await this.#parts.files.read(hash);
    if (bytes !== undefined && sha256Hex(bytes) === hash) return undefined;
    await this.chunks.setAside(hash);
    return bytes === undefined ? "its file is gone" : "its bytes do not match its hash";
  }
}

async function takeLock(directory: string): Promise<FileLock> {
  const path = join(directory, LOCK_FILE);
  let outcome;
  try {
    await Deno.mkdir(directory, { recursive: true, mode: 0o700 });
    outcome = await lockFile(path);
  } catch (error) {
    throw toStoreError(`use data folder "${directory}"`, error);
  }
  if (outcome.type === "locked") return outcome.lock;
  const holder = outcome.pid === null ? "another process" : `process ${outcome.pid}`;
  throw new StoreError(
    `Cannot use data folder "${directory}": ${holder} is using it`,
    "locked",
    `Stop ${holder}, or start this node with another data folder.`,
  );
}
