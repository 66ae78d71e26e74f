/** Mail of a memory store. */
import {
  type MailChange,
  type MailQuery,
  type MailRepository,
  type MailTable,
  type MailTables,
} from "./mail.ts";
import { MAIL_TABLE_NAMES } from "./mail_tables.ts";
import { checkQuery, compareRows, fitsQuery, keyOfRow } from "./mail_rows.ts";
import type { MemoryDisk } from "./memory_disk.ts";

/** The rows of every table by their key. */
export type MemoryMailTables = {
  readonly [Table in MailTable]: Map<string, MailTables[Table]>;
};

/** Tables without rows. */
export function emptyMail(): MemoryMailTables {
  return Object.fromEntries(
    MAIL_TABLE_NAMES.map((table) => [table, new Map()]),
  ) as unknown as MemoryMailTables;
}

/** Copies every row from one set of tables to another; rows are values and shared. */
export function copyMail(from: MemoryMailTables, to: MemoryMailTables): void {
  for (const table of MAIL_TABLE_NAMES) {
    const rows = to[table] as Map<string, unknown>;
    for (const [key, row] of from[table]) rows.set(key, row);
  }
}

export class MemoryMail implements MailRepository {
  readonly #disk: MemoryDisk;
  readonly #epoch: number;

  constructor(disk: MemoryDisk) {
    this.#disk = disk;
    this.#epoch = disk.epoch;
  }

  commit(changes: readonly MailChange[]): Promise<void> {
    // Copied before the disk is waited for: the caller may go on changing its list.
    const wanted = [...changes];
    return this.#disk.write("mail", this.#epoch, (remember) => {
      for (const change of wanted) {
        const rows = this.#rows(change.table) as Map<string, unknown>;
        const key = keyOfRow(change.table, "put" in change ? change.put : change.remove);
        const before = rows.get(key);
        remember(() => before === undefined ? rows.delete(key) : rows.set(key, before));
        if ("put" in change) rows.set(key, Object.freeze({ ...change.put }));
        else rows.delete(key);
      }
    });
  }

  // deno-lint-ignore require-await -- the port is asynchronous
  async get<Table extends MailTable>(
    table: Table,
    key: Partial<MailTables[Table]>,
  ): Promise<MailTables[Table] | undefined> {
    return this.#rows(table).get(keyOfRow(table, key));
  }

  // deno-lint-ignore require-await -- the port is asynchronous
  async list<Table extends MailTable>(
    table: Table,
    query: MailQuery<Table>,
  ): Promise<readonly MailTables[Table][]> {
    checkQuery(query);
    const found: MailTables[Table][] = [];
    for (const row of this.#rows(table).values()) {
      if (fitsQuery(table, row, query)) found.push(row);
    }
    return found.sort(compareRows(table, query)).slice(0, query.limit);
  }

  // deno-lint-ignore require-await -- the port is asynchronous
  async totals<Table extends MailTable>(
    table: Table,
    where: Partial<MailTables[Table]> = {},
  ): Promise<{ readonly rows: number; readonly bytes: number }> {
    let rows = 0;
    let bytes = 0;
    for (const row of this.#rows(table).values()) {
      if (!fitsQuery(table, row, { where })) continue;
      rows++;
      if ("bytes" in row) bytes += row.bytes;
    }
    return { rows, bytes };
  }

  #rows<Table extends MailTable>(table: Table): Map<string, MailTables[Table]> {
    return this.#disk.tables.mail[table] as Map<string, MailTables[Table]>;
  }
}
