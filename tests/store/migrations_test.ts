/** Databases of every released schema version open, and nothing in them is lost. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { Kysely } from "kysely";
import { Migrator } from "kysely/migration";
import { migrate, SCHEMA_VERSION } from "../../store/migrations.ts";
import { NodeSqlite, nodeSqliteDialect } from "../../store/node_sqlite.ts";
import { messageRow } from "../contracts/mail_contract.ts";
import { fixtureBlocks, FIXTURES, READING } from "./fixtures.ts";
import { openStore, withFolder } from "./folders.ts";

/** The first schema with mail. */
const MAIL_SINCE = 2;
/** The first schema with sensor readings. */
const READINGS_SINCE = 3;

for (let version = 1; version <= SCHEMA_VERSION; version++) {
  Deno.test(`a database of schema version ${version} opens with everything in it`, async () => {
    await withFolder(async (directory) => {
      await Deno.copyFile(join(FIXTURES, `schema_${version}.db`), join(directory, "node.db"));
      const store = await openStore(directory);
      const blocks = fixtureBlocks();
      assert.deepEqual(await store.blocks.get(blocks.map((b) => b.id)), blocks);
      assert.deepEqual((await store.blocks.frontiers()).map((f) => f.sequence), [2, 2]);
      assert.equal((await store.blocks.equivocations()).length, 1);
      assert.equal((await store.blocks.list({ limit: 9, currentOnly: true })).blocks.length, 4);
      assert.deepEqual(await store.settings.entries(""), [
        ["invite/a", { expires: 5 }],
        ["name", "Ada"],
      ]);
      const { hits } = await store.search.search({ text: "tomatoes", limit: 5, offset: 0 });
      assert.deepEqual(hits.map((hit) => hit.blockId), [blocks[0]!.id]);
      const mail = (await store.mail.list("messages", { limit: 9 })).map((row) => ({ ...row }));
      assert.deepEqual(mail, version < MAIL_SINCE ? [] : [messageRow(1)]);
      const [attic] = await store.readings.waiting(9);
      const expected = { sensor: "attic", readings: [READING] };
      assert.deepEqual(attic, version < READINGS_SINCE ? undefined : expected);
      assert.deepEqual(await store.verify({ deep: true }), []);
      await store.close();
    });
  });
}

Deno.test("migrating writes the schema version, and again changes nothing", async () => {
  const database = new NodeSqlite(":memory:");
  const kysely = new Kysely({ dialect: nodeSqliteDialect(database) });
  await migrate(kysely);
  const tables = () => database.all<{ sql: string }>("SELECT sql FROM sqlite_schema ORDER BY name");
  const before = tables();
  await migrate(kysely);
  assert.deepEqual(tables(), before);
  const version = database.first<{ user_version: number }>("PRAGMA user_version");
  assert.equal(version?.user_version, SCHEMA_VERSION);
  await kysely.destroy();
});

Deno.test("the schema that is made today is that of the newest fixture", async () => {
  const schemaOf = (database: NodeSqlite) =>
    database.all("SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name");
  const fresh = new NodeSqlite(":memory:");
  const kysely = new Kysely({ dialect: nodeSqliteDialect(fresh) });
  await migrate(kysely);
  const fixture = new NodeSqlite(join(FIXTURES, `schema_${SCHEMA_VERSION}.db`), { readOnly: true });
  assert.deepEqual(schemaOf(fresh), schemaOf(fixture));
  fixture.close();
  await kysely.destroy();
});

Deno.test("a migration that fails half-way leaves nothing behind", async () => {
  const database = new NodeSqlite(":memory:");
  const kysely = new Kysely<never>({ dialect: nodeSqliteDialect(database) });
  const migrator = new Migrator({
    db: kysely,
    provider: {
      getMigrations: () =>
        Promise.resolve({
          "0001": {
            async up(transaction) {
              await transaction.schema.createTable("half").addColumn("a", "integer").execute();
              throw new Error("half-way");
            },
          },
        }),
    },
  });
  const { error } = await migrator.migrateToLatest();
  assert.match(String(error), /half-way/);
  assert.equal(database.first("SELECT 1 FROM sqlite_schema WHERE name = 'half'"), undefined);
  await kysely.destroy();
});
