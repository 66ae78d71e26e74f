/** Rules of mail rows that do not depend on where they are kept: keys, what a query finds, and in which order. */
import { checkRange } from "./limits.ts";
import { MAIL_ROWS_MAX, type MailQuery, type MailTable, type MailTables } from "./mail.ts";
import { MAIL_TABLES, type MailTableDescription } from "./mail_tables.ts";

/** A row without its type. */
export type AnyRow = Readonly<Record<string, string | number | Uint8Array | null>>;

/** The description of a table without its type. */
export function tableOf(table: MailTable): MailTableDescription {
  return MAIL_TABLES[table] as MailTableDescription;
}

/** The key of a row (or of a partial row that has the key columns) as one text. */
export function keyOfRow<Table extends MailTable>(
  table: Table,
  row: Partial<MailTables[Table]>,
): string {
  const values = row as AnyRow;
  return tableOf(table).key.map((column) => String(values[column])).join("\n");
}

/** Whether a query finds this row, its limit apart. */
export function fitsQuery<Table extends MailTable>(
  table: Table,
  row: MailTables[Table],
  query: Omit<MailQuery<Table>, "limit">,
): boolean {
  const values = row as unknown as AnyRow;
  for (const [column, value] of Object.entries(query.where ?? {})) {
    if (values[column] !== value) return false;
  }
  if (query.atMost !== undefined) {
    const value = values[query.atMost.column];
    if (typeof value !== "number" || value > query.atMost.value) return false;
  }
  if (query.after === undefined) return true;
  const order = orderOf(table, query);
  for (const [i, column] of order.entries()) {
    const difference = compareValues(values[column], query.after[i]);
    if (difference !== 0) return query.descending ? difference < 0 : difference > 0;
  }
  return false;
}

/** The order of a query, as a comparison. */
export function compareRows<Table extends MailTable>(
  table: Table,
  query: Omit<MailQuery<Table>, "limit">,
): (a: MailTables[Table], b: MailTables[Table]) => number {
  const order = orderOf(table, query);
  const sign = query.descending ? -1 : 1;
  return (a, b) => {
    for (const column of order) {
      const difference = compareValues(
        (a as unknown as AnyRow)[column],
        (b as unknown as AnyRow)[column],
      );
      if (difference !== 0) return sign * difference;
    }
    return 0;
  };
}

/** The columns by which a query sorts. */
export function orderOf<Table extends MailTable>(
  table: Table,
  query: Omit<MailQuery<Table>, "limit">,
): readonly string[] {
  return query.order ?? tableOf(table).key;
}

/** Throws when a query asks for more than a query may. */
export function checkQuery(query: { readonly limit: number }): void {
  checkRange("limit", query.limit, 1, MAIL_ROWS_MAX);
}

// As SQLite sorts: nothing before numbers before text. Texts here are ids, hashes and names of states: ASCII.
function compareValues(
  a: string | number | Uint8Array | null | undefined,
  b: string | number | Uint8Array | null | undefined,
): number {
  if (a === b) return 0;
  if (a === null || a === undefined) return -1;
  if (b === null || b === undefined) return 1;
  return a < b ? -1 : 1;
}
