/**
 * What a device that wants to join (joiner) and a device that invited it (inviter) say to each other. The joiner asks, the inviter
 * answers; refusals are the rendezvous's own. `docs/protocols/pairing.md` tells the whole story.
 */
import type { DeviceId, MeshId } from "../ids.ts";
import type { Role } from "../registry/roles.ts";

export type PairingRequest =
  /** First. Names an invite without its secret. The inviter answers `welcome` or refuses. */
  | {
    readonly type: "hello";
    readonly version: 1;
    readonly kind: InviteKind;
    /** For a link the 8 bytes of the invite id; for a code its first two digits as one byte. */
    readonly selector: Uint8Array;
    /** 16 fresh bytes: the joiner's half of the session id. */
    readonly nonce: Uint8Array;
    /** 32 bytes: hides and fixes the joiner's identity before the inviter's nonce is known. */
    readonly commitment: Uint8Array;
  }
  /** After `welcome`: the joiner's CPace share. The inviter answers `shared`. */
  | { readonly type: "share"; readonly session: Uint8Array; readonly share: Uint8Array }
  /** After `shared`: proves the secret and opens the commitment. One wrong tag burns a code. The inviter answers `proven`. */
  | {
    readonly type: "proof";
    readonly session: Uint8Array;
    readonly tag: Uint8Array;
    readonly sealed: Uint8Array;
  }
  /** After `proven`: a `JoinerMessage`, sealed; `counter` grows with each. The inviter answers `sealed` with the same counter. */
  | SealedMessage & { readonly session: Uint8Array };

export type PairingReply =
  /** `nonce`: 16 fresh bytes, the inviter's half of the session id and the name of this run. */
  | { readonly type: "welcome"; readonly nonce: Uint8Array }
  | { readonly type: "shared"; readonly share: Uint8Array; readonly commitment: Uint8Array }
  | { readonly type: "proven"; readonly tag: Uint8Array; readonly sealed: Uint8Array }
  | SealedMessage;

export interface SealedMessage {
  readonly type: "sealed";
  readonly counter: number;
  readonly sealed: Uint8Array;
}

/** How the secret travelled: in a link (128 bits) or typed by a person (six digits). */
export type InviteKind = "link" | "code";

/** What opens a commitment; sealed inside `proof` and `proven`. */
export interface Opening {
  /** 32 random bytes. */
  readonly blind: Uint8Array;
  /** A `JoinerIdentity` or `InviterIdentity` as bytes, exactly as committed to. */
  readonly identity: Uint8Array;
  /** Ed25519 over the domain-separated side and transcript. */
  readonly signature: Uint8Array;
}

export interface JoinerIdentity {
  readonly deviceId: DeviceId;
  readonly displayName: string;
}

export interface InviterIdentity {
  readonly deviceId: DeviceId;
  readonly displayName: string;
  readonly mesh: MeshId;
  /** What the joiner will be. */
  readonly role: Role;
}

/** Sealed requests once both have proved the secret. */
export type JoinerMessage =
  /** Asks how things stand and says whether the joiner's person has confirmed the words. */
  | { readonly type: "poll"; readonly confirmed: boolean }
  /** The joiner's person says that the words differ. The inviter ends the pairing. */
  | { readonly type: "reject" }
  /** After `admitted`: asks for one page of registry blocks. */
  | { readonly type: "fetch"; readonly page: number }
  /** The joiner has adopted the mesh. The inviter completes. */
  | { readonly type: "joined" };

export type InviterMessage =
  /** Somebody has not confirmed yet, or the admission is being stored. Ask again. */
  | { readonly type: "waiting" }
  /** The inviter's person says that the words differ, or the admission failed. */
  | { readonly type: "ended"; readonly reason: string }
  /** Both have confirmed and the device is a member: `pages` pages of registry blocks wait. */
  | { readonly type: "admitted"; readonly pages: number }
  /** One page: encoded blocks, the founding block first on page 0. */
  | { readonly type: "page"; readonly page: number; readonly blocks: readonly Uint8Array[] }
  | { readonly type: "goodbye" };

/** Bounds of every part. */
export const PAIRING_LIMITS = {
  displayNameBytes: 63,
  reasonBytes: 200,
  sealedBytes: 60_000,
  pages: 512,
  blocksPerPage: 512,
  blockBytes: 8_192,
  pageBytes: 48 * 1024,
} as const;
