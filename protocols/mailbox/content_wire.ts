/** Contents of parcels and of MLS application messages as bytes: canonical CBOR arrays whose first element names the kind. */
import { z } from "zod";
import { problemOfMediaType, TIME_MS_MAX } from "../blocks/limits.ts";
import { encodeCanonical } from "../codec.ts";
import { publicKeyOf } from "../ids.ts";
import {
  bytes,
  bytes16,
  contentHash,
  decodeByName,
  type Decoded,
  deviceId,
  firstProblem,
  sequence,
  signature,
  text,
} from "../wire_schema.ts";
import { partsOf } from "./attachments.ts";
import {
  ATTACHMENT_BYTES_MAX,
  ATTACHMENTS_MAX,
  type Content,
  CONVERSATION_MEMBERS_MAX,
  type ConversationId,
  type MessageId,
  PART_BYTES,
  RECEIPT_MESSAGES_MAX,
  STATEMENT_BYTES_MAX,
  STATEMENTS_MAX,
  TEXT_BYTES_MAX,
  TITLE_BYTES_MAX,
} from "./content.ts";
import type { FitsUnion } from "./schema_check.ts";

/** Largest encoded content, bytes: fits into the largest box with its padding. */
export const CONTENT_BYTES_MAX = 288 * 1024;
/** Largest thing of an MLS group in one content, bytes. */
export const GROUP_BYTES_MAX = CONTENT_BYTES_MAX - 256;
/** Longest name of an attachment, bytes of UTF-8: what file systems take. */
export const ATTACHMENT_NAME_BYTES_MAX = 255;
/** Parts of the largest attachment. */
export const PARTS_MAX = partsOf(ATTACHMENT_BYTES_MAX);

const id16 = bytes16;
const conversation = id16.transform((id): ConversationId => id.toHex() as ConversationId);
const messageId = id16.transform((id): MessageId => id.toHex() as MessageId);
const timeMs = z.int().min(0).max(TIME_MS_MAX);

const attachment = z.tuple([
  text(ATTACHMENT_NAME_BYTES_MAX).refine(isFileName, "expected the plain name of a file"),
  z.string().refine((type) => problemOfMediaType(type) === undefined, "expected a media type"),
  z.int().min(0).max(ATTACHMENT_BYTES_MAX),
  contentHash,
  bytes(32).refine((key) => key.length === 32, "expected 32 bytes"),
  z.int().min(1).max(PARTS_MAX),
])
  .refine(([, , size, , , parts]) => parts === partsOf(size), "parts do not fit the size")
  .transform(([name, mediaType, bytes, blob, key, parts]) => ({
    name,
    mediaType,
    bytes,
    blob,
    key,
    parts,
  }));

// One schema per kind, found by the first element: a union would try all and report the wrong one.
const schemas = {
  message: z.tuple([
    z.literal("message"),
    conversation,
    messageId,
    sequence,
    sequence,
    timeMs,
    timeMs.nullable(),
    text(TEXT_BYTES_MAX),
    z.array(attachment).max(ATTACHMENTS_MAX),
  ])
    .refine(
      ([, , , , , , , text, attachments]) => text !== "" || attachments.length > 0,
      "a message has a text or an attachment",
    )
    .transform((
      [type, conversation, message, number, clock, timeMs, expiresAtMs, text, attachments],
    ) => ({
      type,
      conversation,
      message,
      number,
      clock,
      timeMs,
      expiresAtMs,
      text,
      attachments,
    })),
  receipt: z.tuple([
    z.literal("receipt"),
    conversation,
    z.enum(["delivered", "read"]),
    z.array(messageId).min(1).max(RECEIPT_MESSAGES_MAX),
  ]).transform(([type, conversation, state, messages]) => ({
    type,
    conversation,
    state,
    messages,
  })),
  part: z.tuple([
    z.literal("part"),
    contentHash,
    z.int().min(0).max(PARTS_MAX - 1),
    z.int().min(1).max(PARTS_MAX),
    bytes(PART_BYTES),
  ])
    .refine(([, , index, count]) => index < count, "part index is beyond its count")
    .transform(([type, blob, index, count, bytes]) => ({ type, blob, index, count, bytes })),
  conversation: z.tuple([
    z.literal("conversation"),
    conversation,
    sequence,
    text(TITLE_BYTES_MAX).refine(isDisplayable, "title has control characters"),
    z.array(deviceId).min(2).max(CONVERSATION_MEMBERS_MAX).refine(
      (members) => members.every((id, i) => i === 0 || members[i - 1]! < id),
      "members are not ascending",
    ),
    deviceId,
  ])
    .refine(([, , , , members, leader]) => members.includes(leader), "leader is no member")
    .transform(([type, conversation, version, title, members, leader]) => ({
      type,
      conversation,
      version,
      title,
      members,
      leader,
    })),
  statements: z.tuple([
    z.literal("statements"),
    conversation,
    z.array(
      z.tuple([
        bytes(STATEMENT_BYTES_MAX),
        signature,
      ]).transform(([body, signature]) => ({ body, signature })),
    ).min(1).max(STATEMENTS_MAX),
  ]).transform(([type, conversation, statements]) => ({ type, conversation, statements })),
  group: z.tuple([
    z.literal("group"),
    conversation,
    z.enum(["welcome", "commit", "application", "proposal", "rejoin"]),
    z.int().min(0).max(Number.MAX_SAFE_INTEGER),
    bytes(GROUP_BYTES_MAX),
  ]).transform(([type, conversation, kind, epoch, bytes]) => ({
    type,
    conversation,
    kind,
    epoch,
    bytes,
  })),
} satisfies Record<Content["type"], z.ZodType>;
const schemasFit: FitsUnion<typeof schemas, Content> = true;
void schemasFit;

/** Decodes the inside of a box or of an application message; strict, bounded, never throws. */
export function decodeContent(encoded: Uint8Array): Decoded<Content> {
  return decodeByName(schemas, encoded, {
    limits: {
      bytesMax: CONTENT_BYTES_MAX,
      depthMax: 3,
      itemsMax: 512,
    },
    what: "content",
    expected: "a content of a parcel",
  });
}

/** The bytes of a content. Whoever makes one keeps to its limits (`problemOfContent`). */
export function encodeContent(content: Content): Uint8Array<ArrayBuffer> {
  return encodeCanonical(toWire(content));
}

/** Why this content would be refused by whoever receives it; undefined when it would not. */
export function problemOfContent(content: Content): string | undefined {
  const parsed = schemas[content.type].safeParse(toWire(content));
  return parsed.success ? undefined : firstProblem(parsed.error);
}

/** True for the plain name of a file: not empty, no path, nothing that a terminal or a file system would take for something else. */
export function isFileName(name: string): boolean {
  return name !== "" && name !== "." && name !== ".." && !/[/\\]/.test(name) &&
    isDisplayable(name);
}

// deno-lint-ignore no-control-regex -- these are what is refused
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/;

/** No control characters, and none that turn the direction of writing around ("photo\u202egpj.exe"). */
export function isDisplayable(line: string): boolean {
  return !CONTROL.test(line);
}

function toWire(content: Content): readonly unknown[] {
  const name = Uint8Array.fromHex(content.type === "part" ? content.blob : content.conversation);
  switch (content.type) {
    case "message":
      return [
        content.type,
        name,
        Uint8Array.fromHex(content.message),
        content.number,
        content.clock,
        content.timeMs,
        content.expiresAtMs,
        content.text,
        content.attachments.map((one) => [
          one.name,
          one.mediaType,
          one.bytes,
          Uint8Array.fromHex(one.blob),
          one.key,
          one.parts,
        ]),
      ];
    case "receipt":
      return [
        content.type,
        name,
        content.state,
        content.messages.map((id) => Uint8Array.fromHex(id)),
      ];
    case "part":
      return [content.type, name, content.index, content.count, content.bytes];
    case "conversation":
      return [
        content.type,
        name,
        content.version,
        content.title,
        content.members.map(publicKeyOf),
        publicKeyOf(content.leader),
      ];
    case "statements":
      return [
        content.type,
        name,
        content.statements.map(({ body, signature }) => [body, signature]),
      ];
    case "group":
      return [content.type, name, content.kind, content.epoch, content.bytes];
  }
}
