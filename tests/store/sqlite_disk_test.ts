/** What the store on a disk does when the disk, the folder or the database is not well. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { setImmediate } from "node:timers";
import type { Block } from "../../protocols/blocks/block.ts";
import { MANIFEST_FILE, restoreBackup } from "../../store/backup.ts";
import { ONCE_PREFIX, RESTORED_SETTING } from "../../store/store.ts";
import { SCHEMA_VERSION } from "../../store/migrations.ts";
import { NodeSqlite } from "../../store/node_sqlite.ts";
import { StoreError } from "../../store/store.ts";
import { chunk, TestAuthor } from "./authors.ts";
import { damageColumn, damageFile, openStore, withFolder } from "./folders.ts";
import { skipped } from "../skipped.ts";

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

Deno.test("sqlite store says full when the database may not grow, keeps what it had, and goes on when it may", async () => {
  await withFolder(async (directory) => {
    const author = new TestAuthor("ada");
    const store = await openStore(directory, { databasePagesMax: 100 });
    const kept = [];
    let failure: StoreError | undefined;
    while (failure === undefined) {
      const block = author.write(new Uint8Array(20_000));
      try {
        await store.blocks.put([block]);
        kept.push(block);
      } catch (error) {
        assert.ok(error instanceof StoreError);
        failure = error;
      }
    }
    assert.equal(failure.reason, "full");
    assert.match(failure.hint, /Free some space/);
    const ids = kept.map((block) => block.id);
    assert.deepEqual(await store.blocks.get(ids), kept);
    assert.equal((await store.blocks.frontiers())[0]!.sequence, kept.length);
    await store.close();
    const again = await openStore(directory);
    assert.deepEqual(await again.blocks.get(ids), kept);
    const next = author.write("small", { after: kept.at(-1)! });
    assert.deepEqual((await again.blocks.put([next])).map((o) => o.type), ["stored"]);
    assert.deepEqual(await again.verify({ deep: true }), []);
    await again.close();
  });
});

const ignore = skipped(
  "full and read-only disks",
  await canMount() ? null : "only root may mount a small disk",
);

Deno.test({
  name: "sqlite store survives a disk that is really full (needs root, to mount a small tmpfs)",
  ignore,
  fn: () =>
    withMount("size=2m", async (directory) => {
      const author = new TestAuthor("ada");
      const store = await openStore(directory);
      const kept = [];
      let failure: StoreError | undefined;
      while (failure === undefined) {
        const block = author.write(new Uint8Array(40_000));
        try {
          await store.blocks.put([block]);
          kept.push(block);
        } catch (error) {
          assert.ok(error instanceof StoreError);
          failure = error;
        }
      }
      assert.equal(failure.reason, "full", failure.message);
      const chunkFailure = await refusal(store.chunks.put([chunk(1), chunk(2), chunk(3)]));
      assert.equal(chunkFailure.reason, "full", chunkFailure.message);
      assert.deepEqual(await store.blocks.get(kept.map((b) => b.id)), kept);
      assert.equal((await store.blocks.frontiers())[0]!.sequence, kept.length);
      await store.close().catch((error) => assert.equal(error.reason, "full"));
      await mount(directory, "remount,size=8m");
      const again = await openStore(directory);
      assert.deepEqual(await again.verify({ deep: true }), []);
      assert.deepEqual(await again.blocks.get(kept.map((b) => b.id)), kept);
      await again.chunks.put([chunk(1)]);
      await again.close();
    }),
});

Deno.test({
  name: "sqlite store says readOnly for a folder on a read-only disk (needs root, to mount one)",
  ignore,
  fn: () =>
    withMount("size=4m", async (directory) => {
      await (await openStore(directory)).close();
      await mount(directory, "remount,ro");
      const error = await refusal(openStore(directory));
      assert.equal(error.reason, "readOnly", error.message);
      assert.match(error.hint, /writable/);
    }),
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

Deno.test("a backup of a store in use can be restored, and what was there is kept", async () => {
  await withFolder(async (root) => {
    const [from, to, backup] = [join(root, "from"), join(root, "to"), join(root, "backup")];
    const author = new TestAuthor("ada");
    const blocks = author.writeMany(20);
    const store = await openStore(from);
    await store.blocks.put(blocks);
    await store.chunks.put([chunk(1), chunk(2, 10)]);
    await store.settings.set({ name: "Ada", [`${ONCE_PREFIX}word`]: 1 });
    const progress: [number, number][] = [];
    await store.backup(backup, (done, total) => progress.push([done, total]));
    assert.deepEqual(progress.at(-1), [3, 3]);
    await store.blocks.put([author.write("after the backup")]);
    assert.match((await refusal(store.backup(backup))).message, /already holds/);
    assert.equal((await refusal(restoreBackup({ from: backup, to: from }))).reason, "locked");
    await store.close();

    const other = await openStore(to);
    await other.blocks.put([new TestAuthor("ben").write("to be replaced")]);
    await other.close();
    const steps: [number, number][] = [];
    await restoreBackup({
      from: backup,
      to,
      onProgress: (done, total) => steps.push([done, total]),
    });
    assert.deepEqual(steps.at(-1), [6, 6]);
    const restored = await openStore(to);
    assert.deepEqual(await restored.verify({ deep: true }), []);
    assert.deepEqual(await restored.blocks.get(blocks.map((b) => b.id)), blocks);
    assert.equal((await restored.blocks.stats()).blocks, 20);
    assert.equal(await restored.settings.get("name"), "Ada");
    assert.equal(await restored.settings.get(RESTORED_SETTING), true);
    assert.equal(await restored.settings.get(`${ONCE_PREFIX}word`), undefined);
    assert.deepEqual(await restored.chunks.get(chunk(1).hash), chunk(1).bytes);
    await restored.close();
    assert.ok((await Deno.stat(join(to, "replaced/1/node.db"))).isFile);
  });
});

Deno.test("a restore that dies between its moves leaves a store that knows it lacks its log", async () => {
  await withFolder(async (folder) => {
    const [from, to, backup] = [join(folder, "a"), join(folder, "b"), join(folder, "backup")];
    const store = await openStore(from);
    await store.blocks.put(new TestAuthor("ada").writeMany(3));
    await store.backup(backup);
    await store.close();
    await (await openStore(to)).close();
    // The old store has been moved away when the new chunks are missed: it ends there, as in a crash.
    const onProgress = (done: number, total: number) => {
      if (done === total) Deno.removeSync(join(to, "restoring/blobs"), { recursive: true });
    };
    await assert.rejects(restoreBackup({ from: backup, to, onProgress }));
    const survivor = await openStore(to);
    assert.equal(await survivor.settings.get(RESTORED_SETTING), true);
    await survivor.close();
    await restoreBackup({ from: backup, to });
    const restored = await openStore(to);
    assert.equal((await restored.blocks.stats()).blocks, 3);
    assert.deepEqual(await restored.verify({ deep: true }), []);
    await restored.close();
  });
});

Deno.test("a damaged or unfinished backup is refused and changes nothing", async () => {
  await withFolder(async (root) => {
    const [from, backup] = [join(root, "from"), join(root, "backup")];
    const store = await openStore(from);
    const [block] = new TestAuthor("ada").writeMany(1);
    await store.blocks.put([block!]);
    await store.chunks.put([chunk(1)]);
    await store.backup(backup);
    await store.close();
    const { hash } = chunk(1);
    const manifest = await Deno.readTextFile(join(backup, MANIFEST_FILE));
    const refusedNow = async (why: RegExp) => {
      const error = await refusal(restoreBackup({ from: backup, to: from }));
      assert.equal(error.reason, "corrupt");
      assert.match(error.message, why);
    };
    await damageFile(join(backup, "blobs", hash.slice(0, 2), hash));
    await refusedNow(/not what its manifest says/);
    await damageFile(join(backup, "blobs", hash.slice(0, 2), hash));
    await Deno.writeTextFile(
      join(backup, MANIFEST_FILE),
      manifest.replace(`blobs/${hash.slice(0, 2)}/${hash}`, "../../etc/passwd"),
    );
    await refusedNow(/manifest is wrong/);
    await Deno.remove(join(backup, MANIFEST_FILE));
    await refusedNow(/no manifest/);
    const again = await openStore(from);
    assert.deepEqual(await again.blocks.get([block!.id]), [block]);
    await again.close();
  });
});

async function refusal(promise: Promise<unknown>): Promise<StoreError> {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof StoreError, `${error} is no StoreError`);
    return error;
  }
  assert.fail("expected a StoreError");
}

async function mount(directory: string, options: string): Promise<boolean> {
  const { success } = await new Deno.Command("mount", {
    args: ["-t", "tmpfs", "-o", options, "tmpfs", directory],
    stderr: "null",
  }).output();
  return success;
}

async function canMount(): Promise<boolean> {
  if (Deno.build.os !== "linux" || Deno.uid() !== 0) return false;
  const directory = await Deno.makeTempDir();
  const works = await mount(directory, "size=1m").catch(() => false);
  if (works) await new Deno.Command("umount", { args: [directory] }).output();
  await Deno.remove(directory);
  return works;
}

async function withMount(
  options: string,
  work: (directory: string) => Promise<void>,
): Promise<void> {
  await withFolder(async (directory) => {
    const place = join(directory, "disk");
    await Deno.mkdir(place);
    assert.ok(await mount(place, options));
    try {
      await work(place);
    } finally {
      await new Deno.Command("umount", { args: [place] }).output();
    }
  });
}

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
