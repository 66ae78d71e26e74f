/**
 * Backups of a data folder: `node.db` as one consistent copy, the chunk files it names, and a manifest with the hash of each
 * file, written last. A folder without a manifest is an unfinished backup.
 */
import { makePrivateFolder } from "./private_folder.ts";
import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import { z } from "zod";
import { lockFile } from "../platform/file_lock.ts";
import type { ContentHash } from "../protocols/ids.ts";
import { type ChunkFiles, syncFolder, writeDurably } from "./chunk_files.ts";
import { DATABASE_FILE, forgetRebuild, freeFolder, markForRebuild } from "./database_file.ts";
import { sha256Hex } from "./hash.ts";
import { NodeSqlite } from "./node_sqlite.ts";
import type { SqliteContext } from "./sqlite_blocks.ts";
import { guarded, storeError } from "./sqlite_errors.ts";
import { ONCE_PREFIX, RESTORED_SETTING, StoreError } from "./store.ts";

export const MANIFEST_FILE = "manifest.json";
const FORMAT = "submind backup";
const FILES_MAX = 10_000_000;

const manifestSchema = z.strictObject({
  format: z.literal(FORMAT),
  version: z.literal(1),
  files: z.array(z.strictObject({
    /** Only names that a backup can have: nothing may lead out of the folder. */
    path: z.string().regex(/^(?:node\.db|blobs\/[0-9a-f]{2}\/[0-9a-f]{64})$/),
    bytes: z.number().int().nonnegative(),
    sha256: z.string().regex(/^[0-9a-f]{64}$/),
  })).min(1).max(FILES_MAX),
});

type Manifest = z.infer<typeof manifestSchema>;
type ManifestFile = Manifest["files"][number];

/**
 * Writes a backup into the new folder `directory` while the store is in use. What is committed later is not in it.
 *
 * @throws {StoreError} when the folder exists and is not empty, or the disk fails; a folder it has begun has no manifest
 */
export async function writeBackup(
  options: {
    readonly context: SqliteContext;
    readonly files: ChunkFiles;
    readonly directory: string;
    readonly onProgress?: (done: number, total: number) => void;
  },
): Promise<void> {
  const { context, directory, onProgress } = options;
  await requireEmpty(directory);
  const copy = join(directory, DATABASE_FILE);
  await context.kysely.connection().execute(() => {
    context.database.run("VACUUM INTO ?", copy);
    return Promise.resolve();
  });
  const hashes = chunkHashesIn(copy);
  const files: ManifestFile[] = [await describe(directory, DATABASE_FILE)];
  onProgress?.(1, hashes.length + 1);
  for (const hash of hashes) {
    const bytes = await options.files.read(hash);
    // A damaged chunk would spoil the backup; without it the restored node asks its peers.
    if (bytes !== undefined && sha256Hex(bytes) === hash) {
      const path = `blobs/${hash.slice(0, 2)}/${hash}`;
      await Deno.mkdir(dirname(join(directory, path)), { recursive: true });
      await writeDurably(join(directory, path), bytes);
      files.push({ path, bytes: bytes.length, sha256: hash });
    }
    onProgress?.(files.length, hashes.length + 1);
  }
  const manifest: Manifest = { format: FORMAT, version: 1, files };
  const text = JSON.stringify(manifest, null, 1) + "\n";
  await writeDurably(join(directory, MANIFEST_FILE), new TextEncoder().encode(text));
  await syncFolder(directory);
}

/**
 * Replaces the store in data folder `to` by the backup in folder `from`, after every file of the backup was verified. The
 * store that was there is kept in `to/replaced/<n>/`. Keys and configuration are not touched.
 *
 * @throws {StoreError} "corrupt" when a file of the backup is not what its manifest says (nothing was changed then),
 *   "locked" when a node uses `to`
 */
export function restoreBackup(
  options: {
    readonly from: string;
    readonly to: string;
    readonly onProgress?: (done: number, total: number) => void;
  },
): Promise<void> {
  const { from, to, onProgress } = options;
  return guarded(`restore backup "${from}"`, async () => {
    const { files } = await readManifest(from);
    const total = 2 * files.length;
    for (const [i, file] of files.entries()) {
      const found = await describe(from, file.path).catch(() => undefined);
      if (found?.sha256 !== file.sha256 || found.bytes !== file.bytes) {
        throw new StoreError(
          `Cannot restore backup "${from}": file "${file.path}" is ${
            found === undefined ? "missing" : "not what its manifest says"
          }`,
          "corrupt",
          "Use another backup. Nothing was changed.",
        );
      }
      onProgress?.(i + 1, total);
    }
    await makePrivateFolder(to);
    const outcome = await lockFile(join(to, "lock"));
    if (outcome.type === "busy") {
      throw storeError(`Cannot restore into "${to}": process ${outcome.pid} is using it`, "locked");
    }
    try {
      await replaceStore({ from, to, files, onFile: (i) => onProgress?.(files.length + i, total) });
    } finally {
      outcome.lock.release();
    }
  });
}

async function replaceStore(
  options: {
    readonly from: string;
    readonly to: string;
    readonly files: readonly ManifestFile[];
    readonly onFile: (done: number) => void;
  },
): Promise<void> {
  const { from, to, files, onFile } = options;
  // Everything is copied beside the old store first: a full disk then leaves the old one as it is.
  const incoming = join(to, "restoring");
  await Deno.remove(incoming, { recursive: true }).catch(ignoreMissing);
  await Deno.mkdir(join(incoming, "blobs"), { recursive: true });
  for (const [i, { path }] of files.entries()) {
    await Deno.mkdir(dirname(join(incoming, path)), { recursive: true });
    await writeDurably(join(incoming, path), await Deno.readFile(join(from, path)));
    onFile(i + 1);
  }
  markRestored(join(incoming, DATABASE_FILE));
  const folder = join(to, "replaced");
  const replaced = join(folder, String(await freeFolder(folder)));
  // A node that started between the moves would find no database, begin its log anew and contradict the old one.
  await markForRebuild(to, `restoring "${from}" was interrupted; restore it again`);
  for (const name of [DATABASE_FILE, `${DATABASE_FILE}-wal`, `${DATABASE_FILE}-shm`, "blobs"]) {
    await Deno.rename(join(to, name), join(replaced, name)).catch(ignoreMissing);
  }
  await Deno.rename(join(incoming, "blobs"), join(to, "blobs"));
  await Deno.rename(join(incoming, DATABASE_FILE), join(to, DATABASE_FILE));
  await forgetRebuild(to);
  await Deno.remove(incoming, { recursive: true });
  await syncFolder(to);
}

async function readManifest(from: string): Promise<Manifest> {
  const path = join(from, MANIFEST_FILE);
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new StoreError(
      `Cannot restore backup "${from}": it has no ${MANIFEST_FILE}`,
      "corrupt",
      "Name the folder of a finished backup.",
    );
  }
  const parsed = manifestSchema.safeParse(jsonOrUndefined(text));
  if (parsed.success) return parsed.data;
  throw new StoreError(
    `Cannot restore backup "${from}": its manifest is wrong: ${z.prettifyError(parsed.error)}`,
    "corrupt",
    "Use another backup. Nothing was changed.",
  );
}

function jsonOrUndefined(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function requireEmpty(directory: string): Promise<void> {
  await makePrivateFolder(directory);
  for await (const entry of Deno.readDir(directory)) {
    throw new StoreError(
      `Cannot write a backup to "${directory}": it already holds "${entry.name}"`,
      "failed",
      "Name a new or empty folder.",
    );
  }
}

function markRestored(path: string): void {
  const database = new NodeSqlite(path);
  try {
    database.run(
      "INSERT OR REPLACE INTO settings (key, value) VALUES (?, 'true')",
      RESTORED_SETTING,
    );
    database.run(
      "DELETE FROM settings WHERE substr(key, 1, ?) = ?",
      ONCE_PREFIX.length,
      ONCE_PREFIX,
    );
  } finally {
    database.close();
  }
}

function chunkHashesIn(path: string): ContentHash[] {
  const copy = new NodeSqlite(path, { readOnly: true });
  try {
    return copy.all<{ hash: Uint8Array }>("SELECT hash FROM chunks")
      .map((row) => row.hash.toHex() as ContentHash);
  } finally {
    copy.close();
  }
}

async function describe(directory: string, path: string): Promise<ManifestFile> {
  const hash = createHash("sha256");
  let bytes = 0;
  using file = await Deno.open(join(directory, path));
  for await (const piece of file.readable) {
    hash.update(piece);
    bytes += piece.length;
  }
  return { path, bytes, sha256: hash.digest("hex") };
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}
