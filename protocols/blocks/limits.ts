/** What a header may contain. One rule set for what we write and what we read; `docs/protocols/blocks.md` lists it for people. */
import { isWireText } from "../codec.ts";
import {
  type BlockDraft,
  type BlockHeader,
  type BlockKind,
  BODY_BYTES_MAX,
  CHUNK_BYTES,
  INLINE_BODY_BYTES_MAX,
} from "./block.ts";

export const PARENTS_MAX = 16;
export const TOPIC_BYTES_MAX = 128;
export const TAGS_MAX = 32;
export const TAG_BYTES_MAX = 64;
export const MEDIA_TYPE_BYTES_MAX = 127;
/** 9999-12-31T23:59:59.999Z: the last time that dates of four-digit years can show. */
export const TIME_MS_MAX = 253_402_300_799_999;
/** Bodies of `founding` and `member` blocks, bytes: every device keeps all of them in memory. */
export const REGISTRY_BODY_BYTES_MAX = 1024;
/** Body of a `keys` block, bytes. */
export const KEYS_BODY_BYTES_MAX = 8 * 1024;
/** No header is longer: all of the above at their largest take 3,123 bytes. */
export const HEADER_BYTES_MAX = 3_123;

export const BLOCK_KINDS: readonly BlockKind[] = [
  "founding",
  "member",
  "keys",
  "put",
  "supersede",
  "tombstone",
  "crdt",
  "checkpoint",
  "model",
];
const KINDS: ReadonlySet<string> = new Set(BLOCK_KINDS);

/** Length of `text` in UTF-8, bytes. Lone surrogates count 3. */
export function utf8Length(text: string): number {
  let length = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) continue;
    // The two halves of a pair count 4 together: 2 each.
    if (unit < 0x800) length += 1;
    else if (unit >= 0xd800 && unit < 0xe000 && isPairAt(text, i)) length += 1;
    else length += 2;
  }
  return length;
}

function isPairAt(text: string, i: number): boolean {
  const unit = text.charCodeAt(i);
  const high = unit < 0xdc00 ? unit : text.charCodeAt(i - 1);
  const low = unit < 0xdc00 ? text.charCodeAt(i + 1) : unit;
  return high >= 0xd800 && high < 0xdc00 && low >= 0xdc00 && low < 0xe000;
}

/** Order of two texts by their UTF-8 bytes (which is by code points, unlike `<`): negative, 0 or positive. */
export function compareUtf8(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x === y) continue;
    // UTF-16 sorts surrogates (code points from 0x10000) before 0xE000–0xFFFF; move them behind.
    return (x >= 0xd800 && x < 0xe000 ? x + 0x2800 : x) -
      (y >= 0xd800 && y < 0xe000 ? y + 0x2800 : y);
  }
  return a.length - b.length;
}

// deno-lint-ignore no-control-regex
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;
const NAME = "[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]*";
const TOKEN = "[A-Za-z0-9!#$&^_.+-]+";
/** RFC 6838 names, with optional parameters as in RFC 9110 ("text/plain; charset=utf-8"). */
const MEDIA_TYPE = new RegExp(
  `^${NAME}/${NAME}(?:; ?${TOKEN}=(?:${TOKEN}|"[^"\\\\\\u0000-\\u001f\\u007f-\\uffff]*"))*$`,
);

// Blocks come in runs of equal topics and media types: the last good one of each is not looked at again.
let goodTopic = "";
let goodMediaType = "text/plain";

/** Why this is no topic; undefined when it is one. Topics are paths like "notes/garden"; the empty one is allowed. */
export function problemOfTopic(topic: string): string | undefined {
  if (topic === goodTopic) return undefined;
  if (utf8Length(topic) > TOPIC_BYTES_MAX) {
    return `topic has ${utf8Length(topic)} bytes of UTF-8, expected at most ${TOPIC_BYTES_MAX}`;
  }
  if (!isWireText(topic) || CONTROL.test(topic)) return "topic has characters that are no text";
  if (topic.startsWith("/") || topic.endsWith("/") || topic.includes("//")) {
    return `topic is "${topic}", expected parts with one "/" between them`;
  }
  goodTopic = topic;
  return undefined;
}

/** Why this is no tag; undefined when it is one. */
export function problemOfTag(tag: string): string | undefined {
  if (tag === "") return "tag is empty";
  if (utf8Length(tag) > TAG_BYTES_MAX) {
    return `tag has ${utf8Length(tag)} bytes of UTF-8, expected at most ${TAG_BYTES_MAX}`;
  }
  return !isWireText(tag) || CONTROL.test(tag) ? "tag has characters that are no text" : undefined;
}

/** Why this is no media type; undefined when it is one. */
export function problemOfMediaType(mediaType: string): string | undefined {
  if (mediaType === goodMediaType) return undefined;
  if (mediaType.length > MEDIA_TYPE_BYTES_MAX) {
    return `media type has ${mediaType.length} characters, expected at most ${MEDIA_TYPE_BYTES_MAX}`;
  }
  if (!MEDIA_TYPE.test(mediaType)) {
    return `media type is "${mediaType}", expected a form like "text/plain"`;
  }
  goodMediaType = mediaType;
  return undefined;
}

/**
 * Why a draft cannot become a block; undefined when it can. For refusing what a person or program wants to publish. Order and
 * duplicates of tags and parents do not matter here: `createBlock` sorts them.
 */
export function problemOfDraft(draft: BlockDraft): string | undefined {
  const { kind, body } = draft;
  const target = draft.target ?? null;
  if (body.length > BODY_BYTES_MAX) {
    return `body has ${body.length} bytes, expected at most ${BODY_BYTES_MAX}`;
  }
  return problemOfCommon({ ...draft, target, bodyBytes: body.length }) ??
    (kind === "founding" || (draft.parents ?? []).length <= PARENTS_MAX
      ? undefined
      : `block has ${draft.parents?.length} parents, expected at most ${PARENTS_MAX}`);
}

/** Why this is no header; undefined when it is one. Ids are taken as well-formed. */
export function problemOfHeader(header: BlockHeader): string | undefined {
  const founding = header.kind === "founding";
  if ((header.mesh === null) !== founding) {
    return `mesh is ${header.mesh === null ? "null" : "given"} in a block of kind "${header.kind}"`;
  }
  if (!Number.isSafeInteger(header.sequence) || header.sequence < 1) {
    return `sequence is ${header.sequence}, expected an integer from 1`;
  }
  if ((header.previous === null) !== (header.sequence === 1)) {
    return "previous must be null exactly in the first block of an author";
  }
  if (founding && (header.sequence !== 1 || header.parents.length > 0)) {
    return "a founding block must be its author's first and has no parents";
  }
  if (header.parents.length > PARENTS_MAX) {
    return `block has ${header.parents.length} parents, expected at most ${PARENTS_MAX}`;
  }
  for (let i = 1; i < header.parents.length; i++) {
    if (header.parents[i - 1]! >= header.parents[i]!) return "parents are not ascending";
  }
  for (let i = 1; i < header.tags.length; i++) {
    if (compareUtf8(header.tags[i - 1]!, header.tags[i]!) >= 0) return "tags are not ascending";
  }
  if (
    !Number.isSafeInteger(header.timeMs) || header.timeMs < 0 || header.timeMs > TIME_MS_MAX
  ) return `time is ${header.timeMs} ms, expected an integer from 0 to ${TIME_MS_MAX}`;
  return problemOfCommon(header);
}

function problemOfCommon(
  of: Pick<BlockHeader, "kind" | "target" | "topic" | "tags" | "mediaType" | "bodyBytes">,
): string | undefined {
  if (!KINDS.has(of.kind)) return `kind is "${of.kind}", expected one of ${BLOCK_KINDS.join(", ")}`;
  if ((of.target !== null) !== (of.kind === "supersede" || of.kind === "tombstone")) {
    return `target is ${of.target === null ? "null" : "given"} in a block of kind "${of.kind}"`;
  }
  if (!Number.isSafeInteger(of.bodyBytes) || of.bodyBytes < 0 || of.bodyBytes > BODY_BYTES_MAX) {
    return `body has ${of.bodyBytes} bytes, expected at most ${BODY_BYTES_MAX}`;
  }
  const registry = of.kind === "founding" || of.kind === "member";
  if (registry && of.bodyBytes > REGISTRY_BODY_BYTES_MAX) {
    return `body of a registry block has ${of.bodyBytes} bytes, expected at most ${REGISTRY_BODY_BYTES_MAX}`;
  }
  if (of.kind === "keys" && of.bodyBytes > KEYS_BODY_BYTES_MAX) {
    return `body of a keys block has ${of.bodyBytes} bytes, expected at most ${KEYS_BODY_BYTES_MAX}`;
  }
  if (of.tags.length > TAGS_MAX) {
    return `block has ${of.tags.length} tags, expected at most ${TAGS_MAX}`;
  }
  for (const tag of of.tags) {
    const problem = problemOfTag(tag);
    if (problem !== undefined) return problem;
  }
  return problemOfTopic(of.topic) ?? problemOfMediaType(of.mediaType);
}

/** Length of the payload of a body of this length, bytes: the body itself, or 32 for each chunk. */
export function payloadBytesOf(bodyBytes: number): number {
  return bodyBytes <= INLINE_BODY_BYTES_MAX ? bodyBytes : Math.ceil(bodyBytes / CHUNK_BYTES) * 32;
}
