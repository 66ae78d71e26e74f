/**
 * The word a device has given at a round, on its disk before it leaves: in secure sums the attempt for whose survivors it has signed, and where the coordinator
 * adds the noise the attempt to which it has handed in. What may be released twice is paid for twice.
 *
 * Invariant: a word about survivors excludes every further attempt for as long as it binds; a word about handing in excludes none, and makes any other
 * attempt a release of its own, because its coordinator draws other noise.
 */
import { hasBit } from "../../learning/secure/bitmap.ts";
import type { KeptSignedState } from "../../learning/secure/kept_state.ts";
import { type DeviceId, deviceIdOf } from "../../protocols/ids.ts";
import type { RoundAbandoned, RoundStart } from "../../protocols/rounds/messages.ts";
import type { SignedWord } from "./commands.ts";
import type { Part, RunActorState, RunDependencies } from "./run_state.ts";

const PUBLIC_KEY_BYTES = 32;

/** Setting: the word that this device has given at the round under way. */
export function signedSetting(run: string): string {
  return `learning/signed/${run}`;
}

/** The word about survivors of an attempt at this round; null when none was given. */
export function signedAt({ signed }: Pick<RunActorState, "signed">, round: number) {
  return signed?.round === round && signed.handedTo === undefined ? signed : null;
}

/** True where handing in is what is paid for: the coordinator adds the noise, new one in each attempt. */
export function paysForHandingIn({ opened: { plan } }: Pick<RunDependencies, "opened">): boolean {
  return plan.privacy !== null && plan.aggregation.type === "clear";
}

/**
 * The word about the survivors that a part has signed for. Where all are in one sum and nothing is noised it names them: another sum over the same set tells
 * nobody more, so these may do the round again together.
 */
export function wordFor(
  { key, release, kept, vector }: Part,
  { opened }: Pick<RunDependencies, "opened">,
): SignedWord {
  const word = { round: key.round, attempt: key.attempt, release };
  const { privacy, aggregation } = opened.plan;
  if (privacy !== null || aggregation.type !== "secure" || kept === null) return word;
  return kept.phase === "masked" ? word : { ...word, set: survivorsOf(kept), vector };
}

/**
 * Why an update may not be summed in an attempt of the set that this device has given its word for: it is not the one that the first sum may have. What is kept on
 * the disk for that may be damaged; then it is made anew, and examples that have come since, or what compression had left over, make it another one.
 * Undefined when it may.
 */
export function problemOfVector(
  { signed }: Pick<RunActorState, "signed">,
  { only }: Pick<Part, "only">,
  vector: string | null,
): string | undefined {
  return only === null || signed === null || signed.vector === vector
    ? undefined
    : "its update is not the one that it has given its word for any more";
}

/** The devices whose vectors are in the sum that was signed for, ascending. */
function survivorsOf({ devices, claim: { survivors } }: KeptSignedState): readonly DeviceId[] {
  const set: DeviceId[] = [];
  for (let at = 0; at < devices.length; at += PUBLIC_KEY_BYTES) {
    if (!hasBit(survivors, at / PUBLIC_KEY_BYTES)) continue;
    set.push(deviceIdOf(devices.subarray(at, at + PUBLIC_KEY_BYTES)));
  }
  return set;
}

/** The word that is given by handing in. */
export function handedIn({ key, release, coordinator }: Part): SignedWord {
  const { round, attempt, term } = key;
  return { round, attempt, release, handedTo: { coordinator, term } };
}

/**
 * Number of the release that an attempt is: that of the word for the very same one, one more than that of a word for any other. Two coordinators may count
 * their attempts alike: only those of one in one term are the same.
 */
export function releaseIn(
  { signed }: Pick<RunActorState, "signed">,
  from: DeviceId,
  { round, attempt, term }: RoundStart,
): number {
  if (signed?.round !== round) return 0;
  const { handedTo, release } = signed;
  const isSame = signed.attempt === attempt && handedTo?.coordinator === from &&
    handedTo.term === term;
  return isSame ? release : release + 1;
}

/**
 * Nothing was or will be released of an attempt, says who coordinated it, whether it still does or not: what was handed in there is as if it had not been. The disk
 * keeps the older word until the next one; whoever restarts before that pays once too often, never too little.
 */
export function noteAbandoned(
  state: Pick<RunActorState, "signed">,
  from: DeviceId,
  { round, attempt, term }: RoundAbandoned,
): void {
  const { signed } = state;
  const isOurs = signed?.round === round && signed.attempt === attempt &&
    signed.handedTo?.coordinator === from && signed.handedTo.term === term;
  if (!isOurs) return;
  // What was handed in before it, to somebody else, may have been released all the same: the next attempt is the one after that.
  const before = signed.release - 1;
  state.signed = before < 0 ? null : { ...signed, release: before, handedTo: null };
}
