/**
 * What a device keeps of its part in a secure sum once its masked vector exists: enough to sign the survivors and to reveal, and nothing that takes
 * the masks off its own vector. Written to the disk before the vector leaves and again before the signature does, so that a device that
 * lost power goes on in the same attempt, bit by bit.
 *
 * Invariants:
 * - Its own mask secret and the seed of its self-mask are not in it, nor its vector, masked or not.
 * - Once survivors are signed, of each neighbour only the share is left that may be revealed.
 */
import { z } from "zod";
import { float64Bytes, positiveFloat64 } from "../float64.ts";
import { encodeCanonical } from "../../protocols/codec.ts";
import type { BlockId, ContentHash, DeviceId } from "../../protocols/ids.ts";
import { bytes, bytes32, decodeAs, type Decoded, signature } from "../../protocols/wire_schema.ts";
import { hasBit, indicesOf } from "./bitmap.ts";
import type { MaskedState, SignedState } from "./client_state.ts";
import {
  SUM_DEVICES_MAX,
  SUM_NEIGHBOURS_MAX,
  type SumDependencies,
  type SumRound,
  type SurvivorClaim,
} from "./contract.ts";
import { rosterView } from "./roster.ts";
import { SECRET_BYTES } from "./shamir.ts";

/** What signing and revealing need. */
interface Kept {
  readonly round: SumRound;
  readonly device: DeviceId;
  readonly devices: Uint8Array;
  readonly root: Uint8Array;
  readonly present: Uint8Array;
  readonly held: Uint8Array;
  /** As in `ClientState`; after the signature, what must not be revealed is zero. */
  readonly heldShares: Uint8Array;
  /** SHA-256 of the masked vector. */
  readonly inputHash: Uint8Array;
}

/** A masked vector is about to leave, or has left. */
export type KeptMaskedState = Kept & { readonly phase: "masked" };
/** Survivors are signed. */
export type KeptSignedState = Kept & {
  readonly phase: "signed" | "revealed";
  readonly claim: Pick<SurvivorClaim, "survivors" | "inputsRoot">;
  readonly signature: Uint8Array;
};
export type KeptState = KeptMaskedState | KeptSignedState;

/** What is kept of a state. */
export function keptState(
  state: MaskedState | SignedState | KeptState,
  deps: Pick<SumDependencies, "crypto" | "masks">,
): KeptState {
  const { round, device, devices, root, present, held, heldShares } = state;
  const inputHash = "inputHash" in state ? state.inputHash : deps.crypto.sha256(state.input.packed);
  const kept = { round, device, devices, root, present, held, heldShares, inputHash };
  if (state.phase === "masked") return { ...kept, phase: "masked" };
  const { survivors, inputsRoot } = state.claim;
  return {
    ...kept,
    phase: state.phase,
    heldShares: onlyForSurvivors({ ...kept, survivors }, deps),
    claim: { survivors, inputsRoot },
    signature: state.signature,
  };
}

/** Of a survivor the share of its seed, of another the share of its mask secret; the other one of the two is overwritten. */
function onlyForSurvivors(
  state: Kept & { readonly survivors: Uint8Array },
  deps: Pick<SumDependencies, "crypto" | "masks">,
): Uint8Array<ArrayBuffer> {
  const view = rosterView(state, deps);
  const out = state.heldShares.slice();
  if (!view.ok) return out.fill(0);
  const neighbours = view.value.neighbours(view.value.indexOf.get(state.device)!);
  indicesOf(state.held, neighbours.length)?.forEach((i, at) => {
    const other = at * 2 * SECRET_BYTES +
      (hasBit(state.survivors, neighbours[i]!) ? SECRET_BYTES : 0);
    out.fill(0, other, other + SECRET_BYTES);
  });
  return out;
}

const VERSION = 1;
/** Roster, two bitmaps and shares of the largest sum, with room for the rest. */
const KEPT_BYTES_MAX = SUM_DEVICES_MAX * 33 + SUM_NEIGHBOURS_MAX * 64 + 4_096;
const whole = (most: number) => z.int().min(0).max(most);
const hash = z.string().regex(/^[0-9a-f]{64}$/);
const neighbourSet = bytes(Math.ceil(SUM_NEIGHBOURS_MAX / 8));
const kept = {
  round: z.strictObject({
    run: hash.transform((value) => value as BlockId),
    round: whole(2 ** 32 - 1),
    attempt: whole(2 ** 32 - 1),
    modelHash: hash.transform((value) => value as ContentHash),
    length: whole(2 ** 32 - 1),
    bits: whole(32),
    assumptions: z.strictObject({
      corruptPermille: whole(1_000),
      dropoutPermille: whole(1_000),
      privacyBits: whole(255),
      completionBits: whole(255),
    }),
    tuning: positiveFloat64.optional(),
  }).transform(({ tuning, ...round }) => tuning === undefined ? round : { ...round, tuning }),
  device: z.string().regex(/^[a-z2-7]{52}$/).transform((id) => id as DeviceId),
  devices: bytes(SUM_DEVICES_MAX * 32),
  root: bytes32,
  present: neighbourSet,
  held: neighbourSet,
  heldShares: bytes(SUM_NEIGHBOURS_MAX * 2 * SECRET_BYTES),
  inputHash: bytes32,
};
const schema = z.strictObject({
  version: z.literal(VERSION),
  state: z.discriminatedUnion("phase", [
    z.strictObject({ phase: z.literal("masked"), ...kept }),
    z.strictObject({
      phase: z.enum(["signed", "revealed"]),
      ...kept,
      claim: z.strictObject({
        survivors: bytes(Math.ceil(SUM_DEVICES_MAX / 8)),
        inputsRoot: bytes32,
      }),
      signature,
    }),
  ]),
});

/** As bytes. Whoever reads them has one share of two secrets of each neighbour: store them like the identity key. */
export function encodeKeptState(state: KeptState): Uint8Array<ArrayBuffer> {
  const { tuning, ...round } = state.round;
  return encodeCanonical({
    version: VERSION,
    state: {
      ...state,
      round: tuning === undefined ? round : { ...round, tuning: float64Bytes(tuning) },
    },
  });
}

/** Reads what `encodeKeptState` wrote; strict, bounded, never throws. A state that contradicts itself is refused. */
export function decodeKeptState(
  stored: Uint8Array,
  deps: Pick<SumDependencies, "crypto" | "masks">,
): Decoded<KeptState> {
  const decoded = decodeAs(schema, stored, { bytesMax: KEPT_BYTES_MAX });
  if (!decoded.ok) return decoded;
  const { state } = decoded.message;
  const problem = problemOf(state, deps);
  return problem === undefined ? { ok: true, message: state } : { ok: false, reason: problem };
}

function problemOf(
  { round, devices, root, device, present, held, heldShares }: KeptState,
  deps: Pick<SumDependencies, "crypto" | "masks">,
): string | undefined {
  const view = rosterView({ round, devices, root }, deps);
  if (!view.ok) return view.detail;
  const index = view.value.indexOf.get(device);
  if (index === undefined) return `its roster lacks ${device}`;
  const { length } = view.value.neighbours(index);
  const readable = indicesOf(held, length);
  return indicesOf(present, length) === undefined || readable === undefined ||
      heldShares.length !== readable.length * 2 * SECRET_BYTES
    ? `its ${heldShares.length} bytes of shares do not fit its ${length} neighbours`
    : undefined;
}
