/** Backups of the store on a disk, and what a restore makes of good, bad and unfinished ones. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { MANIFEST_FILE, restoreBackup } from "../../store/backup.ts";
import { ONCE_PREFIX, RESTORED_SETTING } from "../../store/store.ts";
import { chunk, TestAuthor } from "./authors.ts";
import { damageFile, openStore, refusal, withFolder } from "./folders.ts";

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
