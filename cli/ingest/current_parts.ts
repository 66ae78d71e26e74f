/** What of a source is in the mesh now: our own current blocks with its tags. */
import type { NodeClient } from "../client.ts";
import type { CurrentPart } from "./plan.ts";

const PAGE = 500;

/** Parts by source tag. Only blocks of `author` that nothing supersedes. */
export async function currentParts(
  client: NodeClient,
  query: { readonly author: string; readonly rootTag: string; readonly topic: string },
): Promise<ReadonlyMap<string, readonly CurrentPart[]>> {
  const bySource = new Map<string, CurrentPart[]>();
  let cursor: string | undefined;
  do {
    const page = await client.blocks({
      author: query.author,
      topic: query.topic,
      tag: query.rootTag,
      currentOnly: true,
      limit: PAGE,
      cursor,
    });
    for (const { id, header } of page.blocks) {
      const source = header.tags.find((tag) => tag.startsWith("source:"));
      if (source === undefined || header.kind === "tombstone") continue;
      const parts = bySource.get(source) ?? [];
      bySource.set(source, parts);
      parts.push({
        id,
        part: partOf(header.tags),
        topic: header.topic,
        mediaType: header.mediaType,
        bodyBytes: header.bodyBytes,
        payloadHash: header.payloadHash,
      });
    }
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
  return bySource;
}

function partOf(tags: readonly string[]): number {
  const text = tags.find((tag) => tag.startsWith("part:"));
  const part = Number(/^part:(\d{1,9})\//.exec(text ?? "")?.[1]);
  return Number.isSafeInteger(part) && part > 0 ? part : Number.MAX_SAFE_INTEGER;
}
