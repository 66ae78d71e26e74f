/**
 * Reproducible chance for simulation and tests; never for keys of real devices. The generator is xoshiro128** 1.1
 * (Blackman and Vigna), its state filled from the seed by SplitMix32-style mixing.
 */
import type { Random } from "./ports.ts";
import { checkCount, uniformBelow, uniformFloat } from "./system_random.ts";

/** A generator whose draws follow from `seed` alone. Forks follow from seed and label, not from the draws made before. */
export function seededRandom(seed: number | string): Random {
  return new SeededRandom(mixText(INITIAL, String(seed)));
}

type Seed = readonly [number, number, number, number];
const INITIAL: Seed = [0x9e3779b9, 0x243f6a88, 0xb7e15162, 0x6a09e667];

class SeededRandom implements Random {
  readonly #seed: Seed;
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  constructor(seed: Seed) {
    this.#seed = seed;
    // An all-zero state would stay zero for ever.
    [this.#a, this.#b, this.#c, this.#d] = seed.every((word) => word === 0) ? INITIAL : seed;
  }

  uint32 = (): number => {
    const result = Math.imul(rotateLeft(Math.imul(this.#b, 5), 7), 9) >>> 0;
    const t = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= t;
    this.#d = rotateLeft(this.#d, 11);
    return result;
  };

  bytes(count: number): Uint8Array<ArrayBuffer> {
    checkCount(count);
    const bytes = new Uint8Array(count);
    for (let i = 0; i < count; i += 4) {
      const word = this.uint32();
      for (let k = 0; k < 4 && i + k < count; k++) bytes[i + k] = word >>> (8 * k);
    }
    return bytes;
  }

  below(bound: number): number {
    return uniformBelow(this.uint32, bound);
  }

  float(): number {
    return uniformFloat(this.uint32);
  }

  fork(label: string): Random {
    return new SeededRandom(mixText(this.#seed, label));
  }
}

function rotateLeft(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}

/** Folds text into a seed: every character passes through all four words, and the length separates "a"+"b" from "ab". */
function mixText(seed: Seed, text: string): Seed {
  let [a, b, c, d] = seed;
  for (let i = 0; i <= text.length; i++) {
    const unit = i < text.length ? text.charCodeAt(i) : 0x10000 + text.length;
    a = avalanche(a ^ unit);
    b = avalanche(b + a | 0);
    c = avalanche(c ^ b);
    d = avalanche(d + c | 0);
    a = (a + d) | 0;
  }
  return [avalanche(a ^ c), avalanche(b ^ d), avalanche(c + a | 0), avalanche(d + b | 0)];
}

/** The finaliser of MurmurHash3 (Appleby, public domain) after a Weyl step. */
function avalanche(word: number): number {
  let x = (word + 0x9e3779b9) | 0;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return x ^ (x >>> 16);
}
