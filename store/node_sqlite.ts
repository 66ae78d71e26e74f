/**
 * node:sqlite presented to Kysely, with its traps closed:
 * statements are kept and forgotten after DDL (a kept one returns misaligned columns after ALTER TABLE); integers bind as
 * INTEGER, not REAL; a transaction that SQLite has already rolled back by itself is not rolled back twice (that would hide
 * why); DDL is transactional, so that a failed migration leaves nothing behind.
 */
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import {
  type Dialect,
  SqliteAdapter,
  type SqliteDatabase,
  SqliteDialect,
  type SqliteStatement,
} from "kysely";
import { invariant } from "../platform/invariant.ts";

const KEPT_STATEMENTS_MAX = 256;
const DDL = /^\s*(?:alter|create|drop|reindex|vacuum)\b/i;

export interface NodeSqliteOptions {
  readonly readOnly?: boolean;
  /** How long a statement waits for a lock of another process, ms. */
  readonly busyTimeoutMs?: number;
}

/** One connection. Everything on it is synchronous; whoever awaits inside a transaction keeps it open. */
export class NodeSqlite implements SqliteDatabase {
  readonly raw: DatabaseSync;
  /** Called after each COMMIT, when no transaction is open. Must not throw: the COMMIT is done. */
  onCommit: (() => void) | null = null;
  readonly #kept = new Map<string, NodeStatement>();
  readonly #committed = () => this.onCommit?.();

  /** @param path a file, or ":memory:" */
  constructor(path: string, options: NodeSqliteOptions = {}) {
    this.raw = new DatabaseSync(path, {
      readOnly: options.readOnly ?? false,
      timeout: options.busyTimeoutMs ?? 5_000,
    });
  }

  prepare(sql: string): SqliteStatement {
    return this.#statement(sql);
  }

  /** All rows. */
  all<Row>(sql: string, ...parameters: readonly unknown[]): Row[] {
    return this.#statement(sql).all(parameters) as Row[];
  }

  /** The first row. */
  first<Row>(sql: string, ...parameters: readonly unknown[]): Row | undefined {
    return this.#statement(sql).first(parameters) as Row | undefined;
  }

  /** Runs a statement that returns no rows; how many rows it changed. */
  run(sql: string, ...parameters: readonly unknown[]): number {
    return Number(this.#statement(sql).run(parameters).changes);
  }

  /**
   * As `run`, for hot loops that insert into STRICT tables: values are bound as they are. Numbers go as REAL, which an INTEGER
   * column of such a table turns into INTEGER or refuses; elsewhere they would stay REAL.
   */
  runBound(sql: string, values: SQLInputValue[]): void {
    this.#statement(sql).runBound(values);
  }

  /** Runs statements without parameters, separated by semicolons. */
  exec(sql: string): void {
    this.#kept.clear();
    this.raw.exec(sql);
  }

  close(): void {
    this.#kept.clear();
    if (this.raw.isOpen) this.raw.close();
  }

  #statement(sql: string): NodeStatement {
    const kept = this.#kept.get(sql);
    if (kept !== undefined) return kept;
    if (DDL.test(sql)) {
      this.#kept.clear();
      return new NodeStatement(this.raw, sql, this.#committed);
    }
    const statement = new NodeStatement(this.raw, sql, this.#committed);
    if (this.#kept.size >= KEPT_STATEMENTS_MAX) {
      this.#kept.delete(this.#kept.keys().next().value!);
    }
    this.#kept.set(sql, statement);
    return statement;
  }
}

class NodeStatement implements SqliteStatement {
  readonly reader: boolean;
  readonly #database: DatabaseSync;
  readonly #statement: StatementSync;
  readonly #isRollback: boolean;
  readonly #committed: (() => void) | null;

  constructor(database: DatabaseSync, sql: string, committed: () => void) {
    this.#database = database;
    this.#statement = database.prepare(sql);
    this.reader = this.#statement.columns().length > 0;
    const word = sql.toLowerCase();
    this.#isRollback = word === "rollback";
    this.#committed = word === "commit" ? committed : null;
  }

  all(parameters: readonly unknown[]): unknown[] {
    return this.#statement.all(...bound(parameters));
  }

  first(parameters: readonly unknown[]): unknown {
    return this.#statement.get(...bound(parameters));
  }

  run(parameters: readonly unknown[]): {
    changes: number | bigint;
    lastInsertRowid: number | bigint;
  } {
    if (this.#isRollback && !this.#database.isTransaction) {
      return { changes: 0, lastInsertRowid: 0 };
    }
    const result = this.#statement.run(...bound(parameters));
    this.#committed?.();
    return result;
  }

  runBound(values: SQLInputValue[]): void {
    this.#statement.run(...values);
  }

  iterate(parameters: readonly unknown[]): IterableIterator<unknown> {
    return this.#statement.iterate(...bound(parameters));
  }
}

function bound(parameters: readonly unknown[]): SQLInputValue[] {
  const values = new Array<SQLInputValue>(parameters.length);
  for (let i = 0; i < parameters.length; i++) values[i] = boundValue(parameters[i]);
  return values;
}

function boundValue(value: unknown): SQLInputValue {
  if (typeof value === "number") return Number.isSafeInteger(value) ? BigInt(value) : value;
  if (typeof value === "boolean") return value ? 1n : 0n;
  if (value === undefined) return null;
  invariant(
    value === null || typeof value === "string" || typeof value === "bigint" ||
      value instanceof Uint8Array,
    () => `Cannot bind a value of type ${Object.prototype.toString.call(value)} to SQL`,
  );
  return value;
}

class TransactionalDdlAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true;
  }
}

/** A Kysely dialect on an open connection. `kysely.destroy()` closes it. */
export function nodeSqliteDialect(database: NodeSqlite): Dialect {
  const dialect = new SqliteDialect({ database });
  return {
    createAdapter: () => new TransactionalDdlAdapter(),
    createDriver: () => dialect.createDriver(),
    createIntrospector: (kysely) => dialect.createIntrospector(kysely),
    createQueryCompiler: () => dialect.createQueryCompiler(),
  };
}
