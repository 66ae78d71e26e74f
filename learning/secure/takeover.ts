/**
 * A coordinator dies after survivors were signed: another one must finish this very attempt, because the devices that signed join no
 * other. It asks every device what it holds, and builds the state anew from the answers. Before survivors are signed there is nothing to
 * take over: a new attempt is cheaper, and as safe.
 */
import { equalBytes } from "../../protocols/codec.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import { hasBit, indicesOf } from "./bitmap.ts";
import { advertisementProblem } from "./checks.ts";
import type { ClientState } from "./client_state.ts";
import type {
  Advertisement,
  KeyShares,
  MaskedInput,
  SumDependencies,
  SumOutcome,
  SumRound,
  SurvivorClaim,
} from "./contract.ts";
import { merkleLevels, merkleRoot } from "./merkle.ts";
import { refused, type RosterView, rosterView } from "./roster.ts";
import { acceptMaskedInput } from "./server.ts";
import { openSum, type ServerState } from "./server_state.ts";
import { advertisedLeaf, roundHash } from "./transcripts.ts";

/** What a device says it holds of an attempt: all of it was sent to a coordinator before, none of it is secret. */
export interface Testimony {
  /** Roster and root as it was told them. */
  readonly devices: Uint8Array;
  readonly root: Uint8Array;
  readonly advertisement: Advertisement;
  /** Its neighbours' keys, in roster order. */
  readonly neighbours: readonly Advertisement[];
  readonly shares: KeyShares;
  /** Which neighbours had shared keys, and the vector under its masks. */
  readonly present: Uint8Array;
  readonly input: MaskedInput;
  /** The survivors it signed; null when it was not asked yet. */
  readonly claim: Pick<SurvivorClaim, "survivors" | "inputsRoot"> | null;
}

/** What a device answers; undefined before it masked a vector, when there is nothing worth taking over. */
export function testimonyOf(state: ClientState): Testimony | undefined {
  if (state.phase === "advertised" || state.phase === "shared") return undefined;
  const { devices, root, advertisement, neighbours, shares, present, input } = state;
  const claim = state.phase === "masked"
    ? null
    : { survivors: state.claim.survivors, inputsRoot: state.claim.inputsRoot };
  return { devices, root, advertisement, neighbours, shares, present, input, claim };
}

/**
 * The state of a coordinator that waits for signatures, from what the devices hold. Refused, naming what is missing, when no survivors were
 * signed, when a survivor's vector is gone with the old coordinator, or when keys are missing. Testimonies that contradict the signed
 * roster are left out, like those of devices that are not in it.
 */
export function takeOver(
  round: SumRound,
  testimonies: ReadonlyMap<DeviceId, Testimony>,
  deps: SumDependencies,
): SumOutcome<ServerState> {
  const chosen = signedRoster(round, testimonies, deps);
  if (!chosen.ok) return chosen;
  const { view, testimony } = chosen.value;
  const claim = testimony.claim!;
  const made = openSum(round);
  if (!made.ok) return made;
  const state = made.value;
  const fitting = [...testimonies].filter(([device, one]) =>
    view.indexOf.has(device) && equalBytes(one.devices, testimony.devices) &&
    equalBytes(one.root, testimony.root) && fits(one, view, view.indexOf.get(device)!)
  );
  collectKeys(state, { view, fitting }, deps);
  const missing = view.devices.find((device) => !state.advertisements.has(device));
  if (missing !== undefined) {
    return refused("tooFew", `Cannot take over: nobody holds the keys of ${missing}`, missing);
  }
  const levels = merkleLevels(
    deps.crypto,
    view.devices.map((device) => advertisedLeaf(device, state.advertisements.get(device)!)),
  );
  if (!equalBytes(merkleRoot(levels), testimony.root)) {
    return refused("badProof", "Cannot take over: the keys are not those of the signed roster");
  }
  state.roster = { view, devices: testimony.devices, levels };
  for (const [device, one] of fitting) {
    const index = view.indexOf.get(device)!;
    state.shares.set(index, one.shares);
    // A neighbour that has not answered shared keys all the same if others heard of it; its message is gone.
    view.neighbours(index).forEach((neighbour, place) => {
      if (hasBit(one.present, place) && !state.shares.has(neighbour)) {
        state.shares.set(neighbour, undefined);
      }
    });
  }
  return sumInputs(state, { view, fitting: new Map(fitting), claim }, deps);
}

/** The roster under which survivors were signed. Two can exist only if a coordinator made them; the devices' quorum decides between them. */
function signedRoster(
  round: SumRound,
  testimonies: ReadonlyMap<DeviceId, Testimony>,
  deps: SumDependencies,
): SumOutcome<{ readonly view: RosterView; readonly testimony: Testimony }> {
  const votes = new Map<string, { count: number; readonly testimony: Testimony }>();
  for (const testimony of testimonies.values()) {
    if (testimony.claim === null) continue;
    const { survivors, inputsRoot } = testimony.claim;
    const name = deps.crypto.sha256(
      deps.crypto.sha256(testimony.devices),
      testimony.root,
      inputsRoot,
      survivors,
    ).toHex();
    const vote = votes.get(name);
    if (vote === undefined) votes.set(name, { count: 1, testimony });
    else vote.count++;
  }
  const [best] = [...votes.values()].sort((a, b) => b.count - a.count);
  if (best === undefined) {
    return refused("wrongPhase", "Cannot take over: nobody signed survivors; begin a new attempt");
  }
  const { testimony } = best;
  const view = rosterView({ round, devices: testimony.devices, root: testimony.root }, deps);
  return view.ok ? { ok: true, value: { view: view.value, testimony } } : view;
}

function fits(testimony: Testimony, view: RosterView, index: number): boolean {
  const { degree } = view.shape;
  return testimony.neighbours.length === degree &&
    indicesOf(testimony.present, view.neighbours(index).length) !== undefined;
}

/** Everybody's keys, from themselves or from a neighbour; each is signed by its device. */
function collectKeys(
  state: ServerState,
  parts: {
    readonly view: RosterView;
    readonly fitting: readonly (readonly [DeviceId, Testimony])[];
  },
  deps: SumDependencies,
): void {
  const hash = roundHash(deps.crypto, state.round);
  const take = (device: DeviceId, advertisement: Advertisement) => {
    if (state.advertisements.has(device)) return;
    if (advertisementProblem({ device, round: hash, advertisement }, deps) === undefined) {
      state.advertisements.set(device, advertisement);
    }
  };
  for (const [device, one] of parts.fitting) take(device, one.advertisement);
  for (const [device, one] of parts.fitting) {
    const index = parts.view.indexOf.get(device)!;
    parts.view.neighbours(index).forEach((neighbour, place) =>
      take(parts.view.devices[neighbour]!, one.neighbours[place]!)
    );
  }
}

/** Adds up the survivors' vectors again and checks that they are the signed ones. */
function sumInputs(
  state: ServerState,
  parts: {
    readonly view: RosterView;
    readonly fitting: ReadonlyMap<DeviceId, Testimony>;
    readonly claim: NonNullable<Testimony["claim"]>;
  },
  deps: SumDependencies,
): SumOutcome<ServerState> {
  const { view, fitting, claim } = parts;
  const survivors = indicesOf(claim.survivors, view.devices.length);
  if (survivors === undefined || survivors.length < view.shape.quorum) {
    return refused("malformed", "Cannot take over: the signed survivors are no set of a quorum");
  }
  state.phase = "masking";
  for (const index of survivors) {
    const device = view.devices[index]!;
    const input = fitting.get(device)?.input;
    if (input === undefined) {
      return refused(
        "tooFew",
        `Cannot take over: the vector of ${device} is in the signed sum, and it does not answer`,
        device,
      );
    }
    const added = acceptMaskedInput(state, device, input, deps);
    if (!added.ok) return added;
  }
  const levels = merkleLevels(deps.crypto, survivors.map((index) => state.inputs.get(index)!.leaf));
  if (!equalBytes(merkleRoot(levels), claim.inputsRoot)) {
    return refused("badProof", "Cannot take over: the vectors are not those that were signed");
  }
  state.claim = {
    survivors: claim.survivors,
    levels,
    ranks: new Map(survivors.map((index, rank) => [index, rank])),
  };
  state.phase = "signing";
  return { ok: true, value: state };
}
