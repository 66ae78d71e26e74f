/** Random words in bulk: the `Random` port hands out bytes, samplers want 32 bits at a time without an allocation for each. */
import type { Random } from "../../platform/ports.ts";

/** A small draw first, because many vectors are short; then twice as much each time, up to what the port gives at once. */
const POOL_BYTES = { first: 512, most: 65_536 } as const;

/** Uniform 32-bit words from a `Random`, drawn up to 16,384 at a time. */
export class Words {
  readonly #random: Random;
  #pool: Uint32Array<ArrayBuffer> = new Uint32Array(0);
  #used = 0;
  #bytes: number = POOL_BYTES.first;

  constructor(random: Random) {
    this.#random = random;
  }

  /** A uniform integer in [0, 2^32). */
  next(): number {
    if (this.#used === this.#pool.length) {
      this.#pool = new Uint32Array(this.#random.bytes(this.#bytes).buffer);
      this.#bytes = Math.min(POOL_BYTES.most, this.#bytes * 2);
      this.#used = 0;
    }
    const word = this.#pool[this.#used]!;
    // Whoever knew the words would know the noise: they do not stay behind.
    this.#pool[this.#used++] = 0;
    return word;
  }

  /** A uniform integer in [0, bound), 1 ≤ bound ≤ 2^21: Lemire 2019, arXiv:1805.10941, in exact doubles. */
  below(bound: number): number {
    for (;;) {
      const product = this.next() * bound;
      const high = Math.floor(product / 2 ** 32);
      const low = product - high * 2 ** 32;
      if (low >= bound || low >= 2 ** 32 % bound) return high;
    }
  }
}
