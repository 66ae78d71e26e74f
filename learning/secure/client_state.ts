/**
 * A device's state in a secure sum: plain values, in memory only. Holds secrets: whoever reads it reads the device's vector. What of it
 * goes to the disk is `kept_state.ts`.
 */
import type { DeviceId } from "../../protocols/ids.ts";
import type { Advertisement, KeyShares, MaskedInput, SumRound, SurvivorClaim } from "./contract.ts";

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
