/**
 * Secure aggregation: what a round's devices and its coordinator say to each other so that the coordinator learns the sum of their
 * vectors and nothing else. After Bonawitz et al. 2017 ("Practical Secure Aggregation for Privacy-Preserving Machine Learning", the
 * protocol against active adversaries) with the sparse graph of Bell et al. 2020 ("Secure Single-Server Aggregation with
 * (Poly)Logarithmic Overhead"). Byte by byte: `docs/protocols/secure-aggregation.md`.
 *
 * Client (`client.ts`) and server (`server.ts`) are pure steps; the values below are all that passes between them, in this order:
 *
 *   client                                      server
 *   advertise            → Advertisement        → acceptAdvertisement … closeAdvertising
 *   shareKeys            ← Roster               ← rosterFor
 *                        → KeyShares            → acceptKeyShares … closeKeyShares
 *   prepareMasks         ← ReceivedShares       ← receivedSharesFor
 *                        → MaskedInput          → acceptMaskedInput … closeMaskedInputs
 *   signSurvivors        ← SurvivorClaim        ← survivorClaimFor
 *                        → SurvivorSignature    → acceptSurvivorSignature … closeSurvivorSignatures
 *   reveal               ← UnmaskRequest        ← unmaskRequest
 *                        → Reveal               → acceptReveal … closingReveals → masks off → sum
 *
 * Everything about devices is said by their place in the roster ("index"), which is ascending by device id.
 */
import type { Crypto, MaskStream, Random } from "../../platform/ports.ts";
import type { BlockId, ContentHash, DeviceId } from "../../protocols/ids.ts";

/** What is summed, for whom, and what is assumed about them. Fixed by plan and round; equal for all, or no signature fits. */
export interface SumRound {
  readonly run: BlockId;
  /** 0 ≤ round < 2^32. */
  readonly round: number;
  /** 0 ≤ attempt < 2^32; grows by one with every try at the same round. */
  readonly attempt: number;
  /** Hash of the parameters that everybody started from. */
  readonly modelHash: ContentHash;
  /** Numbers in a vector, weight element and all, 1 … 2^24 + 1,024. */
  readonly length: number;
  /** k: sums are modulo 2^k, `SUM_BITS_MIN`–32. */
  readonly bits: number;
  readonly assumptions: Assumptions;
  /** What earlier rounds have fixed beside the model (a clipping length, a range), where something is; all must mean the same by their integers. */
  readonly tuning?: number;
}

/** Against how many liars and how many dropouts the graph and the thresholds are made. Integers: they are hashed and signed. */
export interface Assumptions {
  /** γ: of a thousand devices so many may work together with the coordinator, 0–500. At least one is always assumed to. */
  readonly corruptPermille: number;
  /** δ: of a thousand devices so many may fall away before the end, 0–500. */
  readonly dropoutPermille: number;
  /** σ: what is private is private but for a chance of 2^−σ, 20–100. Only the sparse graph has such a chance. */
  readonly privacyBits: number;
  /** η: with no more dropouts than assumed the sum comes about but for a chance of 2^−η, 10–60. */
  readonly completionBits: number;
}

/**
 * 60 bits: the usual 40, and 20 for a coordinator that tries out rosters until it likes the graph. A tenth of colluders and a third
 * of dropouts need 114 of 1,024 others to share with.
 */
export const DEFAULT_ASSUMPTIONS: Assumptions = {
  corruptPermille: 100,
  dropoutPermille: 333,
  privacyBits: 60,
  completionBits: 20,
};

/** Fewest bits of a sum's modulus. */
export const SUM_BITS_MIN = 2;
/** Fewest devices of a secure sum: with two, each knows the other's vector from the sum. */
export const SUM_DEVICES_MIN = 3;
/** Most devices of one secure sum. */
export const SUM_DEVICES_MAX = 20_000;
/** Most numbers of one vector: the largest model, and room for weights and metrics beside it. */
export const SUM_LENGTH_MAX = 16 * 1024 * 1024 + 1_024;
/** Most others a device shares keys with: x-coordinates of Shamir shares over GF(256) are 1–255. */
export const SUM_NEIGHBOURS_MAX = 254;

/** X25519 public keys for this attempt only, signed by the device's identity. */
export interface Advertisement {
  /** Makes pairwise masks; its secret half is shared among the neighbours. 32 bytes. */
  readonly maskKey: Uint8Array;
  /** Encrypts shares; its secret half never leaves the device. 32 bytes. */
  readonly shareKey: Uint8Array;
  /** Ed25519, 64 bytes. */
  readonly signature: Uint8Array;
}

/** Who takes part, and the keys of one device's neighbours. Sent to each device that advertised. */
export interface Roster {
  /** Identity public keys, 32 bytes each, ascending by device id. */
  readonly devices: Uint8Array;
  /** Root of the Merkle tree over all advertisements in roster order, 32 bytes. */
  readonly root: Uint8Array;
  /** Proof that the receiver's own advertisement is in it: 32 bytes a level, from the leaf up. */
  readonly proof: Uint8Array;
  /** Advertisements of the receiver's neighbours in roster order; who they are follows from roster and root. */
  readonly neighbours: readonly Advertisement[];
}

/** Shares of one device's two secrets, encrypted for each neighbour in roster order. */
export interface KeyShares {
  /** `SEALED_SHARE_BYTES` for each neighbour: commitments to both shares, then the ciphertext. */
  readonly sealed: Uint8Array;
  /** Commitment to the self-mask seed, 16 bytes. */
  readonly seedCommitment: Uint8Array;
  /** The device's, under all these commitments: what is wrong with them can be proved to others. */
  readonly signature: Uint8Array;
}

/** Two commitments of 16 bytes; two shares of 32 bytes and a tag of 16 bytes. */
export const SEALED_SHARE_BYTES = 112;

/** What a device's neighbours encrypted for it. */
export interface ReceivedShares {
  /** Bit i (of byte i >> 3, least significant first): neighbour i, in roster order, sent shares. */
  readonly present: Uint8Array;
  /** `SEALED_SHARE_BYTES` for each neighbour that did. */
  readonly sealed: Uint8Array;
}

/** A vector under its masks. */
export interface MaskedInput {
  /** `length` numbers of `bits` bits, packed: see `packing.ts`. */
  readonly packed: Uint8Array;
  /** Roster indices of neighbours whose shares did not open or did not fit their commitments, ascending. */
  readonly unreadable: readonly number[];
}

/** Whose vectors are in the sum, with commitments to these. Sent to each of them. */
export interface SurvivorClaim {
  /** Bit i: the device at roster index i is in. */
  readonly survivors: Uint8Array;
  /** Root of the Merkle tree over the commitments of the survivors' masked inputs in roster order, 32 bytes. */
  readonly inputsRoot: Uint8Array;
  /** Proof that the receiver's own masked input is in it. */
  readonly proof: Uint8Array;
}

/** "I was told of this round, this roster and these survivors, and of no others." */
export interface SurvivorSignature {
  /** Ed25519, 64 bytes. */
  readonly signature: Uint8Array;
}

/** Signatures over one claim by a quorum of the roster; the same for all receivers. */
export interface UnmaskRequest {
  /** Bit i: the device at roster index i signed. */
  readonly signers: Uint8Array;
  /** 64 bytes for each signer in roster order. */
  readonly signatures: Uint8Array;
}

/**
 * For each neighbour that sent shares and whose shares could be read, in roster order: the share of its self-mask seed if it survived, else the share of its mask
 * secret. Never both.
 */
export interface Reveal {
  /** 32 bytes each. */
  readonly shares: Uint8Array;
}

/** What client and server need from the world. */
export interface SumDependencies {
  readonly crypto: Pick<Crypto, "sha256" | "hkdf" | "seal" | "open" | "agreementKeyPair">;
  readonly masks: MaskStream;
  /** True when `signature` is the device's over `message`. */
  readonly verify: (device: DeviceId, message: Uint8Array, signature: Uint8Array) => boolean;
}

/** A client also signs, and draws its secrets. */
export interface SumClientDependencies extends SumDependencies {
  readonly sign: (message: Uint8Array) => Uint8Array;
  /** Must be secret and unpredictable in production. */
  readonly random: Random;
}

/** Why somebody's message does not count. For counters, logs and reputation. */
export type SumRefusal =
  | "wrongPhase" // too late, too early, or for a device that is not in this phase
  | "duplicate" // a second, different message of the same kind
  | "malformed" // wrong length or count, indices out of order
  | "badSignature" // keys or survivors not signed for this very round, roster and model
  | "badKey" // a key of low order, the receiver's own, or one that comes twice
  | "badProof" // the receiver's own message is not in what the coordinator committed to
  | "tooFew" // below the threshold
  | "notMe" // a roster or survivor set that leaves the receiver out
  | "otherSurvivors" // a second survivor set for a round that has one
  | "forgedShare"; // a share that does not fit its commitment

/** The outcome of a step that may be refused. */
export type SumOutcome<T> =
  | { readonly ok: true; readonly value: T }
  | {
    readonly ok: false;
    readonly refusal: SumRefusal;
    /** Whose fault it is, where that is known: a device, or undefined for the coordinator. */
    readonly device?: DeviceId;
    /** For people and logs: what could not be done, the value, what was expected. */
    readonly detail: string;
  };
