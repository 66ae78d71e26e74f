/** Messages of rounds as bytes: canonical CBOR. The only edge of this protocol. */
import { z } from "zod";
import { encodeCanonical } from "../codec.ts";
import { publicKeyOf } from "../ids.ts";
import {
  blockId,
  bytes,
  contentHash,
  decodeAs,
  type Decoded,
  deviceId,
  type Identical,
  signature,
  text,
  uint32,
} from "../wire_schema.ts";
import {
  GRID_AXES_MAX,
  GRID_SIDE_MAX,
  PART_BYTES,
  PARTICIPANTS_MAX,
  PARTS_AT_ONCE_MAX,
  PHASE_BYTES_MAX,
  REASON_BYTES_MAX,
  type RoundsMessage,
  VECTOR_BYTES_MAX,
  type VectorOffer,
} from "./messages.ts";

/** Largest message, bytes: one phase of secure aggregation. */
export const ROUNDS_BYTES_MAX = PHASE_BYTES_MAX + 1_024;
/** Highest number of a round: runs have no more. */
export const ROUND_MAX = 100_000;
const PARTS_MAX = Math.ceil(VECTOR_BYTES_MAX / PART_BYTES);

const reason = text(REASON_BYTES_MAX);
const attempt = {
  run: blockId,
  round: z.int().min(1).max(ROUND_MAX),
  term: uint32,
  attempt: uint32,
};
/** A vector by its hash and size, as messages and results name it. */
export const vectorOffer = z.strictObject({
  hash: contentHash,
  bytes: z.int().min(1).max(VECTOR_BYTES_MAX),
}).readonly();
const ascending = z.array(deviceId).min(1).max(PARTICIPANTS_MAX).refine(
  (devices) => devices.every((device, i) => i === 0 || devices[i - 1]! < device),
  "expected devices in ascending order, each once",
).readonly();
const count = z.int().min(0).max(PARTICIPANTS_MAX);

const message = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("roundStart"),
    ...attempt,
    model: vectorOffer,
    version: blockId.nullable(),
    called: ascending,
    withinMs: z.int().min(1).max(86_400_000),
    second: deviceId.exactOptional(),
  }),
  z.strictObject({
    type: z.literal("peerReady"),
    ...attempt,
    modelHash: contentHash,
    keys: bytes(1_024),
  }),
  z.strictObject({
    type: z.literal("decline"),
    ...attempt,
    why: z.enum(["optedOut", "noData", "budget", "busy", "staleModel", "cannot"]),
    reason,
  }),
  z.strictObject({
    type: z.literal("securePhase"),
    ...attempt,
    phase: z.enum([
      "roster",
      "shares",
      "inbox",
      "survivors",
      "consistency",
      "unmaskRequest",
      "unmask",
      "forgedShares",
      "opened",
      "confirmed",
      "key",
      "part",
      "present",
      "presentBoth",
      "open",
      "total",
    ]),
    body: bytes(PHASE_BYTES_MAX),
  }),
  z.strictObject({ type: z.literal("trainNow"), ...attempt }),
  z.strictObject({
    type: z.literal("gradientSubmission"),
    ...attempt,
    update: vectorOffer,
    modelHash: contentHash,
    weight: z.int().min(1).max(2 ** 31 - 1),
    proofOfWork: z.int().min(0).max(Number.MAX_SAFE_INTEGER),
    signature,
  }),
  z.strictObject({ type: z.literal("submissionRefused"), ...attempt, reason }),
  z.strictObject({
    type: z.literal("modelUpdate"),
    ...attempt,
    version: blockId,
    aggregate: vectorOffer,
  }),
  z.strictObject({ type: z.literal("roundAbandoned"), ...attempt, reason }),
  z.strictObject({
    type: z.literal("coordinatorBeat"),
    ...attempt,
    phase: z.enum([
      "waiting",
      "calling",
      "training",
      "collecting",
      "unmasking",
      "publishing",
      "finished",
    ]),
    ready: count,
    submitted: count,
    fetched: count,
  }),
  z.strictObject({ type: z.literal("whereAreYou"), ...attempt }),
  z.strictObject({
    type: z.literal("hereIAm"),
    ...attempt,
    phase: z.enum(["idle", "ready", "submitted", "unmasked"]),
    checkpoint: vectorOffer.nullable(),
    bound: ascending.exactOptional(),
  }),
  z.strictObject({ type: z.literal("keepCheckpoint"), ...attempt, checkpoint: vectorOffer }),
  z.strictObject({ type: z.literal("checkpointKept"), ...attempt, hash: contentHash }),
  z.strictObject({
    type: z.literal("runMembership"),
    run: blockId,
    joined: z.boolean(),
    round: z.int().min(0).max(ROUND_MAX),
    company: count,
  }),
  z.strictObject({ type: z.literal("runCompany"), run: blockId, devices: ascending }),
  z.strictObject({
    type: z.literal("requestParts"),
    run: blockId,
    hash: contentHash,
    first: z.int().min(0).max(PARTS_MAX - 1),
    count: z.int().min(1).max(PARTS_AT_ONCE_MAX),
  }),
  z.strictObject({
    type: z.literal("vectorPart"),
    run: blockId,
    hash: contentHash,
    index: z.int().min(0).max(PARTS_MAX - 1),
    bytes: bytes(PART_BYTES),
  }),
  z.strictObject({ type: z.literal("vectorMissing"), run: blockId, hash: contentHash }),
  z.strictObject({
    type: z.literal("gridPlace"),
    run: blockId,
    round: z.int().min(1).max(ROUND_MAX + 1),
    step: z.int().min(0).max(GRID_AXES_MAX),
    places: z.array(z.int().min(0).max(GRID_SIDE_MAX - 1)).max(GRID_AXES_MAX - 1).readonly(),
    model: vectorOffer.nullable(),
    gives: z.boolean(),
  }),
]);
true satisfies Identical<RoundsMessage, Readonly<z.infer<typeof message>>>;

/** Decodes what a peer sent; strict, bounded, never throws. */
export function decodeRoundsMessage(input: Uint8Array): Decoded<RoundsMessage> {
  return decodeAs(message, input, { bytesMax: ROUNDS_BYTES_MAX, itemsMax: 2_048 });
}

/** The bytes of a message. */
export function encodeRoundsMessage(value: RoundsMessage): Uint8Array<ArrayBuffer> {
  const wire: Record<string, unknown> = { ...value };
  for (const key of ["run", "hash", "modelHash", "version"]) {
    if (typeof wire[key] === "string") wire[key] = Uint8Array.fromHex(wire[key] as string);
  }
  for (const key of ["model", "update", "aggregate", "checkpoint"]) {
    const offer = wire[key] as VectorOffer | null | undefined;
    if (offer) wire[key] = offerOnWire(offer);
  }
  if (value.type === "runCompany") wire.devices = value.devices.map(publicKeyOf);
  if (value.type === "roundStart") {
    wire.called = value.called.map(publicKeyOf);
    if (value.second !== undefined) wire.second = publicKeyOf(value.second);
  }
  if (value.type === "hereIAm" && value.bound !== undefined) {
    wire.bound = value.bound.map(publicKeyOf);
  }
  return encodeCanonical(wire);
}

/** An offer as `vectorOffer` reads it. */
export function offerOnWire({ hash, bytes }: VectorOffer) {
  return { hash: Uint8Array.fromHex(hash), bytes };
}
