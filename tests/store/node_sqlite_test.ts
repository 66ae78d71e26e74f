/** The traps of node:sqlite that the connection closes; each of these fails on the bare library. */
import assert from "node:assert/strict";
import { Kysely } from "kysely";
import { NodeSqlite, nodeSqliteDialect } from "../../store/node_sqlite.ts";

function withDatabase(work: (database: NodeSqlite) => void | Promise<void>) {
  return async () => {
    const database = new NodeSqlite(":memory:");
    try {
      await work(database);
    } finally {
      database.close();
    }
  };
}

Deno.test(
  "whole numbers bind as INTEGER, also where no column gives a type",
  withDatabase((database) => {
    const row = database.first("SELECT typeof(?) AS a, typeof(?) AS b, ? AS c", 3, 2.5, true);
    assert.deepEqual({ ...row as object }, { a: "integer", b: "real", c: 1 });
  }),
);

Deno.test(
  "a kept statement sees the columns after ALTER TABLE",
  withDatabase((database) => {
    database.exec("CREATE TABLE t (a INTEGER)");
    database.run("INSERT INTO t VALUES (1)");
    assert.deepEqual({ ...database.all<object>("SELECT * FROM t")[0] }, { a: 1 });
    database.run("ALTER TABLE t ADD COLUMN b TEXT DEFAULT 'x'");
    assert.deepEqual({ ...database.all<object>("SELECT * FROM t")[0] }, { a: 1, b: "x" });
  }),
);

Deno.test(
  "values that SQL cannot hold are refused, not misread",
  withDatabase((database) => {
    assert.throws(() => database.first("SELECT ?", new Date(0)), /Cannot bind/);
    assert.throws(() => database.first("SELECT ?", { a: 1 }), /Cannot bind/);
  }),
);

Deno.test(
  "a transaction that the database itself has ended fails with the first reason",
  withDatabase(async (database) => {
    const kysely = new Kysely<never>({ dialect: nodeSqliteDialect(database) });
    const failing = kysely.transaction().execute(() => {
      database.exec("ROLLBACK");
      return Promise.reject(new Error("the reason"));
    });
    await assert.rejects(failing, /the reason/);
  }),
);
