/**
 * The coordinator's part in a secure sum, up to the signatures under the survivors; `unmask.ts` goes on. Nothing here is trusted by the
 * devices. A state is made by `openSum` (`server_state.ts`) and changed by the steps; masked vectors are added as they come, never kept.
 *
 * Each `accept…` refuses what does not fit with a reason that names the device, counts it and goes on; the same message again is taken
 * quietly. Each `close…` goes to the next phase with whoever is there, or says that too few are.
 */
import { equalBytes } from "../../protocols/codec.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import { hasLowOrder } from "./agreements.ts";
import { bitmapOf } from "./bitmap.ts";
import { advertisementProblem, SIGNATURE_BYTES } from "./checks.ts";
import {
  type Advertisement,
  type KeyShares,
  type MaskedInput,
  type ReceivedShares,
  type Roster,
  SEALED_SHARE_BYTES,
  SUM_DEVICES_MAX,
  type SumDependencies,
  type SumOutcome,
  type SurvivorClaim,
  type SurvivorSignature,
  type UnmaskRequest,
} from "./contract.ts";
import { merkleLevels, merkleProof, merkleRoot } from "./merkle.ts";
import { addPacked } from "./packing.ts";
import { refused, rosterBytes, type RosterView, rosterView } from "./roster.ts";
import {
  type Accepted,
  count,
  find,
  notInRoster,
  pieceFor,
  type ServerState,
} from "./server_state.ts";
import {
  advertisedLeaf,
  COMMITMENT_BYTES,
  concat,
  inputLeaf,
  roundHash,
  survivorsMessage,
} from "./transcripts.ts";

const ACCEPTED: Accepted = { ok: true, value: "accepted" };
const REPEATED: Accepted = { ok: true, value: "repeated" };

/** A device wants to take part. */
export function acceptAdvertisement(
  state: ServerState,
  device: DeviceId,
  advertisement: Advertisement,
  deps: SumDependencies,
): Accepted {
  const known = state.advertisements.get(device);
  if (known !== undefined) {
    const same = equalBytes(known.maskKey, advertisement.maskKey) &&
      equalBytes(known.shareKey, advertisement.shareKey);
    return same ? REPEATED : count(
      state,
      refused("duplicate", `Cannot take keys of ${device}: it advertised others before`, device),
    );
  }
  if (state.phase !== "advertising" || state.advertisements.size >= SUM_DEVICES_MAX) {
    return count(
      state,
      refused("wrongPhase", `Cannot take keys of ${device}: the roster is closed`, device),
    );
  }
  const round = roundHash(deps.crypto, state.round);
  const problem = advertisementProblem({ device, round, advertisement }, deps);
  if (problem !== undefined) return count(state, problem);
  const keys = [advertisement.maskKey.toHex(), advertisement.shareKey.toHex()];
  const other = keys.map((key) => state.keyOwners.get(key)).find((owner) => owner !== undefined);
  if (other !== undefined) {
    return count(
      state,
      refused("badKey", `Cannot take keys of ${device}: ${other} has the same`, device),
    );
  }
  if (hasLowOrder(advertisement.maskKey) || hasLowOrder(advertisement.shareKey)) {
    return count(
      state,
      refused("badKey", `Cannot take keys of ${device}: one has low order`, device),
    );
  }
  for (const key of keys) state.keyOwners.set(key, device);
  state.advertisements.set(device, advertisement);
  return ACCEPTED;
}

/** Fixes the roster. Refused when no sum is possible with so few, or so many. */
export function closeAdvertising(
  state: ServerState,
  deps: SumDependencies,
): SumOutcome<RosterView> {
  if (state.phase !== "advertising") {
    return refused("wrongPhase", "Cannot close the roster: it is closed");
  }
  const order = [...state.advertisements.keys()].sort();
  if (order.length === 0) return refused("tooFew", "Cannot close the roster: nobody is in it");
  const levels = merkleLevels(
    deps.crypto,
    order.map((device) => advertisedLeaf(device, state.advertisements.get(device)!)),
  );
  const devices = rosterBytes(order);
  const view = rosterView({ round: state.round, devices, root: merkleRoot(levels) }, deps);
  if (!view.ok) return view;
  state.roster = { view: view.value, devices, levels };
  state.phase = "sharing";
  return view;
}

/** What a device of the roster is told; undefined for others. */
export function rosterFor(state: ServerState, device: DeviceId): Roster | undefined {
  const found = find(state, device);
  if (found === undefined) return undefined;
  const { roster, index } = found;
  return {
    devices: roster.devices,
    root: merkleRoot(roster.levels),
    proof: merkleProof(roster.levels, index),
    neighbours: roster.view.neighbours(index).map((neighbour) =>
      state.advertisements.get(roster.view.devices[neighbour]!)!
    ),
  };
}

/** A device's encrypted shares for its neighbours. */
export function acceptKeyShares(state: ServerState, device: DeviceId, shares: KeyShares): Accepted {
  const found = find(state, device);
  if (found === undefined) return notInRoster(state, device);
  const known = state.shares.get(found.index);
  if (known !== undefined) {
    return equalBytes(known.sealed, shares.sealed) ? REPEATED : count(
      state,
      refused("duplicate", `Cannot take shares of ${device}: it sent others before`, device),
    );
  }
  if (state.phase !== "sharing") {
    return count(
      state,
      refused("wrongPhase", `Cannot take shares of ${device} while ${state.phase}`, device),
    );
  }
  const expected = found.roster.view.shape.degree * SEALED_SHARE_BYTES;
  if (shares.sealed.length !== expected || shares.seedCommitment.length !== COMMITMENT_BYTES) {
    return count(
      state,
      refused(
        "malformed",
        `Cannot take shares of ${device}: ${shares.sealed.length} bytes and a commitment of ${shares.seedCommitment.length}, expected ${expected} and ${COMMITMENT_BYTES}`,
        device,
      ),
    );
  }
  state.shares.set(found.index, shares);
  return ACCEPTED;
}

/** Goes on with those who shared keys. */
export function closeKeyShares(state: ServerState): SumOutcome<readonly DeviceId[]> {
  return close(state, { from: "sharing", to: "masking", members: state.shares.keys() });
}

/** True for a device whose shares are here. */
export function hasSharedKeys(state: ServerState, device: DeviceId): boolean {
  const found = find(state, device);
  return found !== undefined && state.shares.has(found.index);
}

/** What a device's neighbours encrypted for it; undefined for devices that shared nothing themselves. */
export function receivedSharesFor(
  state: ServerState,
  device: DeviceId,
): ReceivedShares | undefined {
  const found = find(state, device);
  if (found === undefined || !state.shares.has(found.index)) return undefined;
  const { view } = found.roster;
  const neighbours = view.neighbours(found.index);
  const present = neighbours.flatMap((neighbour, i) =>
    state.shares.get(neighbour) === undefined ? [] : [i]
  );
  const pieces = present.map((i) =>
    pieceFor(state, { owner: neighbours[i]!, holder: found.index })!
  );
  return { present: bitmapOf(present, neighbours.length), sealed: concat(...pieces) };
}

/** A device's vector under its masks: added to the sum. */
export function acceptMaskedInput(
  state: ServerState,
  device: DeviceId,
  input: MaskedInput,
  deps: Pick<SumDependencies, "crypto">,
): Accepted {
  const found = find(state, device);
  if (found === undefined) return notInRoster(state, device);
  const leaf = inputLeaf(deps.crypto, found.index, input.packed);
  const known = state.inputs.get(found.index);
  if (known !== undefined) {
    return equalBytes(known.leaf, leaf) ? REPEATED : count(
      state,
      refused("duplicate", `Cannot add the vector of ${device}: it sent another before`, device),
    );
  }
  if (state.phase !== "masking" || !state.shares.has(found.index)) {
    return count(
      state,
      refused("wrongPhase", `Cannot add the vector of ${device} while ${state.phase}`, device),
    );
  }
  const neighbours = found.roster.view.neighbours(found.index);
  const { unreadable } = input;
  const orderly = unreadable.every((index, i) =>
    (i === 0 || unreadable[i - 1]! < index) && state.shares.has(index) && neighbours.includes(index)
  );
  if (!orderly || !addPacked(state.sum, input.packed, state.round.bits)) {
    return count(
      state,
      refused(
        "malformed",
        `Cannot add the vector of ${device}: ${input.packed.length} bytes and ${unreadable.length} complaints do not fit ${state.round.length} numbers of ${state.round.bits} bits and its neighbours`,
        device,
      ),
    );
  }
  state.inputs.set(found.index, { leaf, unreadable });
  return ACCEPTED;
}

/** Fixes the survivors: whose vectors are in the sum. */
export function closeMaskedInputs(
  state: ServerState,
  deps: Pick<SumDependencies, "crypto">,
): SumOutcome<readonly DeviceId[]> {
  const closed = close(state, { from: "masking", to: "signing", members: state.inputs.keys() });
  if (!closed.ok) return closed;
  const indices = [...state.inputs.keys()].sort((a, b) => a - b);
  state.claim = {
    survivors: bitmapOf(indices, state.roster!.view.devices.length),
    levels: merkleLevels(deps.crypto, indices.map((index) => state.inputs.get(index)!.leaf)),
    ranks: new Map(indices.map((index, rank) => [index, rank])),
  };
  return closed;
}

/** What a survivor is told about the survivors; undefined for others. */
export function survivorClaimFor(state: ServerState, device: DeviceId): SurvivorClaim | undefined {
  const rank = state.claim?.ranks.get(find(state, device)?.index ?? -1);
  if (state.claim === undefined || rank === undefined) return undefined;
  const { survivors, levels } = state.claim;
  return { survivors, inputsRoot: merkleRoot(levels), proof: merkleProof(levels, rank) };
}

/** A survivor saw the same as all. */
export function acceptSurvivorSignature(
  state: ServerState,
  device: DeviceId,
  { signature }: SurvivorSignature,
  deps: Pick<SumDependencies, "verify">,
): Accepted {
  const found = find(state, device);
  if (found === undefined) return notInRoster(state, device);
  if (state.claim === undefined || !state.inputs.has(found.index)) {
    return count(
      state,
      refused("wrongPhase", `Cannot take a signature of ${device} while ${state.phase}`, device),
    );
  }
  if (state.signatures.has(found.index)) return REPEATED;
  const claim = { survivors: state.claim.survivors, inputsRoot: merkleRoot(state.claim.levels) };
  const message = survivorsMessage(found.roster.view.hash, claim);
  if (signature.length !== SIGNATURE_BYTES || !deps.verify(device, message, signature)) {
    return count(
      state,
      refused(
        "badSignature",
        `Cannot take a signature of ${device}: it is not over these survivors of this round and model`,
        device,
      ),
    );
  }
  state.signatures.set(found.index, signature.slice());
  return ACCEPTED;
}

/** Goes on to unmasking when a quorum has signed. */
export function closeSurvivorSignatures(state: ServerState): SumOutcome<readonly DeviceId[]> {
  return close(state, { from: "signing", to: "revealing", members: state.signatures.keys() });
}

/** The proof that a quorum signed: the same for everybody, and no longer than needed. Undefined before `closeSurvivorSignatures`. */
export function unmaskRequest(state: ServerState): UnmaskRequest | undefined {
  const { roster } = state;
  if (roster === undefined || state.claim === undefined) return undefined;
  const { devices, shape } = roster.view;
  if (state.phase === "signing" || state.signatures.size < shape.quorum) return undefined;
  const signers = [...state.signatures.keys()].sort((a, b) => a - b).slice(0, shape.quorum);
  return {
    signers: bitmapOf(signers, devices.length),
    signatures: concat(...signers.map((index) => state.signatures.get(index)!)),
  };
}

function close(
  state: ServerState,
  step: {
    readonly from: ServerState["phase"];
    readonly to: ServerState["phase"];
    readonly members: Iterable<number>;
  },
): SumOutcome<readonly DeviceId[]> {
  if (state.phase !== step.from) {
    return refused("wrongPhase", `Cannot end ${step.from}: the sum is ${state.phase}`);
  }
  const { view } = state.roster!;
  const members = [...step.members].sort((a, b) => a - b);
  if (members.length < view.shape.quorum) {
    return refused(
      "tooFew",
      `Cannot end ${step.from}: ${members.length} of ${view.devices.length} devices are left, expected at least ${view.shape.quorum}`,
    );
  }
  state.phase = step.to;
  return { ok: true, value: members.map((index) => view.devices[index]!) };
}
