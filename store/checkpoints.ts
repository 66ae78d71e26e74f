/**
 * When the write-ahead log of a store is written back into its database, and by whom.
 *
 * As long as little is stored at once, SQLite does it at the end of a commit whenever the log has 1,000 pages. When much is
 * stored at once, a worker does it beside the commits, over a connection of its own. SQLite allows that: there is still one
 * writer, a checkpoint of another connection holds up no commit, and nothing is taken from the log before it is synced in the
 * database. A log that the worker does not get emptied, because commits follow each other without a pause, is emptied at the
 * end of a commit when it has `BESIDE_PAGES_MAX` pages: most of it is written back by then.
 */
import type { CheckpointLane } from "../platform/checkpoint_lane.ts";
import type { NodeSqlite } from "./node_sqlite.ts";

/** Pages (4 KiB) that are not written back yet and are worth a checkpoint; SQLite's own measure, too. */
const PAGES = 1_000;
/** Pages in the log at most while a worker checkpoints: 32 MiB. More only as long as one transaction or checkpoint lasts. */
const BESIDE_PAGES_MAX = 8_192;
/** A log that fills with at least this many pages in a commit, on average, is worth a worker. One block takes about ten. */
const PAGES_PER_COMMIT_MIN = 32;
/** The first version of SQLite in which a checkpoint beside commits is safe (sqlite.org/wal.html, "the WAL-reset bug"). */
const VERSION_MIN = [3, 51, 3] as const;

/** The checkpoints of one database. It must be told of every commit. */
export class Checkpoints {
  readonly #database: NodeSqlite;
  readonly #path: string;
  readonly #lane: CheckpointLane;
  /** False when this database cannot be checkpointed by a worker. */
  #usable: boolean;
  #underWay = false;
  #bound = NaN;
  /** Commits since the log began anew, and the pages it had after the last one. */
  #commits = 0;
  #pages = 0;

  /** @param path of the database's file */
  constructor(database: NodeSqlite, path: string, lane: CheckpointLane) {
    this.#database = database;
    this.#path = path;
    this.#lane = lane;
    this.#usable = isSafe(database);
    this.#setBound();
  }

  /** Call after each commit, outside of any transaction. Never throws: the commit is done, whatever becomes of the log. */
  onCommit(): void {
    if (!this.#usable) return;
    try {
      this.#look();
    } catch {
      this.#usable = false;
    }
  }

  #look(): void {
    this.#setBound();
    // NOOP only tells how many pages the log has and how many of them are written back.
    const { log, checkpointed } = this.#database.first<{ log: number; checkpointed: number }>(
      "PRAGMA wal_checkpoint(NOOP)",
    )!;
    this.#commits = log < this.#pages ? 1 : this.#commits + 1;
    this.#pages = log;
    if (!this.#lane.ready) {
      if (log >= PAGES && log >= this.#commits * PAGES_PER_COMMIT_MIN) this.#lane.start();
    } else if (!this.#underWay && log - checkpointed >= PAGES) void this.#checkpoint();
  }

  /** Ends the worker's part, so that closing the database empties and removes its log. */
  async close(): Promise<void> {
    this.#usable = false;
    await this.#lane.release(this.#path);
  }

  async #checkpoint(): Promise<void> {
    this.#underWay = true;
    const done = await this.#lane.checkpoint(this.#path);
    this.#underWay = false;
    if (done || !this.#usable || !this.#lane.ready) return;
    // The disk is full, or fails: what cannot be done there is done here, or tried.
    this.#usable = false;
    this.#setBound();
  }

  /** How long the log may be before SQLite empties it at the end of a commit. */
  #setBound(): void {
    const bound = this.#usable && this.#lane.ready ? BESIDE_PAGES_MAX : PAGES;
    if (bound === this.#bound) return;
    this.#database.all(`PRAGMA wal_autocheckpoint = ${bound}`);
    this.#bound = bound;
  }
}

function isSafe(database: NodeSqlite): boolean {
  const row = database.first<{ version: string }>("SELECT sqlite_version() AS version");
  const version = (row?.version ?? "0").split(".").map(Number);
  for (const [i, min] of VERSION_MIN.entries()) {
    const part = version[i] ?? 0;
    if (part !== min) return part > min;
  }
  return true;
}
