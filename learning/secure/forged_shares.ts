/**
 * Proof that a device dealt shares which do not give the seed it committed to: its own signature under all commitments, and as many of the shares that it committed
 * to as the seed takes. Whoever has signed for survivors believes nothing less, because the coordinator may not choose who is left out of a sum over
 * vectors that another sum has.
 *
 * What follows from a proof: the device that it names, and whoever it tells, know its seed and its vector, and a sum with and one without it differ by nothing else.
 * That holds whether or not the attempt can still be opened. An honest device cannot be named: what it has signed once in an attempt is consistent.
 */
import { z } from "zod";
import { encodeCanonical, equalBytes } from "../../protocols/codec.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import { bytes, decodeAs, type Decoded, exactly, signature } from "../../protocols/wire_schema.ts";
import { hasBit } from "./bitmap.ts";
import {
  type KeyShares,
  SEALED_SHARE_BYTES,
  SUM_DEVICES_MAX,
  SUM_NEIGHBOURS_MAX,
  type SumDependencies,
  type SumOutcome,
} from "./contract.ts";
import type { KeptSignedState } from "./kept_state.ts";
import { refused, type RosterView, rosterView } from "./roster.ts";
import type { ServerState } from "./server_state.ts";
import { combineShares, SECRET_BYTES } from "./shamir.ts";
import { COMMITMENTS_BYTES, shareFits } from "./shares.ts";
import { commitment, COMMITMENT_BYTES, COMMITTED, concat, dealtMessage } from "./transcripts.ts";

/** What shows that a dealer signed for shares that are none of what it committed to. */
export interface ForgedShares {
  /** Roster index of the device that dealt them. */
  readonly dealer: number;
  /** Both commitments for each of its neighbours, in order. */
  readonly commitments: Uint8Array;
  readonly seedCommitment: Uint8Array;
  /** The dealer's, under these. */
  readonly signature: Uint8Array;
  /** Places of holders among its neighbours, ascending: as many as the seed takes. */
  readonly places: readonly number[];
  /** Their shares of its seed. */
  readonly shares: Uint8Array;
}

/** The commitments of all pieces that a device dealt. */
export function commitmentsIn(sealed: Uint8Array): Uint8Array<ArrayBuffer> {
  const count = Math.floor(sealed.length / SEALED_SHARE_BYTES);
  return concat(...Array.from({ length: count }, (_, i) => {
    const from = i * SEALED_SHARE_BYTES;
    return sealed.subarray(from, from + COMMITMENTS_BYTES);
  }));
}

/** True when a device has signed what it deals. Without that nobody could be told of what is wrong with it. */
export function dealingHolds(
  { roster }: Pick<ServerState, "roster">,
  dealer: DeviceId,
  { sealed, seedCommitment, signature }: KeyShares,
  { verify }: Pick<SumDependencies, "verify">,
): boolean {
  if (roster === undefined) return false;
  const commitments = commitmentsIn(sealed);
  const message = dealtMessage(roster.view.hash, { seedCommitment, commitments });
  return verify(dealer, message, signature);
}

/** The proof against a survivor whose shares did not give its seed; undefined when this coordinator lacks what it had signed. */
export function forgedSharesOf(state: ServerState, device: DeviceId): ForgedShares | undefined {
  if (state.roster === undefined) return undefined;
  const { view } = state.roster;
  const dealer = view.indexOf.get(device);
  const dealt = dealer === undefined ? undefined : state.shares.get(dealer);
  const revealed = dealer === undefined ? undefined : state.revealed.get(dealer);
  if (dealer === undefined || dealt === undefined || revealed === undefined) return undefined;
  const used = revealed.slice(0, view.shape.threshold).sort((a, b) => a.x - b.x);
  return {
    dealer,
    commitments: commitmentsIn(dealt.sealed),
    seedCommitment: dealt.seedCommitment,
    signature: dealt.signature,
    places: used.map(({ x }) => x - 1),
    shares: concat(...used.map(({ bytes }) => bytes)),
  };
}

/** Checks a proof against what this device has signed. The device that it names, a survivor; refused when it proves nothing. */
export function checkForgedShares(
  state: KeptSignedState,
  proof: ForgedShares,
  deps: SumDependencies,
): SumOutcome<DeviceId> {
  const view = rosterView(state, deps);
  if (!view.ok) return view;
  const { devices, hash } = view.value;
  const dealer = devices[proof.dealer];
  if (
    dealer === undefined || dealer === state.device ||
    !hasBit(state.claim.survivors, proof.dealer)
  ) {
    return refused(
      "malformed",
      `Cannot believe that device ${proof.dealer} dealt false shares: it is no other survivor`,
    );
  }
  const problem = problemOfShares(view.value, dealer, proof, deps);
  if (problem !== undefined) {
    return refused("malformed", `Cannot believe that ${dealer} dealt false shares: ${problem}`);
  }
  const { commitments, seedCommitment, signature } = proof;
  if (!deps.verify(dealer, dealtMessage(hash, { seedCommitment, commitments }), signature)) {
    return refused(
      "badSignature",
      `Cannot believe that ${dealer} dealt false shares: it has not signed them`,
    );
  }
  const seed = combineShares(proof.places.map((place, i) => ({
    x: place + 1,
    bytes: proof.shares.slice(i * SECRET_BYTES, (i + 1) * SECRET_BYTES),
  })));
  const value = commitment(deps.crypto, {
    roster: hash,
    kind: COMMITTED.seed,
    owner: dealer,
    holder: dealer,
    value: seed,
  });
  return equalBytes(value, seedCommitment)
    ? refused("malformed", `Cannot believe that ${dealer} dealt false shares: they give its seed`)
    : { ok: true, value: dealer };
}

/** What is wrong with the shares of a proof, whatever they give. */
function problemOfShares(
  view: RosterView,
  dealer: DeviceId,
  { commitments, places, shares, seedCommitment }: ForgedShares,
  { crypto }: Pick<SumDependencies, "crypto">,
): string | undefined {
  const { threshold, degree } = view.shape;
  if (
    commitments.length !== degree * COMMITMENTS_BYTES || places.length !== threshold ||
    shares.length !== threshold * SECRET_BYTES || seedCommitment.length !== COMMITMENT_BYTES
  ) {
    return `${places.length} shares under ${commitments.length} bytes of commitments, expected ${threshold} under ${
      degree * COMMITMENTS_BYTES
    }`;
  }
  const neighbours = view.neighbours(view.indexOf.get(dealer)!);
  for (const [i, place] of places.entries()) {
    if (place >= degree || (i > 0 && place <= places[i - 1]!)) return "a share comes twice";
    const fits = shareFits({
      sealed: commitments.subarray(place * COMMITMENTS_BYTES, (place + 1) * COMMITMENTS_BYTES),
      kind: "seedShare",
      roster: view.hash,
      owner: dealer,
      holder: view.devices[neighbours[place]!]!,
      share: shares.subarray(i * SECRET_BYTES, (i + 1) * SECRET_BYTES),
    }, crypto);
    if (!fits) return "a share is not the one it committed to";
  }
  return undefined;
}

const schema = z.strictObject({
  dealer: z.int().min(0).max(SUM_DEVICES_MAX),
  commitments: bytes(SUM_NEIGHBOURS_MAX * COMMITMENTS_BYTES),
  seedCommitment: exactly(COMMITMENT_BYTES),
  signature,
  places: z.array(z.int().min(0).max(SUM_NEIGHBOURS_MAX)).max(SUM_NEIGHBOURS_MAX),
  shares: bytes(SUM_NEIGHBOURS_MAX * SECRET_BYTES),
});

/** A proof as bytes, canonical CBOR. */
export function encodeForgedShares(proof: ForgedShares): Uint8Array<ArrayBuffer> {
  return encodeCanonical({ ...proof, places: [...proof.places] });
}

/** Inverse of `encodeForgedShares`; strict, bounded, never throws. */
export function decodeForgedShares(input: Uint8Array): Decoded<ForgedShares> {
  return decodeAs(schema, input, { bytesMax: SUM_NEIGHBOURS_MAX * 80 + 512 });
}
