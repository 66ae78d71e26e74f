/** A worker that checkpoints SQLite databases over connections of its own. It has no other task, and never writes a row. */
/// <reference lib="deno.worker" />
import { DatabaseSync } from "node:sqlite";
import type { CheckpointReply, CheckpointRequest } from "./checkpoint_lane.ts";
import { errorText } from "./error_text.ts";

const scope = globalThis as unknown as DedicatedWorkerGlobalScope;
const databases = new Map<string, DatabaseSync>();

scope.onmessage = ({ data }: MessageEvent<CheckpointRequest>) => {
  let problem: string | null = null;
  try {
    carryOut(data);
  } catch (error) {
    problem = errorText(error);
  }
  scope.postMessage({ problem } satisfies CheckpointReply);
};

function carryOut({ type, path }: CheckpointRequest): void {
  switch (type) {
    case "begin":
      return;
    case "checkpoint":
      // Waits for nobody: pages that others still need stay in the log for the next time.
      return databaseAt(path).exec("PRAGMA wal_checkpoint(PASSIVE)");
    case "release":
      return release(path);
    case "end":
      return [...databases.keys()].forEach(release);
  }
}

function databaseAt(path: string): DatabaseSync {
  const open = databases.get(path);
  if (open !== undefined) return open;
  const database = new DatabaseSync(path);
  databases.set(path, database);
  // The log is synced before its pages are written to the database, and the database before the log may begin anew.
  database.exec("PRAGMA synchronous = FULL");
  return database;
}

function release(path: string): void {
  databases.get(path)?.close();
  databases.delete(path);
}
