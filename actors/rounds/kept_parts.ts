/**
 * Our part in attempts for which a masked vector is about to leave, on the disk: a device that loses power between handing it in and the end of the
 * round comes back into the very attempt, signs for its survivors and reveals. Without that, those who have signed would wait for good for
 * those who have not.
 *
 * Invariants:
 * - On the disk before the vector leaves; and with the word about survivors, in one write, before that leaves.
 * - It never comes back in an older form, from a backup: a device could sign for two sets of survivors then.
 * - A word binds: once it is on the disk, only the attempt that it is about is there, and it is signed.
 * - Nothing in it opens this device's own vector (`learning/secure/kept_state.ts`). It is removed with the round.
 */
import { z } from "zod";
import {
  decodeKeptState,
  encodeKeptState,
  type KeptState,
} from "../../learning/secure/kept_state.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import { ONCE_PREFIX } from "../../store/store.ts";
import type { KeptPart, SignedWord } from "./commands.ts";
import { newPart, type Part, type RunActorState, type RunDependencies } from "./run_state.ts";

/** Attempts of a round that can still be gone back to, the newest. */
const ATTEMPTS_KEPT = 4;
/** Characters of one state in base64: that of 1,024 devices has 70,000. */
const STATE_CHARACTERS_MAX = 131_072;

/** Setting: our part in attempts of the round under way. */
export function partSetting(run: string): string {
  return `${ONCE_PREFIX}learning/part/${run}`;
}

const schema = z.strictObject({
  round: z.int().min(1),
  parts: z.array(z.strictObject({
    coordinator: z.string().regex(/^[a-z2-7]{52}$/).transform((id) => id as DeviceId),
    release: z.int().min(0),
    vector: z.string().max(64).nullable(),
    sum: z.base64().max(STATE_CHARACTERS_MAX),
  })).max(ATTEMPTS_KEPT),
});

/** The newest attempts, this one among them: those of another round or another release are over. */
export function withPart(parts: readonly KeptPart[], part: KeptPart): readonly KeptPart[] {
  const others = parts.filter(({ round, attempt, release }) =>
    round === part.round && release === part.release && attempt !== part.attempt
  );
  return [...others, part].sort((a, b) => a.attempt - b.attempt).slice(-ATTEMPTS_KEPT);
}

/** The setting as it is to be written. */
export function storedParts(run: string, parts: readonly KeptPart[]): Record<string, unknown> {
  const stored = parts.length === 0 ? undefined : {
    round: parts[0]!.round,
    parts: parts.map(({ coordinator, release, vector, sum }) => ({
      coordinator,
      release,
      vector,
      sum: encodeKeptState(sum).toBase64(),
    })),
  };
  return { [partSetting(run)]: stored };
}

/** Whether what the setting holds is about `round` or one before; true for what cannot be read. */
export function partsAreOver(stored: unknown, round: number): boolean {
  if (stored === undefined) return false;
  const parsed = schema.safeParse(stored);
  return !parsed.success || parsed.data.round <= round;
}

/** What can be gone on with at `round`. What was damaged, or contradicts the word that was given, is left out. */
export function readParts(
  stored: unknown,
  { round, signed, deps }: {
    readonly round: number;
    readonly signed: SignedWord | null;
    readonly deps: Pick<RunDependencies, "run" | "self" | "crypto" | "masks">;
  },
): readonly KeptPart[] {
  const parsed = schema.safeParse(stored);
  if (!parsed.success || parsed.data.round !== round) return [];
  return parsed.data.parts.flatMap(({ coordinator, release, vector, sum }): KeptPart[] => {
    const decoded = decodeKeptState(Uint8Array.fromBase64(sum), deps);
    if (!decoded.ok) return [];
    const { message: state } = decoded;
    const isOurs = state.device === deps.self && state.round.run === deps.run &&
      state.round.round === round;
    const { attempt } = state.round;
    const part = { round, attempt, coordinator, release, vector, sum: state };
    return isOurs && mayGoOn(part, signed) && isSigned(state) === isWordFor(signed, part)
      ? [part]
      : [];
  });
}

const isSigned = ({ phase }: KeptState) => phase !== "masked";
const isWordFor = (signed: SignedWord | null, { round, attempt }: KeptPart) =>
  signed !== null && signed.round === round && signed.attempt === attempt;

/** A word for one attempt excludes every other one of the same release. */
function mayGoOn(part: KeptPart, signed: SignedWord | null): boolean {
  return signed === null || signed.round !== part.round || isWordFor(signed, part) ||
    part.release > signed.release;
}

/** Goes back to an attempt for which we have handed in a vector: it goes on after all. Null when there is none, or our word forbids it. */
export function goBack(
  state: RunActorState,
  deps: Pick<RunDependencies, "run">,
  { round, attempt, term }: {
    readonly round: number;
    readonly attempt: number;
    readonly term: number;
  },
): Part | null {
  const kept = state.kept.find((one) => one.round === round && one.attempt === attempt);
  if (kept === undefined || !mayGoOn(kept, state.signed)) return null;
  const { part } = state;
  const isSame = part?.key.round === round && part.release === kept.release;
  state.part = newPart({
    key: { run: deps.run, round, term, attempt },
    coordinator: kept.coordinator,
    called: [],
    release: kept.release,
    phase: isSigned(kept.sum) ? "signed" : "submitted",
    vector: kept.vector,
    kept: kept.sum,
    // Another attempt may want it yet.
    update: isSame ? part.update : null,
  });
  return state.part;
}
