/** One device's update of a round, as the plan wants it. Everything random in it follows from the round's secret: every attempt gets the same. */
import type { Crypto } from "../../platform/ports.ts";
import { type BlockId, type DeviceId, publicKeyOf } from "../../protocols/ids.ts";
import { VECTOR_BYTES_MAX } from "../../protocols/rounds/messages.ts";
import { compressionOf, createCompressor } from "../compression/compressions.ts";
import { encodeSumVector } from "../compression/sum_vector.ts";
import { encodeWithFeedback } from "../compression/error_feedback.ts";
import { compressionSeed } from "../compression/seed.ts";
import { seededStream } from "../data/seeded_stream.ts";
import { isFinite, parameterBytes, type Parameters, parametersFromBytes } from "../parameters.ts";
import { clipFlat } from "../privacy/clipping.ts";
import { encodeUpdate as encodeRelease } from "../privacy/release.ts";
import { encodeUpdate } from "../secure/encoding.ts";
import { paillierBytes } from "../secure/paillier.ts";
import { packedBytes } from "../secure/packing.ts";
import { WEIGHT_MAX } from "../models/proof.ts";
import { type Aggregation, smallAggregationOf } from "./aggregation_choice.ts";
import type { OpenedPlan } from "./opened_plan.ts";
import { sizeOf, sumFormOf } from "./secure_round.ts";

/** An update on its way out. */
export type LocalUpdate =
  | {
    readonly type: "clear";
    readonly bytes: Uint8Array<ArrayBuffer>;
    readonly weight: number;
    /** What compression left out, for the next update once this one was counted; null where nothing is kept. */
    readonly residual: Parameters | null;
  }
  | {
    readonly type: "secure";
    readonly values: Uint32Array<ArrayBuffer>;
    /** As in the clear. */
    readonly residual: Parameters | null;
  };

export interface UpdateSubject {
  readonly run: BlockId;
  readonly round: number;
  readonly device: DeviceId;
}

/** What an update is made of. */
export interface LocalUpdateOptions {
  readonly subject: UpdateSubject;
  readonly before: Parameters;
  readonly after: Parameters;
  readonly examples: number;
  /** Devices that were called: the sum has room for as many. */
  readonly devices: number;
  /** 32 bytes, of this device and round alone. */
  readonly secret: Uint8Array;
  /** Left out of the last update that was counted; null for none. */
  readonly residual: Parameters | null;
  readonly crypto: Pick<Crypto, "sha256">;
}

/** Throws a `RangeError` when training has left the finite numbers: such an update is not sent. */
export function localUpdate(opened: OpenedPlan, options: LocalUpdateOptions): LocalUpdate {
  const { examples, devices, secret, residual, subject, crypto } = options;
  const update = exactUpdate(opened, options);
  const random = seededStream(secret);
  const { privacy, compression } = opened.plan;
  const form = sumFormOf(opened, devices);
  if (form?.type === "release") {
    const { integers } = encodeRelease(update, form.release, random);
    return { type: "secure", values: new Uint32Array(integers.buffer), residual: null };
  }
  if (form?.type === "compressed") {
    const weight = sumWeight(examples, opened.plan.aggregation);
    return {
      type: "secure",
      ...encodeSumVector(update, form.vector, { weight, residual, random }),
    };
  }
  if (form !== null) {
    const weight = sumWeight(examples, opened.plan.aggregation);
    const { values } = encodeUpdate(update, { encoding: form.encoding, weight, random });
    return { type: "secure", values, residual: null };
  }
  // With privacy everybody counts the same: a weight would tell how much somebody has, and change what noise is needed.
  // In a buffer only its age tells what an update counts.
  const isEqual = privacy !== null || opened.strategy.buffer !== null;
  const weight = isEqual ? 1 : Math.min(WEIGHT_MAX, Math.max(1, examples));
  if (compression === null) {
    return { type: "clear", bytes: parameterBytes(update), weight, residual: null };
  }
  const seed = seedOf(crypto, subject);
  const compressor = createCompressor(compressionOf(compression));
  // With privacy what was left out would be spent again in a later round.
  if (compressor.feedback && privacy === null) {
    const fed = encodeWithFeedback({ compressor, update, residual, seed, random });
    return { type: "clear", weight, ...fed };
  }
  const bytes = compressor.encode(update, { seed, random });
  return { type: "clear", bytes, weight, residual: null };
}

/** What was trained, as it is before anything is encoded. Throws as `localUpdate` does. */
export function exactUpdate(
  { plan: { aggregation, privacy } }: OpenedPlan,
  { before, after }: Pick<LocalUpdateOptions, "before" | "after">,
): Parameters {
  const update: Parameters = new Float32Array(before.length);
  for (let i = 0; i < update.length; i++) update[i] = after[i]! - before[i]!;
  if (!isFinite(update)) throw new RangeError("Cannot send an update that holds NaN or infinities");
  // A secure sum's own encoding clips. With adaptive clipping whoever adds the noise has to see which updates are longer, and clips them itself.
  const isOurs = aggregation.type === "clear" && privacy !== null && privacy.adaptive === undefined;
  if (isOurs) clipFlat(update, privacy.clip);
  return update;
}

/** What so many examples weigh in a secure sum, at least 1: the sum takes no more than it has room for. */
function sumWeight(examples: number, aggregation: Aggregation): number {
  const { examplesPerWeight = 1 } = "encoding" in aggregation ? aggregation.encoding : {};
  return Math.max(1, Math.round(examples / examplesPerWeight));
}

/** An update that came in the clear; or what is wrong with what its device signed. */
export type ReadUpdate =
  | { readonly ok: true; readonly values: Parameters }
  | { readonly ok: false; readonly fault: "misshapen" | "notFinite" };

/** Reads an update that came in the clear. */
export function readUpdate(
  opened: OpenedPlan,
  bytes: Uint8Array,
  { subject, crypto }: {
    readonly subject: UpdateSubject;
    readonly crypto: Pick<Crypto, "sha256">;
  },
): ReadUpdate {
  const { compression } = opened.plan;
  const { count } = opened.layout;
  let values: Parameters | undefined;
  if (compression === null) values = parametersFromBytes(bytes);
  else {
    const compressor = createCompressor(compressionOf(compression));
    const decoded = compressor.decode(bytes, { seed: seedOf(crypto, subject), count });
    values = decoded.ok ? decoded.values : undefined;
  }
  if (values?.length !== count) return { ok: false, fault: "misshapen" };
  return isFinite(values) ? { ok: true, values } : { ok: false, fault: "notFinite" };
}

function seedOf(crypto: Pick<Crypto, "sha256">, { run, round, device }: UpdateSubject) {
  const subject = { run: Uint8Array.fromHex(run), round, device: publicKeyOf(device) };
  return compressionSeed(crypto, subject);
}

/** How many bytes a submission of this plan has: whoever receives it refuses others before it fetches anything. */
export function expectedUpdateBytes(
  opened: OpenedPlan,
  devices: number,
): { readonly least: number; readonly most: number } {
  const form = sumFormOf(opened, devices);
  const { count } = opened.layout;
  if (form !== null) {
    const { length, bits } = sizeOf(form, { devices, count });
    const packed = packedBytes(length, bits);
    const small = smallAggregationOf(opened.plan);
    if (small !== null) {
      const part = small.type === "twoServers"
        ? packed
        : paillierBytes({ length, bits, summandsMax: devices, keyBits: small.keyBits });
      return { least: part, most: part };
    }
    // Around the vector: its complaints about neighbours, and CBOR.
    return { least: packed, most: packed + 8 * 1_024 };
  }
  const { compression } = opened.plan;
  if (compression === null) return { least: 4 * count, most: 4 * count };
  const most = createCompressor(compressionOf(compression)).bytesMax(count);
  return { least: 1, most: Math.min(VECTOR_BYTES_MAX, most) };
}
