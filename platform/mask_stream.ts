/** The MaskStream port on `node:crypto`: AES-256-CTR by the processor's own instructions, added to the target chunk by chunk. */
import { createCipheriv } from "node:crypto";
import type { MaskStream } from "./ports.ts";

const KEY_BYTES = 32;
const COUNTER_BYTES = 16;
// Fits the second-level cache together with the part of the target it is added to; larger chunks were up to twice as slow.
const CHUNK_BYTES = 64 * 1024;
const ZEROS = new Uint8Array(CHUNK_BYTES);
const FIRST_COUNTER = new Uint8Array(COUNTER_BYTES);
const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** Makes the adapter. It keeps nothing between calls. */
export function nodeMaskStream(): MaskStream {
  return {
    apply({ key, target, sign, counter = FIRST_COUNTER }) {
      if (key.length !== KEY_BYTES || counter.length !== COUNTER_BYTES) {
        throw new RangeError(
          `Cannot expand a mask: key has ${key.length} bytes and counter ${counter.length}, expected ${KEY_BYTES} and ${COUNTER_BYTES}`,
        );
      }
      const cipher = createCipheriv("aes-256-ctr", key, counter);
      const chunkWords = CHUNK_BYTES / 4;
      for (let start = 0; start < target.length; start += chunkWords) {
        const count = Math.min(chunkWords, target.length - start);
        const stream = wordsOf(cipher.update(ZEROS.subarray(0, count * 4)));
        const part = target.subarray(start, start + count);
        if (sign === 1) { for (let i = 0; i < count; i++) part[i] = part[i]! + stream[i]!; }
        else for (let i = 0; i < count; i++) part[i] = part[i]! - stream[i]!;
      }
    },
  };
}

/** The bytes as little-endian words, without copying where the machine allows it. */
function wordsOf(bytes: Uint8Array): Uint32Array {
  if (LITTLE_ENDIAN && bytes.byteOffset % 4 === 0) {
    return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Uint32Array.from({ length: bytes.length / 4 }, (_, i) => view.getUint32(i * 4, true));
}
