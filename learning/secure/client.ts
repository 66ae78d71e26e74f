/**
 * A device's part in a secure sum. Each step takes the state and what the coordinator said, and gives the next state and what to answer.
 * The same question again gets the same answer, byte for byte. From the masked vector on, store what is to be kept of the state
 * (`kept_state.ts`) before answering; signing and revealing go on from either.
 *
 * Invariants, whatever the coordinator says:
 * - of one neighbour it reveals the share of the self-mask seed or the share of the mask secret, never both;
 * - it signs one survivor set, reveals for no other, and takes no part in a further attempt at the round once it has signed: two sums
 *   of one round could differ by a single vector;
 * - it signs no survivors below the quorum, and none among whom fewer of its own neighbours are than a secret needs;
 * - it reveals nothing before a quorum of the roster has signed the same run, round, attempt, model, roster, survivors and inputs.
 */
import { invariant } from "../../platform/invariant.ts";
import { equalBytes } from "../../protocols/codec.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import { agreedOnce, hasLowOrder, keyPairOf } from "./agreements.ts";
import { hasBit, indicesOf } from "./bitmap.ts";
import { claimProblem, neighboursProblem, requestProblem } from "./checks.ts";
import type { ClientState, JoinedState, MaskedState, SignedState } from "./client_state.ts";
import type { KeptSignedState, KeptState } from "./kept_state.ts";
import type {
  Advertisement,
  KeyShares,
  MaskedInput,
  ReceivedShares,
  Reveal,
  Roster,
  SumClientDependencies,
  SumDependencies,
  SumOutcome,
  SumRound,
  SurvivorClaim,
  SurvivorSignature,
  UnmaskRequest,
} from "./contract.ts";
import { SEALED_SHARE_BYTES } from "./contract.ts";
import { commitmentsIn } from "./forged_shares.ts";
import { assumptionProblem } from "./graph.ts";
import { merkleHolds } from "./merkle.ts";
import type { MaskOrder } from "./mask_keys.ts";
import { pack } from "./packing.ts";
import { refused, type RosterView, rosterView, roundProblem } from "./roster.ts";
import { SECRET_BYTES, splitSecret } from "./shamir.ts";
import { openShares, sealShares } from "./shares.ts";
import {
  advertisedLeaf,
  advertisedMessage,
  commitment,
  COMMITTED,
  concat,
  dealtMessage,
  roundHash,
  survivorsMessage,
} from "./transcripts.ts";

/** A step's result: the state to store first, then the message to send. */
export interface ClientStep<State, Message> {
  readonly state: State;
  readonly message: Message;
}

/** A step from a whole state gives a whole one, a step from what was kept gives what is to be kept. */
type Same<State> = State extends KeptState ? KeptState : ClientState;

/**
 * Draws fresh keys for an attempt. `previous` is this device's state of any earlier attempt at the same round: refused when that
 * went so far that a second sum could betray somebody, or when the attempt is not a later one.
 */
export function advertise(
  options: {
    readonly round: SumRound;
    readonly device: DeviceId;
    readonly previous?: ClientState | KeptState;
  },
  deps: SumClientDependencies,
): SumOutcome<ClientStep<ClientState, Advertisement>> {
  const { round, device, previous } = options;
  const problem = roundProblem(round) ?? assumptionProblem(round.assumptions);
  if (problem !== undefined) return refused("malformed", problem);
  if (
    previous !== undefined && previous.round.run === round.run &&
    previous.round.round >= round.round
  ) {
    if (previous.round.round > round.round || previous.round.attempt >= round.attempt) {
      return refused(
        "wrongPhase",
        `Cannot join round ${round.round}, attempt ${round.attempt}: already in round ${previous.round.round}, attempt ${previous.round.attempt}`,
      );
    }
    if (previous.phase === "signed" || previous.phase === "revealed") {
      return refused(
        "otherSurvivors",
        `Cannot join attempt ${round.attempt} at round ${round.round}: survivors of attempt ${previous.round.attempt} are signed; only that attempt can be finished`,
      );
    }
  }
  const maskSecret = deps.random.bytes(SECRET_BYTES);
  const shareSecret = deps.random.bytes(SECRET_BYTES);
  const keys = {
    maskKey: keyPairOf(deps.crypto, maskSecret).publicKey,
    shareKey: keyPairOf(deps.crypto, shareSecret).publicKey,
  };
  const signature = deps.sign(advertisedMessage(roundHash(deps.crypto, round), keys));
  const advertisement = { ...keys, signature };
  return {
    ok: true,
    value: {
      state: { phase: "advertised", round, device, maskSecret, shareSecret, advertisement },
      message: advertisement,
    },
  };
}

/** Checks the roster and shares both secrets among the neighbours. */
export function shareKeys(
  state: ClientState,
  roster: Roster,
  deps: SumClientDependencies,
): SumOutcome<ClientStep<ClientState, KeyShares>> {
  if (state.phase !== "advertised") {
    return equalBytes(state.devices, roster.devices) && equalBytes(state.root, roster.root)
      ? { ok: true, value: { state, message: state.shares } }
      : refused("duplicate", "Cannot share keys: another roster was told before");
  }
  const view = rosterView({ round: state.round, ...roster }, deps);
  if (!view.ok) return view;
  const { devices, indexOf, shape, hash } = view.value;
  const index = indexOf.get(state.device);
  if (index === undefined) {
    return refused("notMe", "Cannot share keys: this device is not in the roster");
  }
  const leaf = advertisedLeaf(state.device, state.advertisement);
  if (
    !merkleHolds(deps.crypto, {
      root: roster.root,
      proof: roster.proof,
      leaf,
      index,
      count: devices.length,
    })
  ) {
    return refused("badProof", "Cannot share keys: the roster does not hold this device's keys");
  }
  const neighbours = view.value.neighbours(index);
  const checked = neighboursProblem({ state, view: view.value, roster, neighbours }, deps);
  if (checked !== undefined) return checked;
  const seed = deps.random.bytes(SECRET_BYTES);
  const split = (secret: Uint8Array) =>
    splitSecret(secret, {
      threshold: shape.threshold,
      count: neighbours.length,
      random: deps.random,
    });
  const seedShares = split(seed);
  const maskShares = split(state.maskSecret);
  const sealed: Uint8Array[] = [];
  for (const [i, neighbour] of neighbours.entries()) {
    const device = devices[neighbour]!;
    const { shareKey, maskKey } = roster.neighbours[i]!;
    const secret = agreedOnce(deps.crypto, state.shareSecret, shareKey);
    if (secret === undefined || hasLowOrder(maskKey)) {
      return refused("badKey", `Cannot share keys: a key of ${device} has low order`, device);
    }
    sealed.push(sealShares({
      agreed: secret,
      roster: hash,
      owner: state.device,
      holder: device,
      seedShare: seedShares[i]!,
      maskShare: maskShares[i]!,
    }, deps.crypto));
  }
  const seedCommitment = commitment(deps.crypto, {
    roster: hash,
    kind: COMMITTED.seed,
    owner: state.device,
    holder: state.device,
    value: seed,
  });
  const dealt = concat(...sealed);
  const signature = deps.sign(
    dealtMessage(hash, { seedCommitment, commitments: commitmentsIn(dealt) }),
  );
  const shares: KeyShares = { sealed: dealt, seedCommitment, signature };
  return {
    ok: true,
    value: {
      state: {
        ...state,
        phase: "shared",
        devices: roster.devices,
        root: roster.root,
        neighbours: roster.neighbours,
        seed,
        shares,
      },
      message: shares,
    },
  };
}

/** What is left of masking a vector, for somebody who has other cores for it. */
export interface PreparedMasks {
  /** To be applied to the vector; none when it was masked before. */
  readonly orders: readonly MaskOrder[];
  /** The step, from the vector with all masks applied. Not to be called with another vector a second time. */
  readonly finish: (masked: Uint32Array) => ClientStep<ClientState, MaskedInput>;
}

/** Reads the neighbours' shares: what is left is to put the masks on the vector, whose `length` numbers are taken modulo 2^bits. */
export function prepareMasks(
  state: ClientState,
  received: ReceivedShares,
  deps: SumDependencies,
): SumOutcome<PreparedMasks> {
  if (state.phase === "advertised") {
    return refused("wrongPhase", "Cannot mask a vector: keys are not shared yet");
  }
  if (state.phase !== "shared") {
    return equalBytes(state.present, received.present)
      ? { ok: true, value: { orders: [], finish: () => ({ state, message: state.input }) } }
      : refused("duplicate", "Cannot mask a vector: other shares were told before");
  }
  const view = viewOf(state, deps);
  const index = view.indexOf.get(state.device)!;
  const neighbours = view.neighbours(index);
  const present = indicesOf(received.present, neighbours.length);
  if (present === undefined || received.sealed.length !== present.length * SEALED_SHARE_BYTES) {
    return refused(
      "malformed",
      `Cannot read ${received.sealed.length} bytes of shares: expected ${SEALED_SHARE_BYTES} for each neighbour that sent some`,
    );
  }
  if (present.length < view.shape.threshold) {
    return refused(
      "tooFew",
      `Cannot mask a vector: ${present.length} neighbours shared keys, expected at least ${view.shape.threshold}`,
    );
  }
  const opened = openShares({ state, view, present, sealed: received.sealed }, deps.crypto);
  const orders = present.map((i): MaskOrder =>
    pairOrder(state, { view, index, neighbour: neighbours[i]!, at: i })
  );
  orders.push({ type: "self", roster: view.hash, seed: state.seed, sign: 1 });
  const finish: PreparedMasks["finish"] = (masked) => {
    invariant(
      masked.length === state.round.length,
      () => `Cannot mask ${masked.length} numbers: the round sums ${state.round.length}`,
    );
    const input: MaskedInput = {
      packed: pack(masked, state.round.bits),
      unreadable: opened.unreadable,
    };
    return {
      state: {
        ...state,
        phase: "masked",
        present: received.present,
        held: opened.held,
        heldShares: opened.shares,
        input,
      },
      message: input,
    };
  };
  return { ok: true, value: { orders, finish } };
}

/** The mask that a device shares with the neighbour at place `at` among its neighbours, as the device puts it on. Keys of low order were refused with the roster. */
export function pairOrder(
  state: Pick<MaskedState, "device" | "maskSecret" | "neighbours">,
  { view, index, neighbour, at }: {
    readonly view: RosterView;
    readonly index: number;
    readonly neighbour: number;
    readonly at: number;
  },
): MaskOrder {
  const isFirst = index < neighbour;
  const other = view.devices[neighbour]!;
  return {
    type: "pair",
    roster: view.hash,
    secret: state.maskSecret,
    publicKey: state.neighbours[at]!.maskKey,
    earlier: isFirst ? state.device : other,
    later: isFirst ? other : state.device,
    sign: isFirst ? 1 : -1,
  };
}

/** Signs the survivors, once. */
export function signSurvivors<State extends ClientState | KeptState>(
  state: State,
  claim: SurvivorClaim,
  deps: SumClientDependencies,
): SumOutcome<ClientStep<Same<State>, SurvivorSignature>>;
export function signSurvivors(
  state: ClientState | KeptState,
  claim: SurvivorClaim,
  deps: SumClientDependencies,
): SumOutcome<ClientStep<ClientState | KeptState, SurvivorSignature>> {
  if (state.phase === "advertised" || state.phase === "shared") {
    return refused("wrongPhase", "Cannot sign survivors: no masked vector was sent");
  }
  if (state.phase !== "masked") {
    return equalBytes(state.claim.survivors, claim.survivors) &&
        equalBytes(state.claim.inputsRoot, claim.inputsRoot)
      ? { ok: true, value: { state, message: { signature: state.signature } } }
      : refused("otherSurvivors", "Cannot sign survivors: others were signed for this round");
  }
  const view = viewOf(state, deps);
  const inputHash = "inputHash" in state ? state.inputHash : deps.crypto.sha256(state.input.packed);
  const problem = claimProblem({ ...state, inputHash }, claim, view, deps);
  if (problem !== undefined) return problem;
  const signature = deps.sign(survivorsMessage(view.hash, claim));
  return {
    ok: true,
    value: { state: { ...state, phase: "signed", claim, signature }, message: { signature } },
  };
}

/** Gives the shares that unmask the sum of the signed survivors, and no others. */
export function reveal<State extends ClientState | KeptState>(
  state: State,
  request: UnmaskRequest,
  deps: SumDependencies,
): SumOutcome<ClientStep<Same<State>, Reveal>>;
export function reveal(
  state: ClientState | KeptState,
  request: UnmaskRequest,
  deps: SumDependencies,
): SumOutcome<ClientStep<ClientState | KeptState, Reveal>> {
  // Whoever revealed has seen a quorum for its one survivor set: the answer stays the same.
  if (state.phase === "revealed") {
    return { ok: true, value: { state, message: revealOf(state, deps) } };
  }
  if (state.phase !== "signed") {
    return refused("wrongPhase", "Cannot reveal shares: no survivors are signed");
  }
  const view = viewOf(state, deps);
  const problem = requestProblem({ view, claim: state.claim, request }, deps);
  if (problem !== undefined) return problem;
  const next = { ...state, phase: "revealed" as const };
  return { ok: true, value: { state: next, message: revealOf(next, deps) } };
}

function revealOf(state: SignedState | KeptSignedState, deps: SumDependencies): Reveal {
  const view = viewOf(state, deps);
  const neighbours = view.neighbours(view.indexOf.get(state.device)!);
  const held = indicesOf(state.held, neighbours.length)!;
  const shares = held.map((i, at) => {
    const start = at * 2 * SECRET_BYTES +
      (hasBit(state.claim.survivors, neighbours[i]!) ? 0 : SECRET_BYTES);
    return state.heldShares.subarray(start, start + SECRET_BYTES);
  });
  return { shares: concat(...shares) };
}

function viewOf(
  state: JoinedState | KeptState,
  deps: Pick<SumDependencies, "crypto" | "masks">,
): RosterView {
  const view = rosterView(state, deps);
  invariant(view.ok, "Cannot read the roster that was checked before");
  return view.value;
}
