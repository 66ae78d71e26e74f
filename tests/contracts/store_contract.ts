/** What every Store promises: one suite for the store in memory and the store on a disk. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Block } from "../../protocols/blocks/block.ts";
import type { BlockId } from "../../protocols/ids.ts";
import { InvariantError } from "../../platform/invariant.ts";
import type { Store } from "../../store/store.ts";
import { chunk, TestAuthor, withoutPayload } from "../store/authors.ts";

/** One place in which stores can be opened, one after another: what was stored stays. */
export interface StorePlace {
  open(): Promise<Store>;
  /** Changes a stored byte behind the store's back; the store is closed. */
  damage(what: { block: BlockId; part: "header" | "payload" } | { chunk: string }): Promise<void>;
  remove(): Promise<void>;
}

/** Registers the suite for stores that `makePlace` makes. */
export function storeContract(name: string, makePlace: () => Promise<StorePlace>): void {
  function contract(promise: string, check: (place: StorePlace, store: Store) => Promise<void>) {
    Deno.test(`${name} ${promise}`, async () => {
      const place = await makePlace();
      try {
        const store = await place.open();
        await check(place, store);
        await store.close();
      } finally {
        await place.remove();
      }
    });
  }

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

  contract("refuses what breaks a limit of the port", async (_, store) => {
    await assert.rejects(async () => await store.blocks.list({ limit: 501 }), InvariantError);
    const many = new Array(1_001).fill("ab".repeat(32)) as BlockId[];
    await assert.rejects(async () => await store.blocks.get(many), InvariantError);
    await assert.rejects(
      async () => await store.settings.set({ big: "x".repeat(1_048_577) }),
      InvariantError,
    );
  });

  contract("puts concurrent calls one after another", async (_, store) => {
    const blocks = new TestAuthor("ada").writeMany(40);
    const calls = blocks.map((block) => store.blocks.put([block]));
    const outcomes = (await Promise.all(calls)).flat();
    assert.deepEqual(new Set(outcomes.map((o) => o.type)), new Set(["stored"]));
    assert.equal((await store.blocks.frontiers())[0]!.sequence, 40);
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

async function putTypes(store: Store, blocks: readonly Block[]): Promise<string[]> {
  return (await store.blocks.put(blocks)).map((outcome) => outcome.type);
}

async function indexTexts(
  store: Store,
  texts: readonly (readonly [title: string, text: string])[],
): Promise<Block[]> {
  const author = new TestAuthor("indexer");
  const blocks = texts.map(([title, text]) => author.write(`${title}\n${text}`));
  await store.blocks.put(blocks);
  await store.search.index(
    texts.map(([title, text], i) => ({ blockId: blocks[i]!.id, title, text })),
  );
  return blocks;
}
