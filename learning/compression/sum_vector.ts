/**
 * A compressed update as the whole numbers that a secure sum adds: levels of the update's numbers, then its weight, then, where the plan wants it, its
 * length. From their sums come the weighted mean, and how long the updates were, which fixes the levels of the next round: nobody has to guess a range,
 * and everybody can work it out again. After Bonawitz et al. 2019 (the range follows from earlier sums).
 *
 * Weight and length are cut into digits as wide as a level, so that their sums fit where those of the levels fit.
 */
import { invariant } from "../../platform/invariant.ts";
import type { Random } from "../../platform/ports.ts";
import type { Parameters } from "../parameters.ts";
import { lengthOf } from "../privacy/clipping.ts";
import { requireModerate } from "./compressor.ts";
import { withResidual } from "./error_feedback.ts";
import { stretches } from "./random_k.ts";
import { decodeSum, encodeForSum, rangeFor, sumBits } from "./sum_form.ts";
import { chosenCount } from "./top_k.ts";

/** Heaviest weight of a device: shares of a hundred are fine enough. */
export const SUM_WEIGHT_MAX = 127;
const WEIGHT_BITS = 7;

/** How the numbers of an update become levels; equal on all devices of a round. */
export interface SumVectorForm {
  /** Numbers of an update, ≥ 1. */
  readonly count: number;
  /** Numbers beyond ±range are cut there, > 0. */
  readonly range: number;
  /** Levels are 2^bits, 2–24. */
  readonly bits: number;
  /** Rotates before and after by this seed (32 bytes): what is not sent exactly is spread over all numbers. Null leaves them in place. */
  readonly rotation: Uint8Array | null;
  /** Sends only so many of the numbers, at places drawn from a seed that all share. Null sends all. */
  readonly choice: {
    /** In (0, 1]. */
    readonly share: number;
    /** 32 bytes. */
    readonly seed: Uint8Array;
    /** True: what is not sent is kept for later. False: what is sent counts for the whole stretch it was drawn from. */
    readonly feedback: boolean;
  } | null;
  /** Whether the updates' lengths are summed, too. */
  readonly measured: boolean;
}

/** A length becomes ⌈8 · log2(length)⌉ + 320, 0–511: from 2^−40 to 2^23, in steps of a tenth. */
const LENGTH_STEPS = 8;
const LENGTH_ZERO = 40 * LENGTH_STEPS;
const LENGTH_MAX = 511;
/** Weight × length. */
const WEIGHED_BITS = 16;
/** 2^(i/8), as doubles: powers of other machines may differ in their last digits. */
const EIGHTHS = [
  1,
  1.0905077326652577,
  1.189207115002721,
  1.2968395546510096,
  1.4142135623730951,
  1.5422108254079407,
  1.681792830507429,
  1.8340080864093424,
];

/** An update twice as long as is typical shall hardly be cut: it is cut beyond three deviations of its rotated numbers. */
const LENGTH_MARGIN = 2;
const DEVIATIONS = 3;

/** The range of rotated numbers, when updates of `count` numbers are typically so long. */
export function rangeOfLength(length: number, count: number): number {
  return rangeFor({ norm: LENGTH_MARGIN * length, count, deviations: DEVIATIONS });
}

/** Numbers of the vector. */
export function sumVectorLength(form: SumVectorForm): number {
  return levelCount(form) + digitCount(WEIGHT_BITS, form.bits) +
    (form.measured ? digitCount(WEIGHED_BITS, form.bits) : 0);
}

/** Bits of the modulus in which `devices` vectors add up without wrapping. Throws a `RangeError` above 32. */
export function sumVectorBits({ bits }: SumVectorForm, devices: number): number {
  const largest = devices * (2 ** bits - 1);
  if (largest >= 2 ** 32) {
    throw new RangeError(
      `Cannot sum ${devices} devices at ${bits} bits: needs more than 32 bits, expected fewer bits or devices`,
    );
  }
  return sumBits(bits, devices);
}

/** A device's vector. */
export interface EncodedForSum {
  /** Levels, weight, length. */
  readonly values: Uint32Array<ArrayBuffer>;
  /** What was not sent, for the next update once this one was counted; null where nothing is kept. */
  readonly residual: Parameters | null;
  /** Numbers beyond the range. */
  readonly clamped: number;
}

/**
 * Encodes an update; none of the arguments is changed. Chance comes from `random` only.
 *
 * @throws {RangeError} when a number is not finite or above 1e30, or the weight is below 1
 */
export function encodeSumVector(
  update: Parameters,
  form: SumVectorForm,
  options: {
    /** Examples the update was trained on, at least 1. */
    readonly weight: number;
    /** Left out of the last update that was counted; null for none. */
    readonly residual: Parameters | null;
    readonly random: Random;
  },
): EncodedForSum {
  const { count, choice, measured } = form;
  requireModerate(update, "the form for secure sums");
  if (!(options.weight >= 1) || update.length !== count) {
    throw new RangeError(
      `Cannot encode an update of ${update.length} numbers and weight ${options.weight}, expected ${count} and at least 1`,
    );
  }
  const weight = Math.min(Math.floor(options.weight), SUM_WEIGHT_MAX);
  const share = weight / SUM_WEIGHT_MAX;
  const whole = withResidual(update, choice?.feedback === true ? options.residual : null);
  const { range, bits, rotation: seed } = form;
  const places = chosenOf(form)?.places ?? null;
  const sent = new Float32Array(places?.length ?? count);
  for (let i = 0; i < sent.length; i++) sent[i] = whole[places?.[i] ?? i]! * share;
  const { levels, clamped } = encodeForSum(sent, { range, bits, seed }, options.random);
  const values = new Uint32Array(sumVectorLength(form));
  values.set(levels);
  const after = writeDigits(values, levels.length, weight, WEIGHT_BITS, bits);
  if (measured) {
    writeDigits(values, after, weight * lengthLevel(lengthOf(sent)), WEIGHED_BITS, bits);
  }
  if (choice?.feedback !== true || places === null) return { values, residual: null, clamped };
  for (let i = 0; i < places.length; i++) {
    // What was cut comes later, too; what rounding adds is nothing on average.
    const within = Math.max(-range, Math.min(range, sent[i]!)) / share;
    whole[places[i]!] = whole[places[i]!]! - within;
  }
  return { values, residual: whole, clamped };
}

/** What a sum of such vectors says. */
export interface DecodedSumVector {
  /** Weighted mean of the updates. */
  readonly mean: Parameters;
  /** Sum of the weights. */
  readonly weight: number;
  /** Σ weight × level of the length, for `typicalLength`; null where lengths are not summed. */
  readonly lengths: number | null;
}

/** Reads the sum of `devices` vectors; undefined when no devices can have summed up to it. */
export function decodeSumVector(
  sum: Uint32Array,
  form: SumVectorForm,
  devices: number,
): DecodedSumVector | undefined {
  invariant(
    sum.length === sumVectorLength(form),
    () => `Cannot read ${sum.length} numbers as a sum, expected ${sumVectorLength(form)}`,
  );
  const { range, bits, rotation: seed, choice, measured, count } = form;
  const most = devices * (2 ** bits - 1);
  const sent = levelCount(form);
  for (let i = sent; i < sum.length; i++) if (sum[i]! > most) return undefined;
  const [weight, after] = readDigits(sum, sent, WEIGHT_BITS, bits);
  if (weight < devices || weight > devices * SUM_WEIGHT_MAX) return undefined;
  const lengths = measured ? readDigits(sum, after, WEIGHED_BITS, bits)[0] : null;
  if (lengths !== null && lengths > weight * LENGTH_MAX) return undefined;
  const total = decodeSum(sum.subarray(0, sent), { range, bits, seed }, devices);
  if (total === undefined) return undefined;
  const factor = SUM_WEIGHT_MAX / weight;
  const chosen = chosenOf(form);
  if (chosen === null) {
    for (let i = 0; i < total.length; i++) total[i] = total[i]! * factor;
    return { mean: total, weight, lengths };
  }
  const { places, lengths: stretchLengths } = chosen;
  const mean = new Float32Array(count);
  for (let i = 0; i < places.length; i++) {
    const stands = choice!.feedback ? 1 : stretchLengths[i]!;
    mean[places[i]!] = total[i]! * factor * stands;
  }
  return { mean, weight, lengths };
}

/**
 * How long updates typically are, times their weight's share: the geometric mean, in which a device counts by its weight. One that lies about its length moves it by
 * no more than its weight allows. After a round in which it was `before` it falls to an eighth at most, so that one empty round spoils no later one.
 */
export function typicalLength(
  { lengths, weight }: { readonly lengths: number; readonly weight: number },
  before: number | null,
): number {
  const level = Math.ceil(lengths / weight) - LENGTH_ZERO;
  const octave = Math.floor(level / LENGTH_STEPS);
  const length = EIGHTHS[level - octave * LENGTH_STEPS]! * 2 ** octave;
  return before === null ? length : Math.max(length, before / 8);
}

/** Smallest and largest `typicalLength`. */
export const TYPICAL_LENGTHS = { least: 2 ** -40, most: 2 ** 24 };

function lengthLevel(length: number): number {
  if (!(length > 0)) return 0;
  const level = Math.ceil(LENGTH_STEPS * Math.log2(length)) + LENGTH_ZERO;
  return Math.max(0, Math.min(LENGTH_MAX, level));
}

function levelCount({ count, choice }: SumVectorForm): number {
  return choice === null ? count : chosenCount(count, choice.share);
}

/** Which numbers are summed, and for how many each stands; null for all of them. */
function chosenOf(form: SumVectorForm): ReturnType<typeof stretches> | null {
  const { choice, count } = form;
  return choice === null ? null : stretches(count, levelCount(form), choice.seed);
}

function digitCount(valueBits: number, bits: number): number {
  return Math.ceil(valueBits / bits);
}

/** Lowest digit first; gives the place after the last. */
function writeDigits(
  values: Uint32Array,
  at: number,
  value: number,
  valueBits: number,
  bits: number,
): number {
  const digits = digitCount(valueBits, bits);
  for (let i = 0; i < digits; i++) {
    values[at + i] = Math.floor(value / 2 ** (bits * i)) % 2 ** bits;
  }
  return at + digits;
}

function readDigits(
  sums: Uint32Array,
  at: number,
  valueBits: number,
  bits: number,
): readonly [value: number, after: number] {
  const digits = digitCount(valueBits, bits);
  let value = 0;
  for (let i = 0; i < digits; i++) value += sums[at + i]! * 2 ** (bits * i);
  return [value, at + digits];
}
