/** Messages about parcels as bytes: canonical CBOR arrays whose first element names the message. The only edge of the protocol `mailbox`. */
import { z } from "zod";
import { encodeCanonical } from "../codec.ts";
import { bytes, bytes32, decodeByName, type Decoded } from "../wire_schema.ts";
import {
  DEPOSIT_BYTES_MAX,
  DEPOSIT_PARCELS_MAX,
  IDS_MAX,
  type MailboxMessage,
  type RefusalReason,
} from "./messages.ts";
import { PARCEL_BYTES_MAX, type ParcelId } from "./parcel.ts";
import type { FitsUnion } from "./schema_check.ts";

/** Largest encoded message, bytes: a full deposit, and 5 bytes of CBOR in front of each parcel with some for the frame. */
export const MAILBOX_MESSAGE_BYTES_MAX = DEPOSIT_BYTES_MAX + DEPOSIT_PARCELS_MAX * 5 + 32;

const REASONS: readonly RefusalReason[] = [
  "invalid",
  "expired",
  "notPermitted",
  "quota",
  "full",
  "unwilling",
];

const parcelId = bytes32
  .transform((hash): ParcelId => hash.toHex() as ParcelId);
const ids = z.array(parcelId).min(1).max(IDS_MAX);
const parcels = z.array(bytes(PARCEL_BYTES_MAX)).min(1).max(DEPOSIT_PARCELS_MAX).refine(
  (list) => list.reduce((sum, one) => sum + one.length, 0) <= DEPOSIT_BYTES_MAX,
  `expected at most ${DEPOSIT_BYTES_MAX} bytes of parcels`,
);

// One schema per message, found by the first element: a union would try all and report the wrong one.
const schemas = {
  deposit: z.tuple([z.literal("deposit"), parcels])
    .transform(([type, parcels]) => ({ type, parcels })),
  taken: z.tuple([z.literal("taken"), ids]).transform(([type, ids]) => ({ type, ids })),
  refused: z.tuple([z.literal("refused"), parcelId, z.enum(REASONS)])
    .transform(([type, id, reason]) => ({ type, id, reason })),
  discard: z.tuple([z.literal("discard"), ids]).transform(([type, ids]) => ({ type, ids })),
} satisfies Record<MailboxMessage["type"], z.ZodType>;
const schemasFit: FitsUnion<typeof schemas, MailboxMessage> = true;
void schemasFit;

/** Decodes what a peer sent; strict, bounded, never throws. Parcels inside are still bytes: `decodeParcel` reads each by itself. */
export function decodeMailboxMessage(body: Uint8Array): Decoded<MailboxMessage> {
  return decodeByName(schemas, body, {
    limits: {
      bytesMax: MAILBOX_MESSAGE_BYTES_MAX,
      depthMax: 2,
      itemsMax: IDS_MAX + 3,
    },
    what: "message",
    expected: "a mailbox message",
  });
}

/** The bytes of a message. */
export function encodeMailboxMessage(message: MailboxMessage): Uint8Array<ArrayBuffer> {
  switch (message.type) {
    case "deposit":
      return encodeCanonical([message.type, [...message.parcels]]);
    case "taken":
    case "discard":
      return encodeCanonical([message.type, message.ids.map((id) => Uint8Array.fromHex(id))]);
    case "refused":
      return encodeCanonical([message.type, Uint8Array.fromHex(message.id), message.reason]);
  }
}
