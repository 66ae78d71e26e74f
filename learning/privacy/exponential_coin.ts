/**
 * Coins that come up with probability e^(−x), exactly, for rational x ≥ 0. Nearly always 32 random bits and a floating-point e^(−x) decide
 * beyond doubt; where they do not (about once in 2^32 throws), as many more bits as needed are compared with e^(−x) in integers. So no
 * rounding error of a double ever reaches the distribution.
 */
import type { Words } from "./words.ts";

/**
 * How far, relatively, the computed e^(−x) may be from the true one: x is good to 2^−50 and matters up to 40, `Math.exp` to 2^−52; this
 * leaves a factor of 256. Larger x decide by the first bits or go to the integers.
 */
const DOUBT = 2 ** -36;
const WORD = 2 ** 32;

/** A rational number ≥ 0. */
export interface Fraction {
  readonly numerator: bigint;
  readonly denominator: bigint;
}

/** What a first word says: 1 it came up, 0 it did not, −1 undecided. `x` is good to 2^−50 relatively. */
export function decideByWord(word: number, x: number): number {
  const threshold = Math.exp(-x) * WORD;
  if (word + 1 <= threshold * (1 - DOUBT)) return 1;
  if (word > 0 && word >= threshold * (1 + DOUBT)) return 0;
  return -1;
}

/** Decides an undecided throw: is u < e^(−numerator/denominator), where u begins with the 32 bits of `word`? */
export function decideExactly(
  word: number,
  exponent: Fraction,
  words: Words,
): boolean {
  if (exponent.numerator === 0n) return true;
  let bits = 32n;
  let u = BigInt(word);
  for (;;) {
    for (let i = 0; i < 4; i++) u = (u << 32n) | BigInt(words.next());
    bits += 128n;
    const { low, high } = exponentialBounds(exponent, bits);
    if (u + 1n <= low) return true;
    if (u >= high) return false;
  }
}

/** Integers around 2^bits × e^(−numerator/denominator), at most a few apart. */
export function exponentialBounds(
  { numerator, denominator }: Fraction,
  bits: bigint,
): { readonly low: bigint; readonly high: bigint } {
  // e^(−x) = (e^(−x/2^k))^(2^k) with x/2^k ≤ 1, by its alternating series with guard bits.
  let halvings = 0n;
  while (numerator > denominator << halvings) halvings++;
  const guard = 32n + 4n * halvings;
  const scale = bits + guard;
  const one = 1n << scale;
  const divisor = denominator << halvings;
  let term = one;
  let sum = one;
  let terms = 0n;
  for (let k = 1n; term > 0n; k++) {
    term = term * numerator / (divisor * k);
    sum += k % 2n === 0n ? term : -term;
    terms++;
  }
  // Each term was rounded by less than 1 (times less than 2 for what it passed on); squaring doubles what is wrong and adds 1.
  let error = 2n * terms + 2n;
  for (let i = 0n; i < halvings; i++) {
    sum = (sum * sum) >> scale;
    error = 2n * error + 2n;
  }
  return { low: (sum - error) >> guard, high: ((sum + error) >> guard) + 1n };
}
