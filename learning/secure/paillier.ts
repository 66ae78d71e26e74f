/**
 * Sums under Paillier's encryption (Paillier 1999), by the library `paillier-bigint` with g = N + 1: the coordinator multiplies ciphertexts
 * and sees none open; who holds the key opens the product and sees no factor. Many small numbers travel in one ciphertext, each in a
 * slot with room for the carries of all summands.
 */
import { PrivateKey, PublicKey } from "paillier-bigint";
import { invariant } from "../../platform/invariant.ts";
import type { Random } from "../../platform/ports.ts";
import { maskOf } from "./packing.ts";
import type { SecureSum } from "./secure_sum.ts";
import {
  checkSmallSize,
  collectorOf,
  opened,
  type SmallSize,
  totalsProblem,
} from "./small_sums.ts";

/** Bits of N: 2,048 are about 112 bits of security, 3,072 about 128 (NIST SP 800-57). */
export const PAILLIER_KEY_BITS = [2_048, 3_072] as const;

/** A key pair from two primes of half the key's bits each, which the host draws. Plain text, as stored by who opens sums. */
export interface PaillierPrimes {
  readonly p: bigint;
  readonly q: bigint;
}

/** N of a key pair. Throws when the primes are equal or do not give a key of 2,048 or 3,072 bits. */
export function paillierModulus({ p, q }: PaillierPrimes): bigint {
  const n = p * q;
  const bits = bitsOf(n);
  invariant(
    p !== q && PAILLIER_KEY_BITS.some((size) => size === bits) &&
      bitsOf(p) === bits / 2 && bitsOf(q) === bits / 2,
    () =>
      `Cannot make a Paillier key of ${bits} bits from primes of ${bitsOf(p)} and ${
        bitsOf(q)
      }: expected two of 1024 or of 1536 bits`,
  );
  return n;
}

/** Why these bytes are no N of a key of `keyBits` bits, for people; undefined when they may be. Whoever made it from bad primes harms itself. */
export function problemOfModulus(bytes: Uint8Array, keyBits: number): string | undefined {
  const isN = bytes.length === keyBits / 8 && bytes[0]! >= 128 && bytes.at(-1)! % 2 === 1;
  return isN
    ? undefined
    : `its key has ${bytes.length} bytes, expected an odd number of ${keyBits} bits`;
}

/** N of a key as bytes, big-endian, and back. */
export const modulusBytes = (n: bigint): Uint8Array<ArrayBuffer> => {
  const bytes = new Uint8Array(bitsOf(n) / 8);
  writeBig(n, bytes);
  return bytes;
};
/** The modulus N from big-endian bytes, such as `modulusBytes` gives; any number, checked where it is used. */
export const modulusFrom = (bytes: Uint8Array): bigint => readBig(bytes);

/** Bytes of one contribution, and of their product. */
export function paillierBytes(
  { length, bits, summandsMax, keyBits }: PaillierSize & { readonly keyBits: number },
): number {
  return Math.ceil(length / slotsOf({ bits, summandsMax, keyBits })) * keyBits / 4;
}

/** Bits of a slot: a number, and room for the carries of all summands. */
function slotBitsOf({ bits, summandsMax }: Pick<PaillierSize, "bits" | "summandsMax">): number {
  return bits + Math.ceil(Math.log2(summandsMax));
}

function slotsOf(
  size: Pick<PaillierSize, "bits" | "summandsMax"> & { readonly keyBits: number },
): number {
  return Math.floor((size.keyBits - 2) / slotBitsOf(size));
}

/** How vectors lie in ciphertexts. */
export interface PaillierSize extends SmallSize {
  /** Most summands: their carries need ⌈log2⌉ bits in each slot. */
  readonly summandsMax: number;
}

/**
 * Sums of `length` numbers modulo 2^bits under the key with modulus `n`. Only with `primes` can totals be opened; devices and coordinator
 * must not have them.
 */
export function paillierSum(
  options: PaillierSize & { readonly n: bigint; readonly primes?: PaillierPrimes },
): SecureSum {
  checkSmallSize(options);
  const { length, bits, summandsMax, n, primes } = options;
  const keyBits = bitsOf(n);
  invariant(
    PAILLIER_KEY_BITS.some((size) => size === keyBits) && Number.isInteger(summandsMax) &&
      summandsMax >= 1 && summandsMax <= 20_000 &&
      (primes === undefined || paillierModulus(primes) === n),
    () => `Cannot sum under a Paillier key of ${keyBits} bits with ${summandsMax} summands`,
  );
  const slotBits = slotBitsOf(options);
  const slots = slotsOf({ bits, summandsMax, keyBits });
  const ciphertexts = Math.ceil(length / slots);
  const ciphertextBytes = keyBits / 4;
  const key = new PublicKey(n, n + 1n);
  const n2 = n * n;
  return {
    mode: "paillier",
    aggregators: 1,
    contribute(values, random) {
      invariant(
        values.length === length,
        () => `Cannot encrypt ${values.length} numbers: the sum has ${length}`,
      );
      const out = new Uint8Array(ciphertexts * ciphertextBytes);
      for (let i = 0; i < ciphertexts; i++) {
        const plaintext = joined(values.subarray(i * slots, (i + 1) * slots), { bits, slotBits });
        // (N + 1)^m is 1 + mN modulo N²: one multiplication instead of a power. What hides it is the N-th power of r.
        const hidden = key.encrypt(0n, unitBelow(n, random));
        const ciphertext = (1n + plaintext * n) % n2 * hidden % n2;
        writeBig(ciphertext, out.subarray(i * ciphertextBytes, (i + 1) * ciphertextBytes));
      }
      return [out];
    },
    collector() {
      const products = new Array<bigint>(ciphertexts).fill(1n);
      return collectorOf({
        add(part) {
          if (part.length !== ciphertexts * ciphertextBytes) return false;
          const read = Array.from(
            products,
            (_, i) => readBig(part.subarray(i * ciphertextBytes, (i + 1) * ciphertextBytes)),
          );
          if (
            read.some((ciphertext) => ciphertext <= 0n || ciphertext >= n2 || ciphertext % n === 0n)
          ) return false;
          read.forEach((ciphertext, i) => products[i] = key.addition(products[i]!, ciphertext));
          return true;
        },
        total() {
          const out = new Uint8Array(ciphertexts * ciphertextBytes);
          products.forEach((product, i) =>
            writeBig(product, out.subarray(i * ciphertextBytes, (i + 1) * ciphertextBytes))
          );
          return out;
        },
        expected: `${ciphertexts} ciphertexts of ${ciphertextBytes} bytes below N²`,
        devicesMax: summandsMax,
      });
    },
    open(totals) {
      invariant(
        primes !== undefined,
        "Cannot open a Paillier sum: this side does not hold the primes",
      );
      const problem = totalsProblem(totals, 1);
      if (problem !== undefined) return problem;
      const { bytes } = totals[0]!;
      if (bytes.length !== ciphertexts * ciphertextBytes) return opened(undefined);
      const secret = privateKey(primes, key);
      const sum = new Uint32Array(length);
      for (let i = 0; i < ciphertexts; i++) {
        const ciphertext = readBig(bytes.subarray(i * ciphertextBytes, (i + 1) * ciphertextBytes));
        if (ciphertext <= 0n || ciphertext >= n2 || ciphertext % n === 0n) return opened(undefined);
        let plaintext = secret.decrypt(ciphertext);
        for (let at = i * slots; at < Math.min((i + 1) * slots, length); at++) {
          sum[at] = Number(plaintext & BigInt(maskOf(bits)));
          plaintext >>= BigInt(slotBits);
        }
      }
      return opened(sum);
    },
  };
}

function joined(
  values: Uint32Array,
  { bits, slotBits }: { readonly bits: number; readonly slotBits: number },
): bigint {
  const mask = maskOf(bits);
  return values.reduceRight(
    (plaintext, value) => (plaintext << BigInt(slotBits)) | BigInt((value & mask) >>> 0),
    0n,
  );
}

/** For g = N + 1, λ may be (p − 1)(q − 1) and μ its inverse modulo N. */
function privateKey({ p, q }: PaillierPrimes, key: PublicKey): PrivateKey {
  const order = (p - 1n) * (q - 1n);
  return new PrivateKey(order, inverse(order, key.n), key, p, q);
}

function inverse(value: bigint, modulus: bigint): bigint {
  let [a, b, x, y] = [value % modulus, modulus, 1n, 0n];
  while (b !== 0n) {
    const quotient = a / b;
    [a, b] = [b, a - quotient * b];
    [x, y] = [y, x - quotient * y];
  }
  invariant(a === 1n, "Cannot make a Paillier key: the primes do not fit each other");
  return (x % modulus + modulus) % modulus;
}

/**
 * A number below N: 128 bits more than N has, reduced, so that the excess of the small ones is negligible. That it has a factor in common
 * with N is as likely as guessing the primes.
 */
function unitBelow(n: bigint, random: Pick<Random, "bytes">): bigint {
  return readBig(random.bytes(bitsOf(n) / 8 + 16)) % (n - 1n) + 1n;
}

function bitsOf(value: bigint): number {
  return value <= 0n ? 0 : value.toString(2).length;
}

function readBig(bytes: Uint8Array): bigint {
  return bytes.length === 0 ? 0n : BigInt("0x" + bytes.toHex());
}

/** Big-endian, filling the whole of `into`. */
function writeBig(value: bigint, into: Uint8Array): void {
  into.setFromHex(value.toString(16).padStart(into.length * 2, "0"));
}
