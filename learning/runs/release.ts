/**
 * From what a round released to the next version. The aggregate is what everybody may know: the combined update in the clear, or the secure sums as
 * integers. The new parameters follow from it bit by bit, so that whoever has it checks the version by making it.
 */
import { heldUpdates } from "../aggregation/update_source.ts";
import { isFinite, type Parameters, parametersFromBytes } from "../parameters.ts";
import { nextClip } from "../privacy/adaptive_clipping.ts";
import { decodeSum as decodeRelease } from "../privacy/release.ts";
import { decodeSumVector, typicalLength } from "../compression/sum_vector.ts";
import { decodeSum, signed } from "../secure/encoding.ts";
import { pack, packedBytes, unpack } from "../secure/packing.ts";
import type { ModelState } from "./model_state.ts";
import type { OpenedPlan } from "./opened_plan.ts";
import { ReleaseError } from "./release_error.ts";
import { clipOf, sizeOf, sumFormOf } from "./secure_round.ts";
import { isMeasured } from "./sum_compression.ts";

/** One finished secure sum. */
export interface SumOf {
  /** Modulo 2^bits. */
  readonly sum: Uint32Array<ArrayBuffer>;
  readonly devices: number;
}

/** Bytes in front of each sum of an aggregate: how many devices are in it. */
const COUNT_BYTES = 4;

/** Secure sums as bytes: for each the number of devices, then its integers. `called` says how many bits they have. */
export function combineSums(
  opened: OpenedPlan,
  sums: readonly SumOf[],
  called: number,
): Uint8Array<ArrayBuffer> {
  const { bits } = sizeOf(sumFormOf(opened, called)!, {
    devices: called,
    count: opened.layout.count,
  });
  const parts = sums.map(({ sum, devices }) => {
    const packed = pack(sum, bits);
    const out = new Uint8Array(COUNT_BYTES + packed.length);
    new DataView(out.buffer).setUint32(0, devices);
    out.set(packed, COUNT_BYTES);
    return out;
  });
  const out = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  parts.reduce((at, part) => (out.set(part, at), at + part.length), 0);
  return out;
}

/** The secure sums of an aggregate, in its order. Throws a `ReleaseError` when the bytes are none of this plan. */
export function sumsIn(
  opened: OpenedPlan,
  aggregate: Uint8Array,
  called: number,
): readonly (SumOf & { readonly bits: number })[] {
  const { length, bits } = sizeOf(sumFormOf(opened, called)!, {
    devices: called,
    count: opened.layout.count,
  });
  const size = COUNT_BYTES + packedBytes(length, bits);
  if (aggregate.length === 0 || aggregate.length % size !== 0) {
    throw new ReleaseError(
      `Cannot read an aggregate of ${aggregate.length} bytes: expected a multiple of ${size}`,
    );
  }
  return Array.from({ length: aggregate.length / size }, (_, i) => {
    const part = aggregate.subarray(i * size, (i + 1) * size);
    const devices = new DataView(part.buffer, part.byteOffset).getUint32(0);
    const sum = unpack(part.subarray(COUNT_BYTES), { count: length, bits });
    if (sum === undefined || devices < 1 || devices > called) {
      throw new ReleaseError(`Cannot read a sum of ${devices} devices among ${called}`);
    }
    return { sum, devices, bits };
  });
}

/** The version that follows from `model` and what was released. Throws a `ReleaseError` or an `OptimiserError` when none does. */
export function nextModel(
  opened: OpenedPlan,
  model: ModelState,
  aggregate: Uint8Array,
  called: number,
): ModelState {
  const { update, tuning } = updateOf(opened, aggregate, called);
  const { parameters, state } = opened.strategy.optimiser.step({
    state: model.optimiser,
    parameters: model.parameters,
    update,
  });
  return { parameters, optimiser: state, ...(tuning !== null && { tuning }) };
}

/** What an aggregate stands for. */
interface Combined {
  readonly update: Parameters;
  /** What the next round is tuned to; null where rounds are alike. */
  readonly tuning: number | null;
}

function updateOf(opened: OpenedPlan, aggregate: Uint8Array, called: number): Combined {
  const { count } = opened.layout;
  const form = sumFormOf(opened, called);
  if (form === null) return clearUpdateOf(opened, aggregate);
  const means: { values: Parameters; weight: number }[] = [];
  const measured = { lengths: 0, weight: 0 };
  const counted = { bits: 0, participants: 0 };
  for (const { sum, devices, bits } of sumsIn(opened, aggregate, called)) {
    if (form.type === "release") {
      const integers = Int32Array.from(sum, (value) => signed(value, bits));
      const { mean, bits: below } = decodeRelease(integers, devices, form.release);
      means.push({ values: mean, weight: devices });
      counted.bits += below ?? 0;
      counted.participants += devices;
      continue;
    }
    const decoded = form.type === "compressed"
      ? decodeSumVector(sum, form.vector, devices)
      : unmeasured(decodeSum(sum, { encoding: form.encoding, bits, summands: devices }));
    if (decoded === undefined) {
      throw new ReleaseError(`Cannot read a sum of ${devices} devices: its weight is impossible`);
    }
    means.push({ values: decoded.mean, weight: decoded.weight });
    measured.lengths += decoded.lengths ?? 0;
    measured.weight += decoded.weight;
  }
  const adaptive = opened.plan.privacy?.adaptive;
  const tuning = isMeasured(opened.plan)
    ? typicalLength(measured, opened.form?.tuning ?? null)
    : adaptive === undefined
    ? null
    : nextClip(clipOf(opened), counted, adaptive);
  if (opened.rule === null) {
    if (means.length === 1) return { update: means[0]!.values, tuning };
    throw new ReleaseError(`Cannot read ${means.length} sums where the plan has one`);
  }
  return { update: opened.rule.aggregate(heldUpdates(means, count)), tuning };
}

/** What was released in the clear: the mean, and with adaptive clipping the share of updates that were not longer, less a half. */
function clearUpdateOf(opened: OpenedPlan, aggregate: Uint8Array): Combined {
  const { count } = opened.layout;
  const adaptive = opened.plan.privacy?.adaptive;
  const length = count + (adaptive === undefined ? 0 : 1);
  const values = parametersFromBytes(aggregate);
  if (values?.length !== length || !isFinite(values)) {
    throw new ReleaseError(
      `Cannot read an aggregate of ${aggregate.length} bytes: expected ${4 * length}, all finite`,
    );
  }
  if (adaptive === undefined) return { update: values, tuning: null };
  const counted = { bits: values[count]!, participants: 1 };
  return {
    update: values.slice(0, count),
    tuning: nextClip(clipOf(opened), counted, adaptive),
  };
}

/** A sum in which lengths are not counted. */
function unmeasured<T>(decoded: T | undefined): T & { readonly lengths: null } | undefined {
  return decoded && { ...decoded, lengths: null };
}
