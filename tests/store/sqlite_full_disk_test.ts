/** What the store on a disk does when the disk is full or read-only. */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { Block } from "../../protocols/blocks/block.ts";
import { type Store, StoreError } from "../../store/store.ts";
import { chunk, TestAuthor } from "./authors.ts";
import { skipped } from "../skipped.ts";
import { openStore, refusal, withFolder } from "./folders.ts";

Deno.test("sqlite store says full when the database may not grow, keeps what it had, and goes on when it may", async () => {
  await withFolder(async (directory) => {
    const author = new TestAuthor("ada");
    const store = await openStore(directory, { databasePagesMax: 100 });
    const { kept, failure } = await fill(store, author, 20_000);
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
      const store = await openStore(directory);
      const { kept, failure } = await fill(store, new TestAuthor("ada"), 40_000);
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

/** Writes blocks of so many bytes until the store refuses one. */
async function fill(store: Store, author: TestAuthor, bytes: number) {
  const kept: Block[] = [];
  while (true) {
    const block = author.write(new Uint8Array(bytes));
    try {
      await store.blocks.put([block]);
      kept.push(block);
    } catch (failure) {
      assert.ok(failure instanceof StoreError);
      return { kept, failure };
    }
  }
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
