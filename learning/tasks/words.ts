/**
 * Text as numbers without a common vocabulary: words are hashed to places of a vector (Weinberger, Dasgupta, Langford, Smola and Attenberg, "Feature
 * Hashing for Large Scale Multitask Learning", 2009), so that devices agree on what a place means without telling each other their words.
 */

/** Characters of a text that are read. */
export const TEXT_CHARACTERS_MAX = 65_536;
/** Words shorter than this say nothing; what is longer is no word. */
const WORD_CHARACTERS_MIN = 2;
const WORD_CHARACTERS_MAX = 32;

const encoder = new TextEncoder();

/** Words of a text in order: letters and digits, lower case, compatibility forms made one (NFKC). */
export function wordsOf(text: string): readonly string[] {
  const read = text.slice(0, TEXT_CHARACTERS_MAX).normalize("NFKC").toLowerCase();
  const words = read.match(/[\p{L}\p{N}\p{M}]+/gu) ?? [];
  return words.filter(({ length }) =>
    length >= WORD_CHARACTERS_MIN && length <= WORD_CHARACTERS_MAX
  );
}

/** FNV-1a, 32 bits (Fowler, Noll and Vo), of the text's UTF-8. */
export function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of encoder.encode(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

/**
 * Writes a text's vector over `into`, whose length is a power of two: each word adds 1 + ln(times) at its place, with a sign of its own so that words that
 * share a place cancel on average, and the whole is scaled to length 1. False when there is no word.
 */
export function writeHashedWords(text: string, into: Float32Array): boolean {
  into.fill(0);
  const times = new Map<string, number>();
  for (const word of wordsOf(text)) times.set(word, (times.get(word) ?? 0) + 1);
  for (const [word, count] of times) {
    const hash = mixed(fnv1a(word));
    into[hash & (into.length - 1)]! += (hash >>> 31 === 0 ? 1 : -1) * (1 + Math.log(count));
  }
  const length = Math.sqrt(into.reduce((sum, value) => sum + value * value, 0));
  if (length === 0) return false;
  for (let i = 0; i < into.length; i++) into[i]! /= length;
  return true;
}

/** FNV's high bits depend little on the last characters; the finaliser of MurmurHash3 (Appleby, public domain) spreads them. */
function mixed(word: number): number {
  let x = word;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return x ^ (x >>> 16);
}
