/** Draws from distributions and orders, made of any `Random`. */
import { invariant } from "../../platform/invariant.ts";
import type { Random } from "../../platform/ports.ts";

/** Puts the numbers into a uniformly random order, in place (Fisher and Yates 1938, in Durstenfeld's form). */
export function shuffle(numbers: Uint32Array<ArrayBuffer>, random: Random): void {
  for (let i = numbers.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    const kept = numbers[i]!;
    numbers[i] = numbers[j]!;
    numbers[j] = kept;
  }
}

/** 0 … count − 1 in a uniformly random order. */
export function permutation(count: number, random: Random): Uint32Array<ArrayBuffer> {
  const numbers = range(count);
  shuffle(numbers, random);
  return numbers;
}

/** 0 … count − 1. */
function range(count: number): Uint32Array<ArrayBuffer> {
  const numbers = new Uint32Array(count);
  for (let i = 0; i < count; i++) numbers[i] = i;
  return numbers;
}

/** `count` different numbers below `bound`, ascending: a uniformly random set of clients, say. */
export function sample(bound: number, count: number, random: Random): Uint32Array<ArrayBuffer> {
  invariant(
    Number.isInteger(count) && count >= 0 && count <= bound,
    () => `Cannot draw ${count} different numbers below ${bound}`,
  );
  return permutation(bound, random).slice(0, count).sort();
}

/** A standard normal number (Marsaglia and Bray 1964, the polar method; the second number of each pair is not used). */
export function normal(random: Random): number {
  for (;;) {
    const u = 2 * random.float() - 1;
    const v = 2 * random.float() - 1;
    const s = u * u + v * v;
    if (s > 0 && s < 1) return u * Math.sqrt(-2 * Math.log(s) / s);
  }
}

/**
 * The natural logarithm of a Gamma(shape, 1) number, shape > 0 (Marsaglia and Tsang, "A Simple Method for Generating Gamma Variables", 2000). The
 * logarithm, because numbers of small shapes lie below the smallest float.
 */
export function logGamma(shape: number, random: Random): number {
  // Their boost: Gamma(a) = Gamma(a + 1) · U^(1/a).
  if (shape < 1) return logGamma(shape + 1, random) + Math.log1p(-random.float()) / shape;
  const d = shape - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x = normal(random);
    const v = (1 + c * x) ** 3;
    if (v <= 0) continue;
    const u = 1 - random.float();
    if (Math.log(u) < 0.5 * x * x + d - d * v + d * Math.log(v)) return Math.log(d * v);
  }
}

/** Shares that sum to 1, from the Dirichlet distribution with these concentrations (each > 0). */
export function dirichlet(concentrations: readonly number[], random: Random): Float64Array {
  const logs = concentrations.map((concentration) => logGamma(concentration, random));
  const highest = Math.max(...logs);
  const shares = Float64Array.from(logs, (log) => Math.exp(log - highest));
  const sum = shares.reduce((total, share) => total + share, 0);
  return shares.map((share) => share / sum);
}
