/** Cryptographically secure chance of the operating system. */
import { invariant } from "./invariant.ts";
import type { Random } from "./ports.ts";

const POOL_WORDS = 1024;

/** The secure generator. All forks share it: there is no seed that a label could separate. */
export function systemRandom(): Random {
  const pool = new Uint32Array(POOL_WORDS);
  let used = POOL_WORDS;
  const uint32 = (): number => {
    if (used === POOL_WORDS) {
      crypto.getRandomValues(pool);
      used = 0;
    }
    const word = pool[used]!;
    // A word that was handed out may have become a secret: it does not stay behind in memory.
    pool[used++] = 0;
    return word;
  };
  const random: Random = {
    bytes(count) {
      checkCount(count);
      return crypto.getRandomValues(new Uint8Array(count));
    },
    uint32,
    below: (bound) => uniformBelow(uint32, bound),
    float: () => uniformFloat(uint32),
    fork: () => random,
  };
  return random;
}

/** Throws unless `count` is a number of bytes that `Random.bytes` takes. */
export function checkCount(count: number): void {
  invariant(
    Number.isInteger(count) && count >= 0 && count <= 65_536,
    () => `Cannot draw bytes: count is ${count}, expected an integer from 0 to 65536`,
  );
}

/** A uniform integer in [0, bound) from uniform 32-bit words, by rejection: no value is more likely than another. */
export function uniformBelow(uint32: () => number, bound: number): number {
  invariant(
    Number.isInteger(bound) && bound >= 1 && bound <= 2 ** 32,
    () => `Cannot draw: bound is ${bound}, expected an integer from 1 to 2^32`,
  );
  const usable = 2 ** 32 - (2 ** 32 % bound);
  for (;;) {
    const word = uint32();
    if (word < usable) return word % bound;
  }
}

/** A uniform number in [0, 1) with 53 bits from two 32-bit words. */
export function uniformFloat(uint32: () => number): number {
  const high = uint32() >>> 5; // 27 bits
  const low = uint32() >>> 6; // 26 bits
  return (high * 2 ** 26 + low) / 2 ** 53;
}
