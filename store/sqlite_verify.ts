/**
 * Finds stored blocks that are not what was signed, and sets them aside so that sync fetches them again.
 *
 * The id, the signature and the payload hash cover every byte of a block; columns that merely repeat the header are compared
 * with it. A damaged payload is dropped and its block kept: its log stays whole.
 */
import type { Block } from "../protocols/blocks/block.ts";
import { decodeHeader } from "../protocols/blocks/decode.ts";
import { signedMessageOf } from "../protocols/blocks/encode.ts";
import type { BlockId } from "../protocols/ids.ts";
import type { Crypto } from "../platform/ports.ts";
import { othersTurn } from "../platform/turns.ts";
import { sha256Hex } from "./hash.ts";
import { timeBucketOf } from "./limits.ts";
import type { NodeSqlite } from "./node_sqlite.ts";
import type { BlocksTable } from "./schema.ts";
import type { SqliteContext } from "./sqlite_blocks.ts";
import type { Damage } from "./store.ts";

/** Blocks per turn: in between, others may use the store. */
const BATCH_ROWS = 256;

/** What SQLite itself says about the file; empty when it is well. */
export function databaseProblems(database: NodeSqlite): Damage[] {
  return database.all<{ quick_check: string }>("PRAGMA quick_check(100)")
    .filter((row) => row.quick_check !== "ok")
    .map((row) => ({ table: "database", key: "node.db", problem: row.quick_check }));
}

/** Checks every block from `fromPosition` on; the damage it names has been set aside already. */
export async function verifyBlocks(
  context: SqliteContext,
  crypto: Crypto,
  options: { readonly fromPosition: number; readonly onBlock: () => void },
): Promise<Damage[]> {
  const found: Damage[] = [];
  let next = options.fromPosition;
  while (true) {
    const checked = await context.kysely.transaction().execute(() => {
      const rows = context.database.all<BlocksTable>(
        "SELECT * FROM blocks WHERE position >= ? ORDER BY position LIMIT ?",
        next,
        BATCH_ROWS,
      );
      for (const row of rows) {
        const damage = checkRow(context, crypto, row);
        if (damage !== undefined) found.push(damage);
        options.onBlock();
      }
      return Promise.resolve(rows);
    });
    if (checked.length === 0) break;
    next = checked.at(-1)!.position + 1;
    // SQLite answers at once and promises alone never leave this turn: sessions would die of silence meanwhile.
    await othersTurn();
  }
  if (found.length > 0) await refreshLog(context);
  return found;
}

/** Checks that every setting can be parsed. */
export function settingsProblems(database: NodeSqlite): Damage[] {
  return database.all<{ key: string }>("SELECT key FROM settings WHERE NOT json_valid(value)")
    .map(({ key }) => ({ table: "settings", key, problem: "its value is not JSON" }));
}

function checkRow(context: SqliteContext, crypto: Crypto, row: BlocksTable): Damage | undefined {
  const { database } = context;
  const id = row.id.toHex() as BlockId;
  const problem = headerProblem(context, crypto, row);
  if (problem !== undefined) {
    setAside(database, row, problem);
    return { table: "blocks", key: id, problem };
  }
  const decoded = decodeHeader(row.header);
  if (!decoded.ok || row.payload === null) return undefined;
  if (sha256Hex(row.payload) === decoded.header.payloadHash) return undefined;
  database.run(
    "UPDATE blocks SET payload = NULL, search_state = 0 WHERE position = ?",
    row.position,
  );
  database.run("DELETE FROM documents WHERE rowid = ?", row.position);
  return { table: "blocks", key: id, problem: "its payload does not match its hash" };
}

function headerProblem(
  context: SqliteContext,
  crypto: Crypto,
  row: BlocksTable,
): string | undefined {
  const id = row.id.toHex() as BlockId;
  if (sha256Hex(row.header) !== id) return "its header does not match its id";
  const decoded = decodeHeader(row.header);
  if (!decoded.ok) return `its ${decoded.reason}`;
  const { header } = decoded;
  const { header: headerBytes, signature } = row;
  const block: Block = { id, header, headerBytes, signature, payload: null };
  if (signature.length !== 64 || !crypto.verify(signedMessageOf(block))) {
    return "its signature is not that of its author";
  }
  const repeats = context.log.deviceByKey.get(row.author_key) === header.author &&
    row.sequence === header.sequence && row.kind === header.kind && row.topic === header.topic &&
    (row.target?.toHex() ?? null) === header.target && row.body_bytes === header.bodyBytes &&
    row.time_bucket === timeBucketOf(header.timeMs);
  return repeats ? undefined : "its columns do not match its header";
}

function setAside(database: NodeSqlite, row: BlocksTable, problem: string): void {
  database.run(
    `INSERT INTO damaged_blocks (position, id, author_key, sequence, rank, header, signature, payload, problem)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    row.position,
    idOfPlace(database, row),
    row.author_key,
    row.sequence,
    row.rank,
    row.header,
    row.signature,
    row.payload,
    problem,
  );
  database.run("DELETE FROM documents WHERE rowid = ?", row.position);
  database.run("DELETE FROM blocks WHERE position = ?", row.position);
}

/** The id that belongs at the place of a damaged row: what the next block calls its previous, for the row's own id may be what is damaged. */
function idOfPlace(database: NodeSqlite, row: BlocksTable): Uint8Array {
  if (row.rank !== 0) return row.id;
  const next = database.first<{ id: Uint8Array; header: Uint8Array }>(
    "SELECT id, header FROM blocks WHERE author_key = ? AND sequence = ? AND rank = 0",
    row.author_key,
    row.sequence + 1,
  );
  if (next === undefined || sha256Hex(next.header) !== next.id.toHex()) return row.id;
  const decoded = decodeHeader(next.header);
  const previous = decoded.ok ? decoded.header.previous : null;
  if (previous === null) return row.id;
  const previousBytes = Uint8Array.fromHex(previous);
  // The next block may continue a twin; that one is stored under its own name.
  const isTwin = database.first(
    "SELECT 1 FROM blocks WHERE id = ? AND position <> ?",
    previousBytes,
    row.position,
  );
  return isTwin === undefined ? previousBytes : row.id;
}

/** Counts every author's blocks anew and reads the logs again. */
async function refreshLog({ kysely, database, log }: SqliteContext): Promise<void> {
  await kysely.transaction().execute(() => {
    database.run(`UPDATE authors SET (blocks, bytes, without_payload) = (
      SELECT count(*), coalesce(sum(length(header) + coalesce(length(payload), 0)), 0),
        coalesce(sum(payload IS NULL), 0)
      FROM blocks WHERE author_key = authors.key)`);
    return Promise.resolve();
  });
  log.load(database);
}
