/**
 * Coordinating a sum with a second party: each device gives us one part and the second party another; then we ask whose parts both have, let these
 * devices sign for each other, and show the signatures to the second party, which gives its total for just that set.
 */
import { smallAggregationOf } from "../../learning/runs/aggregation_choice.ts";
import { countedLeast } from "../../learning/runs/order.ts";
import type { SumOf } from "../../learning/runs/release.ts";
import type { SurvivorProof } from "../../learning/runs/result.ts";
import { survivorsLeast } from "../../learning/runs/secure_round.ts";
import { SUM_DEVICES_MIN } from "../../learning/secure/contract.ts";
import { unpack } from "../../learning/secure/packing.ts";
import type { SumTotal } from "../../learning/secure/secure_sum.ts";
import { opened as openedTotal } from "../../learning/secure/small_sums.ts";
import { rosterBytes } from "../../learning/secure/roster.ts";
import {
  bitsOf,
  decodeSecondKey,
  devicesIn,
  encodeOpening,
  encodeSmallRoster,
  openingStatement,
  type SecondKey,
  signaturesOf,
  smallClaims,
} from "../../learning/secure/small_round.ts";
import { survivorsMessage } from "../../learning/secure/transcripts.ts";
import { decodeSurvivorSignature, encodeSurvivorClaim } from "../../learning/secure/wire.ts";
import { type DeviceId, publicKeyOf } from "../../protocols/ids.ts";
import type { SecurePhase } from "../../protocols/rounds/messages.ts";
import { combine } from "./combining.ts";
import { noteFault } from "./faults.ts";
import { abandon, closeCallingWhenAll, enter } from "./lead.ts";
import type { Lead, RunActorState, RunContext, RunDependencies } from "./run_state.ts";
import { giveUpSecond } from "./next_attempt.ts";
import { smallSumFor } from "./small_part.ts";
import type { SmallLead } from "./small_state.ts";
import { isReachable, sameAttempt, tell, tellAll } from "./talking.ts";

/** What opening one ciphertext may take a slow second party beside the plan's time for an exchange, ms. */
const OPENING_MS = 250;
/** Of the smallest key. */
const CIPHERTEXT_BYTES_LEAST = 512;
const NO_KEY: SecondKey = { key: new Uint8Array(), signature: new Uint8Array() };

/** What a coordinator knows of a new attempt's sum. */
export function newSmallLead({ opened }: RunDependencies, second: DeviceId): SmallLead {
  const aggregation = smallAggregationOf(opened.plan)!;
  return {
    second,
    key: aggregation.type === "paillier" ? null : NO_KEY,
    sum: null,
    collector: null,
    parts: new Map(),
    claims: null,
    devices: [],
    signatures: new Map(),
    request: null,
    total: null,
  };
}

/**
 * Whom to call where devices have given their word for a set: they join no call of others, so that set is called when all of it are there, or all but
 * one, who may have coordinated. Every other try, and when nobody is bound, null: whoever is there.
 */
export function boundCall(
  state: RunActorState,
  { opened }: Pick<RunDependencies, "opened">,
  lead: Lead,
  joined: readonly DeviceId[],
): readonly DeviceId[] | null {
  const round = (state.head?.round ?? 0) + 1;
  const own = state.signed?.round === round ? state.signed.set : undefined;
  const bound = new Map<string, readonly DeviceId[]>();
  for (const set of [own, ...[...lead.heard.values()].map(({ bound }) => bound)]) {
    // Most are bound to the same one.
    if (set !== undefined) bound.set(set.join(), set);
  }
  const isHere = new Set(joined);
  const sets = new Map<string, readonly DeviceId[]>();
  for (const set of bound.values()) {
    const there = set.filter((device) => isHere.has(device));
    // With two servers a set may do without whoever coordinated before.
    const least = opened.plan.aggregation.type === "twoServers"
      ? Math.max(SUM_DEVICES_MIN, set.length - 1)
      : set.length;
    if (there.length < least || there.length > opened.plan.participation.most) continue;
    sets.set(there.join(), there);
  }
  const options = [...sets.values(), null];
  return options[(lead.failures >> 1) % options.length] ?? null;
}

/** Whoever is ready is in; all are told who that is. */
export function openSmallSum(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
): void {
  const lead = state.lead!;
  const small = lead.small!;
  // It may have nothing to learn from, but it must be there.
  if (!lead.ready.has(small.second) && !lead.declined.has(small.second)) {
    return giveUpSecond(context, state, deps, "the second party did not answer");
  }
  const { round, attempt } = lead.key!;
  const { second, key } = small;
  if (key === null) return giveUpSecond(context, state, deps, "the second party tells no key");
  const devices = lead.participants;
  const sum = smallSumFor(state, deps, {
    round,
    attempt,
    called: lead.called.length,
    devices,
    second,
    key,
  });
  if (typeof sum === "string") return abandon(context, state, deps, sum);
  small.sum = sum;
  small.collector = sum.arithmetic.collector(0);
  enter(context, state, deps, "training", deps.opened.plan.deadlines.trainMs);
  tellAll(context, deps, new Set([second, ...devices]), {
    type: "securePhase",
    ...lead.key!,
    phase: "roster",
    body: encodeSmallRoster({ devices: rosterBytes(devices), ...key }),
  });
}

/** A device's part is here, whole; why it is not taken, else. */
export function takeSmallPart(
  lead: Lead,
  device: DeviceId,
  bytes: Uint8Array,
): string | undefined {
  const { collector, parts } = lead.small!;
  const outcome = collector!.add(device, bytes);
  if (outcome.ok) {
    parts.set(device, bytes);
    return undefined;
  }
  // Its device has signed the hash of just these bytes.
  if (outcome.refusal === "malformed") noteFault(lead, device, "misshapen");
  return outcome.detail;
}

/** No more parts come: whose does the second party have? */
export function matchParts(context: RunContext, state: RunActorState, deps: RunDependencies): void {
  enter(context, state, deps, "matching", deps.opened.plan.deadlines.phaseMs);
  remind(context, state, deps);
}

/** Says again what has no answer yet; the same question gets the same answer. Ends an attempt whose second party is gone. */
export function remind(context: RunContext, state: RunActorState, deps: RunDependencies): void {
  const { lead } = state;
  if (lead?.small == null || lead.key === null) return;
  const { small } = lead;
  const isNeeded = lead.phase === "training" || lead.phase === "matching";
  if (isNeeded && !isReachable(state, deps, small.second)) {
    return giveUpSecond(context, state, deps, "the second party is gone");
  }
  const { sum } = small;
  switch (lead.phase) {
    case "matching":
      return say(
        context,
        deps,
        lead,
        small.second,
        "present",
        bitsOf(sum!.view, small.parts.keys()),
      );
    case "signing":
      for (const device of small.devices) {
        if (small.signatures.has(device)) continue;
        const claim = encodeSurvivorClaim(small.claims!.claimFor(device));
        say(context, deps, lead, device, "survivors", claim);
      }
      return;
    case "unmasking":
      return say(context, deps, lead, small.second, "open", small.request!);
    default:
      return;
  }
}

/** What devices and the second party say to the coordinator. */
export function onSmallPhase(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  from: DeviceId,
  message: SecurePhase,
): void {
  const { lead } = state;
  if (lead?.small == null || lead.key === null || !sameAttempt(lead.key, message)) return;
  const { small, phase } = lead;
  const { body } = message;
  if (message.phase === "consistency" && phase === "signing") {
    return onWord(context, state, deps, from, body);
  }
  if (from !== small.second) return;
  if (message.phase === "key" && phase === "calling" && small.key === null) {
    const key = decodeSecondKey(body);
    if (!key.ok) return unreadable(context, lead, from, key.reason);
    small.key = key.message;
    return closeCallingWhenAll(context, state, deps);
  }
  if (message.phase === "presentBoth" && phase === "matching") {
    const both = devicesIn(small.sum!.view, body)?.filter((device) => small.parts.has(device));
    if (both === undefined) return unreadable(context, lead, from, "its set cannot be read");
    return claimSet(context, state, deps, both);
  }
  if (message.phase === "total" && phase === "unmasking") {
    small.total = { devices: small.devices, bytes: body };
    state.secondFailures.delete(small.second);
    combine(context, state, deps);
  }
}

/** Both have these devices' parts: they are asked for their word. */
function claimSet(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  devices: readonly DeviceId[],
): void {
  const lead = state.lead!;
  const small = lead.small!;
  const { view } = small.sum!;
  const { plan } = deps.opened;
  const least = Math.max(
    view.shape.quorum,
    survivorsLeast(plan),
    countedLeast(plan),
    SUM_DEVICES_MIN,
  );
  if (devices.length < least) {
    const reason = `both parties have parts of ${devices.length} devices, expected ${least}`;
    return abandon(context, state, deps, reason);
  }
  const inputs = new Map(devices.map((device) => {
    const { hash } = lead.submissions.get(device)!.update;
    return [device, Uint8Array.fromHex(hash)] as const;
  }));
  small.claims = smallClaims(view, inputs, deps.crypto);
  small.devices = devices;
  enter(context, state, deps, "signing", plan.deadlines.phaseMs);
  remind(context, state, deps);
}

/** A device gives its word for the set. */
function onWord(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  from: DeviceId,
  body: Uint8Array,
): void {
  const lead = state.lead!;
  const small = lead.small!;
  if (!small.devices.includes(from) || small.signatures.has(from)) return;
  const decoded = decodeSurvivorSignature(body);
  if (!decoded.ok) return unreadable(context, lead, from, decoded.reason);
  const { signature } = decoded.message;
  const statement = survivorsMessage(small.sum!.view.hash, small.claims!);
  if (!deps.crypto.verify({ publicKey: publicKeyOf(from), message: statement, signature })) {
    return unreadable(context, lead, from, "its signature does not hold");
  }
  small.signatures.set(from, signature);
  if (small.signatures.size === small.devices.length) closeWords(context, state, deps);
}

/** A quorum has signed: the second party is asked for its total. */
function closeWords(context: RunContext, state: RunActorState, deps: RunDependencies): void {
  const lead = state.lead!;
  const small = lead.small!;
  const { view } = small.sum!;
  const { size } = small.signatures;
  if (size < view.shape.quorum) {
    const reason = `${size} devices signed for a sum, expected at least ${view.shape.quorum}`;
    return abandon(context, state, deps, reason);
  }
  const { survivors, inputsRoot } = small.claims!;
  const product = small.sum!.paillier === null ? new Uint8Array() : ownTotal(small).bytes;
  const opening = { survivors, inputsRoot, product };
  small.request = encodeOpening({
    ...opening,
    ...signaturesOf(view, small.signatures),
    signature: deps.signer.sign(openingStatement(deps.crypto, view.hash, opening)),
  });
  const ciphertexts = Math.ceil(product.length / CIPHERTEXT_BYTES_LEAST);
  const limitMs = deps.opened.plan.deadlines.phaseMs + OPENING_MS * ciphertexts;
  enter(context, state, deps, "unmasking", limitMs);
  remind(context, state, deps);
}

/** A phase has lasted long enough. True when it was one of ours. */
export function onSmallDue(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
): boolean {
  switch (state.lead!.phase) {
    case "matching":
      giveUpSecond(context, state, deps, "the second party does not say whose parts it has");
      return true;
    case "signing":
      closeWords(context, state, deps);
      return true;
    case "unmasking":
      giveUpSecond(context, state, deps, "the second party gives no total");
      return true;
    default:
      return false;
  }
}

/** What we have of the set. */
function ownTotal({ sum, collector, devices, parts }: SmallLead): SumTotal {
  const own = collector!.total();
  if (own.devices.length === devices.length) return own;
  const exactly = sum!.arithmetic.collector(0);
  for (const device of devices) exactly.add(device, parts.get(device)!);
  return exactly.total();
}

/** What the sum is, with the second party's total. Throws when what it gave is none. */
export function openedSmallSum(small: SmallLead): SumOf {
  const { sum, devices, total } = small;
  const { arithmetic, paillier } = sum!;
  const opened = paillier === null
    ? arithmetic.open([ownTotal(small), total!])
    : openedTotal(unpack(total!.bytes, { count: paillier.length, bits: paillier.bits }));
  if (!opened.ok) throw new Error(opened.detail);
  return { sum: opened.value, devices: devices.length };
}

/** What a result says of such a sum. */
export function smallProof({ small, submissions }: Lead): SurvivorProof {
  const { sum, devices, signatures } = small!;
  const { view, root } = sum!;
  return {
    rosterRoot: root,
    roster: view.devices,
    inputs: devices.map((device) => ({
      device,
      hash: Uint8Array.fromHex(submissions.get(device)!.update.hash),
    })),
    signatures: view.devices.filter((device) => signatures.has(device))
      .map((device) => ({ device, signature: signatures.get(device)! })),
  };
}

function unreadable(context: RunContext, lead: Lead, from: DeviceId, reason: string): void {
  lead.refused++;
  context.log.write("warning", "a message about a sum was refused", { from, reason });
}

function say(
  context: RunContext,
  deps: RunDependencies,
  { key }: Lead,
  to: DeviceId,
  phase: SecurePhase["phase"],
  body: Uint8Array,
): void {
  tell(context, deps, to, { type: "securePhase", ...key!, phase, body });
}
