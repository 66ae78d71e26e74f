/** A process that stores blocks, chunks and settings as fast as it can and prints what was acknowledged, until it is killed. */
import { chunk, TestAuthor } from "./authors.ts";
import { openStore } from "./folders.ts";

const [directory = "", round = "0"] = Deno.args;
const store = await openStore(directory);
const author = new TestAuthor(`author ${round}`);
const print = (line: string) => Deno.stdout.writeSync(new TextEncoder().encode(line + "\n"));

async function writeBlocks(): Promise<never> {
  for (let batch = 0;; batch++) {
    const blocks = author.writeMany(1 + batch % 20);
    const outcomes = await store.blocks.put(blocks);
    for (const { type, id } of outcomes) print(`block ${type} ${id}`);
    await store.search.index(blocks.map(({ id }) => ({ blockId: id, title: "t", text: "word" })));
  }
}

async function writeChunks(): Promise<never> {
  for (let seed = 0;; seed++) {
    const next = chunk(seed % 256, 1_000 + seed);
    await store.chunks.put([next]);
    print(`chunk stored ${next.hash}`);
  }
}

async function writeSettings(): Promise<never> {
  for (let count = 1;; count++) {
    await store.settings.set({ count, [`round/${round}`]: count });
    print(`setting stored ${count}`);
  }
}

await Promise.race([writeBlocks(), writeChunks(), writeSettings()]);
