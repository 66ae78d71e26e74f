/** Selective sync: does an interest cover a block's payload? */
import type { BlockHeader, BlockKind } from "../blocks/block.ts";
import type { SyncInterest } from "./messages.ts";

const FOR_EVERYONE: ReadonlySet<BlockKind> = new Set(["founding", "member", "keys"]);

/** True for blocks whose payload every member holds, whatever it may read or wants: without them nobody can check or reach anybody. */
export function isForEveryone(kind: BlockKind): boolean {
  return FOR_EVERYONE.has(kind);
}

/** True when a device with this interest wants the payload. Null wants all. A topic covers its subtopics: "notes" covers "notes/garden". */
export function isWanted(
  interest: SyncInterest | null,
  header: Pick<BlockHeader, "kind" | "topic" | "bodyBytes">,
): boolean {
  if (interest === null || isForEveryone(header.kind)) return true;
  if (header.bodyBytes > interest.bodyBytesMax) return false;
  if (interest.topics.length === 0) return true;
  return interest.topics.some((topic) =>
    header.topic === topic || header.topic.startsWith(`${topic}/`)
  );
}
