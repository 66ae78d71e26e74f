/** Pairing messages as bytes: canonical CBOR maps, read strictly. The only edge of this protocol. */
import { z } from "zod";
import { RENDEZVOUS_BYTES_MAX } from "../../platform/transport.ts";
import { encodeCanonical } from "../codec.ts";
import { blockIdOf, type MeshId, publicKeyOf } from "../ids.ts";
import { ROLES } from "../registry/roles.ts";
import {
  bytes,
  bytes16,
  bytes32,
  decodeAs,
  type Decoded,
  deviceId,
  signature,
  text,
  uint32,
} from "../wire_schema.ts";
import { isFittingName } from "./display_name.ts";
import {
  type InviterIdentity,
  type InviterMessage,
  type JoinerIdentity,
  type JoinerMessage,
  type Opening,
  PAIRING_LIMITS,
  type PairingReply,
  type PairingRequest,
} from "./messages.ts";

const displayName = text(PAIRING_LIMITS.displayNameBytes)
  .refine(isFittingName, "has characters that do not belong into a name");
const sealed = bytes(PAIRING_LIMITS.sealedBytes);
const page = z.int().min(0).max(PAIRING_LIMITS.pages - 1);

const requestSchema = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("hello"),
    version: z.literal(1),
    kind: z.enum(["link", "code"]),
    selector: bytes(8),
    nonce: bytes16,
    commitment: bytes32,
  }),
  z.strictObject({ type: z.literal("share"), session: bytes16, share: bytes32 }),
  z.strictObject({ type: z.literal("proof"), session: bytes16, tag: bytes32, sealed }),
  z.strictObject({ type: z.literal("sealed"), session: bytes16, counter: uint32, sealed }),
]);

const replySchema = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("welcome"), nonce: bytes16 }),
  z.strictObject({ type: z.literal("shared"), share: bytes32, commitment: bytes32 }),
  z.strictObject({ type: z.literal("proven"), tag: bytes32, sealed }),
  z.strictObject({ type: z.literal("sealed"), counter: uint32, sealed }),
]);

const openingSchema = z.strictObject({
  blind: bytes32,
  identity: bytes(512),
  signature,
});
const joinerIdentitySchema = z.strictObject({ deviceId, displayName });
const inviterIdentitySchema = z.strictObject({
  deviceId,
  displayName,
  mesh: bytes32.transform((hash) => blockIdOf(hash) as MeshId),
  role: z.enum(ROLES),
});

const joinerSchema = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("poll"), confirmed: z.boolean() }),
  z.strictObject({ type: z.literal("reject") }),
  z.strictObject({ type: z.literal("fetch"), page }),
  z.strictObject({ type: z.literal("joined") }),
]);

const inviterSchema = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("waiting") }),
  z.strictObject({ type: z.literal("ended"), reason: text(PAIRING_LIMITS.reasonBytes) }),
  z.strictObject({ type: z.literal("admitted"), pages: z.int().min(1).max(PAIRING_LIMITS.pages) }),
  z.strictObject({
    type: z.literal("page"),
    page,
    blocks: z.array(bytes(PAIRING_LIMITS.blockBytes)).max(PAIRING_LIMITS.blocksPerPage),
  }),
  z.strictObject({ type: z.literal("goodbye") }),
]);

/** The bytes of any message of this protocol that has no ids inside. */
export function encodeMessage(
  message: PairingRequest | PairingReply | Opening | JoinerMessage | InviterMessage,
): Uint8Array<ArrayBuffer> {
  return encodeCanonical(message);
}

/** The bytes a joiner commits to. */
export function encodeJoinerIdentity(identity: JoinerIdentity): Uint8Array<ArrayBuffer> {
  return encodeCanonical({ ...identity, deviceId: publicKeyOf(identity.deviceId) });
}

/** The bytes an inviter commits to. */
export function encodeInviterIdentity(identity: InviterIdentity): Uint8Array<ArrayBuffer> {
  return encodeCanonical({
    ...identity,
    deviceId: publicKeyOf(identity.deviceId),
    mesh: Uint8Array.fromHex(identity.mesh),
  });
}

// Each decoder is strict and bounded and never throws.
export const decodeRequest = decoder<PairingRequest>(requestSchema);
export const decodeReply = decoder<PairingReply>(replySchema);
export const decodeOpening = decoder<Opening>(openingSchema);
export const decodeJoinerIdentity = decoder<JoinerIdentity>(joinerIdentitySchema);
export const decodeInviterIdentity = decoder<InviterIdentity>(inviterIdentitySchema);
export const decodeJoinerMessage = decoder<JoinerMessage>(joinerSchema);
export const decodeInviterMessage = decoder<InviterMessage>(inviterSchema);

function decoder<Message>(
  schema: z.ZodType<Message>,
): (body: Uint8Array) => Decoded<Message> {
  const limits = { bytesMax: RENDEZVOUS_BYTES_MAX, depthMax: 3, itemsMax: 1_024 };
  return (body) => decodeAs(schema, body, limits);
}
