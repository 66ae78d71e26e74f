/** What the store on a disk does when the folder or the database is not well. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { setImmediate } from "node:timers";
import type { Block } from "../../protocols/blocks/block.ts";
import { ONCE_PREFIX, RESTORED_SETTING } from "../../store/store.ts";
import { SCHEMA_VERSION } from "../../store/migrations.ts";
import { NodeSqlite } from "../../store/node_sqlite.ts";
import { chunk, TestAuthor } from "./authors.ts";
import { damageColumn, damageFile, openStore, refusal, withFolder } from "./folders.ts";

Deno.test("sqlite store refuses a folder that is in use and names folder and process", async () => {
  await withFolder(async (directory) => {
    const store = await openStore(directory);
    const error = await refusal(openStore(directory));
    assert.equal(error.reason, "locked");
    assert.ok(error.message.includes(directory) && error.message.includes(String(Deno.pid)));
    assert.ok(error.hint.includes(String(Deno.pid)));
    await store.close();
    await (await openStore(directory)).close();
  });
});

Deno.test("sqlite store refuses a database of a later version and leaves it alone", async () => {
  await withFolder(async (directory) => {
    await (await openStore(directory)).close();
    const path = join(directory, "node.db");
    const database = new NodeSqlite(path);
    database.exec(`PRAGMA user_version = ${SCHEMA_VERSION + 1}`);
    database.close();
    const error = await refusal(openStore(directory));
    assert.equal(error.reason, "tooNew");
    assert.match(error.message, new RegExp(`is ${SCHEMA_VERSION + 1}, expected at most`));
    const same = new NodeSqlite(path);
    const version = same.first<{ user_version: number }>("PRAGMA user_version");
    assert.equal(version?.user_version, SCHEMA_VERSION + 1);
    same.close();
  });
});

Deno.test("sqlite store moves a database of garbage aside, says so once, and keeps the chunks", async () => {
  await withFolder(async (directory) => {
    const store = await openStore(directory);
    const kept = chunk(1);
    const blocks = new TestAuthor("ada").writeMany(3);
    await store.chunks.put([kept]);
    await store.blocks.put(blocks);
    await store.close();
    const garbage = new Uint8Array(40_000).map((_, i) => (i * 7919) >> 3);
    await Deno.writeFile(join(directory, "node.db"), garbage);
    const again = await openStore(directory);
    const damage = await again.verify({ deep: false });
    assert.deepEqual(damage.map(({ table, key }) => [table, key]), [["database", "node.db"]]);
    assert.deepEqual(await again.verify({ deep: true }), []);
    assert.equal(await again.settings.get(RESTORED_SETTING), true);
    assert.deepEqual(await again.chunks.get(kept.hash), kept.bytes);
    assert.deepEqual(await again.chunks.known([kept.hash]), new Set([kept.hash]));
    assert.deepEqual((await again.blocks.put(blocks)).map((o) => o.type), Array(3).fill("stored"));
    assert.deepEqual(await Deno.readFile(join(directory, "damaged/1/node.db")), garbage);
    await again.close();
  });
});

Deno.test("sqlite store finishes a rebuild that a crash has interrupted, from the database it had moved aside", async () => {
  await withFolder(async (directory) => {
    const store = await openStore(directory);
    const blocks = new TestAuthor("ada").writeMany(5);
    await store.blocks.put(blocks);
    await store.close();
    const path = join(directory, "node.db");
    const place = join(directory, "damaged/1");
    const mark = JSON.stringify({ problem: "it was damaged", place: "damaged/1" });
    await Deno.mkdir(place, { recursive: true });
    /** What a crash leaves: before the move, after it, with a new database, with a new one half full. */
    const stages: readonly (() => Promise<void>)[] = [
      () => Deno.rename(join(place, "node.db"), path).catch(() => {}),
      () => Deno.remove(path),
      () => Deno.writeFile(path, new Uint8Array()),
      async () => {
        const half = await databaseWith(directory, blocks.slice(0, 2));
        await Deno.writeFile(path, half);
      },
    ];
    for (const [stage, leave] of stages.entries()) {
      await leave();
      await Deno.writeTextFile(join(directory, "node.db.rebuild"), mark);
      const again = await openStore(directory);
      const damage = await again.verify({ deep: false });
      assert.deepEqual(damage.map(({ problem }) => problem), ["it was damaged"], `stage ${stage}`);
      assert.equal((await again.blocks.head(blocks[0]!.header.author))?.sequence, 5);
      assert.equal(await again.settings.get(RESTORED_SETTING), true);
      await again.close();
    }
    const calm = await openStore(directory);
    assert.deepEqual(await calm.verify({ deep: true }), [], "it is told once");
    await calm.close();
  });
});

/** The bytes of a database that holds just these blocks. */
async function databaseWith(directory: string, blocks: readonly Block[]): Promise<Uint8Array> {
  const elsewhere = join(directory, "half");
  const store = await openStore(elsewhere);
  await store.blocks.put(blocks);
  await store.close();
  return await Deno.readFile(join(elsewhere, "node.db"));
}

Deno.test("sqlite store moves a truncated database aside", async () => {
  await withFolder(async (directory) => {
    const store = await openStore(directory);
    await store.blocks.put(new TestAuthor("ada").writeMany(200));
    await store.close();
    const path = join(directory, "node.db");
    await Deno.truncate(path, 3 * 4096);
    const again = await openStore(directory);
    const damage = await again.verify({ deep: false });
    assert.equal(damage[0]?.table, "database");
    assert.deepEqual(await again.blocks.frontiers(), []);
    await again.close();
  });
});

Deno.test("sqlite store rebuilds at the next start after a check found the database itself damaged", async () => {
  await withFolder(async (directory) => {
    const store = await openStore(directory);
    // Enough that the middle of the file is not where the rows begin.
    const blocks = new TestAuthor("ada").writeMany(1200);
    await store.blocks.put(blocks);
    await store.settings.set({ name: "Ada", [`${ONCE_PREFIX}word`]: 1 });
    await store.close();
    const path = join(directory, "node.db");
    const bytes = await Deno.readFile(path);
    // Wipes the middle of the file, where rows and index pages are; the first pages (schema, authors) stay readable.
    bytes.fill(0x55, bytes.length >> 1, (bytes.length >> 1) + 16 * 4096);
    await Deno.writeFile(path, bytes);
    const broken = await openStore(directory);
    const damage = await broken.verify({ deep: true });
    assert.equal(damage[0]?.table, "database");
    await broken.close().catch((error) => assert.equal(error.reason, "corrupt"));
    const again = await openStore(directory);
    const salvaged = (await again.blocks.frontiers())[0]!.sequence;
    assert.ok(salvaged > 10 && salvaged < 1200, `${salvaged} blocks were salvaged`);
    assert.equal(await again.settings.get("name"), "Ada");
    assert.equal(await again.settings.get(RESTORED_SETTING), true);
    assert.equal(await again.settings.get(`${ONCE_PREFIX}word`), undefined);
    assert.equal((await again.verify({ deep: false }))[0]?.table, "database");
    await again.blocks.put(blocks);
    assert.equal((await again.blocks.frontiers())[0]!.sequence, 1200);
    assert.deepEqual(await again.verify({ deep: true }), []);
    await again.close();
  });
});

Deno.test("sqlite store notices a changed byte in any column of a block", async () => {
  for (const column of ["header", "payload", "signature"]) {
    await withFolder(async (directory) => {
      const store = await openStore(directory);
      const blocks = new TestAuthor("ada").writeMany(2);
      await store.blocks.put(blocks);
      await store.close();
      damageColumn(directory, blocks[0]!.id, column);
      const again = await openStore(directory);
      const damage = await again.verify({ deep: true });
      assert.deepEqual(damage.map((d) => d.key), [blocks[0]!.id], column);
      await again.close();
    });
  }
});

Deno.test("sqlite store asks for the true id when the stored id itself is what is damaged", async () => {
  await withFolder(async (directory) => {
    const store = await openStore(directory);
    const blocks = new TestAuthor("ada").writeMany(3);
    await store.blocks.put(blocks);
    await store.close();
    damageColumn(directory, blocks[1]!.id, "id");
    const again = await openStore(directory);
    assert.equal((await again.verify({ deep: true })).length, 1);
    assert.deepEqual((await again.blocks.missing()).map(({ id }) => id), [blocks[1]!.id]);
    assert.deepEqual((await again.blocks.put([blocks[1]!])).map((o) => o.type), ["stored"]);
    assert.equal((await again.blocks.frontiers())[0]!.sequence, 3);
    await again.close();
  });
});

Deno.test("sqlite store never serves a damaged chunk", async () => {
  await withFolder(async (directory) => {
    const store = await openStore(directory);
    const stored = chunk(5);
    await store.chunks.put([stored]);
    await damageFile(join(directory, "blobs", stored.hash.slice(0, 2), stored.hash));
    assert.equal(await store.chunks.get(stored.hash), undefined);
    assert.deepEqual(await store.chunks.known([stored.hash]), new Set());
    await store.chunks.put([stored]);
    assert.deepEqual(await store.chunks.get(stored.hash), stored.bytes);
    await store.close();
  });
});

Deno.test("sqlite store lets others have their turn while it verifies", async () => {
  await withFolder(async (directory) => {
    const author = new TestAuthor("ada");
    const store = await openStore(directory);
    const body = new TextEncoder().encode("text");
    await store.blocks.put(Array.from({ length: 3_000 }, () => author.write(body)));
    let turns = 0;
    let verifying = true;
    const count = (): void => {
      turns++;
      if (verifying) setImmediate(count);
    };
    setImmediate(count);
    assert.deepEqual(await store.verify({ deep: true }), []);
    verifying = false;
    assert.ok(turns >= 10, `${turns} turns`);
    await store.close();
  });
});
