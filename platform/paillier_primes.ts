/** Primes for Paillier keys, drawn by the cryptographic library of the system; `learning/secure/paillier.ts` makes keys of them. */
import { generatePrimeSync } from "node:crypto";

/** Two different primes whose product has exactly `keyBits` bits. Takes tenths of a second to seconds. */
export function paillierPrimes(
  keyBits: 2_048 | 3_072,
): { readonly p: bigint; readonly q: bigint } {
  const half = keyBits / 2;
  for (;;) {
    const [p, q] = [prime(half), prime(half)];
    if (p !== q && (p * q).toString(2).length === keyBits) return { p, q };
  }
}

function prime(bits: number): bigint {
  return generatePrimeSync(bits, { bigint: true });
}
