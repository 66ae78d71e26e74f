/** Selective sync: does an interest cover a block's payload? */
import type { BlockHeader } from "../blocks/block.ts";
import type { SyncInterest } from "./messages.ts";

/** True when a device with this interest wants the payload. Null wants all. A topic covers its subtopics: "notes" covers "notes/garden". */
export function isWanted(
  interest: SyncInterest | null,
  header: Pick<BlockHeader, "topic" | "bodyBytes">,
): boolean {
  if (interest === null) return true;
  if (header.bodyBytes > interest.bodyBytesMax) return false;
  if (interest.topics.length === 0) return true;
  return interest.topics.some((topic) =>
    header.topic === topic || header.topic.startsWith(`${topic}/`)
  );
}
