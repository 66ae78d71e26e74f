/**
 * Question: what does the store cost over raw SQLite? The same signed 1 KiB blocks go, in the same transactions, once through
 * `store.blocks.put` (lookups, four more indexes, frontiers) and once as bare rows (one INSERT per row, id index only).
 */
import { DatabaseSync } from "node:sqlite";
import { join } from "node:path";
import type { Block } from "../../protocols/blocks/block.ts";
import { createBlock } from "../../protocols/blocks/encode.ts";
import type { MeshId } from "../../protocols/ids.ts";
import { nodeCrypto, nodeSigner } from "../../platform/node_crypto.ts";
import { openSqliteStore } from "../../store/sqlite_store.ts";
import type { Figure } from "../harness.ts";

const BODY_BYTES = 1024;
const AUTHORS = 8;
/** The store may cost at most this many times the bare rows. A first measurement with headroom; see `note`. */
const RATIO_MAX = 3;

/** Blocks per second, and the ratio to bare rows in the same run. */
export async function run({ quick }: { readonly quick: boolean }): Promise<Figure[]> {
  const count = quick ? 1_000 : 10_000;
  const rounds = quick ? 1 : 3;
  const figures: Figure[] = [];
  const blocks = makeBlocks(count);
  for (const batch of [100, 1_000]) {
    // Alternating and the best of each: other load on the machine then hits both alike.
    const store: number[] = [];
    const raw: number[] = [];
    for (let round = 0; round < rounds; round++) {
      raw.push(await inFolder((directory) => putRaw(directory, blocks, batch)));
      store.push(await inFolder((directory) => putStore(directory, blocks, batch)));
    }
    const [storeMs, rawMs] = [Math.min(...store), Math.min(...raw)];
    figures.push({
      name: `store put, transactions of ${batch}`,
      value: Math.round(count / storeMs * 1000),
      unit: "blocks/s",
      note: `${count} blocks of 1 KiB, synchronous=FULL; bare rows: ${
        Math.round(count / rawMs * 1000)
      } rows/s`,
    }, {
      name: `store put over bare rows, transactions of ${batch}`,
      value: storeMs / rawMs,
      unit: "×",
      ...(quick ? {} : { limit: RATIO_MAX }),
    });
  }
  return figures;
}

/** Signed blocks of several authors in turn, each body different. */
export function makeBlocks(
  count: number,
  options: {
    readonly bodyOf?: (i: number) => Uint8Array;
    readonly topicOf?: (i: number) => string;
  } = {},
): Block[] {
  const crypto = nodeCrypto();
  const signers = Array.from(
    { length: AUTHORS },
    (_, i) => nodeSigner(new Uint8Array(32).fill(i + 1)),
  );
  const last: (Block | undefined)[] = [];
  return Array.from({ length: count }, (_, i) => {
    const payload = options.bodyOf?.(i) ?? new Uint8Array(BODY_BYTES).fill(i).fill(i >> 8, 0, 512);
    const author = i % AUTHORS;
    const previous = last[author];
    const block = createBlock({
      mesh: "ab".repeat(32) as MeshId,
      sequence: (previous?.header.sequence ?? 0) + 1,
      previous: previous?.id ?? null,
      parents: [],
      kind: "put",
      target: null,
      topic: options.topicOf?.(i) ?? "bench",
      tags: [],
      mediaType: options.bodyOf === undefined ? "application/octet-stream" : "text/plain",
      timeMs: 1_700_000_000_000 + i * 1000,
      bodyBytes: payload.length,
      payload,
      signer: signers[author]!,
      crypto,
    });
    last[author] = block;
    return block;
  });
}

async function putStore(
  directory: string,
  blocks: readonly Block[],
  batch: number,
): Promise<number> {
  const store = await openSqliteStore({ directory, crypto: nodeCrypto() });
  const start = performance.now();
  for (let from = 0; from < blocks.length; from += batch) {
    await store.blocks.put(blocks.slice(from, from + batch));
  }
  const ms = performance.now() - start;
  const { blocks: stored } = await store.blocks.stats();
  await store.close();
  if (stored !== blocks.length) throw new Error(`Stored ${stored} of ${blocks.length} blocks`);
  return ms;
}

/** Bare rows in transactions of `batch`; ms. */
export function putRaw(
  directory: string,
  blocks: readonly Block[],
  batch: number,
): Promise<number> {
  const database = new DatabaseSync(join(directory, "raw.db"));
  database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
    CREATE TABLE blocks (position INTEGER PRIMARY KEY, id BLOB, header BLOB, signature BLOB, payload BLOB);
    CREATE UNIQUE INDEX blocks_by_id ON blocks (id)`);
  const insert = database.prepare(
    "INSERT INTO blocks (id, header, signature, payload) VALUES (?, ?, ?, ?)",
  );
  const start = performance.now();
  for (let from = 0; from < blocks.length; from += batch) {
    database.exec("BEGIN");
    for (const { id, headerBytes, signature, payload } of blocks.slice(from, from + batch)) {
      insert.run(Uint8Array.fromHex(id), headerBytes, signature, payload);
    }
    database.exec("COMMIT");
  }
  const ms = performance.now() - start;
  database.close();
  return Promise.resolve(ms);
}

/** Runs `work` in a folder that is removed afterwards. */
export async function inFolder(work: (directory: string) => Promise<number>): Promise<number> {
  const directory = await Deno.makeTempDir({ prefix: "submind_bench_" });
  try {
    return await work(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}
