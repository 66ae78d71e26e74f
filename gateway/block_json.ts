/** Blocks and drafts between the node and JSON. */
import type { z } from "@hono/zod-openapi";
import type { BlockView } from "../actors/handle.ts";
import { type Block, type BlockDraft, INLINE_BODY_BYTES_MAX } from "../protocols/blocks/block.ts";
import type { BlockId } from "../protocols/ids.ts";
import type { blockSchema, blockSummarySchema, blockViewSchema, draftSchema } from "./schemas.ts";

/** Characters of a text body that a list shows. */
export const PREVIEW_CHARACTERS = 280;
/** A character is at most four bytes, and a split one at the end is cut off. */
const PREVIEW_BYTES = PREVIEW_CHARACTERS * 4;

function headerJson(header: Block["header"]): z.output<typeof blockSchema>["header"] {
  return { ...header, parents: [...header.parents], tags: [...header.tags] };
}

/** A whole block with its bytes as base64. */
export function blockJson(block: Block): z.output<typeof blockSchema> {
  return {
    id: block.id,
    header: headerJson(block.header),
    headerBytes: block.headerBytes.toBase64(),
    signature: block.signature.toBase64(),
    payload: block.payload?.toBase64() ?? null,
  };
}

/** A block with what is known about it. */
export function blockViewJson(view: BlockView): z.output<typeof blockViewSchema> {
  return {
    block: blockJson(view.block),
    replacedBy: [...view.replacedBy],
    current: view.current,
    conflicts: [...view.conflicts],
    complete: view.complete,
  };
}

/** The beginning of an inline text body; null for other bodies and when it is not here. */
export function previewOf(block: Block): string | null {
  const { mediaType, bodyBytes } = block.header;
  if (block.payload === null || bodyBytes > INLINE_BODY_BYTES_MAX) return null;
  if (!mediaType.startsWith("text/") && mediaType !== "application/json") return null;
  const decoded = new TextDecoder().decode(block.payload.subarray(0, PREVIEW_BYTES), {
    stream: true,
  });
  return [...decoded].slice(0, PREVIEW_CHARACTERS).join("");
}

/** A block as lists show it. */
export function blockSummaryJson(block: Block): z.output<typeof blockSummarySchema> {
  return {
    id: block.id,
    header: headerJson(block.header),
    hasPayload: block.payload !== null,
    preview: previewOf(block),
  };
}

/** The draft that a request describes. Order and duplicates of tags and parents are left to whoever makes the block. */
export function draftOf(draft: z.output<typeof draftSchema>): BlockDraft {
  const { kind, topic, tags, target, parents, text, body } = draft;
  const mediaType = draft.mediaType ??
    (body === undefined ? "text/plain" : "application/octet-stream");
  return {
    kind,
    topic,
    tags,
    mediaType,
    body: body === undefined ? new TextEncoder().encode(text ?? "") : Uint8Array.fromBase64(body),
    // The schema has checked the form of these ids.
    target: target as BlockId | null,
    parents: parents as BlockId[],
  };
}
