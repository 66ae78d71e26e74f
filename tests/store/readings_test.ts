/** Both stores keep sensor readings as the contract says. */
import { MemoryDisk, openMemoryStore } from "../../store/memory_store.ts";
import { readingsContract } from "../contracts/readings_contract.ts";
import { openStore } from "./folders.ts";

readingsContract("memory readings", () => {
  const disk = new MemoryDisk();
  return Promise.resolve({
    open: () => Promise.resolve(openMemoryStore({ disk })),
    remove: () => Promise.resolve(),
  });
});

readingsContract("sqlite readings", async () => {
  const directory = await Deno.makeTempDir({ prefix: "submind_readings_" });
  return {
    open: () => openStore(directory),
    remove: () => Deno.remove(directory, { recursive: true }),
  };
});
