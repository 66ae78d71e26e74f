/** What every Store promises of blocks: logs without gaps, equivocations, pages, ranges. */
import assert from "node:assert/strict";
import type { Block } from "../../protocols/blocks/block.ts";
import type { Store } from "../../store/store.ts";
import { TestAuthor, withoutPayload } from "../store/authors.ts";
import { putTypes, type StorePromise } from "./store_contract_support.ts";

/** Registers the promises about blocks. */
export function storeBlocksContract(contract: StorePromise): void {
  contract("gives back exactly the bytes that were put", async (place, store) => {
    const blocks = new TestAuthor("ada").writeMany(3);
    assert.deepEqual(await putTypes(store, blocks), ["stored", "stored", "stored"]);
    await store.close();
    const again = await place.open();
    assert.deepEqual(await again.blocks.get(blocks.map((b) => b.id)), blocks);
    await again.close();
  });

  contract("answers undefined for unknown blocks, each in its place", async (_, store) => {
    const [first, second] = new TestAuthor("ada").writeMany(2) as [Block, Block];
    await store.blocks.put([first]);
    assert.deepEqual(await store.blocks.get([second.id, first.id]), [undefined, first]);
    assert.deepEqual(await store.blocks.known([second.id, first.id]), new Set([first.id]));
  });

  contract("calls a block that is here a duplicate, also within one call", async (_, store) => {
    const [first] = new TestAuthor("ada").writeMany(1) as [Block];
    assert.deepEqual(await putTypes(store, [first, first]), ["stored", "duplicate"]);
    assert.deepEqual(await putTypes(store, [first]), ["duplicate"]);
    assert.equal((await store.blocks.stats()).blocks, 1);
  });

  contract("stores nothing after a gap and says which block must come first", async (_, store) => {
    const blocks = new TestAuthor("ada").writeMany(4);
    const outcomes = await store.blocks.put([blocks[0]!, blocks[2]!, blocks[3]!]);
    assert.deepEqual(outcomes, [
      { type: "stored", id: blocks[0]!.id },
      { type: "gap", id: blocks[2]!.id, expectedSequence: 2 },
      { type: "gap", id: blocks[3]!.id, expectedSequence: 2 },
    ]);
    assert.equal((await store.blocks.frontiers())[0]!.sequence, 1);
  });

  contract(
    "keeps both blocks of an equivocation and lets the first one count",
    async (_, store) => {
      const author = new TestAuthor("ada");
      const [first, second] = author.writeMany(2) as [Block, Block];
      const twin = author.write("another second", { after: first });
      const outcomes = await store.blocks.put([first, second, twin]);
      assert.deepEqual(outcomes[2], { type: "equivocation", id: twin.id, other: second.id });
      assert.deepEqual(await putTypes(store, [twin]), ["duplicate"]);
      const proof = { author: author.id, sequence: 2, first: second.id, second: twin.id };
      assert.deepEqual(await store.blocks.equivocations(), [proof]);
      assert.equal((await store.blocks.frontiers())[0]!.head, second.id);
      assert.equal((await store.blocks.reconcileItems()).length, 3);
      const range = { author: author.id, fromSequence: 1, toSequence: 9, bytesMax: 1e6 };
      assert.deepEqual(await store.blocks.range(range), [first, second, twin]);
    },
  );

  contract("continues a log after either block of an equivocation", async (_, store) => {
    const author = new TestAuthor("ada");
    const first = author.write("first");
    const twin = author.write("another first", { after: null });
    const afterTwin = author.write("second", { after: twin });
    const beyond = author.write("third", { after: afterTwin });
    assert.deepEqual(await putTypes(store, [first, afterTwin]), ["stored", "gap"]);
    assert.deepEqual(await putTypes(store, [twin, afterTwin, beyond]), [
      "equivocation",
      "stored",
      "stored",
    ]);
  });

  contract("completes a block whose payload comes later", async (_, store) => {
    const [first, second] = new TestAuthor("ada").writeMany(2) as [Block, Block];
    await store.blocks.put([withoutPayload(first), second]);
    assert.deepEqual(await store.blocks.withoutPayload(10), [withoutPayload(first)]);
    const before = await store.blocks.stats();
    assert.deepEqual(await putTypes(store, [withoutPayload(first)]), ["duplicate"]);
    assert.deepEqual(await putTypes(store, [first]), ["completed"]);
    assert.deepEqual(await store.blocks.get([first.id]), [first]);
    assert.deepEqual(await store.blocks.withoutPayload(10), []);
    const after = await store.blocks.stats();
    assert.equal(after.bytes - before.bytes, first.payload!.length);
    assert.deepEqual([before.withoutPayload, after.withoutPayload], [1, 0]);
  });

  contract("lists frontiers by author and counts everything", async (place, store) => {
    const authors = ["ada", "ben", "cyd"].map((name) => new TestAuthor(name));
    const logs = authors.map((author, i) => author.writeMany(i + 1));
    await store.blocks.put(logs.flat());
    const expected = logs.map((log) => ({
      author: log[0]!.header.author,
      sequence: log.length,
      head: log.at(-1)!.id,
    })).sort((a, b) => a.author < b.author ? -1 : 1);
    const bytes = logs.flat().reduce((n, b) => n + b.headerBytes.length + b.payload!.length, 0);
    const stats = { blocks: 6, bytes, authors: 3, withoutPayload: 0 };
    assert.deepEqual(await store.blocks.frontiers(), expected);
    assert.deepEqual(await store.blocks.stats(), stats);
    await store.close();
    const again = await place.open();
    assert.deepEqual(await again.blocks.frontiers(), expected);
    assert.deepEqual(await again.blocks.stats(), stats);
    assert.deepEqual(await again.blocks.head(expected[0]!.author), expected[0]);
    assert.equal(await again.blocks.head(new TestAuthor("nobody").id), undefined);
    await again.close();
  });

  contract("cuts a range at the byte limit but gives at least one block", async (_, store) => {
    const author = new TestAuthor("ada");
    const blocks = Array.from({ length: 5 }, () => author.write(new Uint8Array(1000)));
    await store.blocks.put(blocks);
    const ask = { author: author.id, fromSequence: 2, toSequence: 4, bytesMax: 1e6 };
    assert.deepEqual(await store.blocks.range(ask), blocks.slice(1, 4));
    assert.deepEqual(await store.blocks.range({ ...ask, bytesMax: 1 }), blocks.slice(1, 2));
    assert.deepEqual(await store.blocks.range({ ...ask, bytesMax: 2900 }), blocks.slice(1, 3));
    assert.deepEqual(await store.blocks.range({ ...ask, fromSequence: 6, toSequence: 9 }), []);
    assert.deepEqual(await store.blocks.range({ ...ask, author: new TestAuthor("x").id }), []);
  });

  contract("pages through blocks newest first, with every filter", async (_, store) => {
    const ada = new TestAuthor("ada");
    const ben = new TestAuthor("ben");
    const old = ada.write("old");
    const blocks = [
      old,
      ben.write("1", { topic: "garden" }),
      ada.write("new", { kind: "supersede", target: old.id }),
      ben.write("2", { topic: "garden" }),
      ben.write("3"),
    ];
    await store.blocks.put(blocks);
    const newestFirst = blocks.toReversed();
    const first = await store.blocks.list({ limit: 2 });
    assert.deepEqual(first.blocks, newestFirst.slice(0, 2));
    const second = await store.blocks.list({ limit: 3, cursor: first.nextCursor! });
    assert.deepEqual(second, { blocks: newestFirst.slice(2), nextCursor: null });
    const only = async (query: Partial<Parameters<Store["blocks"]["list"]>[0]>) =>
      (await store.blocks.list({ limit: 10, ...query })).blocks;
    assert.deepEqual(await only({ topic: "garden" }), [blocks[3], blocks[1]]);
    assert.deepEqual(await only({ author: ada.id }), [blocks[2], blocks[0]]);
    assert.deepEqual(await only({ kinds: ["supersede"] }), [blocks[2]]);
    assert.deepEqual(await only({ currentOnly: true }), newestFirst.slice(0, 4));
    assert.deepEqual(await only({ author: new TestAuthor("x").id }), []);
  });

  contract(
    "lists by tag: the whole tag, and nothing that merely reads like it",
    async (_, store) => {
      const ada = new TestAuthor("ada");
      const blocks = [
        ada.write("1", { tags: ["bees", "grün"] }),
        ada.write("2", { topic: "bees" }),
        ada.write("3", { tags: ["beeswax"] }),
        ada.write("4", { tags: ["garden", "bees"] }),
        ada.write("5", { tags: ["honey bees"] }),
      ];
      await store.blocks.put(blocks);
      const byTag = (tag: string, limit: number, cursor?: string) =>
        store.blocks.list({ tag, limit, ...(cursor === undefined ? {} : { cursor }) });
      assert.deepEqual((await byTag("bees", 10)).blocks, [blocks[3], blocks[0]]);
      assert.deepEqual((await byTag("grün", 10)).blocks, [blocks[0]]);
      assert.deepEqual((await byTag("bee", 10)).blocks, []);
      assert.deepEqual((await byTag("", 10)).blocks, []);
      // A page that holds one false match is filled up from behind it.
      const first = await byTag("bees", 1);
      assert.deepEqual(first.blocks, [blocks[3]]);
      assert.deepEqual(await byTag("bees", 1, first.nextCursor!), {
        blocks: [blocks[0]],
        nextCursor: null,
      });
    },
  );

  contract("knows a block as replaced also when its replacement came first", async (_, store) => {
    const old = new TestAuthor("ada").write("old");
    const ben = new TestAuthor("ben");
    const removal = ben.write("", { kind: "tombstone", target: old.id });
    await store.blocks.put([removal]);
    await store.blocks.put([old]);
    assert.deepEqual(await store.blocks.targeting(old.id), [removal]);
    const page = await store.blocks.list({ limit: 10, currentOnly: true });
    assert.deepEqual(page.blocks, [removal]);
  });

  contract("sorts reconciliation items by bucket and id", async (_, store) => {
    const author = new TestAuthor("ada");
    const hours = [5, 1, 3, 1, 5, 0];
    const blocks = hours.map((hour) => author.write(`${hour}`, { timeMs: hour * 3_600_000 + 7 }));
    await store.blocks.put(blocks);
    const expected = blocks.map((b, i) => ({ timeBucket: hours[i]!, id: b.id }))
      .sort((a, b) => a.timeBucket - b.timeBucket || (a.id < b.id ? -1 : 1));
    assert.deepEqual((await store.blocks.reconcileItems()).map((item) => ({ ...item })), expected);
    const more = author.write("late", { timeMs: 2 * 3_600_000 });
    await store.blocks.put([more]);
    assert.equal((await store.blocks.reconcileItems())[3]!.id, more.id);
  });

  contract("finds blocks by kind in the order stored, and large bodies", async (_, store) => {
    const author = new TestAuthor("ada");
    const large = author.write(new Uint8Array(100_000).fill(7), { mediaType: "image/png" });
    const blocks = [author.write("a", { kind: "crdt", after: large }), large];
    const removal = author.write("", { kind: "tombstone", target: large.id, after: blocks[0]! });
    await store.blocks.put([large, blocks[0]!, removal]);
    assert.deepEqual(await store.blocks.ofKinds(["tombstone", "crdt"]), [blocks[0], removal]);
    assert.deepEqual(await store.blocks.ofKinds([]), []);
    assert.deepEqual(await store.blocks.largeBodies(), [large]);
  });

  contract("puts concurrent calls one after another", async (_, store) => {
    const blocks = new TestAuthor("ada").writeMany(40);
    const calls = blocks.map((block) => store.blocks.put([block]));
    const outcomes = (await Promise.all(calls)).flat();
    assert.deepEqual(new Set(outcomes.map((o) => o.type)), new Set(["stored"]));
    assert.equal((await store.blocks.frontiers())[0]!.sequence, 40);
  });
}
