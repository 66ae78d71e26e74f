/**
 * Our part in sums with a second party: one part to the coordinator, one to the second party, and a word for the set of devices that is summed.
 *
 * Invariants:
 * - The second party is whom the public rule names among those who were called; nobody else gets our part.
 * - A word for a set is on the disk before it is given, and binds to that set: within a release our update is in sums over one set only. The one
 *   exception shows nobody anything: without the coordinator that might know the first sum, under another one.
 */
import { smallAggregationOf } from "../../learning/runs/aggregation_choice.ts";
import { seatOrder, secondPartyOrder } from "../../learning/runs/order.ts";
import { sumRoundOf, survivorsLeast } from "../../learning/runs/secure_round.ts";
import { smallSumOf } from "../../learning/runs/small_sum.ts";
import { setProblem } from "../../learning/secure/checks.ts";
import type { SumDependencies } from "../../learning/secure/contract.ts";
import { problemOfModulus } from "../../learning/secure/paillier.ts";
import {
  decodeSmallRoster,
  devicesIn,
  keyStatement,
  type SecondKey,
  smallRoster,
} from "../../learning/secure/small_round.ts";
import { survivorsMessage } from "../../learning/secure/transcripts.ts";
import { decodeSurvivorClaim, encodeSurvivorSignature } from "../../learning/secure/wire.ts";
import { type DeviceId, deviceIdOf, publicKeyOf } from "../../protocols/ids.ts";
import { may } from "../../protocols/registry/registry.ts";
import type { RoundStart, SecurePhase } from "../../protocols/rounds/messages.ts";
import type { SignedWord } from "./commands.ts";
import { SEATS } from "./company.ts";
import { signedSetting } from "./given_word.ts";
import { keepUpdate, updateToKeep } from "./kept_update.ts";
import { roundPlan } from "./round_plan.ts";
import type { Of, Part, RunActorState, RunContext, RunDependencies } from "./run_state.ts";
import type { SmallPart, SmallSum } from "./small_state.ts";
import { sumDependencies } from "./sum_dependencies.ts";
import { isReachable, tell } from "./talking.ts";
import { beginTraining, refuse } from "./training.ts";

const PUBLIC_KEY_BYTES = 32;

/**
 * The second party of an attempt: the first by a public rule of those who would have a seat if nobody but the called were there; undefined when there is
 * none. All who were called find the same one, whomever else each of them has a session with.
 */
export function secondPartyOf(
  { registry }: Pick<RunActorState, "registry">,
  { run, startedBy, crypto }: Pick<RunDependencies, "run" | "startedBy" | "crypto">,
  { round, attempt, called, coordinator }: {
    readonly round: number;
    readonly attempt: number;
    readonly called: readonly DeviceId[];
    readonly coordinator: DeviceId;
  },
): DeviceId | undefined {
  const coordinating = called.filter((device) => may(registry, device, "learn.coordinate"));
  const candidates = seatOrder(coordinating, { run, startedBy }, crypto).slice(0, SEATS)
    .filter((device) => device !== coordinator);
  return secondPartyOrder(candidates, { run, round, attempt }, crypto)[0];
}

/** Why so many are not called by anybody honest; undefined when they may be. A plan promises that sums fit their numbers up to its most. */
export function problemOfCalled(
  { opened: { plan: { participation: { most } } } }: Pick<RunDependencies, "opened">,
  called: readonly DeviceId[],
): string | undefined {
  return called.length <= most
    ? undefined
    : `it calls ${called.length} devices, expected at most ${most}`;
}

/** Our part in a call's sum: null where the plan has no second party; why we have none, else. */
export function smallPartFor(
  state: RunActorState,
  deps: RunDependencies,
  from: DeviceId,
  call: RoundStart,
): SmallPart | null | string {
  const { second } = call;
  const aggregation = smallAggregationOf(deps.opened.plan);
  if (aggregation === null) {
    return second === undefined ? null : "it names a second party, and the plan has none";
  }
  if (second === undefined) return "it names no second party";
  if (second !== secondPartyOf(state, deps, { ...call, coordinator: from })) {
    return `its second party is ${second}, which is not the one by the rule`;
  }
  // Under its key everything goes through the coordinator.
  const isNeeded = aggregation.type === "twoServers";
  if (isNeeded && !isReachable(state, deps, second)) {
    return "this device has no session with the second party";
  }
  return { second, sum: null, secondPart: null, inputHash: null, signed: null };
}

/** True when a call is for the set that our word binds us to: then our update of that release may be summed once more. */
export function isForOurSet(
  { set, coordinator }: SignedWord,
  devices: readonly DeviceId[],
  from: DeviceId,
): boolean {
  if (set === undefined) return false;
  if (equal(devices, set)) return true;
  // Whoever might know the first sum learns from the second what itself has put in.
  return coordinator != null && coordinator !== from &&
    equal(devices, set.filter((device) => device !== coordinator));
}

function equal(a: readonly DeviceId[], b: readonly DeviceId[]): boolean {
  return a.length === b.length && a.every((device, i) => device === b[i]);
}

/** The sum of an attempt, as all in it work it out; or why there is none. */
export function smallSumFor(
  state: RunActorState,
  deps: RunDependencies,
  attempt: {
    readonly round: number;
    readonly attempt: number;
    readonly called: number;
    readonly devices: readonly DeviceId[];
    readonly second: DeviceId;
    readonly key: SecondKey;
  },
): SmallSum | string {
  const aggregation = smallAggregationOf(deps.opened.plan);
  const { devices, second, called, key: { key, signature } } = attempt;
  const tried = { run: deps.run, round: attempt.round, attempt: attempt.attempt };
  if (aggregation?.type === "paillier") {
    const problem = problemOfModulus(key, aggregation.keyBits);
    if (problem !== undefined) return problem;
    const message = keyStatement(tried, key);
    const publicKey = publicKeyOf(second);
    if (!deps.crypto.verify({ publicKey, message, signature })) {
      return "its key is not signed by the second party";
    }
  } else if (key.length > 0) return "it has a key, and the plan has none";
  const round = sumRoundOf(roundPlan(state, deps), {
    ...tried,
    modelHash: state.head!.parameters,
    devices: called,
  });
  if (round === null || aggregation === null) return "the plan has no secure sum";
  const dependencies: SumDependencies = sumDependencies(deps);
  const roster = smallRoster({ round, devices, second, key }, dependencies);
  if (!roster.ok) return roster.detail;
  const { value: view, root } = roster;
  return { view, root, ...smallSumOf({ aggregation, round, view, key, called }, dependencies) };
}

/** The coordinator says who is in, as a roster of public keys: devices, or undefined when it is none. */
export function rosterDevices(body: Uint8Array): readonly DeviceId[] | undefined {
  if (body.length === 0 || body.length % PUBLIC_KEY_BYTES !== 0) return undefined;
  const devices: DeviceId[] = [];
  for (let at = 0; at < body.length; at += PUBLIC_KEY_BYTES) {
    devices.push(deviceIdOf(body.subarray(at, at + PUBLIC_KEY_BYTES)));
  }
  return devices;
}

/** Who is in; we train. `problemOf` says what is wrong with a roster. */
export function onSmallRoster(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  part: Part,
  { body, problemOf }: {
    readonly body: Uint8Array;
    readonly problemOf: (devices: Uint8Array) => string | undefined;
  },
): void {
  const small = part.small!;
  if (small.sum !== null) return;
  const roster = decodeSmallRoster(body);
  if (!roster.ok) return refuse(context, deps, part, roster.reason);
  const devices = rosterDevices(roster.message.devices);
  const problem = problemOf(roster.message.devices);
  if (problem !== undefined || devices === undefined) {
    return refuse(context, deps, part, problem ?? "its roster cannot be read");
  }
  if (!devices.includes(deps.self)) return refuse(context, deps, part, "we are not in its roster");
  const { round, attempt } = part.key;
  const { second } = small;
  const sum = smallSumFor(state, deps, {
    round,
    attempt,
    called: part.called.length,
    devices,
    second,
    key: roster.message,
  });
  if (typeof sum === "string") return refuse(context, deps, part, sum);
  small.sum = sum;
  beginTraining(context, state, deps);
}

/** Our update as parts: what goes to the coordinator, and what to the second party. */
export async function smallContribution(
  context: RunContext,
  { paillier }: Pick<RunDependencies, "paillier">,
  { sum }: SmallPart,
  values: Uint32Array<ArrayBuffer>,
): Promise<{ readonly bytes: Uint8Array<ArrayBuffer>; readonly second: Uint8Array | null }> {
  if (sum === null) throw new Error("nobody has said who is in the sum");
  if (sum.paillier !== null) {
    return { bytes: await paillier.encrypt(sum.paillier, values), second: null };
  }
  const [own, second = null] = sum.arithmetic.contribute(values, context.random);
  return { bytes: new Uint8Array(own!), second };
}

/** The second party gets its part: by itself, over the session with it, before the coordinator hears that we are done. */
export function handToSecond(context: RunContext, deps: RunDependencies, part: Part): void {
  const { small } = part;
  if (small === null || small.secondPart === null) return;
  tell(context, deps, small.second, {
    type: "securePhase",
    ...part.key,
    phase: "part",
    body: small.secondPart,
  });
  // Whoever held both of our parts would know our update.
  small.secondPart = null;
}

/** The coordinator asks for our word for a set. */
export function onSmallClaim(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  part: Part,
  body: Uint8Array,
): void {
  const { small, key: { round, attempt }, release, coordinator } = part;
  if (small?.sum == null || small.inputHash === null) return;
  const decoded = decodeSurvivorClaim(body);
  if (!decoded.ok) return refuse(context, deps, part, decoded.reason);
  const claim = decoded.message;
  const { view } = small.sum;
  const name = [claim.survivors, claim.inputsRoot].map((bytes) => bytes.toHex()).join(" ");
  if (small.signed !== null) {
    // Asked again: the same answer, and to nothing else.
    if (small.signed.claim === name && part.phase === "signed") giveWord(context, deps, part);
    return;
  }
  const own = { device: deps.self, inputHash: small.inputHash };
  const problem = setProblem(own, claim, view, { crypto: deps.crypto });
  if (problem !== undefined) return refuse(context, deps, part, problem.detail);
  const set = devicesIn(view, claim.survivors)!;
  const least = survivorsLeast(deps.opened.plan);
  if (set.length < least) {
    return refuse(context, deps, part, `fewer than ${least} survivors: too little noise`);
  }
  const before = state.signed?.round === round && state.signed.release === release
    ? state.signed
    : null;
  if (before !== null && !isForOurSet(before, set, coordinator)) {
    return refuse(context, deps, part, "this device has given its word for another set");
  }
  const signature = deps.signer.sign(survivorsMessage(view.hash, claim));
  small.signed = { claim: name, signature };
  // Two may know a sum over a set that was signed twice, and one that was opened with a key: then nobody may be left out of it.
  const word: SignedWord = {
    round,
    attempt,
    release,
    set,
    vector: part.vector,
    coordinator: before === null && small.sum.paillier === null ? coordinator : null,
  };
  const update = updateToKeep(part, state, deps);
  const secret = context.random.bytes(32);
  context.perform(
    async () => {
      await keepUpdate(deps, update, secret);
      await deps.store.settings.set({ [signedSetting(deps.run)]: word });
    },
    (outcome) => ({ type: "wordKept", round, attempt, word, outcome }),
  );
}

/** Our word is on the disk. */
export function onWordKept(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  { round, attempt, word, outcome }: Of<"wordKept">,
): void {
  const { part } = state;
  if (part?.key.round !== round || part.key.attempt !== attempt || part.small === null) return;
  if (!outcome.ok) {
    // It has left nowhere and binds nobody.
    part.small.signed = null;
    return refuse(context, deps, part, "its disk does not keep its word");
  }
  state.signed = word;
  state.signedAtMs = context.monotonicMs();
  part.phase = "signed";
  giveWord(context, deps, part);
}

function giveWord(context: RunContext, deps: RunDependencies, part: Part): void {
  const message: SecurePhase = {
    type: "securePhase",
    ...part.key,
    phase: "consistency",
    body: encodeSurvivorSignature({ signature: part.small!.signed!.signature }),
  };
  tell(context, deps, part.coordinator, message);
}
