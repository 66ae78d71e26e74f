/**
 * Shamir's secret sharing (Shamir 1979, "How to Share a Secret") of 32-byte secrets over GF(2^8) with the polynomial of AES,
 * x^8 + x^4 + x^3 + x + 1: each byte is shared by its own random polynomial of degree threshold − 1, whose value at 0 is the byte.
 *
 * Secret bytes never index a table and never steer a branch: four of them are multiplied at once in one word, by a public factor. The
 * kept library for this (`shamir-secret-sharing`) draws its own chance and its own x-coordinates; rounds must be able to resume bit by bit.
 */
import { invariant } from "../../platform/invariant.ts";
import type { Random } from "../../platform/ports.ts";

/** Bytes of a secret and of a share. */
export const SECRET_BYTES = 32;
/** x-coordinates are the nonzero elements of the field. */
export const SHARES_MAX = 255;
const WORDS = SECRET_BYTES / 4;

/** One point of the polynomials. */
export interface Share {
  /** x, 1–255. */
  readonly x: number;
  /** `SECRET_BYTES` values. */
  readonly bytes: Uint8Array;
}

/** Shares for x = 1 … count; any `threshold` of them give the secret, fewer say nothing about it. 1 ≤ threshold ≤ count ≤ 255. */
export function splitSecret(
  secret: Uint8Array,
  options: { readonly threshold: number; readonly count: number; readonly random: Random },
): Uint8Array<ArrayBuffer>[] {
  const { threshold, count, random } = options;
  invariant(
    secret.length === SECRET_BYTES && Number.isInteger(threshold) && Number.isInteger(count) &&
      threshold >= 1 && threshold <= count && count <= SHARES_MAX,
    () =>
      `Cannot share a secret of ${secret.length} bytes among ${count} with threshold ${threshold}: expected ${SECRET_BYTES} bytes and 1 <= threshold <= count <= ${SHARES_MAX}`,
  );
  const coefficients = [toWords(secret)];
  for (let i = 1; i < threshold; i++) coefficients.push(toWords(random.bytes(SECRET_BYTES)));
  return Array.from({ length: count }, (_, index) => {
    const value = new Uint32Array(WORDS);
    for (let i = threshold - 1; i >= 0; i--) {
      multiplyAll(value, index + 1);
      const coefficient = coefficients[i]!;
      for (let w = 0; w < WORDS; w++) value[w]! ^= coefficient[w]!;
    }
    return toBytes(value);
  });
}

/** The secret from exactly as many shares as the threshold was, by Lagrange interpolation at 0. Throws when x-coordinates repeat. */
export function combineShares(shares: readonly Share[]): Uint8Array<ArrayBuffer> {
  invariant(shares.length >= 1, "Cannot combine shares: there are none");
  const secret = new Uint32Array(WORDS);
  shares.forEach(({ x, bytes }, index) => {
    invariant(
      Number.isInteger(x) && x >= 1 && x <= SHARES_MAX && bytes.length === SECRET_BYTES,
      () => `Cannot combine shares: share for x = ${x} has ${bytes.length} bytes`,
    );
    let [above, below] = [1, 1];
    shares.forEach((other, position) => {
      if (position === index) return;
      invariant(other.x !== x, () => `Cannot combine shares: x = ${x} comes twice`);
      above = multiply(above, other.x);
      below = multiply(below, other.x ^ x);
    });
    const term = toWords(bytes);
    multiplyAll(term, multiply(above, inverse(below)));
    for (let w = 0; w < WORDS; w++) secret[w]! ^= term[w]!;
  });
  return toBytes(secret);
}

/** Product of public field elements. */
function multiply(a: number, b: number): number {
  return a === 0 || b === 0 ? 0 : EXPONENTIALS[LOGARITHMS[a]! + LOGARITHMS[b]!]!;
}

function inverse(a: number): number {
  return EXPONENTIALS[255 - LOGARITHMS[a]!]!;
}

/** Every byte of `words` times the public `factor`, in place: shift and add, four bytes to a word. */
function multiplyAll(words: Uint32Array, factor: number): void {
  for (let w = 0; w < words.length; w++) {
    let shifted = words[w]!;
    let product = 0;
    for (let bits = factor; bits !== 0; bits >>>= 1) {
      if ((bits & 1) === 1) product ^= shifted;
      shifted = ((shifted & 0x7f7f7f7f) << 1) ^ (((shifted >>> 7) & 0x01010101) * 0x1b);
    }
    words[w] = product;
  }
}

/** Any order of bytes does, as long as it is the same both ways: the field works on each byte alone. */
function toWords(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(new Uint8Array(bytes).buffer);
}

function toBytes(words: Uint32Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return new Uint8Array(words.buffer);
}

// Powers of the generator 3, twice over so that a sum of two logarithms needs no reduction.
const EXPONENTIALS = new Uint8Array(510);
const LOGARITHMS = new Uint8Array(256);
for (let power = 0, value = 1; power < 255; power++) {
  EXPONENTIALS[power] = value;
  EXPONENTIALS[power + 255] = value;
  LOGARITHMS[value] = power;
  value ^= (value << 1) ^ ((value & 0x80) === 0 ? 0 : 0x11b);
}
