/**
 * A device's state in a secure sum: plain values, stored before each answer, so that a device that crashed goes on bit by bit. Holds
 * secrets: whoever reads it reads the device's vector. Store it like the identity key, and delete it when the round is over.
 */
import { z } from "zod";
import { decodeCanonical, encodeCanonical } from "../../protocols/codec.ts";
import type { BlockId, ContentHash, DeviceId } from "../../protocols/ids.ts";
import { bytes, type Decoded, firstProblem } from "../../protocols/wire_schema.ts";
import type { Advertisement, KeyShares, MaskedInput, SumRound, SurvivorClaim } from "./contract.ts";
import { SUM_DEVICES_MAX, SUM_LENGTH_MAX, SUM_NEIGHBOURS_MAX } from "./contract.ts";

interface Keys {
  readonly round: SumRound;
  readonly device: DeviceId;
  /** X25519 secrets, 32 bytes each. */
  readonly maskSecret: Uint8Array;
  readonly shareSecret: Uint8Array;
  readonly advertisement: Advertisement;
}

interface Joined extends Keys {
  readonly devices: Uint8Array;
  readonly root: Uint8Array;
  readonly neighbours: readonly Advertisement[];
  /** Seed of the self-mask, 32 bytes. */
  readonly seed: Uint8Array;
  readonly shares: KeyShares;
}

interface Masked extends Joined {
  /** Neighbours that sent shares, as told. */
  readonly present: Uint8Array;
  /** Neighbours whose shares could be read, a subset of `present`. */
  readonly held: Uint8Array;
  /** For each of these 64 bytes: the share of its seed, the share of its mask secret. */
  readonly heldShares: Uint8Array;
  readonly input: MaskedInput;
}

interface Claimed extends Masked {
  readonly claim: SurvivorClaim;
  readonly signature: Uint8Array;
}

export type AdvertisedState = Keys & { readonly phase: "advertised" };
export type SharedState = Joined & { readonly phase: "shared" };
export type MaskedState = Masked & { readonly phase: "masked" };
export type SignedState = Claimed & { readonly phase: "signed" | "revealed" };
/** States that know their roster. */
export type JoinedState = SharedState | MaskedState | SignedState;
export type ClientState = AdvertisedState | JoinedState;

const VERSION = 1;
const exactly = (length: number) =>
  bytes(length).refine((value) => value.length === length, `expected ${length} bytes`);
const advertisement = z.strictObject({
  maskKey: exactly(32),
  shareKey: exactly(32),
  signature: exactly(64),
});
const keys = {
  round: z.strictObject({
    run: z.string().regex(/^[0-9a-f]{64}$/).transform((hash) => hash as BlockId),
    round: z.int(),
    attempt: z.int(),
    modelHash: z.string().regex(/^[0-9a-f]{64}$/).transform((hash) => hash as ContentHash),
    length: z.int(),
    bits: z.int(),
    assumptions: z.strictObject({
      corruptPermille: z.int(),
      dropoutPermille: z.int(),
      privacyBits: z.int(),
      completionBits: z.int(),
    }),
  }),
  device: z.string().regex(/^[a-z2-7]{52}$/).transform((id) => id as DeviceId),
  maskSecret: exactly(32),
  shareSecret: exactly(32),
  advertisement,
};
const bitmap = bytes(SUM_DEVICES_MAX);
const joined = {
  ...keys,
  devices: bytes(SUM_DEVICES_MAX * 32),
  root: exactly(32),
  neighbours: z.array(advertisement).max(SUM_NEIGHBOURS_MAX),
  seed: exactly(32),
  shares: z.strictObject({ sealed: bytes(SUM_NEIGHBOURS_MAX * 112), seedCommitment: exactly(16) }),
};
const masked = {
  ...joined,
  present: bitmap,
  held: bitmap,
  heldShares: bytes(SUM_NEIGHBOURS_MAX * 64),
  input: z.strictObject({
    packed: bytes(SUM_LENGTH_MAX * 4),
    unreadable: z.array(z.int()).max(SUM_NEIGHBOURS_MAX),
  }),
};
const claimed = {
  ...masked,
  claim: z.strictObject({ survivors: bitmap, inputsRoot: exactly(32), proof: bytes(32 * 32) }),
  signature: exactly(64),
};
const schema = z.discriminatedUnion("phase", [
  z.strictObject({ phase: z.literal("advertised"), ...keys }),
  z.strictObject({ phase: z.literal("shared"), ...joined }),
  z.strictObject({ phase: z.literal("masked"), ...masked }),
  z.strictObject({ phase: z.enum(["signed", "revealed"]), ...claimed }),
]);

/** The state as bytes. */
export function encodeClientState(state: ClientState): Uint8Array<ArrayBuffer> {
  return encodeCanonical({ version: VERSION, state });
}

/** Reads what `encodeClientState` wrote; strict, never throws. */
export function decodeClientState(stored: Uint8Array): Decoded<ClientState> {
  const decoded = decodeCanonical(stored, { bytesMax: SUM_LENGTH_MAX * 4 + 2 * 1024 * 1024 });
  if (!decoded.ok) return decoded;
  const parsed = z.strictObject({ version: z.literal(VERSION), state: schema }).safeParse(
    decoded.value,
  );
  if (!parsed.success) return { ok: false, reason: firstProblem(parsed.error) };
  return { ok: true, message: parsed.data.state };
}
