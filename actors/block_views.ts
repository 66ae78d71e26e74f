/** Blocks as views want them: with what replaced them, and bodies put together again. */
import type { Block } from "../protocols/blocks/block.ts";
import { chunksOf } from "../protocols/blocks/body.ts";
import { chooseCurrent, type Version } from "../protocols/blocks/heads.ts";
import type { BlockId } from "../protocols/ids.ts";
import type { Store } from "../store/store.ts";
import type { BlockView, Outcome } from "./handle.ts";

type Readable = Pick<Store, "blocks" | "chunks">;

/** One block with what is known about it. */
export async function readBlock(store: Readable, id: BlockId): Promise<Outcome<BlockView>> {
  const [block] = await store.blocks.get([id]);
  if (block === undefined) {
    return {
      type: "refused",
      reason: "notFound",
      message: `Cannot find block "${id}": it is not stored on this device`,
    };
  }
  const replacing = await store.blocks.targeting(id);
  const hashes = block.payload === null
    ? []
    : chunksOf(block.header, block.payload).map(({ hash }) => hash);
  const known = await store.chunks.known([...new Set(hashes)]);
  const complete = block.payload !== null && hashes.every((hash) => known.has(hash));
  const { current, conflicts } = chooseCurrent(await versionsOf(store, block));
  return {
    type: "done",
    value: { block, replacedBy: replacing.map((other) => other.id), current, conflicts, complete },
  };
}

// A document edited more often than this is read from the middle: the newest versions are what a view is about.
const VERSIONS_MAX = 1_000;

/** Every version of the document that `block` belongs to: back along its targets, then everything that replaces any of them. */
async function versionsOf(store: Readable, block: Block): Promise<readonly Version[]> {
  let first = block;
  for (let i = 0; i < VERSIONS_MAX && first.header.target !== null; i++) {
    const [earlier] = await store.blocks.get([first.header.target]);
    if (earlier === undefined) break;
    first = earlier;
  }
  const versions = new Map<BlockId, Version>();
  const open = [first];
  for (
    let next = open.pop();
    next !== undefined && versions.size < VERSIONS_MAX;
    next = open.pop()
  ) {
    if (versions.has(next.id)) continue;
    versions.set(next.id, { id: next.id, kind: next.header.kind, target: next.header.target });
    for (const block of await store.blocks.targeting(next.id)) open.push(block);
  }
  return [...versions.values()];
}

/** A block's whole body, one chunk in memory at a time; refused while parts are missing. */
export async function readBody(
  store: Readable,
  id: BlockId,
): Promise<Outcome<ReadableStream<Uint8Array>>> {
  const view = await readBlock(store, id);
  if (view.type === "refused") return view;
  const { block, complete } = view.value;
  const payload = block.payload;
  if (payload === null || !complete) {
    const message = `Cannot read the body of block "${id}": parts of it are still on other devices`;
    return { type: "refused", reason: "unavailable", message };
  }
  const references = chunksOf(block.header, payload);
  if (references.length === 0) return { type: "done", value: ReadableStream.from([payload]) };
  let next = 0;
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const reference = references[next++];
      if (reference === undefined) return controller.close();
      const bytes = await store.chunks.get(reference.hash);
      if (bytes === undefined) {
        return controller.error(new Error(`chunk ${reference.hash} has vanished`));
      }
      controller.enqueue(bytes);
    },
  });
  return { type: "done", value: stream };
}
