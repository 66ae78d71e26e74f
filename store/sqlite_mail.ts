/** Mail of a SQLite store: statements made from the description of the tables, values always bound. `migrations.ts` makes the tables. */
import {
  type MailChange,
  type MailQuery,
  type MailRepository,
  type MailTable,
  type MailTables,
} from "./mail.ts";
import { type AnyRow, checkQuery, orderOf, tableOf } from "./mail_rows.ts";
import type { SqliteContext } from "./sqlite_blocks.ts";
import { guarded } from "./sqlite_errors.ts";

/** The mail repository on the store's one connection. */
export class SqliteMail implements MailRepository {
  readonly #context: SqliteContext;

  constructor(context: SqliteContext) {
    this.#context = context;
  }

  commit(changes: readonly MailChange[]): Promise<void> {
    const wanted = [...changes];
    return guarded(`store ${wanted.length} changes of mail`, async () => {
      if (wanted.length === 0) return;
      const { kysely, database } = this.#context;
      await kysely.transaction().execute(() => {
        for (const change of wanted) {
          const { columns, key } = tableOf(change.table);
          if ("put" in change) {
            const row = change.put as unknown as AnyRow;
            const names = Object.keys(columns);
            database.run(putStatement(change.table), ...names.map((column) => row[column]));
          } else {
            const row = change.remove as unknown as AnyRow;
            database.run(
              `DELETE FROM ${nameOf(change.table)} WHERE ${equal(key)}`,
              ...key.map((column) => row[column]),
            );
          }
        }
        return Promise.resolve();
      });
    });
  }

  get<Table extends MailTable>(
    table: Table,
    key: Partial<MailTables[Table]>,
  ): Promise<MailTables[Table] | undefined> {
    return guarded(`read ${table}`, async () => {
      const columns = tableOf(table).key;
      const [row] = await this.#read<MailTables[Table]>(
        `SELECT ${select(table)} FROM ${nameOf(table)} WHERE ${equal(columns)}`,
        columns.map((column) => (key as AnyRow)[column]),
      );
      return row;
    });
  }

  list<Table extends MailTable>(
    table: Table,
    query: MailQuery<Table>,
  ): Promise<readonly MailTables[Table][]> {
    checkQuery(query);
    return guarded(`read ${table}`, () => {
      const { sql, values } = conditions(table, query);
      const direction = query.descending ? " DESC" : "";
      const order = orderOf(table, query).map((column) => snake(column) + direction).join(", ");
      return this.#read<MailTables[Table]>(
        `SELECT ${select(table)} FROM ${nameOf(table)}${sql} ORDER BY ${order} LIMIT ?`,
        [...values, query.limit],
      );
    });
  }

  totals<Table extends MailTable>(
    table: Table,
    where: Partial<MailTables[Table]> = {},
  ): Promise<{ readonly rows: number; readonly bytes: number }> {
    return guarded(`count ${table}`, async () => {
      const { sql, values } = conditions(table, { where });
      const sum = "bytes" in tableOf(table).columns ? "coalesce(sum(bytes), 0)" : "0";
      const [row] = await this.#read<{ rows: number; bytes: number }>(
        `SELECT count(*) AS rows, ${sum} AS bytes FROM ${nameOf(table)}${sql}`,
        values,
      );
      return { rows: row?.rows ?? 0, bytes: row?.bytes ?? 0 };
    });
  }

  /** At once, or in our turn on the connection: never between the statements of another's transaction. */
  #read<Row>(sql: string, values: readonly unknown[]): Promise<Row[]> {
    const { kysely, database } = this.#context;
    // A step reads a dozen rows for each message: to wait in line would take longer than to read.
    if (!database.raw.isTransaction) return Promise.resolve(database.all<Row>(sql, ...values));
    return kysely.connection().execute(() => Promise.resolve(database.all<Row>(sql, ...values)));
  }
}

/** The name of a table in the database. */
export function nameOf(table: MailTable): string {
  return `mail_${snake(table)}`;
}

const putStatements = new Map<MailTable, string>();

function putStatement(table: MailTable): string {
  const known = putStatements.get(table);
  if (known !== undefined) return known;
  const { columns, key } = tableOf(table);
  const names = Object.keys(columns);
  const others = names.filter((column) => !key.includes(column));
  const statement = `INSERT INTO ${nameOf(table)} (${names.map(snake).join(", ")}) VALUES (${
    names.map(() => "?").join(", ")
  }) ON CONFLICT (${key.map(snake).join(", ")}) DO UPDATE SET ${
    others.map((column) => `${snake(column)} = excluded.${snake(column)}`).join(", ")
  }`;
  putStatements.set(table, statement);
  return statement;
}

const selections = new Map<MailTable, string>();

/** The columns under their names in TypeScript. */
export function select(table: MailTable): string {
  return selections.getOrInsertComputed(
    table,
    () =>
      Object.keys(tableOf(table).columns).map((column) => `${snake(column)} AS "${column}"`)
        .join(", "),
  );
}

function conditions<Table extends MailTable>(
  table: Table,
  query: Omit<MailQuery<Table>, "limit">,
): { readonly sql: string; readonly values: readonly unknown[] } {
  const parts: string[] = [];
  const values: unknown[] = [];
  for (const [column, value] of Object.entries(query.where ?? {})) {
    parts.push(value === null ? `${snake(column)} IS NULL` : `${snake(column)} = ?`);
    if (value !== null) values.push(value);
  }
  if (query.atMost !== undefined) {
    parts.push(`${snake(query.atMost.column)} <= ?`);
    values.push(query.atMost.value);
  }
  if (query.after !== undefined) {
    const order = orderOf(table, query);
    parts.push(
      `(${order.map(snake).join(", ")}) ${query.descending ? "<" : ">"} (${
        order.map(() => "?").join(", ")
      })`,
    );
    values.push(...query.after);
  }
  return { sql: parts.length === 0 ? "" : ` WHERE ${parts.join(" AND ")}`, values };
}

function equal(columns: readonly string[]): string {
  return columns.map((column) => `${snake(column)} = ?`).join(" AND ");
}

/** "expiresAtMs" → "expires_at_ms". Column names come from the description only, never from outside. */
function snake(name: string): string {
  return snakes.getOrInsertComputed(
    name,
    () => name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
  );
}

const snakes = new Map<string, string>();
