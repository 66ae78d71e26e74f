/**
 * Updates as integers that can be summed modulo 2^k, and back. A value v becomes v · (w / wMax) · L / C, rounded up or down by chance so that
 * the mean error is zero (Bonawitz et al. 2019, "Federated Learning with Autotuned Communication-Efficient Secure Aggregation"; FedAvg weights as in
 * McMahan et al. 2017), with C the clipping range and L = 2^(b−1) − 1 the largest level. The last integer of a vector is the weight w itself:
 * the sums of both give the weighted mean.
 */
import { invariant } from "../../platform/invariant.ts";
import type { Random } from "../../platform/ports.ts";
import { isFinite, type Parameters } from "../parameters.ts";

/** How updates become integers; fixed by the plan, equal for all devices. */
export interface SumEncoding {
  /** C > 0: values beyond ±C become ±C. */
  readonly clip: number;
  /** b: bits of one value, 2–24. */
  readonly valueBits: number;
  /** Heaviest weight, an integer 1 … 2^(b−1) − 1: heavier ones count as this. 1: everybody counts the same. */
  readonly weightMax: number;
  /** n: most vectors in one sum, 1–20,000. */
  readonly summandsMax: number;
  /** What the noise of all together may add to one sum at most, ≥ 0; 0 without noise. */
  readonly noiseMax: number;
}

/** Most random bytes that are drawn at once. */
const BATCH_BYTES = 65_536;

/** L: the integer that stands for C. */
export function levelMax(encoding: Pick<SumEncoding, "valueBits">): number {
  return 2 ** (encoding.valueBits - 1) - 1;
}

/**
 * k: bits so that no sum wraps, 1 + ⌈log2(n · L + noise + 1)⌉; without noise b + ⌈log2 n⌉. At least 8.
 *
 * @throws {RangeError} when a number is out of range or more than 32 bits were needed, saying what would fit
 */
export function sumBits(encoding: SumEncoding): number {
  const { clip, valueBits, weightMax, summandsMax, noiseMax } = encoding;
  const whole = (value: number, low: number, high: number) =>
    Number.isInteger(value) && value >= low && value <= high;
  if (!(clip > 0 && clip < Infinity)) {
    throw new RangeError(`Cannot encode updates: clip is ${clip}, expected a number > 0`);
  }
  if (!whole(valueBits, 2, 24) || !whole(summandsMax, 1, 20_000) || !whole(noiseMax, 0, 2 ** 31)) {
    throw new RangeError(
      `Cannot encode updates: ${valueBits} bits, ${summandsMax} summands, noise up to ${noiseMax}; expected 2 to 24, 1 to 20000, 0 to 2^31`,
    );
  }
  if (!whole(weightMax, 1, levelMax(encoding))) {
    throw new RangeError(
      `Cannot encode updates: weightMax is ${weightMax}, expected 1 to ${
        levelMax(encoding)
      } with ${valueBits} bits`,
    );
  }
  const largest = summandsMax * levelMax(encoding) + noiseMax;
  let bits = 8;
  while (2 ** (bits - 1) - 1 < largest) bits++;
  if (bits > 32) {
    throw new RangeError(
      `Cannot encode updates: sums of ${summandsMax} values of ${valueBits} bits with noise up to ${noiseMax} need ${bits} bits, expected at most 32; take ${
        valueBits - (bits - 32)
      } bits a value, fewer devices or less noise`,
    );
  }
  return bits;
}

/** An update as integers. */
export interface EncodedUpdate {
  /** Modulo 2^32, hence modulo every 2^k: the values, then the weight. */
  readonly values: Uint32Array<ArrayBuffer>;
  /** How many values were beyond the clipping range. */
  readonly clipped: number;
}

/**
 * Encodes an update. `addNoise` gets the values without the weight, as signed integers, and changes them in place: distributed
 * differential privacy.
 *
 * @throws {RangeError} when the update holds NaN or an infinity, or the weight is not a positive number
 */
export function encodeUpdate(
  update: Parameters,
  options: {
    readonly encoding: SumEncoding;
    /** Examples this update was trained on; at least 1. */
    readonly weight: number;
    readonly random: Random;
    readonly addNoise?: (integers: Int32Array<ArrayBuffer>) => void;
  },
): EncodedUpdate {
  const { encoding, random, addNoise } = options;
  sumBits(encoding);
  if (!isFinite(update)) {
    throw new RangeError("Cannot encode an update: it holds NaN or an infinity");
  }
  if (!(options.weight >= 1)) {
    throw new RangeError(`Cannot encode an update: its weight is ${options.weight}, expected >= 1`);
  }
  const weight = Math.min(Math.floor(options.weight), encoding.weightMax);
  const { clip } = encoding;
  const scale = levelMax(encoding) / clip * (weight / encoding.weightMax);
  const integers = new Int32Array(update.length + 1);
  let clipped = 0;
  for (let start = 0; start < update.length; start += BATCH_BYTES / 4) {
    const end = Math.min(start + BATCH_BYTES / 4, update.length);
    const chance = new Uint32Array(random.bytes((end - start) * 4).buffer);
    for (let i = start; i < end; i++) {
      let value = update[i]!;
      if (value > clip) {
        value = clip;
        clipped++;
      } else if (value < -clip) {
        value = -clip;
        clipped++;
      }
      integers[i] = Math.floor(value * scale + chance[i - start]! / 2 ** 32);
    }
  }
  addNoise?.(integers.subarray(0, update.length));
  integers[update.length] = weight;
  return { values: new Uint32Array(integers.buffer), clipped };
}

/** A sum in numbers again. */
export interface DecodedSum {
  /** Weighted mean of the updates. */
  readonly mean: Parameters;
  /** Sum of the weights. */
  readonly weight: number;
}

/**
 * The weighted mean that a sum modulo 2^bits stands for; undefined when its weight is not one that `summands` devices can have. Devices have cut their
 * numbers at ±clip, so that no honest mean lies beyond; what a liar has put beyond it is cut there, too.
 */
export function decodeSum(
  sum: Uint32Array,
  options: { readonly encoding: SumEncoding; readonly bits: number; readonly summands: number },
): DecodedSum | undefined {
  const { encoding, bits, summands } = options;
  invariant(
    bits >= sumBits(encoding) && bits <= 32 && sum.length >= 1,
    () => `Cannot decode a sum of ${bits} bits: the encoding needs ${sumBits(encoding)} to 32`,
  );
  const weight = signed(sum[sum.length - 1]!, bits);
  if (weight < summands || weight > summands * encoding.weightMax) return undefined;
  const factor = encoding.clip / levelMax(encoding) * encoding.weightMax / weight;
  const mean = new Float32Array(sum.length - 1);
  const { clip } = encoding;
  for (let i = 0; i < mean.length; i++) {
    mean[i] = Math.max(-clip, Math.min(clip, signed(sum[i]!, bits) * factor));
  }
  return { mean, weight };
}

/** The integer in −2^(bits−1) … 2^(bits−1) − 1 that is `value` modulo 2^bits. */
export function signed(value: number, bits: number): number {
  return (value << (32 - bits)) >> (32 - bits);
}
