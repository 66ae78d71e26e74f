/** Where the suites of stores find stores, and what they all do with them. */
import type { Block } from "../../protocols/blocks/block.ts";
import type { BlockId } from "../../protocols/ids.ts";
import type { Store } from "../../store/store.ts";
import { TestAuthor } from "../store/authors.ts";

/** One place in which stores can be opened, one after another: what was stored stays. */
export interface StorePlace {
  open(): Promise<Store>;
  /** Changes a stored byte behind the store's back; the store is closed. */
  damage(what: { block: BlockId; part: "header" | "payload" } | { chunk: string }): Promise<void>;
  remove(): Promise<void>;
}

/** Registers one promise: `check` gets an open store in a fresh place, and closes what it opens itself. */
export type StorePromise = (
  promise: string,
  check: (place: StorePlace, store: Store) => Promise<void>,
) => void;

/** Registers promises of stores that `makePlace` makes. */
export function storePromises(name: string, makePlace: () => Promise<StorePlace>): StorePromise {
  return (promise, check) => {
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
  };
}

/** How each block was taken. */
export async function putTypes(store: Store, blocks: readonly Block[]): Promise<string[]> {
  return (await store.blocks.put(blocks)).map((outcome) => outcome.type);
}

/** Stores texts as blocks of one author and makes them searchable. */
export async function indexTexts(
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
