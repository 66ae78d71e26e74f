/** Chunks of a SQLite store: files under `blobs/`, and a table that says which are here. */
import type { ContentHash } from "../protocols/ids.ts";
import type { ChunkFiles } from "./chunk_files.ts";
import { sha256Hex } from "./hash.ts";
import { checkRange, KNOWN_CHUNKS_MAX } from "./limits.ts";
import type { SqliteContext } from "./sqlite_blocks.ts";
import { guarded } from "./sqlite_errors.ts";
import { rowsFor } from "./sqlite_put.ts";
import type { ChunkRepository } from "./store.ts";

/** The chunk repository: rows say which files are here. */
export class SqliteChunks implements ChunkRepository {
  readonly #context: SqliteContext;
  readonly #files: ChunkFiles;

  constructor(context: SqliteContext, files: ChunkFiles) {
    this.#context = context;
    this.#files = files;
  }

  put(chunks: readonly { hash: ContentHash; bytes: Uint8Array }[]): Promise<void> {
    return guarded(`store ${chunks.length} chunks`, async () => {
      const here = await this.known(chunks.map(({ hash }) => hash));
      const fresh = new Map(
        chunks.filter(({ hash }) => !here.has(hash)).map((chunk) => [chunk.hash, chunk]),
      );
      if (fresh.size === 0) return;
      // Files first: a row must never promise what a crash could take.
      await this.#files.write([...fresh.values()]);
      const { kysely, database } = this.#context;
      await kysely.transaction().execute(() => {
        for (const { hash, bytes } of fresh.values()) {
          database.run(
            "INSERT OR IGNORE INTO chunks (hash, bytes) VALUES (?, ?)",
            Uint8Array.fromHex(hash),
            bytes.length,
          );
        }
        return Promise.resolve();
      });
    });
  }

  /** A chunk whose file is damaged or gone is set aside and not here any more. */
  get(hash: ContentHash): Promise<Uint8Array | undefined> {
    return guarded(`read chunk ${hash}`, async () => {
      const bytes = await this.#files.read(hash);
      if (bytes !== undefined && sha256Hex(bytes) === hash) return bytes;
      if ((await this.known([hash])).has(hash)) await this.setAside(hash);
      return undefined;
    });
  }

  known(hashes: readonly ContentHash[]): Promise<ReadonlySet<ContentHash>> {
    checkRange("number of hashes", hashes.length, 0, KNOWN_CHUNKS_MAX);
    const { kysely, database } = this.#context;
    return guarded("look up chunks", () =>
      kysely.connection().execute(() => {
        const rows = rowsFor<{ hash: Uint8Array }>(
          database,
          "SELECT hash FROM chunks WHERE hash",
          hashes,
        );
        return Promise.resolve(new Set(rows.map((row) => row.hash.toHex() as ContentHash)));
      }));
  }

  stats(): Promise<{ readonly chunks: number; readonly bytes: number }> {
    return guarded("count chunks", async () => {
      const row = await this.#context.kysely.selectFrom("chunks").select(({ fn }) => [
        fn.countAll<number>().as("chunks"),
        fn.sum<number | null>("bytes").as("bytes"),
      ]).executeTakeFirstOrThrow();
      return { chunks: row.chunks, bytes: row.bytes ?? 0 };
    });
  }

  /** Moves a damaged chunk's file away and forgets it, so that it is fetched again. */
  async setAside(hash: ContentHash): Promise<void> {
    await this.#context.kysely.deleteFrom("chunks").where("hash", "=", Uint8Array.fromHex(hash))
      .execute();
    await this.#files.setAside(hash);
  }

  /** Writes rows for the files that have none, after a new database was made. */
  async adoptFiles(): Promise<void> {
    for await (const hash of this.#files.hashes()) {
      const { size } = await Deno.stat(this.#files.pathOf(hash));
      await this.#context.kysely.insertInto("chunks")
        .values({ hash: Uint8Array.fromHex(hash), bytes: size })
        .onConflict((conflict) => conflict.doNothing()).execute();
    }
  }
}
