/**
 * The steps from an empty file to the present schema: ordered, append-only. A released step is never changed; a database
 * of every released version is kept under `tests/fixtures/databases/` and opened by the tests.
 */
import { type Kysely, sql } from "kysely";
import { type Migration, Migrator } from "kysely/migration";

/** Step n is entry n − 1. */
const STEPS: readonly (readonly string[])[] = [
  [
    `CREATE TABLE store_state (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID`,
    `CREATE TABLE authors (
      key INTEGER PRIMARY KEY,
      device TEXT NOT NULL UNIQUE,
      head_sequence INTEGER NOT NULL,
      head_id BLOB NOT NULL,
      blocks INTEGER NOT NULL,
      bytes INTEGER NOT NULL,
      without_payload INTEGER NOT NULL
    ) STRICT`,
    `CREATE TABLE blocks (
      position INTEGER PRIMARY KEY,
      id BLOB NOT NULL,
      author_key INTEGER NOT NULL,
      sequence INTEGER NOT NULL,
      rank INTEGER NOT NULL,
      kind TEXT NOT NULL,
      topic TEXT NOT NULL,
      target BLOB,
      time_bucket INTEGER NOT NULL,
      body_bytes INTEGER NOT NULL,
      replaced INTEGER NOT NULL,
      search_state INTEGER NOT NULL,
      signature BLOB NOT NULL,
      header BLOB NOT NULL,
      payload BLOB
    ) STRICT`,
    `CREATE UNIQUE INDEX blocks_by_id ON blocks (id)`,
    `CREATE UNIQUE INDEX blocks_by_log ON blocks (author_key, sequence, rank)`,
    `CREATE INDEX blocks_by_topic ON blocks (topic)`,
    `CREATE INDEX blocks_by_kind ON blocks (kind)`,
    `CREATE INDEX blocks_by_time ON blocks (time_bucket, id)`,
    `CREATE INDEX blocks_by_target ON blocks (target) WHERE target IS NOT NULL`,
    `CREATE INDEX blocks_twins ON blocks (author_key, sequence) WHERE rank > 0`,
    `CREATE INDEX blocks_unindexed ON blocks (search_state)
      WHERE search_state = 0 AND replaced = 0 AND payload IS NOT NULL`,
    `CREATE INDEX blocks_without_payload ON blocks (rank) WHERE payload IS NULL`,
    `CREATE INDEX blocks_large ON blocks (body_bytes) WHERE body_bytes > 65536 AND payload IS NOT NULL`,
    `CREATE TABLE damaged_blocks (
      position INTEGER PRIMARY KEY,
      id BLOB NOT NULL UNIQUE,
      author_key INTEGER NOT NULL,
      sequence INTEGER NOT NULL,
      rank INTEGER NOT NULL,
      header BLOB NOT NULL,
      signature BLOB NOT NULL,
      payload BLOB,
      problem TEXT NOT NULL
    ) STRICT`,
    `CREATE TABLE chunks (hash BLOB PRIMARY KEY, bytes INTEGER NOT NULL) STRICT, WITHOUT ROWID`,
    `CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID`,
    `CREATE VIRTUAL TABLE documents USING fts5 (
      title, text, topic, tokenize = "unicode61 remove_diacritics 2", prefix = '2 3 4'
    )`,
  ],
];

/** The schema version this program writes; kept in `PRAGMA user_version`. */
export const SCHEMA_VERSION: number = STEPS.length;

/**
 * Brings a database to `SCHEMA_VERSION`. All steps are one transaction: on failure nothing has changed.
 *
 * @throws whatever the failing step threw
 */
// deno-lint-ignore no-explicit-any -- the schema before a migration has no type
export async function migrate(database: Kysely<any>): Promise<void> {
  const migrations: Record<string, Migration> = {};
  STEPS.forEach((statements, i) => {
    const version = i + 1;
    migrations[String(version).padStart(4, "0")] = {
      async up(transaction) {
        for (const statement of statements) await sql.raw(statement).execute(transaction);
        await sql.raw(`PRAGMA user_version = ${version}`).execute(transaction);
      },
    };
  });
  const migrator = new Migrator({
    db: database,
    provider: { getMigrations: () => Promise.resolve(migrations) },
  });
  const { error } = await migrator.migrateToLatest();
  if (error !== undefined) throw error;
}
