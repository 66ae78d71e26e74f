/** Sync messages as bytes: canonical CBOR arrays whose first element names the message. The only edge of this protocol. */
import { z } from "zod";
import { encodeCanonical } from "../codec.ts";
import { ENVELOPE_BYTES_MAX } from "../envelope.ts";
import { type BlockId, type ContentHash, publicKeyOf } from "../ids.ts";
import { CHUNK_BYTES } from "../blocks/block.ts";
import {
  blockId,
  bytes,
  bytes16,
  contentHash,
  decodeByName,
  type Decoded,
  deviceId,
  sequence,
  shortId,
  text,
  uint32,
} from "../wire_schema.ts";
import { SYNC_LIMITS, type SyncMessage } from "./messages.ts";

const frontier = z.tuple([deviceId, sequence, blockId]).transform(([author, sequence, head]) => ({
  author,
  sequence,
  head,
}));
const range = z.tuple([deviceId, sequence, sequence])
  .refine(([, from, to]) => from <= to, "range ends before it begins")
  .transform(([author, fromSequence, toSequence]) => ({ author, fromSequence, toSequence }));
const interest = z.tuple([
  z.array(text(SYNC_LIMITS.topicBytes)).max(SYNC_LIMITS.topics),
  z.int().min(0),
])
  .transform(([topics, bodyBytesMax]) => ({ topics, bodyBytesMax }));
const ids = z.array(blockId).max(SYNC_LIMITS.ids);
const ranges = bytes(SYNC_LIMITS.rangesBytes);

// One schema per message, found by the first element: a union would try all and report the wrong one.
const schemas: {
  readonly [Type in SyncMessage["type"]]: z.ZodType<Extract<SyncMessage, { type: Type }>>;
} = {
  frontiers: z.tuple([
    z.literal("frontiers"),
    z.array(frontier).max(SYNC_LIMITS.frontiers),
    interest.nullable(),
    z.boolean(),
    z.boolean(),
  ]).transform(([type, entries, interest, complete, ask]) => ({
    type,
    entries,
    interest,
    complete,
    ask,
  })),
  requestBlocks: z.tuple([
    z.literal("requestBlocks"),
    uint32,
    z.array(range).max(SYNC_LIMITS.ranges),
    ids,
    z.array(shortId).max(SYNC_LIMITS.ids),
    z.boolean(),
  ]).transform(([type, requestId, ranges, ids, shortIds, payloads]) => ({
    type,
    requestId,
    ranges,
    ids,
    shortIds,
    payloads,
  })),
  blocks: z.tuple([
    z.literal("blocks"),
    uint32,
    z.array(bytes(SYNC_LIMITS.blockBytes)).max(SYNC_LIMITS.blocks),
    z.boolean(),
  ]).transform(([type, requestId, blocks, complete]) => ({ type, requestId, blocks, complete })),
  requestChunks: z.tuple([
    z.literal("requestChunks"),
    uint32,
    z.array(contentHash).min(1).max(SYNC_LIMITS.chunksPerRequest),
  ]).transform(([type, requestId, hashes]) => ({ type, requestId, hashes })),
  chunks: z.tuple([
    z.literal("chunks"),
    uint32,
    z.array(bytes(CHUNK_BYTES)).max(SYNC_LIMITS.chunksPerRequest),
  ]).transform(([type, requestId, chunks]) => ({ type, requestId, chunks })),
  reconcileAsk: z.tuple([z.literal("reconcileAsk"), bytes16, ranges])
    .transform(([type, salt, ranges]) => ({ type, salt, ranges })),
  reconcileAnswer: z.tuple([z.literal("reconcileAnswer"), bytes16, ranges])
    .transform(([type, salt, ranges]) => ({ type, salt, ranges })),
  haveBlocks: z.tuple([z.literal("haveBlocks"), ids]).transform(([type, ids]) => ({ type, ids })),
};

/** Decodes what a peer sent; strict, bounded, never throws. */
export function decodeSyncMessage(body: Uint8Array): Decoded<SyncMessage> {
  return decodeByName(schemas, body, {
    limits: { bytesMax: ENVELOPE_BYTES_MAX },
    what: "message",
    expected: "a sync message",
  });
}

/** The bytes of a message. */
export function encodeSyncMessage(message: SyncMessage): Uint8Array {
  return encodeCanonical(toWire(message));
}

function toWire(message: SyncMessage): readonly unknown[] {
  switch (message.type) {
    case "frontiers":
      return [
        message.type,
        message.entries.map((
          entry,
        ) => [publicKeyOf(entry.author), entry.sequence, hashBytes(entry.head)]),
        message.interest === null
          ? null
          : [[...message.interest.topics], message.interest.bodyBytesMax],
        message.complete,
        message.ask,
      ];
    case "requestBlocks":
      return [
        message.type,
        message.requestId,
        message.ranges.map((
          range,
        ) => [publicKeyOf(range.author), range.fromSequence, range.toSequence]),
        message.ids.map(hashBytes),
        message.shortIds.map((short) => Uint8Array.fromHex(short)),
        message.payloads,
      ];
    case "blocks":
      return [message.type, message.requestId, [...message.blocks], message.complete];
    case "requestChunks":
      return [message.type, message.requestId, message.hashes.map(hashBytes)];
    case "chunks":
      return [message.type, message.requestId, [...message.chunks]];
    case "reconcileAsk":
    case "reconcileAnswer":
      return [message.type, message.salt, message.ranges];
    case "haveBlocks":
      return [message.type, message.ids.map(hashBytes)];
  }
}

function hashBytes(hash: BlockId | ContentHash): Uint8Array {
  return Uint8Array.fromHex(hash);
}
