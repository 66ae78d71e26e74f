/**
 * The result of a round: what a coordinator publishes, as the body of a `model` block, when a version follows from its parent. It holds the
 * aggregation proof; parameters, server state and aggregate are named by hash and travel between participants.
 */
import { z } from "zod";
import { encodeCanonical } from "../../protocols/codec.ts";
import { type ContentHash, publicKeyOf } from "../../protocols/ids.ts";
import { VECTOR_BYTES_MAX, type VectorOffer } from "../../protocols/rounds/messages.ts";
import { offerOnWire, vectorOffer } from "../../protocols/rounds/wire.ts";
import {
  blockId,
  bytes,
  bytes32,
  contentHash,
  decodeAs,
  type Decoded,
  deviceId,
  type Identical,
  signature,
  uint32,
} from "../../protocols/wire_schema.ts";
import { float64Bytes, positiveFloat64 } from "../float64.ts";
import { type Confirmation, confirmationBytes } from "../secure/sum_check.ts";
import type { RunId } from "./plan.ts";
import { ROUNDS_MAX } from "./plan_codec.ts";
import type { DeviceId } from "../../protocols/ids.ts";

/** Media type of a result's block. */
export const RESULT_MEDIA_TYPE = "application/vnd.submind.round-result+cbor";
/** Largest result, bytes: a thousand submissions with their signatures, and as many survivors'. */
export const RESULT_BYTES_MAX = 1024 * 1024;
const SUBMISSIONS_MAX = 4_096;
const SUMS_MAX = 512;

/** One device's part in a result; what it signed is in `learning/models/proof.ts`. */
export interface ResultSubmission {
  readonly device: DeviceId;
  /** SHA-256 of what it submitted. */
  readonly commitment: ContentHash;
  readonly weight: number;
  readonly signature: Uint8Array;
  /** The version it was trained from, in runs that gather updates in a buffer; elsewhere that is the round's parent. */
  readonly base?: { readonly round: number; readonly parameters: ContentHash };
}

/** Proof of one secure sum: who signed for the set of survivors. */
export interface SurvivorProof {
  /** Root of the Merkle tree over the advertised keys, 32 bytes; with the devices it names the roster. */
  readonly rosterRoot: Uint8Array;
  /** Everybody in the roster, ascending. */
  readonly roster: readonly DeviceId[];
  /** Whose vectors are in the sum, and the hashes of these (without what stands around them), 32 bytes each. */
  readonly inputs: readonly { readonly device: DeviceId; readonly hash: Uint8Array }[];
  readonly signatures: readonly { readonly device: DeviceId; readonly signature: Uint8Array }[];
  /** What each of `inputs`, in that order, says of its part in the sum (`secure/sum_check.ts`). Absent when one of them did not. */
  readonly confirmations?: readonly Confirmation[];
}

export interface RoundResult {
  readonly version: 1;
  readonly run: RunId;
  readonly round: number;
  readonly term: number;
  readonly attempt: number;
  /** Hashes of the parameters before and after. */
  readonly parent: ContentHash;
  readonly result: ContentHash;
  /** The server optimiser's state after the round; null for optimisers without one. */
  readonly state: VectorOffer | null;
  /** What was released: the sum as integers, or the combined update. The new parameters follow from it. */
  readonly aggregate: VectorOffer;
  /** Ascending by device. */
  readonly submissions: readonly ResultSubmission[];
  /** One for each secure sum: one in all, or one for each group; none in the clear. */
  readonly sums: readonly SurvivorProof[];
  readonly counts: {
    readonly called: number;
    readonly ready: number;
    readonly dropped: number;
    readonly refused: number;
  };
  readonly durationMs: number;
  /** Bytes of one submission. */
  readonly updateBytes: number;
  /** In runs whose rounds are tuned to the lengths of earlier updates: what this round was tuned to (null: nothing yet), and what the next is. */
  readonly tuning?: { readonly used: number | null; readonly next: number };
}

const count = z.int().min(0).max(2 ** 20);

const schema = z.strictObject({
  version: z.literal(1),
  run: blockId,
  round: z.int().min(1).max(ROUNDS_MAX),
  term: uint32,
  attempt: uint32,
  parent: contentHash,
  result: contentHash,
  state: vectorOffer.nullable(),
  aggregate: vectorOffer,
  submissions: z.array(
    z.strictObject({
      device: deviceId,
      commitment: contentHash,
      weight: z.int().min(1).max(2 ** 31 - 1),
      signature,
      base: z.strictObject({
        round: z.int().min(0).max(ROUNDS_MAX),
        parameters: contentHash,
      }).readonly().exactOptional(),
    }).readonly(),
  ).min(1).max(SUBMISSIONS_MAX).readonly(),
  sums: z.array(
    z.strictObject({
      rosterRoot: bytes32,
      roster: z.array(deviceId).max(SUBMISSIONS_MAX).readonly(),
      inputs: z.array(
        z.strictObject({
          device: deviceId,
          hash: bytes32,
        }).readonly(),
      ).max(SUBMISSIONS_MAX).readonly(),
      signatures: z.array(z.strictObject({ device: deviceId, signature }).readonly())
        .max(SUBMISSIONS_MAX).readonly(),
      confirmations: z.array(
        z.strictObject({
          totals: bytes(confirmationBytes(32)),
          signature,
        }).readonly(),
      ).max(SUBMISSIONS_MAX).readonly().exactOptional(),
    }).readonly(),
  ).max(SUMS_MAX).readonly(),
  counts: z.strictObject({ called: count, ready: count, dropped: count, refused: count })
    .readonly(),
  durationMs: z.int().min(0).max(2 ** 40),
  updateBytes: z.int().min(0).max(VECTOR_BYTES_MAX),
  tuning: z.strictObject({ used: positiveFloat64.nullable(), next: positiveFloat64 }).readonly()
    .exactOptional(),
}).readonly();
true satisfies Identical<RoundResult, z.infer<typeof schema>>;

/** Decodes the body of a result's block; strict, bounded, never throws. Proves nothing yet: `verifyModel` does. */
export function decodeResult(input: Uint8Array): Decoded<RoundResult> {
  return decodeAs(schema, input, { bytesMax: RESULT_BYTES_MAX, itemsMax: 65_536 });
}

/** The bytes of a result. */
export function encodeResult(value: RoundResult): Uint8Array<ArrayBuffer> {
  const { tuning, ...rest } = value;
  return encodeCanonical({
    ...rest,
    ...(tuning !== undefined && {
      tuning: {
        used: tuning.used === null ? null : float64Bytes(tuning.used),
        next: float64Bytes(tuning.next),
      },
    }),
    run: Uint8Array.fromHex(value.run),
    parent: Uint8Array.fromHex(value.parent),
    result: Uint8Array.fromHex(value.result),
    state: value.state === null ? null : offerOnWire(value.state),
    aggregate: offerOnWire(value.aggregate),
    submissions: value.submissions.map((one) => ({
      ...one,
      device: publicKeyOf(one.device),
      commitment: Uint8Array.fromHex(one.commitment),
      ...(one.base !== undefined && {
        base: { ...one.base, parameters: Uint8Array.fromHex(one.base.parameters) },
      }),
    })),
    sums: value.sums.map((sum) => ({
      ...sum,
      roster: sum.roster.map(publicKeyOf),
      inputs: sum.inputs.map((one) => ({ ...one, device: publicKeyOf(one.device) })),
      signatures: sum.signatures.map((one) => ({ ...one, device: publicKeyOf(one.device) })),
    })),
  });
}
