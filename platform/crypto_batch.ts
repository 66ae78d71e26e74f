/** Many signatures in one buffer, the form in which they travel to a verifying worker without being copied. */
import type { SignedMessage } from "./ports.ts";

/** Public key, signature and the 32-bit length of the message that follows. */
const HEADER_BYTES = 32 + 64 + 4;

/** What the pool sends to a worker. The buffer is transferred. */
export interface BatchRequest {
  readonly packed: ArrayBuffer;
}

/** What a worker answers, in the order of requests: one byte per signature, 1 when it is valid. Transferred. */
export interface BatchReply {
  readonly verdicts: ArrayBuffer;
}

/** Packs signatures whose keys have 32 and whose signatures have 64 bytes. */
export function packBatch(signed: readonly SignedMessage[]): ArrayBuffer {
  let length = 0;
  for (const one of signed) length += HEADER_BYTES + one.message.length;
  const packed = new Uint8Array(length);
  const view = new DataView(packed.buffer);
  let offset = 0;
  for (const one of signed) {
    packed.set(one.publicKey, offset);
    packed.set(one.signature, offset + 32);
    view.setUint32(offset + 96, one.message.length);
    packed.set(one.message, offset + HEADER_BYTES);
    offset += HEADER_BYTES + one.message.length;
  }
  return packed.buffer;
}

/** The inverse of `packBatch`; the parts are views into the buffer. */
export function unpackBatch(packed: ArrayBuffer): SignedMessage[] {
  const bytes = new Uint8Array(packed);
  const view = new DataView(packed);
  const signed: SignedMessage[] = [];
  let offset = 0;
  while (offset < bytes.length) {
    const end = offset + HEADER_BYTES + view.getUint32(offset + 96);
    signed.push({
      publicKey: bytes.subarray(offset, offset + 32),
      signature: bytes.subarray(offset + 32, offset + 96),
      message: bytes.subarray(offset + HEADER_BYTES, end),
    });
    offset = end;
  }
  return signed;
}
