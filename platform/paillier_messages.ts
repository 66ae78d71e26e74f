/** What passes between `worker_paillier.ts` and its workers. */
import type { SumOutcome } from "../learning/secure/contract.ts";
import type { PaillierPrimes, PaillierSize } from "../learning/secure/paillier.ts";
import type { PaillierKeyBits } from "../learning/secure/paillier_work.ts";
import type { SumTotal } from "../learning/secure/secure_sum.ts";

/** The one piece of work of a worker. */
export type PaillierRequest =
  | { readonly type: "draw"; readonly keyBits: PaillierKeyBits }
  | {
    readonly type: "encrypt";
    readonly sum: PaillierSize & { readonly n: bigint };
    readonly values: Uint32Array<ArrayBuffer>;
  }
  | {
    readonly type: "open";
    readonly sum: PaillierSize & { readonly primes: PaillierPrimes };
    readonly total: SumTotal;
  };

/** What became of it. */
export type PaillierReply =
  | { readonly type: "draw"; readonly value: PaillierPrimes }
  | { readonly type: "encrypt"; readonly value: Uint8Array<ArrayBuffer> }
  | { readonly type: "open"; readonly value: SumOutcome<Uint32Array<ArrayBuffer>> }
  | { readonly type: "failed"; readonly reason: string };
