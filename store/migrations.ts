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
  // Mail; the columns are explained in `mail.ts`.
  [
    `CREATE TABLE mail_conversations (
      conversation TEXT NOT NULL,
      title TEXT NOT NULL,
      direct INTEGER NOT NULL,
      version INTEGER NOT NULL,
      members TEXT NOT NULL,
      leader TEXT NOT NULL,
      clock INTEGER NOT NULL,
      own_number INTEGER NOT NULL,
      changed_at_ms INTEGER NOT NULL,
      PRIMARY KEY (conversation)
    ) STRICT`,
    `CREATE TABLE mail_groups (
      conversation TEXT NOT NULL,
      epoch INTEGER NOT NULL,
      members TEXT NOT NULL,
      state BLOB NOT NULL,
      messages INTEGER NOT NULL,
      renewed_at_ms INTEGER NOT NULL,
      PRIMARY KEY (conversation)
    ) STRICT`,
    `CREATE TABLE mail_messages (
      author TEXT NOT NULL,
      message TEXT NOT NULL,
      conversation TEXT NOT NULL,
      number INTEGER NOT NULL,
      clock INTEGER NOT NULL,
      time_ms INTEGER NOT NULL,
      received_at_ms INTEGER NOT NULL,
      expires_at_ms INTEGER,
      own INTEGER NOT NULL,
      protection TEXT NOT NULL,
      read INTEGER NOT NULL,
      text TEXT NOT NULL,
      attachments BLOB,
      PRIMARY KEY (author, message)
    ) STRICT`,
    `CREATE INDEX mail_messages_1 ON mail_messages (conversation, clock, author, number, message)`,
    `CREATE INDEX mail_messages_2 ON mail_messages (conversation, read)`,
    `CREATE INDEX mail_messages_3 ON mail_messages (read, received_at_ms)`,
    `CREATE INDEX mail_messages_4 ON mail_messages (message)`,
    `CREATE INDEX mail_messages_5 ON mail_messages (author, read)`,
    `CREATE INDEX mail_messages_6 ON mail_messages (expires_at_ms)`,
    `CREATE TABLE mail_deliveries (
      message TEXT NOT NULL,
      device TEXT NOT NULL,
      conversation TEXT NOT NULL,
      state TEXT NOT NULL,
      at_ms INTEGER NOT NULL,
      problem TEXT,
      expires_at_ms INTEGER NOT NULL,
      attempts INTEGER NOT NULL,
      next_at_ms INTEGER,
      PRIMARY KEY (message, device)
    ) STRICT`,
    `CREATE INDEX mail_deliveries_1 ON mail_deliveries (next_at_ms)`,
    `CREATE INDEX mail_deliveries_2 ON mail_deliveries (device, attempts)`,
    `CREATE TABLE mail_outgoing (
      id TEXT NOT NULL,
      recipient TEXT NOT NULL,
      number INTEGER NOT NULL,
      content TEXT NOT NULL,
      message TEXT,
      conversation TEXT,
      expires_at_ms INTEGER NOT NULL,
      bytes INTEGER NOT NULL,
      parcel BLOB NOT NULL,
      PRIMARY KEY (id)
    ) STRICT`,
    `CREATE INDEX mail_outgoing_1 ON mail_outgoing (message, recipient)`,
    `CREATE INDEX mail_outgoing_2 ON mail_outgoing (recipient, number)`,
    `CREATE INDEX mail_outgoing_3 ON mail_outgoing (expires_at_ms)`,
    `CREATE TABLE mail_received (
      id TEXT NOT NULL,
      expires_at_ms INTEGER NOT NULL,
      PRIMARY KEY (id)
    ) STRICT`,
    `CREATE INDEX mail_received_1 ON mail_received (expires_at_ms)`,
    `CREATE TABLE mail_streams (
      sender TEXT NOT NULL,
      series TEXT NOT NULL,
      next INTEGER NOT NULL,
      at_ms INTEGER NOT NULL,
      PRIMARY KEY (sender, series)
    ) STRICT`,
    `CREATE TABLE mail_sending (
      recipient TEXT NOT NULL,
      series TEXT NOT NULL,
      next INTEGER NOT NULL,
      PRIMARY KEY (recipient)
    ) STRICT`,
    `CREATE TABLE mail_waiting (
      id TEXT NOT NULL,
      sender TEXT NOT NULL,
      series TEXT NOT NULL,
      number INTEGER NOT NULL,
      reason TEXT NOT NULL,
      conversation TEXT,
      until_ms INTEGER NOT NULL,
      bytes INTEGER NOT NULL,
      parcel BLOB NOT NULL,
      PRIMARY KEY (id)
    ) STRICT`,
    `CREATE INDEX mail_waiting_1 ON mail_waiting (sender, series, number)`,
    `CREATE INDEX mail_waiting_2 ON mail_waiting (conversation)`,
    `CREATE INDEX mail_waiting_3 ON mail_waiting (until_ms)`,
    `CREATE TABLE mail_carried (
      id TEXT NOT NULL,
      sender TEXT NOT NULL,
      recipient TEXT NOT NULL,
      expires_at_ms INTEGER NOT NULL,
      at_ms INTEGER NOT NULL,
      bytes INTEGER NOT NULL,
      parcel BLOB NOT NULL,
      PRIMARY KEY (id)
    ) STRICT`,
    `CREATE INDEX mail_carried_1 ON mail_carried (recipient)`,
    `CREATE INDEX mail_carried_2 ON mail_carried (sender)`,
    `CREATE INDEX mail_carried_3 ON mail_carried (expires_at_ms)`,
    `CREATE TABLE mail_parts (
      blob TEXT NOT NULL,
      part INTEGER NOT NULL,
      author TEXT NOT NULL,
      message TEXT NOT NULL,
      bytes INTEGER NOT NULL,
      ciphertext BLOB NOT NULL,
      PRIMARY KEY (blob, part)
    ) STRICT`,
    `CREATE INDEX mail_parts_1 ON mail_parts (message)`,
    `CREATE INDEX mail_parts_2 ON mail_parts (author)`,
    `CREATE TABLE mail_key_packages (
      hash TEXT NOT NULL,
      public_package BLOB NOT NULL,
      private_package BLOB NOT NULL,
      created_at_ms INTEGER NOT NULL,
      lasting INTEGER NOT NULL,
      used INTEGER NOT NULL,
      PRIMARY KEY (hash)
    ) STRICT`,
    `CREATE TABLE mail_requests (
      request TEXT NOT NULL,
      asked TEXT NOT NULL,
      message TEXT NOT NULL,
      at_ms INTEGER NOT NULL,
      PRIMARY KEY (request)
    ) STRICT`,
    `CREATE INDEX mail_requests_1 ON mail_requests (at_ms)`,
  ],
  // Sensor readings; the rows are explained in `readings.ts`.
  [
    `CREATE TABLE series (
      key INTEGER PRIMARY KEY,
      sensor TEXT NOT NULL,
      metric TEXT NOT NULL,
      readings INTEGER NOT NULL,
      last_at_ms INTEGER NOT NULL,
      UNIQUE (sensor, metric)
    ) STRICT`,
    `CREATE TABLE readings (
      series_key INTEGER NOT NULL,
      at_ms INTEGER NOT NULL,
      sequence INTEGER NOT NULL,
      value REAL NOT NULL,
      published INTEGER NOT NULL,
      PRIMARY KEY (series_key, at_ms, sequence)
    ) STRICT, WITHOUT ROWID`,
    `CREATE INDEX readings_waiting ON readings (series_key) WHERE published = 0`,
    `CREATE INDEX readings_by_time ON readings (at_ms)`,
  ],
  // Parts of attachments are apart by author.
  [
    `ALTER TABLE mail_parts RENAME TO mail_parts_before`,
    `CREATE TABLE mail_parts (
      blob TEXT NOT NULL,
      part INTEGER NOT NULL,
      author TEXT NOT NULL,
      message TEXT NOT NULL,
      bytes INTEGER NOT NULL,
      ciphertext BLOB NOT NULL,
      PRIMARY KEY (author, blob, part)
    ) STRICT`,
    `INSERT INTO mail_parts SELECT blob, part, author, message, bytes, ciphertext FROM mail_parts_before`,
    `DROP TABLE mail_parts_before`,
    `CREATE INDEX mail_parts_1 ON mail_parts (message)`,
    `CREATE INDEX mail_parts_2 ON mail_parts (author)`,
  ],
  // Fewer and smaller indexes: every block pays for each of them. One by id also holds what reconciliation reads, and few blocks are no `put`.
  [
    `DROP INDEX blocks_by_time`,
    `DROP INDEX blocks_by_id`,
    `CREATE UNIQUE INDEX blocks_by_id ON blocks (id, time_bucket)`,
    `DROP INDEX blocks_by_kind`,
    `CREATE INDEX blocks_by_kind ON blocks (kind) WHERE kind <> 'put'`,
  ],
  // Who leads a conversation is signed, and kept with its evidence.
  [
    `ALTER TABLE mail_conversations ADD COLUMN incarnation INTEGER NOT NULL DEFAULT 0`,
    `ALTER TABLE mail_conversations ADD COLUMN statements BLOB`,
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
