/** What a device checks before it goes on; the other side and whoever verifies a finished sum use the same. */
import { equalBytes } from "../../protocols/codec.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import { hasBit, indicesOf } from "./bitmap.ts";
import type { AdvertisedState } from "./client_state.ts";
import type {
  Advertisement,
  Roster,
  SumDependencies,
  SurvivorClaim,
  UnmaskRequest,
} from "./contract.ts";
import type { KeptMaskedState } from "./kept_state.ts";
import { merkleHolds } from "./merkle.ts";
import { refused, type RosterView } from "./roster.ts";
import { advertisedMessage, inputLeafOf, roundHash, survivorsMessage } from "./transcripts.ts";

/** Bytes of an Ed25519 signature. */
export const SIGNATURE_BYTES = 64;

/** A refusal, or undefined when nothing is wrong. */
export type Problem = ReturnType<typeof refused> | undefined;

/** What is wrong with advertised keys by themselves; used by both sides. */
export function advertisementProblem(
  options: {
    readonly device: DeviceId;
    readonly round: Uint8Array;
    readonly advertisement: Advertisement;
  },
  deps: Pick<SumDependencies, "verify">,
): Problem {
  const { device, round, advertisement } = options;
  const { maskKey, shareKey, signature } = advertisement;
  if (
    maskKey.length !== 32 || shareKey.length !== 32 || signature.length !== SIGNATURE_BYTES ||
    equalBytes(maskKey, shareKey)
  ) {
    return refused(
      "malformed",
      `Cannot use keys of ${device}: expected two different keys of 32 bytes and a signature of ${SIGNATURE_BYTES}`,
      device,
    );
  }
  return deps.verify(device, advertisedMessage(round, advertisement), signature)
    ? undefined
    : refused(
      "badSignature",
      `Cannot use keys of ${device}: not signed by it for this round`,
      device,
    );
}

/** Neighbours' keys: as many as there are neighbours, signed by them for this round, all different. */
export function neighboursProblem(
  options: {
    readonly state: AdvertisedState;
    readonly view: RosterView;
    readonly roster: Roster;
    readonly neighbours: readonly number[];
  },
  deps: SumDependencies,
): Problem {
  const { state, view, roster, neighbours } = options;
  if (roster.neighbours.length !== neighbours.length) {
    return refused(
      "malformed",
      `Cannot share keys: keys of ${roster.neighbours.length} neighbours were told, expected ${neighbours.length}`,
    );
  }
  const round = roundHash(deps.crypto, state.round);
  const seen = new Set([state.advertisement.maskKey.toHex(), state.advertisement.shareKey.toHex()]);
  for (const [i, neighbour] of neighbours.entries()) {
    const device = view.devices[neighbour]!;
    const keys = roster.neighbours[i]!;
    const problem = advertisementProblem({ device, round, advertisement: keys }, deps);
    if (problem !== undefined) return problem;
    for (const key of [keys.maskKey.toHex(), keys.shareKey.toHex()]) {
      if (seen.has(key)) {
        // Which of the two copied the other cannot be seen from here: nobody is blamed.
        return refused("badKey", `Cannot share keys: a key of ${device} comes twice`);
      }
      seen.add(key);
    }
  }
  return undefined;
}

/** What is wrong with a survivor set that the device at hand is to sign. */
export function claimProblem(
  state: Pick<KeptMaskedState, "device" | "present" | "inputHash">,
  claim: SurvivorClaim,
  view: RosterView,
  deps: SumDependencies,
): Problem {
  const problem = setProblem(state, claim, view, deps);
  if (problem !== undefined) return problem;
  const near = view.neighbours(view.indexOf.get(state.device)!).filter((neighbour, i) =>
    hasBit(state.present, i) && hasBit(claim.survivors, neighbour)
  );
  return near.length >= view.shape.threshold ? undefined : refused(
    "tooFew",
    `Cannot sign survivors: ${near.length} of this device's neighbours are among them, expected at least ${view.shape.threshold}`,
  );
}

/** What is wrong with a set of devices by itself: no set of the roster, too small, or without this device and what it handed in. */
export function setProblem(
  own: { readonly device: DeviceId; readonly inputHash: Uint8Array },
  claim: SurvivorClaim,
  view: RosterView,
  deps: Pick<SumDependencies, "crypto">,
): Problem {
  const survivors = indicesOf(claim.survivors, view.devices.length);
  if (survivors === undefined || claim.inputsRoot.length !== 32) {
    return refused(
      "malformed",
      `Cannot sign survivors: ${claim.survivors.length} bytes are no set of ${view.devices.length} devices`,
    );
  }
  const index = view.indexOf.get(own.device)!;
  const rank = survivors.indexOf(index);
  if (rank < 0) return refused("notMe", "Cannot sign survivors: this device is not among them");
  if (survivors.length < view.shape.quorum) {
    return refused(
      "tooFew",
      `Cannot sign ${survivors.length} survivors: expected at least ${view.shape.quorum} of ${view.devices.length}`,
    );
  }
  const leaf = inputLeafOf(index, own.inputHash);
  const { inputsRoot: root, proof } = claim;
  return merkleHolds(deps.crypto, { root, proof, leaf, index: rank, count: survivors.length })
    ? undefined
    : refused("badProof", "Cannot sign survivors: this device's masked vector is not in the sum");
}

/** What is wrong with the signatures under a survivor set; used by whoever verifies a finished sum, too. */
export function requestProblem(
  options: {
    readonly view: RosterView;
    readonly claim: Pick<SurvivorClaim, "survivors" | "inputsRoot">;
    readonly request: UnmaskRequest;
  },
  deps: Pick<SumDependencies, "verify">,
): Problem {
  const { view, claim, request } = options;
  const signers = indicesOf(request.signers, view.devices.length);
  if (signers === undefined || request.signatures.length !== signers.length * SIGNATURE_BYTES) {
    return refused(
      "malformed",
      `Cannot reveal shares: ${request.signatures.length} bytes of signatures, expected ${SIGNATURE_BYTES} for each signer`,
    );
  }
  if (signers.length < view.shape.quorum) {
    return refused(
      "tooFew",
      `Cannot reveal shares: ${signers.length} devices signed, expected at least ${view.shape.quorum}`,
    );
  }
  const message = survivorsMessage(view.hash, claim);
  for (const [i, signer] of signers.entries()) {
    const device = view.devices[signer]!;
    const signature = request.signatures.subarray(i * SIGNATURE_BYTES, (i + 1) * SIGNATURE_BYTES);
    if (!hasBit(claim.survivors, signer) || !deps.verify(device, message, signature)) {
      return refused(
        "badSignature",
        `Cannot reveal shares: ${device} did not sign these survivors of this round and model`,
      );
    }
  }
  return undefined;
}
