/** The store on a disk keeps the promises of every store. */
import { join } from "node:path";
import { storeContract } from "../contracts/store_contract.ts";
import { damageColumn, damageFile, openStore } from "./folders.ts";

storeContract("sqlite store", async () => {
  const directory = await Deno.makeTempDir({ prefix: "submind_store_" });
  return {
    open: () => openStore(directory),
    async damage(what) {
      if ("block" in what) damageColumn(directory, what.block, what.part);
      else await damageFile(join(directory, "blobs", what.chunk.slice(0, 2), what.chunk));
    },
    remove: () => Deno.remove(directory, { recursive: true }),
  };
});
