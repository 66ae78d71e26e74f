/**
 * This device as the second party of a sum: takes one part from each device, and gives the coordinator one total.
 *
 * Invariants:
 * - One set is answered in an attempt: the first for which a quorum of its devices has signed. The same request gets the same answer, another none.
 * - Nothing of it is on a disk but what the coordinator has signed for: after a restart there are no parts, and the attempt is given up.
 * - An attempt that is called later ends the one before: it is answered no more.
 */
import { survivorsLeast } from "../../learning/runs/secure_round.ts";
import { pack } from "../../learning/secure/packing.ts";
import { modulusBytes, paillierModulus } from "../../learning/secure/paillier.ts";
import {
  bitsOf,
  decodeOpening,
  decodeSmallRoster,
  devicesIn,
  encodeSecondKey,
  keyStatement,
  openingSet,
} from "../../learning/secure/small_round.ts";
import { smallAggregationOf } from "../../learning/runs/aggregation_choice.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import { may } from "../../protocols/registry/registry.ts";
import type { RoundStart, SecurePhase } from "../../protocols/rounds/messages.ts";
import type { OpenedTotal } from "../learning_handle.ts";
import type { Of, RunActorState, RunContext, RunDependencies } from "./run_state.ts";
import { problemOfCalled, rosterDevices, secondPartyOf, smallSumFor } from "./small_part.ts";
import type { SecondParty } from "./small_state.ts";
import { sumDependencies } from "./sum_dependencies.ts";
import { attemptOf, sameAttempt, tell } from "./talking.ts";

/** Bytes of a device's part: a seed. */
const PART_BYTES = 32;

/** Setting: what the coordinator signed for when this device last gave a total. Should it have lied about the set, this proves it. */
export function openedSetting(run: string): string {
  return `learning/opened/${run}`;
}

/** A call names us, or ends what an earlier one has named us for. */
export function noteSecond(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  from: DeviceId,
  call: RoundStart,
): void {
  const known = state.second;
  if (known !== null) {
    const { round, term, attempt } = known.key;
    const isNewer = call.round > round || (call.round === round && call.attempt > attempt);
    // Whoever coordinates a later term may begin anew: numbers that a liar has jumped to bind nobody.
    if (call.term === term && !isNewer) return;
    state.second = null;
  }
  const aggregation = smallAggregationOf(deps.opened.plan);
  if (call.second !== deps.self || aggregation === null) return;
  if (problemOfCalled(deps, call.called) !== undefined) return;
  if (secondPartyOf(state, deps, { ...call, coordinator: from }) !== deps.self) return;
  state.second = {
    key: attemptOf(call),
    coordinator: from,
    called: call.called,
    primes: null,
    sum: null,
    parts: new Map(),
    refused: 0,
    request: null,
    total: null,
  };
  // A key takes seconds: one that is being drawn is for the newest attempt, so that no coordinator has us draw many at once.
  if (aggregation.type !== "paillier" || state.drawing) return;
  state.drawing = true;
  context.perform(
    () => deps.paillier.draw(aggregation.keyBits),
    (outcome) => ({ type: "primesDrawn", outcome }),
  );
}

/** Our key for the attempt under way by now: the coordinator tells it to all, under our signature. */
export function onPrimesDrawn(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  { outcome }: Of<"primesDrawn">,
): void {
  state.drawing = false;
  const { second } = state;
  if (second === null) return;
  if (!outcome.ok) {
    return refused(context, second, deps.self, `no key: ${String(outcome.error)}`);
  }
  second.primes = outcome.value;
  const key = modulusBytes(paillierModulus(outcome.value));
  const signature = deps.signer.sign(keyStatement(second.key, key));
  tell(context, deps, second.coordinator, {
    type: "securePhase",
    ...second.key,
    phase: "key",
    body: encodeSecondKey({ key, signature }),
  });
}

/** What devices, and the coordinator, say to a second party. */
export function onSecondPhase(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  from: DeviceId,
  message: SecurePhase,
): void {
  const { second } = state;
  if (second === null || !sameAttempt(second.key, message)) return;
  const { phase, body } = message;
  if (phase === "part") return takePart(context, second, from, body);
  // Whoever replaces a coordinator begins a new attempt.
  if (from !== second.coordinator) return;
  switch (phase) {
    case "roster":
      return onRoster(context, state, deps, second, body);
    case "present": {
      const devices = second.sum && devicesIn(second.sum.view, body);
      if (devices == null) return refused(context, second, from, "its set cannot be read");
      // With a key we have no parts: whatever the coordinator has can be opened.
      const isOpener = second.primes !== null;
      const both = devices.filter((device) => isOpener || second.parts.has(device));
      return tell(context, deps, from, {
        type: "securePhase",
        ...second.key,
        phase: "presentBoth",
        body: bitsOf(second.sum!.view, both),
      });
    }
    case "open":
      return onOpen(context, deps, second, body);
    default:
      return;
  }
}

function takePart(
  context: RunContext,
  second: SecondParty,
  from: DeviceId,
  body: Uint8Array,
): void {
  if (second.primes !== null) return refused(context, second, from, "we take no parts");
  if (!second.called.includes(from)) return refused(context, second, from, "it was not called");
  if (second.parts.has(from)) return refused(context, second, from, "it gave a part before");
  if (body.length !== PART_BYTES) {
    const reason = `its part has ${body.length} bytes, expected ${PART_BYTES}`;
    return refused(context, second, from, reason);
  }
  second.parts.set(from, body);
}

function refused(
  context: RunContext,
  second: SecondParty,
  from: DeviceId,
  reason: string,
): void {
  second.refused++;
  context.log.write("warning", "the second party of a sum refused a message", {
    from,
    reason,
    refused: second.refused,
  });
}

function onRoster(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  second: SecondParty,
  body: Uint8Array,
): void {
  if (second.sum !== null || state.head === undefined) return;
  const { round, attempt } = second.key;
  const roster = decodeSmallRoster(body);
  if (!roster.ok) return refused(context, second, second.coordinator, roster.reason);
  const devices = rosterDevices(roster.message.devices);
  const isOurs = round === state.head.round + 1 &&
    devices?.every((device) =>
        second.called.includes(device) && may(state.registry, device, "learn.join")
      ) === true;
  if (!isOurs) {
    const reason = "its roster is not of members that it called";
    return refused(context, second, second.coordinator, reason);
  }
  const called = second.called.length;
  const { message: key } = roster;
  const sum = smallSumFor(state, deps, {
    round,
    attempt,
    called,
    devices,
    second: deps.self,
    key,
  });
  if (typeof sum === "string") return refused(context, second, second.coordinator, sum);
  const own = second.primes && paillierModulus(second.primes);
  if (own !== (sum.paillier?.n ?? null)) {
    return refused(context, second, second.coordinator, "its key is not ours");
  }
  second.sum = sum;
}

/** A quorum has signed for a set, says the coordinator. */
function onOpen(
  context: RunContext,
  deps: RunDependencies,
  second: SecondParty,
  body: Uint8Array,
): void {
  const { sum, coordinator } = second;
  if (sum === null) return;
  const name = deps.crypto.sha256Hex(body);
  if (second.request !== null) {
    if (second.request !== name) {
      return refused(context, second, coordinator, "another set was answered in this attempt");
    }
    if (second.total !== null) giveTotal(context, deps, second);
    return;
  }
  const request = decodeOpening(body);
  if (!request.ok) return refused(context, second, coordinator, request.reason);
  const { view } = sum;
  const set = openingSet({
    view,
    coordinator,
    least: survivorsLeast(deps.opened.plan),
    request: request.message,
  }, sumDependencies(deps));
  if (!set.ok) return refused(context, second, coordinator, set.detail);
  const { primes } = second;
  const lacking = set.value.find((device) => primes === null && !second.parts.has(device));
  if (lacking !== undefined) {
    return refused(context, second, coordinator, `there is no part of ${lacking} here`);
  }
  second.request = name;
  const { round, attempt } = second.key;
  const signedFor: OpenedTotal = {
    round,
    attempt,
    coordinator,
    roster: view.hash.toHex(),
    survivors: request.message.survivors.toHex(),
    inputsRoot: request.message.inputsRoot.toHex(),
    product: deps.crypto.sha256Hex(request.message.product),
    signature: request.message.signature.toHex(),
  };
  context.perform(
    async () => {
      await deps.store.settings.set({ [openedSetting(deps.run)]: signedFor });
      return await totalOver(second, deps, set.value, request.message.product);
    },
    (outcome) => ({ type: "totalMade", round, attempt, outcome }),
  );
}

/** Our total over a set: of the seeds that its devices gave us, or what the product of their ciphertexts stands for. */
async function totalOver(
  { sum, parts, primes }: SecondParty,
  deps: RunDependencies,
  devices: readonly DeviceId[],
  product: Uint8Array,
): Promise<Uint8Array> {
  const { arithmetic, paillier } = sum!;
  if (paillier !== null) {
    const size = { ...paillier, primes: primes! };
    const opened = await deps.paillier.open(size, { devices, bytes: product });
    if (!opened.ok) throw new Error(opened.detail);
    return pack(opened.value, paillier.bits);
  }
  const collector = arithmetic.collector(1);
  for (const device of devices) collector.add(device, parts.get(device)!);
  return collector.total().bytes;
}

/** Our total may leave. */
export function onTotalMade(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  { round, attempt, outcome }: Of<"totalMade">,
): void {
  const { second } = state;
  if (second?.key.round !== round || second.key.attempt !== attempt) return;
  if (!outcome.ok) {
    // It has left nowhere; the coordinator asks again.
    second.request = null;
    return refused(context, second, deps.self, `no total: ${String(outcome.error)}`);
  }
  second.total = outcome.value;
  second.parts.clear();
  giveTotal(context, deps, second);
}

function giveTotal(context: RunContext, deps: RunDependencies, second: SecondParty): void {
  tell(context, deps, second.coordinator, {
    type: "securePhase",
    ...second.key,
    phase: "total",
    body: second.total!,
  });
}
