/** What every Store promises of search: what is found, in which order, and what never. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Block } from "../../protocols/blocks/block.ts";
import { TestAuthor, withoutPayload } from "../store/authors.ts";
import { indexTexts, type StorePromise } from "./store_contract_support.ts";

/** Registers the promises about search. */
export function storeSearchContract(contract: StorePromise): void {
  contract("finds words, phrases, prefixes, and leaves out excluded ones", async (_, store) => {
    const blocks = await indexTexts(store, [
      ["Tomatoes", "Sow tomatoes in March, on the window sill."],
      ["Beans", "Beans like warm soil. Sow in May."],
      ["Crème brûlée", "Sugar, eggs and cream; see the Weißbier e-mail."],
    ]);
    const found = async (text: string) => {
      const page = await store.search.search({ text, limit: 10, offset: 0 });
      assert.equal(page.total, page.hits.length);
      return new Set(page.hits.map((hit) => blocks.findIndex((b) => b.id === hit.blockId)));
    };
    assert.deepEqual(await found("sow"), new Set([0, 1]));
    assert.deepEqual(await found("sow march"), new Set([0]));
    assert.deepEqual(await found('"warm soil"'), new Set([1]));
    assert.deepEqual(await found('"soil warm"'), new Set());
    assert.deepEqual(await found("sow -beans"), new Set([0]));
    assert.deepEqual(await found("tom*"), new Set([0]));
    assert.deepEqual(await found("creme BRULEE"), new Set([2]));
    assert.deepEqual(await found("e-mail"), new Set([2]));
    assert.deepEqual(await found("-beans"), new Set());
    assert.deepEqual(await found("  "), new Set());
    assert.deepEqual(await found("near AND or NOT"), new Set());
  });

  contract("ranks a hit in the title before hits in the text", async (_, store) => {
    const filler = "many other words about the weather and the sea ".repeat(3);
    const texts: [string, string][] = [
      ["Notes", `${filler} harvest ${filler}`],
      ["Harvest", filler + filler],
      ...Array.from({ length: 6 }, (): [string, string] => ["Sea", filler]),
    ];
    const blocks = await indexTexts(store, texts);
    const { hits } = await store.search.search({ text: "harvest", limit: 10, offset: 0 });
    assert.deepEqual(hits.map((hit) => hit.blockId), [blocks[1]!.id, blocks[0]!.id]);
    assert.ok(hits[0]!.score > hits[1]!.score);
    assert.ok(hits[1]!.snippet.includes("\u0002harvest\u0003"));
    assert.deepEqual(
      { ...hits[0]!, snippet: "", score: 0 },
      {
        blockId: blocks[1]!.id,
        title: "Harvest",
        topic: "notes",
        author: blocks[1]!.header.author,
        timeMs: blocks[1]!.header.timeMs,
        snippet: "",
        score: 0,
      },
    );
    const page = await store.search.search({ text: "harvest", limit: 1, offset: 1 });
    assert.deepEqual(page.hits.map((hit) => hit.blockId), [blocks[0]!.id]);
    assert.equal(page.total, 2);
  });

  contract("searches in one topic only when asked to", async (_, store) => {
    const author = new TestAuthor("ada");
    const topics = ["notes", "notes/garden", 'Grün "quoted" OR x'];
    const blocks = topics.map((topic) => author.write("apple", { topic }));
    await store.blocks.put(blocks);
    await store.search.index(blocks.map((b) => ({ blockId: b.id, title: "", text: "apple" })));
    for (const [i, topic] of topics.entries()) {
      const { hits } = await store.search.search({ text: "apple", topic, limit: 10, offset: 0 });
      assert.deepEqual(hits.map((hit) => hit.blockId), [blocks[i]!.id]);
    }
  });

  contract("never finds superseded or removed blocks", async (_, store) => {
    const author = new TestAuthor("ada");
    const [one, two] = [author.write("apple one"), author.write("apple two")];
    await store.blocks.put([one, two]);
    const document = (block: Block) => ({ blockId: block.id, title: "", text: "apple" });
    await store.search.index([document(one)]);
    await store.blocks.put([
      author.write("", { kind: "tombstone", target: one.id }),
      author.write("pear", { kind: "supersede", target: two.id }),
    ]);
    await store.search.index([document(two)]);
    const page = await store.search.search({ text: "apple", limit: 10, offset: 0 });
    assert.deepEqual(page, { hits: [], total: 0 });
  });

  contract("replaces what it has indexed of a block", async (_, store) => {
    const [block] = await indexTexts(store, [["Old", "apple"]]) as [Block];
    await store.search.index([{ blockId: block.id, title: "New", text: "pear" }]);
    const total = async (text: string) =>
      (await store.search.search({ text, limit: 10, offset: 0 })).total;
    assert.deepEqual([await total("apple"), await total("pear"), await total("new")], [0, 1, 1]);
  });

  contract("lists text that is not indexed yet, and nothing else", async (place, store) => {
    const author = new TestAuthor("ada");
    const text = author.write("text");
    const image = author.write(new Uint8Array(9), { mediaType: "image/png" });
    const empty = author.write("");
    const later = author.write("later");
    const skipped = author.write("skipped");
    await store.blocks.put([text, image, empty, withoutPayload(later), skipped]);
    assert.deepEqual(await store.search.unindexed(10), [text, skipped]);
    assert.deepEqual(await store.search.unindexed(1), [text]);
    await store.search.index([{ blockId: text.id, title: "t", text: "t" }]);
    await store.search.skip([skipped.id]);
    await store.blocks.put([later]);
    await store.close();
    const again = await place.open();
    assert.deepEqual(await again.search.unindexed(10), [later]);
    await again.close();
  });

  contract("answers any query text without an error", async (_, store) => {
    await indexTexts(store, [["Title", "some words to be found"]]);
    const query = fc.oneof(
      fc.string({ unit: "grapheme", maxLength: 60 }),
      fc.string({ unit: "binary", maxLength: 60 }),
      fc.string({
        unit: fc.constantFrom(...'"*-()^:{}+ ANDORTNEAR\u0000\u0002é, '),
        maxLength: 40,
      }),
    );
    await fc.assert(
      fc.asyncProperty(query, async (text) => {
        const page = await store.search.search({ text, limit: 5, offset: 0 });
        assert.ok(page.total >= page.hits.length);
      }),
      { seed: 4, numRuns: 400 },
    );
  });
}
