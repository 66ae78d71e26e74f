/** Shares on their way from their owner to a neighbour: committed to in the open, encrypted for the one that is to hold them. */
import type { Crypto } from "../../platform/ports.ts";
import { equalBytes } from "../../protocols/codec.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import { agreedOnce } from "./agreements.ts";
import { bitmapOf } from "./bitmap.ts";
import type { SharedState } from "./client_state.ts";
import { SEALED_SHARE_BYTES, type SumDependencies } from "./contract.ts";
import type { RosterView } from "./roster.ts";
import { SECRET_BYTES } from "./shamir.ts";
import { commitment, COMMITMENT_BYTES, COMMITTED, concat, shareKey } from "./transcripts.ts";

// The key is used for this one message.
const NONCE = new Uint8Array(12);
/** Both commitments of a piece; the ciphertext begins after them. */
export const COMMITMENTS_BYTES = 2 * COMMITMENT_BYTES;

interface SharePair {
  readonly roster: Uint8Array;
  readonly owner: DeviceId;
  readonly holder: DeviceId;
  readonly seedShare: Uint8Array;
  readonly maskShare: Uint8Array;
}

/** Both commitments, then both shares encrypted: `SEALED_SHARE_BYTES`. */
export function sealShares(
  pair: SharePair & { readonly agreed: Uint8Array },
  crypto: Pick<Crypto, "sha256" | "hkdf" | "seal">,
): Uint8Array<ArrayBuffer> {
  const commitments = commitmentsOf(pair, crypto);
  const key = shareKey(crypto, { ...pair, sender: pair.owner, recipient: pair.holder });
  const plaintext = concat(pair.seedShare, pair.maskShare);
  return concat(
    commitments,
    crypto.seal({ key, nonce: NONCE, plaintext, associated: commitments }),
  );
}

function commitmentsOf(
  pair: SharePair,
  crypto: Pick<Crypto, "sha256">,
): Uint8Array<ArrayBuffer> {
  const { seedShare, maskShare, ...parts } = pair;
  return concat(
    commitment(crypto, { ...parts, kind: COMMITTED.seedShare, value: seedShare }),
    commitment(crypto, { ...parts, kind: COMMITTED.maskShare, value: maskShare }),
  );
}

/** What could be read of the shares that neighbours sent. */
export interface OpenedShares {
  /** Neighbours whose shares could be read, as a set of their places among the neighbours. */
  readonly held: Uint8Array;
  /** 64 bytes for each of these. */
  readonly shares: Uint8Array;
  /** Roster indices of the others. */
  readonly unreadable: readonly number[];
}

/** Opens what the neighbours at the places `present` encrypted for this device, and checks it against their commitments. */
export function openShares(
  options: {
    readonly state: SharedState;
    readonly view: RosterView;
    readonly present: readonly number[];
    readonly sealed: Uint8Array;
  },
  crypto: SumDependencies["crypto"],
): OpenedShares {
  const { state, view, present, sealed } = options;
  const neighbours = view.neighbours(view.indexOf.get(state.device)!);
  const held: number[] = [];
  const shares: Uint8Array[] = [];
  const unreadable: number[] = [];
  for (const [at, i] of present.entries()) {
    const piece = sealed.subarray(at * SEALED_SHARE_BYTES, (at + 1) * SEALED_SHARE_BYTES);
    const commitments = piece.subarray(0, COMMITMENTS_BYTES);
    const owner = view.devices[neighbours[i]!]!;
    const names = { roster: view.hash, owner, holder: state.device };
    const plaintext = crypto.open({
      key: shareKey(crypto, {
        // Keys of low order were refused with the roster.
        agreed: agreedOnce(crypto, state.shareSecret, state.neighbours[i]!.shareKey)!,
        roster: view.hash,
        sender: owner,
        recipient: state.device,
      }),
      nonce: NONCE,
      ciphertext: piece.subarray(COMMITMENTS_BYTES),
      associated: commitments,
    });
    const fits = plaintext !== undefined && plaintext.length === 2 * SECRET_BYTES &&
      equalBytes(
        commitments,
        commitmentsOf({
          ...names,
          seedShare: plaintext.subarray(0, SECRET_BYTES),
          maskShare: plaintext.subarray(SECRET_BYTES),
        }, crypto),
      );
    if (fits) {
      held.push(i);
      shares.push(plaintext);
    } else unreadable.push(neighbours[i]!);
  }
  return {
    held: bitmapOf(held, neighbours.length),
    shares: concat(...shares),
    unreadable,
  };
}

/** True when `share` is the one its owner committed to in `sealed`, its piece for this holder. */
export function shareFits(
  options: {
    readonly sealed: Uint8Array;
    readonly kind: "seedShare" | "maskShare";
    readonly roster: Uint8Array;
    readonly owner: DeviceId;
    readonly holder: DeviceId;
    readonly share: Uint8Array;
  },
  crypto: Pick<Crypto, "sha256">,
): boolean {
  const { sealed, kind, roster, owner, holder, share } = options;
  const start = kind === "seedShare" ? 0 : COMMITMENT_BYTES;
  return equalBytes(
    sealed.subarray(start, start + COMMITMENT_BYTES),
    commitment(crypto, { roster, kind: COMMITTED[kind], owner, holder, value: share }),
  );
}
