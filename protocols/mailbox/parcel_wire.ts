/**
 * Parcels as bytes, and new parcels. A `Parcel` that comes out of here has a canonical header within all limits, the id that is the hash of
 * exactly those bytes, and a box that hashes to what the header says. Its signature is checked apart (`signedMessageOfParcel`), so that
 * many can be checked at once; its times by `problemOfParcelTime`, because only the caller has a clock.
 */
import { z } from "zod";
import { invariant } from "../../platform/invariant.ts";
import type { Crypto, SignedMessage, Signer } from "../../platform/ports.ts";
import { decodeCanonical, encodeCanonical } from "../codec.ts";
import { domainSeparated } from "../domains.ts";
import { deviceIdOf, type MeshId, publicKeyOf } from "../ids.ts";
import {
  blockId,
  bytes,
  bytes32,
  type Decoded,
  deviceId,
  exactly,
  firstProblem,
  type Identical,
  sequence,
  signature,
} from "../wire_schema.ts";
import { TIME_MS_MAX } from "../blocks/limits.ts";
import {
  type Parcel,
  PARCEL_BYTES_MAX,
  PARCEL_LIFE_MS_MAX,
  PARCEL_SKEW_MS,
  type ParcelHeader,
  type ParcelId,
  SEALED_BYTES_MAX,
} from "./parcel.ts";

/** No header is longer: with every number at its largest it takes 179 bytes. */
export const PARCEL_HEADER_BYTES_MAX = 179;

/** Smallest box: a nonce of 24 bytes, a tag of 16, and the shortest padded plaintext of `seal.ts`. */
export const SEALED_BYTES_MIN = 24 + 16 + 128;

const timeMs = z.int().min(0).max(TIME_MS_MAX);

const headerSchema = z.tuple([
  z.literal(1),
  blockId,
  deviceId,
  deviceId,
  sequence,
  exactly(8),
  timeMs,
  timeMs,
  bytes32,
  z.int().min(SEALED_BYTES_MIN).max(SEALED_BYTES_MAX),
]).transform((
  [version, mesh, from, to, number, series, timeMs, expiresAtMs, sealedHash, sealedBytes],
) => ({
  version,
  mesh: mesh as MeshId,
  from,
  to,
  number,
  series,
  timeMs,
  expiresAtMs,
  sealedHash,
  sealedBytes,
}));

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };
const headerFits: Identical<z.output<typeof headerSchema>, Mutable<ParcelHeader>> = true;
void headerFits;

const parcelSchema = z.tuple([
  bytes(PARCEL_HEADER_BYTES_MAX),
  signature,
  bytes(SEALED_BYTES_MAX),
]);

/** What a new parcel is made from; the rest of its header follows. */
export interface NewParcel
  extends Pick<ParcelHeader, "mesh" | "to" | "number" | "series" | "timeMs" | "expiresAtMs"> {
  /** Made by `sealContent`. Taken over, not copied. */
  readonly sealed: Uint8Array;
  /** The sender: its id is `from`. */
  readonly signer: Signer;
  readonly crypto: Pick<Crypto, "sha256" | "sha256Hex">;
}

/**
 * Makes and signs a parcel.
 *
 * @throws {InvariantError} when the header breaks a limit: for ourselves, no box, a number below 1, a life that is not 1 ms to 30 days
 */
export function createParcel(parcel: NewParcel): Parcel {
  const { sealed, signer, crypto } = parcel;
  const header: ParcelHeader = {
    version: 1,
    mesh: parcel.mesh,
    from: deviceIdOf(signer.publicKey),
    to: parcel.to,
    number: parcel.number,
    series: parcel.series,
    timeMs: parcel.timeMs,
    expiresAtMs: parcel.expiresAtMs,
    sealedHash: crypto.sha256(sealed),
    sealedBytes: sealed.length,
  };
  const wire = headerToWire(header);
  const problem = problemOfWire(wire) ?? problemOfHeader(header);
  invariant(problem === undefined, () => `Cannot create parcel: ${problem}`);
  // A plain array of its own: what the encoder gives may be a view into a larger buffer.
  const headerBytes = new Uint8Array(encodeCanonical(wire));
  const id = crypto.sha256Hex(headerBytes) as ParcelId;
  return { id, header, headerBytes, signature: signer.sign(messageToSign(id)), sealed };
}

/** The parcel as it travels and is kept: canonical CBOR of [header bytes, signature, box]. */
export function encodeParcel(parcel: Parcel): Uint8Array<ArrayBuffer> {
  return encodeCanonical([parcel.headerBytes, parcel.signature, parcel.sealed]);
}

/** Decodes a parcel; strict, bounded, never throws. Accepts exactly the bytes that `encodeParcel` gives. The signature is not checked. */
export function decodeParcel(
  encoded: Uint8Array,
  crypto: Pick<Crypto, "sha256Hex">,
): Decoded<Parcel> {
  const decoded = decodeCanonical(encoded, {
    bytesMax: PARCEL_BYTES_MAX,
    depthMax: 1,
    itemsMax: 4,
  });
  if (!decoded.ok) return decoded;
  const parsed = parcelSchema.safeParse(decoded.value);
  if (!parsed.success) return { ok: false, reason: `parcel: ${firstProblem(parsed.error)}` };
  const [headerBytes, signature, sealed] = parsed.data;
  return assembleParcel({ headerBytes, signature, sealed }, crypto);
}

/** As `decodeParcel`, from parts that are kept apart, as stores do. */
export function assembleParcel(
  parts: Pick<Parcel, "headerBytes" | "signature" | "sealed">,
  crypto: Pick<Crypto, "sha256Hex">,
): Decoded<Parcel> {
  const { headerBytes, signature, sealed } = parts;
  if (signature.length !== 64) {
    return { ok: false, reason: `signature has ${signature.length} bytes, expected 64` };
  }
  const decoded = decodeParcelHeader(headerBytes);
  if (!decoded.ok) return decoded;
  const header = decoded.message;
  if (sealed.length !== header.sealedBytes) {
    return {
      ok: false,
      reason: `box has ${sealed.length} bytes, the header says ${header.sealedBytes}`,
    };
  }
  if (crypto.sha256Hex(sealed) !== header.sealedHash.toHex()) {
    return { ok: false, reason: "box does not hash to what the header says" };
  }
  const id = crypto.sha256Hex(headerBytes) as ParcelId;
  return { ok: true, message: { id, header, headerBytes, signature, sealed } };
}

/** Decodes the signed part alone. Never throws. */
export function decodeParcelHeader(headerBytes: Uint8Array): Decoded<ParcelHeader> {
  const decoded = decodeCanonical(headerBytes, {
    bytesMax: PARCEL_HEADER_BYTES_MAX,
    depthMax: 1,
    itemsMax: 11,
  });
  if (!decoded.ok) return { ok: false, reason: `parcel header: ${decoded.reason}` };
  const parsed = headerSchema.safeParse(decoded.value);
  if (!parsed.success) {
    return { ok: false, reason: `parcel header: ${firstProblem(parsed.error)}` };
  }
  const problem = problemOfHeader(parsed.data);
  return problem === undefined
    ? { ok: true, message: parsed.data }
    : { ok: false, reason: `parcel header: ${problem}` };
}

/** What the sender signed, to be checked with `Crypto.verify` or, many at once, `verifyMany`. */
export function signedMessageOfParcel(
  parcel: Pick<Parcel, "id" | "header" | "signature">,
): SignedMessage {
  return {
    publicKey: publicKeyOf(parcel.header.from),
    message: messageToSign(parcel.id),
    signature: parcel.signature,
  };
}

/**
 * Why a parcel may not be kept at this wall time; undefined when it may. `expired`: its time is over (the sender knows, too).
 * `invalid`: made further in the future than clocks may differ (`skewMs`, default `PARCEL_SKEW_MS`).
 */
export function problemOfParcelTime(
  header: Pick<ParcelHeader, "timeMs" | "expiresAtMs">,
  wallMs: number,
  skewMs: number = PARCEL_SKEW_MS,
): "expired" | "invalid" | undefined {
  if (header.expiresAtMs <= wallMs) return "expired";
  return header.timeMs > wallMs + skewMs ? "invalid" : undefined;
}

function messageToSign(id: ParcelId): Uint8Array<ArrayBuffer> {
  return domainSeparated("parcel", Uint8Array.fromHex(id));
}

function headerToWire(header: ParcelHeader): readonly unknown[] {
  return [
    header.version,
    Uint8Array.fromHex(header.mesh),
    publicKeyOf(header.from),
    publicKeyOf(header.to),
    header.number,
    header.series,
    header.timeMs,
    header.expiresAtMs,
    header.sealedHash,
    header.sealedBytes,
  ];
}

function problemOfWire(wire: readonly unknown[]): string | undefined {
  const parsed = headerSchema.safeParse(wire);
  return parsed.success ? undefined : firstProblem(parsed.error);
}

function problemOfHeader(header: ParcelHeader): string | undefined {
  if (header.from === header.to) return "sender and recipient are the same device";
  const lifeMs = header.expiresAtMs - header.timeMs;
  return lifeMs >= 1 && lifeMs <= PARCEL_LIFE_MS_MAX
    ? undefined
    : `it lives ${lifeMs} ms, expected 1 to ${PARCEL_LIFE_MS_MAX}`;
}
