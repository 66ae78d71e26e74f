/** Gossip messages as bytes: canonical CBOR. The only edge of this protocol. */
import { z } from "zod";
import { encodeCanonical } from "../codec.ts";
import { publicKeyOf } from "../ids.ts";
import { blockId, decodeAs, type Decoded, deviceId, sequence } from "../wire_schema.ts";
import { ANNOUNCED_HEADS_MAX, type GossipMessage, HOPS_MAX } from "./messages.ts";

const GOSSIP_BYTES_MAX = 32 * 1024;

const head = z.tuple([deviceId, sequence, blockId, z.int().min(0).max(HOPS_MAX)])
  .transform(([author, sequence, head, hops]) => ({ author, sequence, head, hops }));
const heads = z.array(head).max(ANNOUNCED_HEADS_MAX);
const schema = z.union([
  z.tuple([z.enum(["announce", "have"]), heads]).transform(([type, heads]) => ({ type, heads })),
  z.tuple([z.enum(["prune", "graft"])]).transform(([type]) => ({ type })),
]);

/** Decodes what a peer sent; strict, bounded, never throws. */
export function decodeGossipMessage(body: Uint8Array): Decoded<GossipMessage> {
  return decodeAs(schema, body, { bytesMax: GOSSIP_BYTES_MAX });
}

/** The bytes of a message. */
export function encodeGossipMessage(message: GossipMessage): Uint8Array {
  if (!("heads" in message)) return encodeCanonical([message.type]);
  return encodeCanonical([
    message.type,
    message.heads.map((
      entry,
    ) => [publicKeyOf(entry.author), entry.sequence, Uint8Array.fromHex(entry.head), entry.hops]),
  ]);
}
