/** Bridge messages as bytes: canonical CBOR. The only edge of this protocol. */
import { z } from "zod";
import { encodeCanonical } from "../codec.ts";
import { decodeAs, type Decoded, type Identical, text } from "../wire_schema.ts";
import {
  type BridgeMessage,
  LEAF_ADDRESS_BYTES_MAX,
  LEAF_ADDRESSES_MAX,
  type LeafHere,
} from "./messages.ts";

/** Largest message, bytes. */
export const BRIDGE_BYTES_MAX = 4 * 1024;

// Host names and IP addresses, with a zone perhaps; nothing that could change the meaning of "nats://[…]:port".
const HOST = /^(?:[0-9A-Za-z._-]+|[0-9A-Fa-f:.]+(?:%[0-9A-Za-z._~-]+)?)$/;
const host = text(LEAF_ADDRESS_BYTES_MAX).refine(
  (value) => HOST.test(value),
  "expected an IP address or a host name",
);
const body = z.strictObject({
  type: z.literal("leafHere"),
  addresses: z.array(host).max(LEAF_ADDRESSES_MAX).readonly(),
  port: z.int().min(0).max(65_535),
}).refine(
  ({ addresses, port }) => (addresses.length === 0) === (port === 0),
  "expected addresses and a port, or neither",
);
true satisfies Identical<LeafHere, Readonly<z.infer<typeof body>>>;

/** Decodes what a peer sent; strict, bounded, never throws. */
export function decodeBridgeMessage(bytes: Uint8Array): Decoded<BridgeMessage> {
  return decodeAs(body, bytes, { bytesMax: BRIDGE_BYTES_MAX, itemsMax: 32 });
}

/** The bytes of a message. */
export function encodeBridgeMessage(message: BridgeMessage): Uint8Array<ArrayBuffer> {
  return encodeCanonical(message);
}
