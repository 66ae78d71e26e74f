/**
 * From what a round released to the next version. The aggregate is what everybody may know: the combined update in the clear, or the secure sums as
 * integers. The new parameters follow from it bit by bit, so that whoever has it checks the version by making it.
 */
import type { Crypto, Random } from "../../platform/ports.ts";
import type { BlockId, DeviceId } from "../../protocols/ids.ts";
import { heldUpdates } from "../aggregation/update_source.ts";
import { isFinite, parameterBytes, type Parameters, parametersFromBytes } from "../parameters.ts";
import { addCentralNoise } from "../privacy/central_noise.ts";
import { clipFlat } from "../privacy/clipping.ts";
import { decodeSum as decodeRelease } from "../privacy/release.ts";
import type { RoundFault } from "../screening/reputation_effects.ts";
import { screenUpdates } from "../screening/screen.ts";
import { sketcher } from "../screening/sketch.ts";
import { decodeSum, signed } from "../secure/encoding.ts";
import { pack, packedBytes, unpack } from "../secure/packing.ts";
import type { ModelState } from "./model_state.ts";
import type { OpenedPlan } from "./opened_plan.ts";
import { sizeOf, sumFormOf } from "./secure_round.ts";
import { readUpdate } from "./update.ts";

/** One finished secure sum. */
export interface SumOf {
  /** Modulo 2^bits. */
  readonly sum: Uint32Array<ArrayBuffer>;
  readonly devices: number;
}

/** Why a round's updates make no version. */
export class ReleaseError extends Error {
  override readonly name = "ReleaseError";
}

/** What came of updates in the clear. */
export interface ClearRelease {
  readonly aggregate: Uint8Array<ArrayBuffer>;
  readonly counted: ReadonlySet<DeviceId>;
  /** Devices whose updates do not count. */
  readonly faults: readonly { readonly device: DeviceId; readonly fault: RoundFault }[];
}

/**
 * Combines updates that came in the clear by the plan's rule. A rule that listens to everybody alike is protected by leaving out what is far from
 * usual in length or direction. `random` is for a coordinator that adds the noise.
 */
export function combineClear(
  opened: OpenedPlan,
  updates: readonly {
    readonly device: DeviceId;
    readonly bytes: Uint8Array;
    readonly weight: number;
  }[],
  context: {
    readonly run: BlockId;
    readonly round: number;
    readonly crypto: Pick<Crypto, "sha256">;
    readonly random: Random;
    /** 32 bytes that no device knew when it submitted; null when it is decided who counts, and the same is done again. */
    readonly screening: Uint8Array | null;
  },
): ClearRelease {
  const { run, round, crypto, random } = context;
  const { privacy } = opened.plan;
  const faults: { device: DeviceId; fault: RoundFault }[] = [];
  let read = updates.flatMap(({ device, bytes, weight }) => {
    const update = readUpdate(opened, bytes, { subject: { run, round, device }, crypto });
    if (!update.ok) {
      faults.push({ device, fault: update.fault });
      return [];
    }
    // A liar would not clip.
    if (privacy !== null) clipFlat(update.values, privacy.clip);
    return [{ device, values: update.values, weight: privacy === null ? weight : 1 }];
  });
  // Not with privacy: whether one device counts would depend on all others, and noise that is reckoned for one update does not cover that.
  if (context.screening !== null && opened.rule!.weighted && privacy === null) {
    const sketch = sketcher(context.screening, opened.layout.count);
    const verdicts = screenUpdates(read.map(({ values }) => sketch(values)));
    read = read.filter(({ device }, i) => {
      if (verdicts[i]!.verdict !== "refused") return true;
      faults.push({ device, fault: "outlier" });
      return false;
    });
  }
  if (read.length === 0) throw new ReleaseError("Cannot combine updates: none could be read");
  const source = heldUpdates(read, opened.layout.count);
  const combined = opened.rule!.aggregate(source);
  const counted = new Set(read.map(({ device }) => device));
  if (privacy === null) return { aggregate: parameterBytes(combined), counted, faults };
  const sum = Float64Array.from(combined, (value) => value * read.length);
  addCentralNoise(sum, privacy.clip * privacy.noiseMultiplier, random);
  const noisy = Float32Array.from(sum, (value) => value / read.length);
  return { aggregate: parameterBytes(noisy), counted, faults };
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

/** The version that follows from `model` and what was released. Throws a `ReleaseError` or an `OptimiserError` when none does. */
export function nextModel(
  opened: OpenedPlan,
  model: ModelState,
  aggregate: Uint8Array,
  called: number,
): ModelState {
  const update = updateOf(opened, aggregate, called);
  const { parameters, state } = opened.strategy.optimiser.step({
    state: model.optimiser,
    parameters: model.parameters,
    update,
  });
  return { parameters, optimiser: state };
}

/** The combined update that an aggregate stands for. */
function updateOf(opened: OpenedPlan, aggregate: Uint8Array, called: number): Parameters {
  const { count } = opened.layout;
  const form = sumFormOf(opened, called);
  if (form === null) {
    const update = parametersFromBytes(aggregate);
    if (update?.length === count && isFinite(update)) return update;
    throw new ReleaseError(
      `Cannot read an aggregate of ${aggregate.length} bytes: expected ${4 * count}, all finite`,
    );
  }
  const { length, bits } = sizeOf(form, { devices: called, count });
  const size = COUNT_BYTES + packedBytes(length, bits);
  if (aggregate.length === 0 || aggregate.length % size !== 0) {
    throw new ReleaseError(
      `Cannot read an aggregate of ${aggregate.length} bytes: expected a multiple of ${size}`,
    );
  }
  const means: { values: Parameters; weight: number }[] = [];
  for (let at = 0; at < aggregate.length; at += size) {
    const part = aggregate.subarray(at, at + size);
    const devices = new DataView(part.buffer, part.byteOffset).getUint32(0);
    const sum = unpack(part.subarray(COUNT_BYTES), { count: length, bits });
    if (sum === undefined || devices < 1 || devices > called) {
      throw new ReleaseError(`Cannot read a sum of ${devices} devices among ${called}`);
    }
    if (form.type === "release") {
      const integers = Int32Array.from(sum, (value) => signed(value, bits));
      means.push({ values: decodeRelease(integers, devices, form.release).mean, weight: devices });
      continue;
    }
    const decoded = decodeSum(sum, { encoding: form.encoding, bits, summands: devices });
    if (decoded === undefined) {
      throw new ReleaseError(`Cannot read a sum of ${devices} devices: its weight is impossible`);
    }
    means.push({ values: decoded.mean, weight: decoded.weight });
  }
  if (opened.rule === null) {
    if (means.length === 1) return means[0]!.values;
    throw new ReleaseError(`Cannot read ${means.length} sums where the plan has one`);
  }
  return opened.rule.aggregate(heldUpdates(means, count));
}
