/** What passes between devices and coordinator of a secure sum, as bytes: canonical CBOR. Strict and bounded; says nothing about meaning. */
import { z } from "zod";
import { type EncodableValue, encodeCanonical } from "../../protocols/codec.ts";
import { bytes, bytes32, decodeAs, type Decoded, signature } from "../../protocols/wire_schema.ts";
import {
  type Advertisement,
  type KeyShares,
  type MaskedInput,
  type ReceivedShares,
  type Reveal,
  type Roster,
  SEALED_SHARE_BYTES,
  SUM_DEVICES_MAX,
  SUM_LENGTH_MAX,
  SUM_NEIGHBOURS_MAX,
  type SurvivorClaim,
  type SurvivorSignature,
  type UnmaskRequest,
} from "./contract.ts";
import { type Confirmation, confirmationBytes } from "./sum_check.ts";

/** Levels of a Merkle tree over the largest roster, and some. */
const PROOF_BYTES_MAX = 32 * 20;
const BITMAP_BYTES_MAX = Math.ceil(SUM_DEVICES_MAX / 8);
const VECTOR_BYTES_MAX = 4 * SUM_LENGTH_MAX;

const advertisement = z.strictObject({
  maskKey: bytes32,
  shareKey: bytes32,
  signature,
});

/** Both directions of one message. */
interface Codec<Message> {
  readonly encode: (message: Message) => Uint8Array<ArrayBuffer>;
  readonly decode: (input: Uint8Array) => Decoded<Message>;
}

function codec<Message extends EncodableValue>(
  schema: z.ZodType<Message>,
  bytesMax: number,
): Codec<Message> {
  return {
    encode: encodeCanonical,
    decode: (input) => decodeAs(schema, input, { bytesMax }),
  };
}

export const { encode: encodeAdvertisement, decode: decodeAdvertisement } = codec<Advertisement>(
  advertisement,
  256,
);

export const { encode: encodeRoster, decode: decodeRoster } = codec<Roster>(
  z.strictObject({
    devices: bytes(32 * SUM_DEVICES_MAX),
    root: bytes32,
    proof: bytes(PROOF_BYTES_MAX),
    neighbours: z.array(advertisement).max(SUM_NEIGHBOURS_MAX),
  }),
  32 * SUM_DEVICES_MAX + 256 * SUM_NEIGHBOURS_MAX,
);

export const { encode: encodeKeyShares, decode: decodeKeyShares } = codec<KeyShares>(
  z.strictObject({
    sealed: bytes(SEALED_SHARE_BYTES * SUM_NEIGHBOURS_MAX),
    seedCommitment: bytes(64),
    signature,
  }),
  SEALED_SHARE_BYTES * SUM_NEIGHBOURS_MAX + 256,
);

export const { encode: encodeReceivedShares, decode: decodeReceivedShares } = codec<ReceivedShares>(
  z.strictObject({
    present: bytes(BITMAP_BYTES_MAX),
    sealed: bytes(SEALED_SHARE_BYTES * SUM_NEIGHBOURS_MAX),
  }),
  SEALED_SHARE_BYTES * SUM_NEIGHBOURS_MAX + BITMAP_BYTES_MAX + 256,
);

export const { encode: encodeMaskedInput, decode: decodeMaskedInput } = codec<MaskedInput>(
  z.strictObject({
    packed: bytes(VECTOR_BYTES_MAX),
    unreadable: z.array(z.int().min(0).max(SUM_DEVICES_MAX)).max(SUM_NEIGHBOURS_MAX),
  }),
  VECTOR_BYTES_MAX + 4_096,
);

export const { encode: encodeSurvivorClaim, decode: decodeSurvivorClaim } = codec<SurvivorClaim>(
  z.strictObject({
    survivors: bytes(BITMAP_BYTES_MAX),
    inputsRoot: bytes32,
    proof: bytes(PROOF_BYTES_MAX),
  }),
  BITMAP_BYTES_MAX + PROOF_BYTES_MAX + 256,
);

export const { encode: encodeSurvivorSignature, decode: decodeSurvivorSignature } = codec<
  SurvivorSignature
>(z.strictObject({ signature }), 128);

export const { encode: encodeUnmaskRequest, decode: decodeUnmaskRequest } = codec<UnmaskRequest>(
  z.strictObject({
    signers: bytes(BITMAP_BYTES_MAX),
    signatures: bytes(64 * SUM_DEVICES_MAX),
  }),
  64 * SUM_DEVICES_MAX + BITMAP_BYTES_MAX + 256,
);

export const { encode: encodeReveal, decode: decodeReveal } = codec<Reveal>(
  z.strictObject({ shares: bytes(32 * SUM_NEIGHBOURS_MAX) }),
  32 * SUM_NEIGHBOURS_MAX + 256,
);

export const { encode: encodeConfirmation, decode: decodeConfirmation } = codec<Confirmation>(
  z.strictObject({ totals: bytes(confirmationBytes(32)), signature }),
  confirmationBytes(32) + 256,
);
