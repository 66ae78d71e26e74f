/**
 * The port for what Paillier's encryption costs: tenths of a second for each ciphertext, so devices let it be done on another core
 * (`platform/worker_paillier.ts`). What is drawn by chance, primes and what hides plaintexts, is drawn where the work is done.
 */
import type { Random } from "../../platform/ports.ts";
import type { SumOutcome } from "./contract.ts";
import { type PaillierPrimes, type PaillierSize, paillierSum } from "./paillier.ts";
import type { SumTotal } from "./secure_sum.ts";

/** Bits of a key, as in `PAILLIER_KEY_BITS`. */
export type PaillierKeyBits = 2_048 | 3_072;

/** Drawing, encrypting and opening, each tenths of a second to minutes of one core. A promise rejects when its work has come to nothing. */
export interface PaillierWork {
  /** The primes of a new key. */
  draw(keyBits: PaillierKeyBits): Promise<PaillierPrimes>;
  /** A vector under the key with modulus `n`: what its device contributes. */
  encrypt(
    sum: PaillierSize & { readonly n: bigint },
    values: Uint32Array<ArrayBuffer>,
  ): Promise<Uint8Array<ArrayBuffer>>;
  /** The sum that a product of contributions stands for. */
  open(
    sum: PaillierSize & { readonly primes: PaillierPrimes },
    total: SumTotal,
  ): Promise<SumOutcome<Uint32Array<ArrayBuffer>>>;
  /** Ends what runs; nothing may be asked afterwards. */
  close(): void;
}

/** The same right here, for tests and simulations; `draw` gives the primes. */
export function inlinePaillierWork(
  { draw, random }: {
    readonly draw: (keyBits: PaillierKeyBits) => PaillierPrimes;
    readonly random: Pick<Random, "bytes">;
  },
): PaillierWork {
  return {
    draw: (keyBits) => Promise.resolve(draw(keyBits)),
    encrypt: (sum, values) =>
      Promise.resolve(new Uint8Array(paillierSum(sum).contribute(values, random)[0]!)),
    open: ({ primes, ...size }, total) =>
      Promise.resolve(
        paillierSum({ ...size, n: primes.p * primes.q, primes }).open([total]),
      ),
    close() {},
  };
}
