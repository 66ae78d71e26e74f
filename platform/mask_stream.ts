/**
 * The MaskStream port on `node:crypto`, added to the target chunk by chunk. ChaCha20 because it is the fastest that is called without waiting:
 * the same bytes take `aes-256-ctr` seven times as long here, and machines without instructions for AES far longer. Many streams go through one chunk
 * after the other, which lies where vector instructions reach it meanwhile.
 */
import { type Cipheriv, createCipheriv } from "node:crypto";
import { wholeVectors, withKernels } from "../learning/aggregation/vector_kernels.ts";
import type { MaskStream } from "./ports.ts";

const KEY_BYTES = 32;
// Fits the second-level cache together with the part of the target it is added to. Of half of it calls cost 5 % more.
const CHUNK_BYTES = 128 * 1024;
const CHUNK_WORDS = CHUNK_BYTES / 4;
const ZEROS = new Uint8Array(CHUNK_BYTES);
const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;
/** Streams below which carrying a chunk to the vector instructions and back is not worth while. */
const STREAMS_MIN = 3;

/** Makes the adapter. It keeps nothing between calls. */
export function nodeMaskStream(): MaskStream {
  return {
    apply,
    applyAll({ streams, target, counter = 0 }) {
      // The memory of vector instructions is little-endian on every machine.
      if (streams.length < STREAMS_MIN || !LITTLE_ENDIAN) {
        for (const stream of streams) apply({ ...stream, target, counter });
        return;
      }
      const ciphers = streams.map(({ key }) => openStream(key, counter, target.length));
      withKernels(2 * CHUNK_BYTES, ({ memory, addWords, subtractWords }) => {
        const words = new Uint32Array(memory, 0, CHUNK_WORDS);
        const bytes = new Uint8Array(memory, CHUNK_BYTES, CHUNK_BYTES);
        for (let at = 0; at < target.length; at += CHUNK_WORDS) {
          const part = target.subarray(at, at + CHUNK_WORDS);
          const length = wholeVectors(part.length);
          words.set(part);
          for (const [i, cipher] of ciphers.entries()) {
            const stream = nextOf(cipher, part.length);
            bytes.set(stream);
            giveBack(stream);
            if (streams[i]!.sign === 1) addWords(0, CHUNK_BYTES, length);
            else subtractWords(0, CHUNK_BYTES, length);
          }
          part.set(part.length === CHUNK_WORDS ? words : words.subarray(0, part.length));
        }
      });
      for (const cipher of ciphers) cipher.final();
    },
  };
}

const apply: MaskStream["apply"] = ({ key, target, sign, counter = 0 }) => {
  const cipher = openStream(key, counter, target.length);
  for (let at = 0; at < target.length; at += CHUNK_WORDS) {
    const part = target.subarray(at, at + CHUNK_WORDS);
    const bytes = nextOf(cipher, part.length);
    const stream = wordsOf(bytes);
    if (sign === 1) { for (let i = 0; i < part.length; i++) part[i] = part[i]! + stream[i]!; }
    else for (let i = 0; i < part.length; i++) part[i] = part[i]! - stream[i]!;
    giveBack(bytes);
  }
  cipher.final();
};

/** A key's stream from a block on, for so many numbers. Who opens it ends it by `final`: until then the runtime holds its state, also when nobody else does. */
function openStream(key: Uint8Array, counter: number, count: number): Cipheriv {
  if (
    key.length !== KEY_BYTES || !Number.isInteger(counter) || counter < 0 ||
    counter * 16 + count > 2 ** 36
  ) {
    throw new RangeError(
      `Cannot expand a mask of ${count} numbers: key has ${key.length} bytes and the counter is ${counter}, expected ${KEY_BYTES} bytes and at most 2^32 blocks`,
    );
  }
  // Block counter, little-endian, then the nonce.
  const start = new Uint8Array(16);
  new DataView(start.buffer).setUint32(0, counter, true);
  return createCipheriv("chacha20", key, start);
}

/** The stream's next bytes, for so many numbers: a chunk at most. */
function nextOf(cipher: Cipheriv, count: number): Uint8Array {
  return cipher.update(count === CHUNK_WORDS ? ZEROS : ZEROS.subarray(0, count * 4));
}

/**
 * Frees what `nextOf` gave. Left to the garbage collector, every chunk lies in other memory, fresh to the caches and often to the process: that took a third of the time of
 * masks. Small ones are cut from a buffer that others have a part of.
 */
function giveBack({ buffer, byteLength }: Uint8Array): void {
  if (buffer.byteLength === byteLength) (buffer as ArrayBuffer).transfer(0);
}

/** The bytes as little-endian words, without copying where the machine allows it. */
function wordsOf(bytes: Uint8Array): Uint32Array {
  if (LITTLE_ENDIAN && bytes.byteOffset % 4 === 0) {
    return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Uint32Array.from({ length: bytes.length / 4 }, (_, i) => view.getUint32(i * 4, true));
}
