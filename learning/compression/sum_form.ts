/**
 * The form that secure sums can add: every device rotates the whole update by the same seed and rounds it stochastically to the same levels,
 * whole numbers 0 … 2^bits − 1 whose sum modulo 2^k says the sum of updates, if k ≥ bits + ⌈log₂ devices⌉. After Suresh et al. 2017
 * (rotation, stochastic levels) and Bonawitz, Salehi, Konečný, McMahan, Gruteser: "Federated Learning with Autotuned
 * Communication-Efficient Secure Aggregation", Asilomar 2019.
 */
import { invariant } from "../../platform/invariant.ts";
import type { Random } from "../../platform/ports.ts";
import type { Parameters } from "../parameters.ts";
import { requireModerate } from "./compressor.ts";
import { rotateWhole, unrotateWhole, wholeLength } from "./rotation.ts";
import { roundingNoise } from "./rounding_noise.ts";

/** Equal on all devices of a round. */
export interface SumForm {
  /** Rotated numbers are clamped to ±range, > 0. See `rangeFor`. */
  readonly range: number;
  /** Levels are 2^bits, 1–24. */
  readonly bits: number;
  /** 32 bytes, `compressionSeed` without a device; null for numbers that are not rotated. */
  readonly seed: Uint8Array | null;
}

/** Deviations of a normal number beyond which rotated numbers are clamped by default: one in 1.7 million. */
const DEVIATIONS = 5;

/** A range for updates of `count` numbers whose norm is at most `norm`. */
export function rangeFor(
  options: { readonly norm: number; readonly count: number; readonly deviations?: number },
): number {
  const { norm, count, deviations = DEVIATIONS } = options;
  return norm * Math.min(1, deviations / Math.sqrt(wholeLength(count)));
}

/** k: bits of the modulus that so many devices need. At most 32. */
export function sumBits(bits: number, devices: number): number {
  const needed = bits + (devices > 1 ? 32 - Math.clz32(devices - 1) : 0);
  invariant(
    needed <= 32,
    () => `Cannot sum ${devices} devices at ${bits} bits: needs ${needed} bits, expected <= 32`,
  );
  return needed;
}

/** Levels of one device's update, as many as it has numbers, and how many rotated numbers were clamped (and so are biased). */
export function encodeForSum(
  update: Parameters,
  { range, bits, seed }: SumForm,
  random: Random,
): { readonly levels: Uint32Array<ArrayBuffer>; readonly clamped: number } {
  checkForm({ range, bits, seed });
  requireModerate(update, "the form for secure sums");
  const rotated = update.slice();
  if (seed !== null) rotateWhole(rotated, seed);
  const { length } = rotated;
  const levels = new Uint32Array(length);
  roundingNoise(random)(levels, length);
  const top = 2 ** bits - 1;
  const perStep = top / (2 * range);
  let clamped = 0;
  for (let i = 0; i < length; i++) {
    const place = (rotated[i]! + range) * perStep;
    if (place < 0 || place > top) {
      clamped += 1;
      levels[i] = place < 0 ? 0 : top;
    } else levels[i] = place + levels[i]! * 2 ** -32;
  }
  return { levels, clamped };
}

/** The sum of `devices` updates from the sum of their levels, which must not have wrapped. Undefined when a sum is larger than possible. */
export function decodeSum(
  sums: Uint32Array,
  { range, bits, seed }: SumForm,
  devices: number,
): Parameters | undefined {
  checkForm({ range, bits, seed });
  const top = (2 ** bits - 1) * devices;
  const step = 2 * range / (2 ** bits - 1);
  const values = new Float32Array(sums.length);
  for (let i = 0; i < sums.length; i++) {
    if (sums[i]! > top) return undefined;
    values[i] = sums[i]! * step - devices * range;
  }
  if (seed !== null) unrotateWhole(values, seed);
  return values;
}

function checkForm({ range, bits }: SumForm): void {
  invariant(
    range > 0 && range < Infinity && Number.isInteger(bits) && bits >= 1 && bits <= 24,
    () => `Cannot make levels: range ${range}, bits ${bits}; expected > 0 and 1 to 24`,
  );
}
