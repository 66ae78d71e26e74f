/**
 * Signalling messages of every kind as bytes: canonical CBOR `{body, signature}`. `body` is canonical CBOR of one message, and the
 * signature covers the message's domain and the exact bytes of the body.
 */
import { z } from "zod";
import type { Crypto, Signer } from "../../platform/ports.ts";
import { encodeCanonical } from "../codec.ts";
import { type Domain, domainSeparated } from "../domains.ts";
import { type DeviceId, deviceIdOf, publicKeyOf } from "../ids.ts";
import { bytes, decodeAs, signature } from "../wire_schema.ts";

/** `to` of an offer to an address whose device is not known yet. */
export const ANY_DEVICE = new Uint8Array(32);

/** A message whose signature has not been checked yet: decide first whether its sender is worth that. */
export interface Signed<Message> {
  readonly message: Message;
  readonly from: DeviceId;
  /** The signed bytes. */
  readonly body: Uint8Array;
  readonly signature: Uint8Array;
}

/** What came of reading a message. */
export type SignalOutcome<Message> =
  | { readonly ok: true; readonly signal: Signed<Message> }
  | { readonly ok: false; readonly reason: string };

/** How messages of one kind are written and read. */
export interface SignalWire<Message> {
  /** Signs and encodes a message. `body` is what the hash of an offer is made of. */
  encode(
    message: Message,
    signer: Signer,
  ): { readonly bytes: Uint8Array<ArrayBuffer>; readonly body: Uint8Array<ArrayBuffer> };
  /** Decodes a message without checking who signed it; strict, bounded, never throws. */
  decode(input: Uint8Array): SignalOutcome<Message>;
  /** True when the device that the message names as its sender has signed it. */
  verify(signal: Signed<Message>, crypto: Crypto): boolean;
}

/** What messages of one kind look like, and how long they may be. */
export interface SignalFormat<Message> {
  readonly schema: z.ZodType<Message>;
  readonly domainOf: (message: Message) => Domain;
  /** Longest input, bytes. */
  readonly bytesMax: number;
  /** Longest body, bytes. */
  readonly bodyBytesMax: number;
  /** Values in one body, at most. */
  readonly itemsMax: number;
}

/** Body, signature, their names, and the map that holds them. */
const ENVELOPE_ITEMS_MAX = 8;

/** The wire of messages that look like this. */
export function signalWire<Message extends object & { readonly from: Uint8Array }>(
  { schema, domainOf, bytesMax, bodyBytesMax, itemsMax }: SignalFormat<Message>,
): SignalWire<Message> {
  const envelope = z.strictObject({
    body: bytes(bodyBytesMax),
    signature,
  });
  return {
    encode(message, signer) {
      const body = encodeCanonical(message);
      const signature = signer.sign(domainSeparated(domainOf(message), body));
      return { bytes: encodeCanonical({ body, signature }), body };
    },
    decode(input) {
      const outer = decodeAs(envelope, input, { bytesMax, itemsMax: ENVELOPE_ITEMS_MAX });
      if (!outer.ok) return outer;
      const { body, signature } = outer.message;
      const inner = decodeAs(schema, body, { bytesMax: bodyBytesMax, itemsMax });
      if (!inner.ok) return inner;
      const { message } = inner;
      return { ok: true, signal: { message, from: deviceIdOf(message.from), body, signature } };
    },
    verify: (signal, crypto) =>
      crypto.verify({
        publicKey: publicKeyOf(signal.from),
        message: domainSeparated(domainOf(signal.message), signal.body),
        signature: signal.signature,
      }),
  };
}
