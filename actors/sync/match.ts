/**
 * What of an answer was asked for. A peer decides when and whether it answers, not what about: blocks nobody asked for would fill the
 * room that is there for others, and an answer without progress would be asked for again for ever.
 */
import type { Crypto } from "../../platform/ports.ts";
import type { Block } from "../../protocols/blocks/block.ts";
import type { BlockId, DeviceId } from "../../protocols/ids.ts";
import { SHORT_ID_BYTES } from "../../protocols/sync/reconcile_set.ts";
import type { OpenRequest } from "./state.ts";

/** Bytes of an id that its short id is made of. */
const PERMUTED_BYTES = 16;

export interface Answer {
  /** Asked for, in the order of the answer. */
  readonly blocks: readonly Block[];
  /** Blocks that nobody asked for. */
  readonly surplus: number;
  /** Something that was asked for has come. */
  readonly progress: boolean;
  /** The end of the unbroken run that has come, per author. */
  readonly reached: ReadonlyMap<DeviceId, number>;
  /** What has not come. */
  readonly ids: readonly BlockId[];
  readonly shortIds: readonly string[];
}

/** Logs come in order and without gaps; what follows a gap is left out, and asked for again like everything else that is missing. */
export function matchLogs(
  request: Extract<OpenRequest, { kind: "log" }>,
  blocks: readonly Block[],
): Answer {
  const ranges = new Map(request.ranges.map((range) => [range.author, range]));
  const reached = new Map<DeviceId, number>();
  const taken: Block[] = [];
  let surplus = 0;
  for (const block of blocks) {
    const { author, sequence } = block.header;
    const range = ranges.get(author);
    if (range === undefined || sequence < range.fromSequence || sequence > range.toSequence) {
      surplus++;
      continue;
    }
    const end = reached.get(author) ?? range.fromSequence - 1;
    // Two blocks of one sequence are a fork: both count.
    if (sequence > end + 1) continue;
    reached.set(author, Math.max(end, sequence));
    taken.push(block);
  }
  return { blocks: taken, surplus, progress: taken.length > 0, reached, ids: [], shortIds: [] };
}

/** Each id once; short ids are worked out under the salt they were named with. */
export function matchIds(
  request: Extract<OpenRequest, { kind: "ids" }>,
  blocks: readonly Block[],
  crypto: Pick<Crypto, "permuteBlocks">,
): Answer {
  const ids = new Set(request.ids);
  const shortIds = new Set(request.shortIds);
  const shortOf = shortIds.size === 0 ? [] : shortIdsOf(blocks, request.salt, crypto);
  const seen = new Set<BlockId>();
  const taken: Block[] = [];
  let surplus = 0;
  for (const [i, block] of blocks.entries()) {
    if (seen.has(block.id)) continue;
    const byId = ids.delete(block.id);
    const byShortId = shortIds.delete(shortOf[i] ?? "");
    if (!byId && !byShortId) {
      surplus++;
      continue;
    }
    seen.add(block.id);
    taken.push(block);
  }
  return {
    blocks: taken,
    surplus,
    progress: taken.length > 0,
    reached: new Map(),
    ids: [...ids],
    shortIds: [...shortIds],
  };
}

function shortIdsOf(
  blocks: readonly Block[],
  salt: string,
  crypto: Pick<Crypto, "permuteBlocks">,
): readonly string[] {
  if (blocks.length === 0) return [];
  const heads = new Uint8Array(blocks.length * PERMUTED_BYTES);
  for (const [i, { id }] of blocks.entries()) {
    heads.set(Uint8Array.fromHex(id.slice(0, PERMUTED_BYTES * 2)), i * PERMUTED_BYTES);
  }
  const values = crypto.permuteBlocks(Uint8Array.fromHex(salt), heads);
  return blocks.map((_, i) =>
    values.subarray(i * PERMUTED_BYTES, i * PERMUTED_BYTES + SHORT_ID_BYTES).toHex()
  );
}
