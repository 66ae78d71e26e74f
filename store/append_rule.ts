/**
 * The one rule for what a put does to an author's log. Pure, so that every store decides alike.
 *
 * A log may have holes only where a damaged block was set aside: such a block comes back by its id (`restore`), and any
 * other block with its sequence is a twin, because the set-aside one was there first.
 */
import type { Block } from "../protocols/blocks/block.ts";
import type { BlockId, DeviceId } from "../protocols/ids.ts";

/** What the rule must know of the blocks that are here. Blocks put earlier in the same call count as here. */
export interface LogView {
  /** Whether the block is stored, and with its payload. */
  stored(id: BlockId): { readonly hasPayload: boolean } | undefined;
  /** Whether the block was here and is set aside as damaged. */
  isSetAside(id: BlockId): boolean;
  /** The author's newest block ever stored, set aside or not. */
  head(author: DeviceId): { readonly sequence: number; readonly id: BlockId } | undefined;
  /** The block that counts at this place (1 ≤ sequence ≤ head), set aside or not. */
  at(author: DeviceId, sequence: number): BlockId | undefined;
}

export type AppendVerdict =
  /** It becomes the author's new head. */
  | { readonly type: "append" }
  /** Its place is taken by `other`: kept beside it as proof. */
  | { readonly type: "twin"; readonly other: BlockId }
  /** It returns to the place from which it was set aside. */
  | { readonly type: "restore" }
  /** The header is here, its payload is new. */
  | { readonly type: "complete" }
  | { readonly type: "duplicate" }
  /** The author's block with `expectedSequence` must come first. */
  | { readonly type: "gap"; readonly expectedSequence: number };

/**
 * Whether `block` is simply the next of its author. Then it cannot be here yet, set aside or not: whatever was ever stored of
 * this author has a sequence up to the head's. So nobody needs to look.
 */
export function continuesLog(
  { header: { sequence, previous } }: Block,
  head: { readonly sequence: number; readonly id: BlockId } | undefined,
): boolean {
  return sequence === (head?.sequence ?? 0) + 1 && previous === (head?.id ?? null);
}

/** Decides what becomes of `block`. The block must be valid by itself (structure, hashes, signature). */
export function judgeAppend(block: Block, view: LogView): AppendVerdict {
  const head = view.head(block.header.author);
  if (continuesLog(block, head)) return { type: "append" };
  const known = view.stored(block.id);
  if (known !== undefined) {
    return !known.hasPayload && block.payload !== null
      ? { type: "complete" }
      : { type: "duplicate" };
  }
  if (view.isSetAside(block.id)) return { type: "restore" };
  const { author, sequence, previous } = block.header;
  const next = (head?.sequence ?? 0) + 1;
  if (sequence > next) return { type: "gap", expectedSequence: next };
  if (previous !== null && previous !== head?.id && !isHere(view, previous)) {
    return { type: "gap", expectedSequence: sequence - 1 };
  }
  if (sequence === next) return { type: "append" };
  const other = view.at(author, sequence);
  // Only a log whose hole nobody remembers can lack a place below its head; the block then simply fills it.
  return other === undefined ? { type: "restore" } : { type: "twin", other };
}

function isHere(view: LogView, id: BlockId): boolean {
  return view.stored(id) !== undefined || view.isSetAside(id);
}
