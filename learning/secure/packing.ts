/**
 * Numbers of k bits without gaps: number i takes bits i·k … i·k + k − 1 of the bytes, least significant bit first. Unused bits of the
 * last byte are zero.
 */
import { invariant } from "../../platform/invariant.ts";
import { SUM_BITS_MIN } from "./contract.ts";

/** Bytes that `count` numbers of `bits` bits take. */
export function packedBytes(count: number, bits: number): number {
  return Math.ceil(count * bits / 8);
}

/** 2^bits − 1 as an unsigned 32-bit mask. */
export function maskOf(bits: number): number {
  return bits === 32 ? 0xffffffff : 2 ** bits - 1;
}

/** Packs the low `bits` bits of each number; 2 ≤ bits ≤ 32. */
export function pack(numbers: Uint32Array, bits: number): Uint8Array<ArrayBuffer> {
  checkBits(bits);
  const size = packedBytes(numbers.length, bits);
  // One word more, so that the upper part of the last number has somewhere to go.
  const words = new Uint32Array(Math.ceil(size / 4) + 1);
  const mask = maskOf(bits);
  for (let i = 0, bit = 0; i < numbers.length; i++, bit += bits) {
    const value = numbers[i]! & mask;
    const word = bit >>> 5;
    const shift = bit & 31;
    words[word] = words[word]! | (value << shift);
    // Shifting by 32 shifts by nothing in JavaScript, hence in two steps.
    words[word + 1] = (value >>> 1) >>> (31 - shift);
  }
  swapOnBigEndian(words);
  return new Uint8Array(words.buffer).slice(0, size);
}

/**
 * Adds packed numbers to `sums`, modulo 2^32, without an array of numbers in between. False, with nothing added, when the bytes are
 * not exactly as many as needed or a spare bit is set.
 */
export function addPacked(sums: Uint32Array, bytes: Uint8Array, bits: number): boolean {
  checkBits(bits);
  if (bytes.length !== packedBytes(sums.length, bits)) return false;
  const spare = bytes.length * 8 - sums.length * bits;
  if (spare > 0 && (bytes[bytes.length - 1]! >>> (8 - spare)) !== 0) return false;
  // All that lie in whole words are read where they are; only the last few, and bytes that words cannot be laid over, are copied.
  const words = LITTLE_ENDIAN && bytes.byteOffset % 4 === 0
    ? new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2)
    : new Uint32Array(0);
  const inPlace = Math.max(0, Math.floor((words.length - 1) * 32 / bits));
  addFrom(words, 0, sums.subarray(0, inPlace), bits);
  const bit = inPlace * bits;
  addFrom(wordsFrom(bytes.subarray((bit >>> 5) * 4)), bit & 31, sums.subarray(inPlace), bits);
  return true;
}

/** Adds the numbers that begin with a bit of the first word. One word more than they touch has to be there. */
function addFrom(words: Uint32Array, from: number, sums: Uint32Array, bits: number): void {
  const mask = maskOf(bits);
  for (let i = 0, bit = from; i < sums.length; i++, bit += bits) {
    const word = bit >>> 5;
    const shift = bit & 31;
    const value = (words[word]! >>> shift) | ((words[word + 1]! << 1) << (31 - shift));
    sums[i] = sums[i]! + (value & mask);
  }
}

/** A copy as words, and one more. */
function wordsFrom(bytes: Uint8Array): Uint32Array {
  const words = new Uint32Array(Math.ceil(bytes.length / 4) + 1);
  new Uint8Array(words.buffer).set(bytes);
  swapOnBigEndian(words);
  return words;
}

/** The numbers; undefined when `addPacked` would refuse the bytes. */
export function unpack(
  bytes: Uint8Array,
  options: { readonly count: number; readonly bits: number },
): Uint32Array<ArrayBuffer> | undefined {
  const numbers = new Uint32Array(options.count);
  return addPacked(numbers, bytes, options.bits) ? numbers : undefined;
}

function checkBits(bits: number): void {
  invariant(
    Number.isInteger(bits) && bits >= SUM_BITS_MIN && bits <= 32,
    () => `Cannot pack numbers of ${bits} bits: expected ${SUM_BITS_MIN} to 32`,
  );
}

const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** Words are little-endian on the wire. */
function swapOnBigEndian(words: Uint32Array<ArrayBuffer>): void {
  if (LITTLE_ENDIAN) return;
  const view = new DataView(words.buffer);
  for (let i = 0; i < words.length; i++) words[i] = view.getUint32(i * 4, true);
}
