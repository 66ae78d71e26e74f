/** Places for tests of stores, and what can happen to a folder. */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { CheckpointLane } from "../../platform/checkpoint_lane.ts";
import { MemoryDisk, openMemoryStore } from "../../store/memory_store.ts";
import { NodeSqlite } from "../../store/node_sqlite.ts";
import { openSqliteStore } from "../../store/sqlite_store.ts";
import { type Store, StoreError } from "../../store/store.ts";
import { testCrypto } from "./authors.ts";

/** Runs `work` with a new folder and removes it afterwards. */
export async function withFolder(work: (directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "submind_store_" });
  try {
    await work(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** Opens the store of a folder. */
export function openStore(
  directory: string,
  options: { databasePagesMax?: number; checkpointLane?: CheckpointLane } = {},
): Promise<Store> {
  return openSqliteStore({ directory, crypto: testCrypto, ...options });
}

/** A folder in which stores can be opened, for the suites that all stores pass. */
export async function sqlitePlace() {
  const directory = await Deno.makeTempDir({ prefix: "submind_store_" });
  return {
    directory,
    open: () => openStore(directory),
    remove: () => Deno.remove(directory, { recursive: true }),
  };
}

/** The same in memory. */
export function memoryPlace() {
  const disk = new MemoryDisk();
  return Promise.resolve({
    disk,
    open: () => Promise.resolve(openMemoryStore({ disk })),
    remove: () => Promise.resolve(),
  });
}

/** Changes the middle byte of a column of one block, behind the store's back. */
export function damageColumn(directory: string, idHex: string, column: string): void {
  const database = new NodeSqlite(join(directory, "node.db"));
  const id = Uint8Array.fromHex(idHex);
  const row = database.first<Record<string, Uint8Array>>(
    `SELECT ${column} AS bytes FROM blocks WHERE id = ?`,
    id,
  );
  const bytes = row!.bytes!.slice();
  bytes[bytes.length >> 1]! ^= 1;
  database.run(`UPDATE blocks SET ${column} = ? WHERE id = ?`, bytes, id);
  database.close();
}

/** Changes the middle byte of a file. */
export async function damageFile(path: string): Promise<void> {
  const bytes = await Deno.readFile(path);
  bytes[bytes.length >> 1]! ^= 1;
  await Deno.writeFile(path, bytes);
}

/** The error with which the store refuses something. */
export async function refusal(promise: Promise<unknown>): Promise<StoreError> {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof StoreError, `${error} is no StoreError`);
    return error;
  }
  assert.fail("expected a StoreError");
}
