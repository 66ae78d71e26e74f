/** Coordinating secure sums: one over everybody, or one in each random group. `learning/secure` says what each step means. */
import { groupsOf, sumRoundOf } from "../../learning/runs/secure_round.ts";
import type { SumOutcome } from "../../learning/secure/contract.ts";
import { dealingHolds } from "../../learning/secure/forged_shares.ts";
import {
  acceptAdvertisement,
  acceptKeyShares,
  acceptMaskedInput,
  acceptSurvivorSignature,
  closeAdvertising,
  closeKeyShares,
  closeMaskedInputs,
  closeSurvivorSignatures,
  hasSharedKeys,
  receivedSharesFor,
  rosterFor,
  survivorClaimFor,
  unmaskRequest,
} from "../../learning/secure/server.ts";
import { find, openSum, type ServerState, survived } from "../../learning/secure/server_state.ts";
import { acceptReveal, missingSecrets } from "../../learning/secure/unmask.ts";
import {
  decodeAdvertisement,
  decodeKeyShares,
  decodeMaskedInput,
  decodeReveal,
  decodeSurvivorSignature,
  encodeReceivedShares,
  encodeRoster,
  encodeSurvivorClaim,
  encodeUnmaskRequest,
} from "../../learning/secure/wire.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import type { SecurePhase } from "../../protocols/rounds/messages.ts";
import { keepCheckpoint } from "./checkpoints.ts";
import { combine } from "./combining.ts";
import { onConfirmed } from "./confirming.ts";
import { noteFault } from "./faults.ts";
import { abandon, enter, whyTooFew } from "./lead.ts";
import { refuseSubmission } from "./lead_updates.ts";
import { roundPlan } from "./round_plan.ts";
import type { Lead, RunActorState, RunContext, RunDependencies, SumGroup } from "./run_state.ts";
import { sameAttempt } from "./talking.ts";
import { tellAgain, tellInTurn } from "./telling.ts";
import { sumDependencies } from "./sum_dependencies.ts";

/** Everybody's keys become rosters. */
export function openSums(context: RunContext, state: RunActorState, deps: RunDependencies): void {
  const lead = state.lead!;
  const { opened } = deps;
  const dependencies = sumDependencies(deps);
  const key = lead.key!;
  for (const members of groupsOf(opened.plan, key, lead.participants)) {
    const round = sumRoundOf(roundPlan(state, deps), {
      ...key,
      modelHash: state.head!.parameters,
      devices: lead.called.length,
    });
    const server = round === null ? undefined : openSum(round);
    if (server === undefined || !server.ok) {
      return abandon(context, state, deps, server?.detail ?? "the plan has no secure sum");
    }
    for (const device of members) {
      const keys = decodeAdvertisement(lead.ready.get(device)!.keys);
      const outcome = keys.ok
        ? acceptAdvertisement(server.value, device, keys.message, dependencies)
        : { ok: false as const, detail: keys.reason };
      if (!outcome.ok) refuseSubmission(context, state, deps, device, outcome.detail);
    }
    const closed = closeAdvertising(server.value, dependencies);
    lead.groups.push({ members, server: server.value, failed: !closed.ok });
    if (!closed.ok) {
      context.log.write("warning", "a secure sum cannot begin", { why: closed.detail });
    }
  }
  if (!someGroup(context, state, deps, "begin")) return;
  enter(context, state, deps, "sharing", opened.plan.deadlines.phaseMs);
  tellInTurn(context, state, deps, "roster", membersOf(lead));
}

/** When the coordinator listens to what devices say. */
const HEARD_WHILE: Partial<Record<SecurePhase["phase"], Lead["phase"]>> = {
  shares: "sharing",
  consistency: "signing",
  unmask: "unmasking",
  confirmed: "confirming",
};

/** What a device says in a phase. */
export function onDevicePhase(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  from: DeviceId,
  message: SecurePhase,
): void {
  const { lead } = state;
  if (lead?.key == null || !sameAttempt(lead.key, message)) return;
  // What comes when its phase is over is late, no offence.
  if (lead.phase !== HEARD_WHILE[message.phase]) return;
  if (message.phase === "confirmed") return onConfirmed(context, state, deps, from, message);
  const group = groupOf(lead, from);
  if (group === undefined) return;
  const dependencies = sumDependencies(deps);
  const refused = (outcome: SumOutcome<unknown>): boolean => {
    if (outcome.ok) return false;
    context.log.write("warning", "a secure sum refused a message", {
      from,
      refusal: outcome.refusal,
      detail: outcome.detail,
    });
    lead.refused++;
    if (outcome.refusal === "forgedShare" && outcome.device === from) {
      noteFault(lead, from, "forgedShare");
    }
    return true;
  };
  const undecodable = (reason: string) => {
    lead.refused++;
    context.log.write("warning", "a secure sum could not read a message", { from, reason });
  };
  switch (message.phase) {
    case "shares": {
      const shares = decodeKeyShares(message.body);
      if (!shares.ok) return undecodable(shares.reason);
      // What is said again is compared with what was taken, and not verified once more.
      const isFirst = !hasSharedKeys(group.server, from);
      if (isFirst && !dealingHolds(group.server, from, shares.message, dependencies)) {
        return undecodable("it has not signed the shares that it deals");
      }
      if (refused(acceptKeyShares(group.server, from, shares.message))) return;
      if (everyGroup(state, ({ server }) => isFull(server))) {
        closeSharing(context, state, deps);
      }
      return;
    }
    case "consistency": {
      const signature = decodeSurvivorSignature(message.body);
      if (!signature.ok) return undecodable(signature.reason);
      if (refused(acceptSurvivorSignature(group.server, from, signature.message, dependencies))) {
        return;
      }
      const all = everyGroup(state, ({ server }) => server.signatures.size === server.inputs.size);
      if (all) closeSigning(context, state, deps);
      return;
    }
    case "unmask": {
      const revealed = decodeReveal(message.body);
      if (!revealed.ok) return undecodable(revealed.reason);
      if (refused(acceptReveal(group.server, from, revealed.message, dependencies))) return;
      const all = everyGroup(state, ({ server }) => missingSecrets(server).length === 0);
      if (all) combine(context, state, deps);
      return;
    }
    default:
      // What coordinators say to devices.
      return;
  }
}

function isFull(server: SumGroup["server"]): boolean {
  return server.shares.size === server.advertisements.size;
}

/** Keys are shared: everybody trains. */
export function closeSharing(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
): void {
  close(context, state, (group) => closeKeyShares(group.server));
  if (!someGroup(context, state, deps, "share keys")) return;
  enter(context, state, deps, "training", deps.opened.plan.deadlines.trainMs);
  const lead = state.lead!;
  for (const { members, failed, server } of lead.groups) {
    for (const device of members) {
      if (failed || !hasSharedKeys(server, device)) lead.declined.add(device);
    }
  }
  tellInTurn(context, state, deps, "inbox", membersOf(lead));
}

/** A masked vector goes into its sum; why not, else. */
export function takeInput(
  state: RunActorState,
  deps: RunDependencies,
  device: DeviceId,
  bytes: Uint8Array,
): string | undefined {
  const group = state.lead!.groups.find(({ members }) => members.includes(device));
  if (group === undefined || group.failed) return "its group has come to nothing";
  const input = decodeMaskedInput(bytes);
  const outcome = input.ok
    ? acceptMaskedInput(group.server, device, input.message, sumDependencies(deps))
    : { ok: false as const, refusal: "malformed", detail: input.reason };
  if (outcome.ok) return undefined;
  // Its device has signed the hash of just these bytes.
  if (outcome.refusal === "malformed") noteFault(state.lead!, device, "misshapen");
  return outcome.detail;
}

/** The vectors are in: a copy of the sums goes into safe hands, then everybody is asked to sign for the survivors. */
export function closeMasking(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
): void {
  close(context, state, (group) => closeMaskedInputs(group.server, sumDependencies(deps)));
  if (!someGroup(context, state, deps, "gather vectors")) return;
  keepCheckpoint(context, state, deps);
}

/** The survivors are asked to sign for each other. */
export function sendClaims(context: RunContext, state: RunActorState, deps: RunDependencies): void {
  enter(context, state, deps, "signing", deps.opened.plan.deadlines.phaseMs);
  tellInTurn(context, state, deps, "survivors", membersOf(state.lead!));
}

/** Enough have signed: masks may come off. */
export function closeSigning(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
): void {
  close(context, state, (group) => closeSurvivorSignatures(group.server));
  if (!someGroup(context, state, deps, "sign")) return;
  enter(context, state, deps, "unmasking", deps.opened.plan.deadlines.phaseMs);
  tellInTurn(context, state, deps, "unmaskRequest", membersOf(state.lead!));
}

/** Asks those again who have revealed nothing; the same question gets the same answer. */
export function askToUnmask(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
): void {
  const lead = state.lead!;
  tellAgain(context, state, deps, {
    devices: membersOf(lead),
    isOpen(device) {
      const { server } = groupOf(lead, device)!;
      const index = survivorIn(server, device);
      return index !== undefined && !server.revealers.has(index);
    },
  });
}

/** No more shares come: the sums that can be unmasked count. */
export function closeUnmasking(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
): void {
  for (const group of state.lead!.groups) {
    if (!group.failed && missingSecrets(group.server).length > 0) group.failed = true;
  }
  if (someGroup(context, state, deps, "unmask")) combine(context, state, deps);
}

function close(
  context: RunContext,
  state: RunActorState,
  step: (group: SumGroup) => SumOutcome<unknown>,
): void {
  for (const group of state.lead!.groups) {
    if (group.failed) continue;
    const outcome = step(group);
    if (outcome.ok) continue;
    group.failed = true;
    context.log.write("warning", "a secure sum comes to nothing", { why: outcome.detail });
  }
}

/** False, and the attempt abandoned, when no sum is left. */
function someGroup(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  what: string,
): boolean {
  const lead = state.lead!;
  if (lead.groups.some(({ failed }) => !failed)) return true;
  abandon(context, state, deps, whyTooFew(lead, `too few devices were left to ${what}`));
  return false;
}

/** Everybody of the groups that may still come to a sum. */
function membersOf({ groups }: Lead): readonly DeviceId[] {
  return groups.filter(({ failed }) => !failed).flatMap(({ members }) => members);
}

/** The place of a survivor in the roster; undefined for others. */
function survivorIn(server: ServerState, device: DeviceId): number | undefined {
  const index = find(server, device)?.index;
  return index !== undefined && survived(server, index) ? index : undefined;
}

/** Undefined for a device of none, or of one that has come to nothing. */
function groupOf({ groups }: Lead, device: DeviceId): SumGroup | undefined {
  return groups.find(({ members, failed }) => !failed && members.includes(device));
}

function everyGroup(state: RunActorState, holds: (group: SumGroup) => boolean): boolean {
  return state.lead!.groups.every((group) => group.failed || holds(group));
}

/** What a phase of the attempt has for a device; undefined for nothing. */
export function sumMessage(
  lead: Lead,
  device: DeviceId,
  phase: SecurePhase["phase"],
): SecurePhase | undefined {
  const server = groupOf(lead, device)?.server;
  const body = server === undefined ? undefined : bodyOf(server, device, phase);
  if (body === undefined) return undefined;
  return { type: "securePhase", ...lead.key!, phase, body };
}

function bodyOf(
  server: ServerState,
  device: DeviceId,
  phase: SecurePhase["phase"],
): Uint8Array | undefined {
  switch (phase) {
    case "roster": {
      const roster = rosterFor(server, device);
      return roster && encodeRoster(roster);
    }
    case "inbox": {
      const inbox = receivedSharesFor(server, device);
      return inbox && encodeReceivedShares(inbox);
    }
    case "survivors": {
      const claim = survivorClaimFor(server, device);
      return claim && encodeSurvivorClaim(claim);
    }
    case "unmaskRequest": {
      const isAsked = survivorIn(server, device) !== undefined;
      const request = isAsked ? unmaskRequest(server) : undefined;
      return request && encodeUnmaskRequest(request);
    }
    default:
      return undefined;
  }
}
