/**
 * Takes from a damaged database what can still be read: settings, and blocks in the order stored up to the first damage. Each
 * block is checked by its id and payload hash; the rest comes from the other devices.
 */
import type { Block } from "../protocols/blocks/block.ts";
import { decodeHeader } from "../protocols/blocks/decode.ts";
import type { BlockId } from "../protocols/ids.ts";
import { sha256Hex } from "./hash.ts";
import { NodeSqlite } from "./node_sqlite.ts";
import { MAIL_ROWS_MAX, type MailChange } from "./mail.ts";
import { MAIL_TABLE_NAMES } from "./mail_tables.ts";
import { nameOf, select } from "./sqlite_mail.ts";
import { ONCE_PREFIX, type Store } from "./store.ts";
import { STORED_COLUMNS, type StoredRow } from "./stored_block.ts";

const BATCH_ROWS = 500;

export interface Salvaged {
  readonly blocks: number;
  readonly settings: number;
  /** Rows of mail. */
  readonly mail: number;
}

/** Copies what is readable in the database at `path` into `store`. A database that cannot be read at all gives nothing. */
export async function salvage(
  path: string,
  store: Pick<Store, "blocks" | "settings" | "mail">,
): Promise<Salvaged> {
  let old: NodeSqlite | undefined;
  try {
    old = new NodeSqlite(path, { readOnly: true });
    const settings = await salvageSettings(old, store);
    const mail = await salvageMail(old, store);
    return { settings, mail, blocks: await salvageBlocks(old, store) };
  } catch (error) {
    if (!isUnreadable(error)) throw error;
    return { settings: 0, blocks: 0, mail: 0 };
  } finally {
    old?.close();
  }
}

async function salvageSettings(old: NodeSqlite, store: Pick<Store, "settings">): Promise<number> {
  const rows = readable<{ key: string; value: string }>(
    old,
    "SELECT key, value FROM settings WHERE json_valid(value)",
  ).filter(({ key }) => !key.startsWith(ONCE_PREFIX));
  if (rows.length === 0) return 0;
  await store.settings.set(
    Object.fromEntries(rows.map(({ key, value }) => [key, JSON.parse(value)])),
  );
  return rows.length;
}

/** Messages are nowhere else, so whatever can be read is taken over. */
async function salvageMail(old: NodeSqlite, store: Pick<Store, "mail">): Promise<number> {
  let stored = 0;
  for (const table of MAIL_TABLE_NAMES) {
    const rows = readable<Record<string, unknown>>(
      old,
      `SELECT ${select(table)} FROM ${nameOf(table)} NOT INDEXED`,
    );
    for (let from = 0; from < rows.length; from += MAIL_ROWS_MAX) {
      const part = rows.slice(from, from + MAIL_ROWS_MAX);
      await store.mail.commit(part.map((put) => ({ table, put }) as unknown as MailChange));
      stored += part.length;
    }
  }
  return stored;
}

async function salvageBlocks(old: NodeSqlite, store: Pick<Store, "blocks">): Promise<number> {
  let stored = 0;
  let next = 0;
  while (true) {
    const rows = readable<StoredRow & { position: number }>(
      old,
      `SELECT position, ${STORED_COLUMNS.join(", ")} FROM blocks NOT INDEXED
      WHERE position >= ? ORDER BY position LIMIT ${BATCH_ROWS}`,
      next,
    );
    if (rows.length === 0) return stored;
    next = rows.at(-1)!.position + 1;
    const blocks = rows.map(wholeBlock).filter((block) => block !== undefined);
    const outcomes = await store.blocks.put(blocks);
    stored += outcomes.filter(({ type }) => type === "stored").length;
  }
}

function wholeBlock({ header, signature, payload }: StoredRow): Block | undefined {
  const decoded = decodeHeader(header);
  if (!decoded.ok || signature.length !== 64) return undefined;
  const isPayload = payload !== null && sha256Hex(payload) === decoded.header.payloadHash;
  return {
    id: sha256Hex(header) as BlockId,
    header: decoded.header,
    headerBytes: header,
    signature,
    payload: isPayload ? payload : null,
  };
}

/** Row after row until one cannot be read. */
function readable<Row>(old: NodeSqlite, sql: string, ...parameters: readonly unknown[]): Row[] {
  const rows: Row[] = [];
  try {
    for (const row of old.prepare(sql).iterate(parameters)) rows.push(row as Row);
  } catch (error) {
    if (!isUnreadable(error)) throw error;
  }
  return rows;
}

/** Whether SQLite says that the file, not the program, is at fault. */
function isUnreadable(error: unknown): boolean {
  return error instanceof Error &&
    /malformed|not a database|corrupt|disk I\/O error|no such table|unable to open/i.test(
      error.message,
    );
}
