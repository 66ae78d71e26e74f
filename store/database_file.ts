/** Opens `node.db`: connection settings, schema version, migrations; and moves an unreadable one out of the way. */
import { join } from "node:path";
import { Kysely } from "kysely";
import { migrate, SCHEMA_VERSION } from "./migrations.ts";
import { NodeSqlite, nodeSqliteDialect } from "./node_sqlite.ts";
import type { Schema } from "./schema.ts";
import { storeError, toStoreError } from "./sqlite_errors.ts";
import { StoreError } from "./store.ts";

export const DATABASE_FILE = "node.db";
/** Says that the database was found damaged: the next start makes a new one. */
export const REBUILD_MARK = "node.db.rebuild";

export interface OpenDatabase {
  readonly database: NodeSqlite;
  readonly kysely: Kysely<Schema>;
}

/** A database that was moved aside. */
export interface ReplacedDatabase {
  /** Where it is now. */
  readonly path: string;
  readonly problem: string;
}

/**
 * Opens and migrates the database at `path` (":memory:" for one that nobody keeps).
 *
 * @throws {StoreError} "corrupt" when it is not a readable database, "tooNew" when a later program has written it
 */
export async function openDatabase(path: string): Promise<OpenDatabase> {
  let database: NodeSqlite | undefined;
  try {
    database = new NodeSqlite(path);
    // WAL with synchronous=FULL: a commit has reached the disk when it returns (sqlite.org/pragma.html#pragma_synchronous).
    database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
      PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -65536;
      PRAGMA journal_size_limit = 67108864;`);
    const version = database.first<{ user_version: number }>("PRAGMA user_version")?.user_version;
    if (version === undefined || version > SCHEMA_VERSION) {
      throw storeError(
        `Cannot open block store "${path}": schema version is ${version}, expected at most ${SCHEMA_VERSION}`,
        "tooNew",
      );
    }
    const kysely = new Kysely<Schema>({ dialect: nodeSqliteDialect(database) });
    if (version < SCHEMA_VERSION) await migrate(kysely);
    // Reads every table's first pages: a truncated file shows here, not in the middle of the night.
    database.all("SELECT (SELECT count(*) FROM authors), (SELECT max(position) FROM blocks)");
    return { database, kysely };
  } catch (error) {
    database?.close();
    throw toStoreError(`open block store "${path}"`, error);
  }
}

/**
 * As `openDatabase` for the database of a data folder; one that cannot be read is moved to `damaged/<n>/` and a new one made.
 *
 * @returns also what was replaced, null when nothing was
 */
export async function openOrReplaceDatabase(
  directory: string,
): Promise<OpenDatabase & { readonly replaced: ReplacedDatabase | null }> {
  const path = join(directory, DATABASE_FILE);
  const mark = join(directory, REBUILD_MARK);
  const marked = await Deno.readTextFile(mark).catch(() => undefined);
  if (marked === undefined) {
    try {
      return { ...await openDatabase(path), replaced: null };
    } catch (error) {
      if (!(error instanceof StoreError) || error.reason !== "corrupt") throw error;
      return await replaceDatabase(directory, error.message);
    }
  }
  const opened = await replaceDatabase(directory, marked);
  await Deno.remove(mark);
  return opened;
}

async function replaceDatabase(
  directory: string,
  problem: string,
): Promise<OpenDatabase & { readonly replaced: ReplacedDatabase }> {
  const place = await freeFolder(join(directory, "damaged"));
  for (const suffix of ["", "-wal", "-shm"]) {
    const name = DATABASE_FILE + suffix;
    await Deno.rename(join(directory, name), join(place, name)).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
  }
  const opened = await openDatabase(join(directory, DATABASE_FILE));
  return { ...opened, replaced: { path: join(place, DATABASE_FILE), problem } };
}

async function freeFolder(parent: string): Promise<string> {
  await Deno.mkdir(parent, { recursive: true });
  for (let n = 1;; n++) {
    try {
      const place = join(parent, String(n));
      await Deno.mkdir(place);
      return place;
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    }
  }
}
