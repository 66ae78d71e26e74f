/**
 * Whether a published sum is the sum of the vectors that went into it. Once the coordinator has committed to a sum X by the hash of what it will publish, that
 * hash chooses `CHECKS` random subsets of the vector's places. Each survivor says, for each subset, what its own vector adds up to there, modulo
 * 2^bits, and signs it; what all say must add up to what X has there. A sum with one wrong number agrees in a subset with a chance of at
 * most a half (the subset is uniform, and changes its total in one of two ways), so in all of them with at most 2^−96. These are random
 * linear combinations in the manner of Freivalds 1977, made non-interactive by the hash (Fiat and Shamir 1986). Whoever lies about its own totals adds the
 * difference to the sum, as if it had handed in another vector; nobody can take away or change what the others have given.
 *
 * A survivor speaks of its vector without its self-mask and without the masks of those who dropped out, z = y − PRG(b) − Σ ±PRG(s): the rest
 * cancels in the sum. That is a vector the coordinator can make itself since all shares are revealed, so nobody learns anything new by it, however often it is asked; which
 * is why nothing is said before revealing.
 */
import { domainSeparated } from "../../protocols/domains.ts";
import type { Crypto, MaskStream } from "../../platform/ports.ts";
import { hasBit, indicesOf } from "./bitmap.ts";
import type { MaskedState } from "./client_state.ts";
import type { SumDependencies, SurvivorClaim } from "./contract.ts";
import { pairOrder } from "./client.ts";
import type { MaskOrder } from "./mask_keys.ts";
import type { MaskWork } from "./mask_work.ts";
import { maskOf, pack, packedBytes, unpack } from "./packing.ts";
import { type RosterView, rosterView } from "./roster.ts";
import { sumCheckKey } from "./transcripts.ts";

/** Subsets that are compared. */
export const CHECKS = 96;
const WORDS_PER_NUMBER = CHECKS / 32;
const BYTES_PER_NUMBER = CHECKS / 8;
/** Numbers whose subsets are drawn at once; a multiple of 16, so that each piece begins with a block of the key stream. */
const PIECE = 4_096;
/** Numbers that are gone through between two turns of everything else: some milliseconds. */
const NUMBERS_AT_ONCE = 16 * PIECE;
const STREAM_WORDS_PER_BLOCK = 16;

/** What is confirmed: this sum, of these vectors. */
export interface OpenedSum {
  /** Hash of the roster. */
  readonly roster: Uint8Array;
  readonly claim: Pick<SurvivorClaim, "survivors" | "inputsRoot">;
  /** SHA-256 of what is published, 32 bytes. */
  readonly aggregate: Uint8Array;
}

/** What one survivor says. */
export interface Confirmation {
  /** `CHECKS` totals modulo 2^bits, packed: `confirmationBytes(bits)`. */
  readonly totals: Uint8Array;
  /** Ed25519, 64 bytes, over `confirmationMessage`. */
  readonly signature: Uint8Array;
}

/** Bytes of a confirmation's totals. */
export function confirmationBytes(bits: number): number {
  return packedBytes(CHECKS, bits);
}

/** What a survivor signs. */
export function confirmationMessage(
  { roster, claim, aggregate }: OpenedSum,
  totals: Uint8Array,
): Uint8Array<ArrayBuffer> {
  return domainSeparated(
    "sumConfirmed",
    roster,
    claim.survivors,
    claim.inputsRoot,
    aggregate,
    totals,
  );
}

/** The totals of a vector's numbers modulo 2^bits over the subsets that belong to `opened`, in turns with everything else. */
export async function checkTotals(
  numbers: Uint32Array,
  { opened, bits }: { readonly opened: OpenedSum; readonly bits: number },
  deps: {
    readonly crypto: Pick<Crypto, "sha256">;
    readonly masks: MaskStream;
    readonly pause: () => Promise<void>;
  },
): Promise<Uint32Array<ArrayBuffer>> {
  const key = sumCheckKey(deps.crypto, opened);
  // One place for each value of each byte of a number's subset bits: twelve additions a number instead of ninety-six.
  const counts = new Uint32Array(BYTES_PER_NUMBER * 256);
  for (let from = 0; from < numbers.length; from += NUMBERS_AT_ONCE) {
    const to = Math.min(numbers.length, from + NUMBERS_AT_ONCE);
    for (let at = from; at < to; at += PIECE) {
      countPiece(counts, numbers.subarray(at, Math.min(to, at + PIECE)), {
        key,
        first: at,
        masks: deps.masks,
      });
    }
    await deps.pause();
  }
  return totalsOf(counts, bits);
}

function countPiece(
  counts: Uint32Array,
  numbers: Uint32Array,
  { key, first, masks }: {
    readonly key: Uint8Array;
    readonly first: number;
    readonly masks: MaskStream;
  },
): void {
  const subsets = new Uint32Array(numbers.length * WORDS_PER_NUMBER);
  const counter = first * WORDS_PER_NUMBER / STREAM_WORDS_PER_BLOCK;
  masks.apply({ key, target: subsets, sign: 1, counter });
  for (let i = 0, word = 0; i < numbers.length; i++) {
    const value = numbers[i]!;
    for (let row = 0; row < counts.length; row += 1_024, word++) {
      const bits = subsets[word]!;
      counts[row + (bits & 255)]! += value;
      counts[row + 256 + (bits >>> 8 & 255)]! += value;
      counts[row + 512 + (bits >>> 16 & 255)]! += value;
      counts[row + 768 + (bits >>> 24)]! += value;
    }
  }
}

/** Subset 8b + t has the numbers whose byte b has bit t. */
function totalsOf(counts: Uint32Array, bits: number): Uint32Array<ArrayBuffer> {
  const totals = new Uint32Array(CHECKS);
  for (let check = 0; check < CHECKS; check++) {
    const row = (check >>> 3) * 256;
    const bit = 1 << (check & 7);
    for (let byte = 0; byte < 256; byte++) {
      if ((byte & bit) !== 0) totals[check]! += counts[row + byte]!;
    }
  }
  const mask = maskOf(bits);
  return totals.map((total) => total & mask);
}

/** What a survivor remembers of its part, from its masked vector on: what it takes the rest of the masks off with. Secret. */
export type ConfirmingState = Omit<MaskedState, "phase" | "input">;

/**
 * What a survivor that has revealed says of the sum of those for whom it has signed `claim`: its totals and its signature. `packed` is its masked
 * vector. Undefined when that and the state do not fit.
 */
export async function confirmSum(
  state: ConfirmingState,
  { aggregate, claim, packed }: Omit<OpenedSum, "roster"> & { readonly packed: Uint8Array },
  deps: SumDependencies & {
    readonly maskWork: MaskWork;
    readonly sign: (message: Uint8Array) => Uint8Array;
  },
): Promise<Confirmation | undefined> {
  const view = rosterView(state, deps);
  if (!view.ok) return undefined;
  const { bits, length: count } = state.round;
  const numbers = unpack(packed, { count, bits });
  const orders = leftOver(state, view.value, claim.survivors);
  if (numbers === undefined || orders === undefined) return undefined;
  await deps.maskWork.apply(numbers, await deps.maskWork.keys(orders));
  const opened: OpenedSum = { roster: view.value.hash, claim, aggregate };
  const pause = () => deps.maskWork.pause();
  const totals = pack(await checkTotals(numbers, { opened, bits }, { ...deps, pause }), bits);
  return { totals, signature: deps.sign(confirmationMessage(opened, totals)) };
}

/** The masks on a survivor's vector that no other survivor's cancel, with the signs that take them off. */
function leftOver(
  state: ConfirmingState,
  view: RosterView,
  survivors: Uint8Array,
): readonly MaskOrder[] | undefined {
  const index = view.indexOf.get(state.device)!;
  const neighbours = view.neighbours(index);
  const orders = indicesOf(state.present, neighbours.length)
    ?.filter((i) => !hasBit(survivors, neighbours[i]!))
    .map((i) => pairOrder(state, { view, index, neighbour: neighbours[i]!, at: i }))
    .map((order): MaskOrder => ({ ...order, sign: order.sign === 1 ? -1 : 1 }));
  return orders && [...orders, { type: "self", roster: view.hash, seed: state.seed, sign: -1 }];
}

/** True when the survivors' totals add up to the sum's. */
export function addsUp(
  confirmations: readonly Pick<Confirmation, "totals">[],
  { totals, bits }: { readonly totals: Uint32Array; readonly bits: number },
): boolean {
  const said = new Uint32Array(CHECKS);
  for (const one of confirmations) {
    const values = unpack(one.totals, { count: CHECKS, bits });
    if (values === undefined) return false;
    for (let check = 0; check < CHECKS; check++) said[check]! += values[check]!;
  }
  const mask = maskOf(bits);
  return totals.every((total, check) => total === ((said[check]! & mask) >>> 0));
}
