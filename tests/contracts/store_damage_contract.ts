/** What every Store promises of damage: it is named, set aside, and mended by what comes again. */
import assert from "node:assert/strict";
import type { Block } from "../../protocols/blocks/block.ts";
import type { Store } from "../../store/store.ts";
import { chunk, TestAuthor, withoutPayload } from "../store/authors.ts";
import { indexTexts, putTypes, type StorePromise } from "./store_contract_support.ts";

/** Registers the promises about damage. */
export function storeDamageContract(contract: StorePromise): void {
  contract("finds nothing wrong with what it has stored", async (_, store) => {
    await store.blocks.put(new TestAuthor("ada").writeMany(3));
    await store.chunks.put([chunk(1)]);
    const progress: [number, number][] = [];
    const onProgress = (done: number, total: number) => progress.push([done, total]);
    assert.deepEqual(await store.verify({ deep: true, onProgress }), []);
    assert.deepEqual(progress.at(-1), [4, 4]);
  });

  contract("sets a damaged block aside until it comes again", async (place, store) => {
    const author = new TestAuthor("ada");
    const blocks = author.writeMany(4);
    await store.blocks.put(blocks);
    await store.close();
    await place.damage({ block: blocks[1]!.id, part: "header" });
    const again = await place.open();
    const damage = await again.verify({ deep: true });
    assert.deepEqual(damage.map(({ table, key }) => ({ table, key })), [{
      table: "blocks",
      key: blocks[1]!.id,
    }]);
    const expectHole = async (reopened: Store) => {
      const hole = { author: author.id, sequence: 2, id: blocks[1]!.id };
      assert.deepEqual(await reopened.blocks.missing(), [hole]);
      assert.deepEqual(await reopened.blocks.get([blocks[1]!.id]), [undefined]);
      const frontier = { author: author.id, sequence: 1, head: blocks[0]!.id };
      assert.deepEqual(await reopened.blocks.frontiers(), [frontier]);
      assert.equal((await reopened.blocks.head(author.id))?.sequence, 4);
      assert.equal((await reopened.blocks.stats()).blocks, 3);
    };
    await expectHole(again);
    await again.close();
    const third = await place.open();
    await expectHole(third);
    const fork = author.write("a fork", { after: blocks[0]! });
    assert.deepEqual(await putTypes(third, [blocks[2]!, fork, blocks[1]!]), [
      "duplicate",
      "equivocation",
      "stored",
    ]);
    assert.deepEqual(await third.blocks.missing(), []);
    assert.equal((await third.blocks.frontiers())[0]!.sequence, 4);
    const listed = (await third.blocks.list({ limit: 10 })).blocks;
    assert.deepEqual(listed, [fork, ...blocks.toReversed()]);
    assert.deepEqual(await third.verify({ deep: true }), []);
    await third.close();
  });

  contract("never reuses the place of a damaged newest block", async (place, store) => {
    const author = new TestAuthor("ada");
    const blocks = author.writeMany(2);
    await store.blocks.put(blocks);
    await store.close();
    await place.damage({ block: blocks[1]!.id, part: "header" });
    const again = await place.open();
    assert.equal((await again.verify({ deep: true })).length, 1);
    const other = new TestAuthor("ben").write("other");
    await again.blocks.put([other]);
    await again.close();
    const third = await place.open();
    assert.deepEqual(await putTypes(third, [blocks[1]!]), ["stored"]);
    const listed = (await third.blocks.list({ limit: 10 })).blocks;
    assert.deepEqual(listed, [other, blocks[1], blocks[0]]);
    await third.close();
  });

  contract("drops a damaged payload and takes it again", async (place, store) => {
    const [block] = await indexTexts(store, [["Title", "apple"]]) as [Block];
    await store.close();
    await place.damage({ block: block.id, part: "payload" });
    const again = await place.open();
    assert.deepEqual((await again.verify({ deep: true })).map((d) => d.key), [block.id]);
    assert.deepEqual(await again.blocks.withoutPayload(10), [withoutPayload(block)]);
    assert.equal((await again.search.search({ text: "apple", limit: 1, offset: 0 })).total, 0);
    assert.deepEqual(await putTypes(again, [block]), ["completed"]);
    assert.deepEqual(await again.search.unindexed(10), [block]);
    await again.close();
  });

  contract("sets a damaged chunk aside until it comes again", async (place, store) => {
    const [good, bad] = [chunk(1), chunk(2)];
    await store.chunks.put([good, bad]);
    await store.close();
    await place.damage({ chunk: bad.hash });
    const again = await place.open();
    const damage = await again.verify({ deep: true });
    assert.deepEqual(damage.map(({ table, key }) => [table, key]), [["chunks", bad.hash]]);
    assert.equal(await again.chunks.get(bad.hash), undefined);
    assert.equal((await again.chunks.stats()).chunks, 1);
    await again.chunks.put([bad]);
    assert.deepEqual(await again.chunks.get(bad.hash), bad.bytes);
    await again.close();
  });

  contract(
    "checks without `deep` only what came after the last clean stop",
    async (place, store) => {
      const [block] = new TestAuthor("ada").writeMany(1) as [Block];
      await store.blocks.put([block]);
      await store.close();
      await place.damage({ block: block.id, part: "header" });
      const again = await place.open();
      assert.deepEqual(await again.verify({ deep: false }), []);
      assert.equal((await again.verify({ deep: true })).length, 1);
      await again.close();
    },
  );
}
