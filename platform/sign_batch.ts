/** What the signer and its worker say to each other: many messages in one buffer, many signatures in another, neither copied. */

/** The first message to the worker: the device's key as PKCS #8 (RFC 8410). Transferred, so that no copy stays behind. */
export interface SignKey {
  readonly key: ArrayBuffer;
}

/** Messages to sign, as `packMessages` makes them. Transferred. */
export interface SignRequest {
  readonly packed: ArrayBuffer;
}

/** The answer, in the order of requests: 64 bytes for each message. Transferred. */
export interface SignReply {
  readonly signatures: ArrayBuffer;
}

export const SIGNATURE_BYTES = 64;
const LENGTH_BYTES = 4;

/** Each message behind the 32 bits of its length. */
export function packMessages(messages: readonly Uint8Array[]): ArrayBuffer {
  let length = 0;
  for (const message of messages) length += LENGTH_BYTES + message.length;
  const packed = new Uint8Array(length);
  const view = new DataView(packed.buffer);
  let offset = 0;
  for (const message of messages) {
    view.setUint32(offset, message.length);
    packed.set(message, offset + LENGTH_BYTES);
    offset += LENGTH_BYTES + message.length;
  }
  return packed.buffer;
}

/** The inverse of `packMessages`; the messages are views into the buffer. */
export function unpackMessages(packed: ArrayBuffer): Uint8Array[] {
  const bytes = new Uint8Array(packed);
  const view = new DataView(packed);
  const messages: Uint8Array[] = [];
  for (let offset = 0; offset < bytes.length;) {
    const start = offset + LENGTH_BYTES;
    const end = start + view.getUint32(offset);
    messages.push(bytes.subarray(start, end));
    offset = end;
  }
  return messages;
}

/** The signatures of a reply: views into its buffer, which is no larger than what they are of. */
export function unpackSignatures(signatures: ArrayBuffer): Uint8Array<ArrayBuffer>[] {
  const found: Uint8Array<ArrayBuffer>[] = [];
  for (let offset = 0; offset < signatures.byteLength; offset += SIGNATURE_BYTES) {
    found.push(new Uint8Array(signatures, offset, SIGNATURE_BYTES));
  }
  return found;
}
