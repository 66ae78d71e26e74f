/** What every Store promises: one suite for the store in memory and the store on a disk. */
import assert from "node:assert/strict";
import type { BlockId } from "../../protocols/ids.ts";
import { InvariantError } from "../../platform/invariant.ts";
import { chunk } from "../store/authors.ts";
import { storeBlocksContract } from "./store_blocks_contract.ts";
import { type StorePlace, storePromises } from "./store_contract_support.ts";
import { storeDamageContract } from "./store_damage_contract.ts";
import { storeSearchContract } from "./store_search_contract.ts";

/** Registers the suite for stores that `makePlace` makes. */
export function storeContract(name: string, makePlace: () => Promise<StorePlace>): void {
  const contract = storePromises(name, makePlace);
  storeBlocksContract(contract);
  storeSearchContract(contract);
  storeDamageContract(contract);

  contract("refuses what breaks a limit of the port", async (_, store) => {
    await assert.rejects(async () => await store.blocks.list({ limit: 501 }), InvariantError);
    const many = new Array(1_001).fill("ab".repeat(32)) as BlockId[];
    await assert.rejects(async () => await store.blocks.get(many), InvariantError);
    await assert.rejects(
      async () => await store.settings.set({ big: "x".repeat(1_048_577) }),
      InvariantError,
    );
  });

  contract("keeps chunks by hash", async (place, store) => {
    const [a, b] = [chunk(1), chunk(2, 100)];
    await store.chunks.put([a, b, a]);
    await store.chunks.put([a]);
    assert.deepEqual(await store.chunks.stats(), { chunks: 2, bytes: 262_144 + 100 });
    await store.close();
    const again = await place.open();
    assert.deepEqual(await again.chunks.get(b.hash), b.bytes);
    assert.equal(await again.chunks.get(chunk(3).hash), undefined);
    assert.deepEqual(await again.chunks.known([chunk(3).hash, a.hash]), new Set([a.hash]));
    await again.close();
  });

  contract("keeps settings as JSON values", async (place, store) => {
    const value = { list: [1, 2.5, null, true], text: "nul \u0000 and ü", big: 2 ** 52 };
    await store.settings.set({ "invite/b": 2, "invite/a": value, "name": "Küche" });
    await store.settings.set({ "invite/b": undefined, "invite/c": 3 });
    assert.equal(await store.settings.get("invite/b"), undefined);
    await store.close();
    const again = await place.open();
    assert.deepEqual(await again.settings.get("invite/a"), value);
    assert.deepEqual(await again.settings.entries("invite/"), [["invite/a", value], [
      "invite/c",
      3,
    ]]);
    await again.close();
  });
}
