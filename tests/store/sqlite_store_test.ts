/** The store on a disk keeps the promises of every store. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { storeContract } from "../contracts/store_contract.ts";
import { TestAuthor } from "./authors.ts";
import { damageColumn, damageFile, openStore, sqlitePlace, withFolder } from "./folders.ts";

storeContract("sqlite store", async () => {
  const { directory, ...place } = await sqlitePlace();
  return {
    ...place,
    async damage(what) {
      if ("block" in what) damageColumn(directory, what.block, what.part);
      else await damageFile(join(directory, "blobs", what.chunk.slice(0, 2), what.chunk));
    },
  };
});

Deno.test("sqlite store knows of a replacement that came before what it replaces, also after a restart", async () => {
  await withFolder(async (directory) => {
    const [ada, ben] = [new TestAuthor("ada"), new TestAuthor("ben")];
    const [early, late] = [ada.write("first"), ada.write("second")];
    const store = await openStore(directory);
    await store.blocks.put([ben.write("instead", { kind: "supersede", target: early.id })]);
    await store.blocks.put([early]);
    await store.blocks.put([ben.write("instead", { kind: "supersede", target: late.id })]);
    await store.close();
    const again = await openStore(directory);
    await again.blocks.put([late]);
    const { blocks } = await again.blocks.list({ limit: 10, currentOnly: true });
    assert.deepEqual(new Set(blocks.map(({ header }) => header.author)), new Set([ben.id]));
    await again.close();
  });
});
