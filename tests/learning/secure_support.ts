/** A secure sum played through in memory: devices that fall away when the test says so, and a coordinator in between. */
import assert from "node:assert/strict";
import { nodeMaskStream } from "../../platform/mask_stream.ts";
import { nodeCrypto, nodeSigner } from "../../platform/node_crypto.ts";
import type { Random } from "../../platform/ports.ts";
import { concat } from "../../learning/secure/transcripts.ts";
import { equalBytes } from "../../protocols/codec.ts";
import { seededRandom } from "../../platform/seeded_random.ts";
import * as client from "../../learning/secure/client.ts";
import type { ClientState } from "../../learning/secure/client_state.ts";
import {
  decodeKeptState,
  encodeKeptState,
  type KeptState,
  keptState,
} from "../../learning/secure/kept_state.ts";
import {
  type Assumptions,
  DEFAULT_ASSUMPTIONS,
  type SumClientDependencies,
  type SumDependencies,
  type SumOutcome,
  type SumRound,
} from "../../learning/secure/contract.ts";
import * as server from "../../learning/secure/server.ts";
import { openSum, type ServerState } from "../../learning/secure/server_state.ts";
import * as unmask from "../../learning/secure/unmask.ts";
import type { BlockId, ContentHash, DeviceId } from "../../protocols/ids.ts";
import { deviceIdOf, publicKeyOf } from "../../protocols/ids.ts";
import { closeReveals, maskInput, unmaskStep } from "./secure_steps.ts";

const node = nodeCrypto({ workersMax: 0 });
const verdicts = new Map<string, boolean>();

/** The real thing; verdicts on signatures are remembered, because all devices of a test check the same ones. */
export const DEPENDENCIES: SumDependencies = {
  crypto: node,
  masks: nodeMaskStream(),
  verify(device, message, signature) {
    const name = `${device} ${signature.toHex()} ${node.sha256Hex(message)}`;
    const known = verdicts.get(name);
    if (known !== undefined) return known;
    const verdict = node.verify({ publicKey: publicKeyOf(device), message, signature });
    verdicts.set(name, verdict);
    return verdict;
  },
};

/** 32 bytes that follow from 64 bits over all bytes: a third of the time that SHA-256 of so few bytes takes, with all that goes with calling it. */
function toyHash(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  let [a, b] = [0x811c9dc5, 0x9e3779b9];
  for (const part of parts) {
    for (let i = 0; i < part.length; i++) {
      a = Math.imul(a ^ part[i]!, 0x01000193);
      b = Math.imul(b ^ part[i]!, 0x85ebca6b) ^ (a >>> 15);
    }
  }
  const words = new Uint32Array(8);
  for (let i = 0; i < 8; i++) {
    a = Math.imul(a ^ (b >>> 13), 0xc2b2ae35);
    b = Math.imul(b ^ (a >>> 16), 0x27d4eb2f) + i;
    words[i] = a ^ b;
  }
  return new Uint8Array(words.buffer);
}

/**
 * Hashes in place of agreements, signatures, key derivation and encryption, quick and without any secrecy: for runs that count sums. The
 * agreement of two toy keys follows from both public halves, and a toy signature from the public key.
 */
export const TOY: SumDependencies = {
  crypto: {
    sha256: toyHash,
    hkdf: ({ secret, salt, info }) => toyHash(secret, salt, info),
    seal: ({ key, plaintext }) => concat(plaintext, key.subarray(0, 16)),
    open: ({ key, ciphertext }) =>
      equalBytes(ciphertext.subarray(-16), key.subarray(0, 16))
        ? ciphertext.slice(0, -16)
        : undefined,
    agreementKeyPair(random) {
      const publicKey = toyHash(random.bytes(32));
      return {
        publicKey,
        agree: (other) => publicKey.map((byte, i) => byte ^ other[i]!),
      };
    },
  },
  masks: nodeMaskStream(),
  verify: (device, message, signature) => equalBytes(toySignature(device, message), signature),
};

function toySignature(device: DeviceId, message: Uint8Array): Uint8Array {
  const half = toyHash(publicKeyOf(device), message);
  return concat(half, half);
}

/** One device of the play. */
export interface Player {
  readonly device: DeviceId;
  readonly deps: SumClientDependencies;
  state: ClientState | undefined;
  /** What it has left after a restart; then this goes on instead of `state`. */
  kept?: KeptState;
}

/** Devices with keys that follow from the seed. */
export function players(
  count: number,
  options: { readonly seed: string | number; readonly deps?: SumDependencies },
): Player[] {
  const deps = options.deps ?? DEPENDENCIES;
  const random = seededRandom(options.seed);
  return Array.from({ length: count }, (_, i) => {
    const signer = nodeSigner(random.fork(`identity ${i}`).bytes(32));
    const device = deviceIdOf(signer.publicKey);
    const sign = deps === TOY
      ? (message: Uint8Array) => toySignature(device, message)
      : signer.sign;
    return {
      device,
      state: undefined,
      deps: { ...deps, sign, random: random.fork(`device ${i}`) },
    };
  });
}

/** A round to sum in. */
export function sumRound(changes: Partial<SumRound> = {}): SumRound {
  return {
    run: "11".repeat(32) as BlockId,
    round: 3,
    attempt: 0,
    modelHash: "22".repeat(32) as ContentHash,
    length: 5,
    bits: 20,
    assumptions: DEFAULT_ASSUMPTIONS,
    ...changes,
  };
}

/** Assumptions under which 28 devices already have a sparse graph. */
export const LAX: Assumptions = {
  corruptPermille: 50,
  dropoutPermille: 300,
  privacyBits: 20,
  completionBits: 10,
};

/** The phases after which a device may be gone. */
export type Phase = "advertise" | "share" | "mask" | "sign" | "reveal";
export const PHASES: readonly Phase[] = ["advertise", "share", "mask", "sign", "reveal"];

/** What the outside can do to a play. */
export interface Play {
  readonly round: SumRound;
  readonly players: readonly Player[];
  /** A player's vector. */
  readonly values: (index: number) => Uint32Array<ArrayBuffer>;
  /** False: this player says nothing in this phase and after. */
  readonly present?: (index: number, phase: Phase) => boolean;
  /** Restarts every device between steps, from when its vector is masked: it goes on with what it has kept. */
  readonly restart?: boolean;
}

/** Where the play ended. */
export type Ending =
  | {
    readonly ended: "sum";
    readonly sum: Uint32Array;
    readonly survivors: readonly DeviceId[];
    readonly server: ServerState;
  }
  | { readonly ended: Phase; readonly outcome: SumOutcome<unknown>; readonly server: ServerState };

/** The value of an outcome that the test expects to be good. */
export function good<T>(outcome: SumOutcome<T>): T {
  assert.ok(outcome.ok, outcome.ok ? "" : `${outcome.refusal}: ${outcome.detail}`);
  return outcome.value;
}

/** Plays the sum to its end, or to where too few were left. */
export function play(options: Play): Ending {
  const { round, players, present = () => true } = options;
  const state = good(openSum(round));
  const deps = players[0]!.deps;
  const gone = new Set<number>();
  /** Everybody who is still there does one step. */
  const each = (phase: Phase, act: (player: Player, index: number) => void) => {
    players.forEach((player, index) => {
      if (!gone.has(index) && !present(index, phase)) gone.add(index);
      if (gone.has(index)) return;
      act(player, index);
      if (options.restart === true && player.state !== undefined) restart(player);
    });
  };
  const keep = <M>(
    player: Player,
    outcome: SumOutcome<client.ClientStep<ClientState | KeptState, M>>,
  ): M => {
    const step = good(outcome);
    goOn(player, step.state);
    return step.message;
  };
  /** A device that the coordinator has left behind gets nothing any more. */
  const addressed = <M>(player: Player, message: M | undefined, act: (message: M) => void) => {
    if (message !== undefined) act(message);
    else gone.add(players.indexOf(player));
  };

  each("advertise", (player) => {
    const message = keep(player, client.advertise({ round, device: player.device }, player.deps));
    good(server.acceptAdvertisement(state, player.device, message, deps));
  });
  const roster = server.closeAdvertising(state, deps);
  if (!roster.ok) return { ended: "advertise", outcome: roster, server: state };
  each("share", (player) =>
    addressed(player, server.rosterFor(state, player.device), (told) => {
      const message = keep(player, client.shareKeys(player.state!, told, player.deps));
      good(server.acceptKeyShares(state, player.device, message));
    }));
  const shared = server.closeKeyShares(state);
  if (!shared.ok) return { ended: "share", outcome: shared, server: state };
  each(
    "mask",
    (player, index) =>
      addressed(player, server.receivedSharesFor(state, player.device), (told) => {
        const outcome = maskInput(player.state!, told, options.values(index), player.deps);
        // Too few of its neighbours are left: it gives up, which is what falling away looks like.
        if (!outcome.ok && outcome.refusal === "tooFew") return void gone.add(index);
        good(server.acceptMaskedInput(state, player.device, keep(player, outcome), deps));
      }),
  );
  const masked = server.closeMaskedInputs(state, deps);
  if (!masked.ok) return { ended: "mask", outcome: masked, server: state };
  each(
    "sign",
    (player, index) =>
      addressed(player, server.survivorClaimFor(state, player.device), (told) => {
        const outcome = client.signSurvivors(stateOf(player), told, player.deps);
        if (!outcome.ok && outcome.refusal === "tooFew") return void gone.add(index);
        good(server.acceptSurvivorSignature(state, player.device, keep(player, outcome), deps));
      }),
  );
  const signed = server.closeSurvivorSignatures(state);
  if (!signed.ok) return { ended: "sign", outcome: signed, server: state };
  each("reveal", (player) => {
    const message = keep(
      player,
      client.reveal(stateOf(player), server.unmaskRequest(state)!, player.deps),
    );
    good(unmask.acceptReveal(state, player.device, message, deps));
  });
  const work = closeReveals(state, deps);
  if (!work.ok) return { ended: "reveal", outcome: work, server: state };
  while (
    !unmaskStep(state, work.value, { max: 3 }, deps)
  ) { /* in small steps, as an actor would */ }
  const { sum, survivors } = unmask.finishSum(state, work.value);
  return { ended: "sum", sum, survivors, server: state };
}

/** What a device signs and reveals with. */
export function stateOf(player: Player): ClientState | KeptState {
  return player.kept ?? player.state!;
}

/** A step has led to this state. */
export function goOn(player: Player, state: ClientState | KeptState): void {
  if ("inputHash" in state) player.kept = state;
  else player.state = state;
}

/** The device lost power: it has what it kept. Before its vector is masked that is nothing, and it stays as it was. */
export function restart(player: Player): void {
  const state = stateOf(player);
  if (state.phase === "advertised" || state.phase === "shared") return;
  const read = decodeKeptState(encodeKeptState(keptState(state, player.deps)), player.deps);
  assert.ok(read.ok, read.ok ? "" : read.reason);
  player.kept = read.message;
}

/** Vectors that follow from the seed, and their sum modulo 2^bits over some of the players. */
export function vectors(round: SumRound, random: Random) {
  const modulus = 2 ** round.bits;
  const known = new Map<number, Uint32Array<ArrayBuffer>>();
  const of = (index: number) => {
    let vector = known.get(index);
    if (vector === undefined) {
      const own = random.fork(`vector ${index}`);
      known.set(index, vector = new Uint32Array(round.length).map(() => own.below(modulus)));
    }
    return vector.slice();
  };
  const sum = (indices: Iterable<number>) => {
    const total = new Array<number>(round.length).fill(0);
    for (const index of indices) {
      of(index).forEach((value, i) => total[i] = (total[i]! + value) % modulus);
    }
    return total;
  };
  return { of, sum };
}
