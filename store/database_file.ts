/** Opens `node.db`: connection settings, schema version, migrations; and moves an unreadable one out of the way. */
import { join } from "node:path";
import { Kysely } from "kysely";
import { z } from "zod";
import { syncFolder, writeDurably } from "./chunk_files.ts";
import { migrate, SCHEMA_VERSION } from "./migrations.ts";
import { NodeSqlite, nodeSqliteDialect } from "./node_sqlite.ts";
import type { Schema } from "./schema.ts";
import { storeError, toStoreError } from "./sqlite_errors.ts";
import { StoreError } from "./store.ts";

export const DATABASE_FILE = "node.db";
/** Says that the database was found damaged and that its replacement is not finished. */
const REBUILD_MARK = "node.db.rebuild";

export interface OpenDatabase {
  readonly database: NodeSqlite;
  readonly kysely: Kysely<Schema>;
}

/** A database that was moved aside. Call `forgetRebuild` when what can be salvaged of it has been. */
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
 * As `openDatabase` for the database of a data folder; one that cannot be read is moved to `damaged/<n>/` and a new one made. The folder stays
 * marked until `forgetRebuild`: a start that finds the mark makes the new one again from what was moved aside. Otherwise a
 * node that died meanwhile would come back with half a log, unaware of it, and contradict the other half.
 *
 * @returns also what was replaced, null when nothing was
 */
export async function openOrReplaceDatabase(
  directory: string,
): Promise<OpenDatabase & { readonly replaced: ReplacedDatabase | null }> {
  const mark = await readMark(directory);
  if (mark !== undefined) return await replaceDatabase(directory, mark);
  try {
    return { ...await openDatabase(join(directory, DATABASE_FILE)), replaced: null };
  } catch (error) {
    if (!(error instanceof StoreError) || error.reason !== "corrupt") throw error;
    return await replaceDatabase(directory, { problem: error.message, place: null });
  }
}

/** Has the next start make a new database. `problem` is what people are told then. */
export async function markForRebuild(directory: string, problem: string): Promise<void> {
  await writeMark(directory, { problem, place: null });
}

/** The new database holds all that could be salvaged. */
export async function forgetRebuild(directory: string): Promise<void> {
  await Deno.remove(join(directory, REBUILD_MARK)).catch(ignoreMissing);
  await syncFolder(directory);
}

const markSchema = z.strictObject({
  problem: z.string(),
  /** Where the old database is or is about to be; null before a place was chosen. */
  place: z.string().regex(/^damaged\/\d+$/).nullable(),
});
type Mark = z.infer<typeof markSchema>;

async function readMark(directory: string): Promise<Mark | undefined> {
  let text: string;
  try {
    text = await Deno.readTextFile(join(directory, REBUILD_MARK));
  } catch (error) {
    ignoreMissing(error);
    return undefined;
  }
  try {
    return markSchema.parse(JSON.parse(text));
  } catch {
    // A mark that is damaged itself still says that something was wrong.
    return { problem: "the database was found damaged", place: null };
  }
}

async function writeMark(directory: string, mark: Mark): Promise<void> {
  const bytes = new TextEncoder().encode(JSON.stringify(mark));
  const path = join(directory, REBUILD_MARK);
  await writeDurably(`${path}.new`, bytes);
  await Deno.rename(`${path}.new`, path);
  await syncFolder(directory);
}

async function replaceDatabase(
  directory: string,
  mark: Mark,
): Promise<OpenDatabase & { readonly replaced: ReplacedDatabase }> {
  const { problem } = mark;
  const place = mark.place ?? `damaged/${await freeFolder(join(directory, "damaged"))}`;
  await writeMark(directory, { problem, place });
  const moved = await Deno.stat(join(directory, place, DATABASE_FILE)).catch(ignoreMissing);
  // The database itself last: once it is there, what is left here belongs to an attempt that did not end.
  for (const suffix of ["-wal", "-shm", ""]) {
    const from = join(directory, DATABASE_FILE + suffix);
    const to = join(directory, place, DATABASE_FILE + suffix);
    await (moved === undefined ? Deno.rename(from, to) : Deno.remove(from)).catch(ignoreMissing);
  }
  await syncFolder(join(directory, place));
  const opened = await openDatabase(join(directory, DATABASE_FILE));
  return { ...opened, replaced: { path: join(directory, place, DATABASE_FILE), problem } };
}

/** Makes a new numbered folder in `parent` and returns its number. */
export async function freeFolder(parent: string): Promise<number> {
  await Deno.mkdir(parent, { recursive: true });
  for (let n = 1;; n++) {
    try {
      await Deno.mkdir(join(parent, String(n)));
      return n;
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    }
  }
}

function ignoreMissing(error: unknown): undefined {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}
