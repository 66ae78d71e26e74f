/** What the pairing actor holds: invites, runs of the handshake, pairings that people see. */
import type { Crypto, Signer } from "../../platform/ports.ts";
import type { Rendezvous } from "../../platform/transport.ts";
import type { Announcement, Sighting } from "../../platform/discovery.ts";
import type { DeviceId, MeshId } from "../../protocols/ids.ts";
import type { InviteTicket } from "../../protocols/pairing/invite.ts";
import type { InviterState } from "../../protocols/pairing/inviter.ts";
import type { JoinerState, Paired } from "../../protocols/pairing/joiner.ts";
import type {
  InviteKind,
  InviterIdentity,
  JoinerIdentity,
} from "../../protocols/pairing/messages.ts";
import type { Registry } from "../../protocols/registry/registry.ts";
import type { Role } from "../../protocols/registry/roles.ts";
import type { Store } from "../../store/store.ts";
import { nodeEvents, type PairingPhase } from "../events.ts";
import type { InviteView, PairingView } from "../handle.ts";
import type { Context, Ref } from "../kernel/actor.ts";
import type { MembersCommand } from "../members/commands.ts";
import type { SessionsCommand } from "../sessions/commands.ts";
import type { PairingCommand } from "./commands.ts";

export interface PairingDependencies {
  readonly self: DeviceId;
  readonly rendezvous: Rendezvous;
  readonly members: Ref<MembersCommand>;
  /** Keeps the address under which the inviter was found, for networks without multicast. */
  readonly sessions: Ref<SessionsCommand>;
  readonly crypto: Crypto;
  readonly signer: Signer;
  readonly store: Pick<Store, "settings">;
  /** Where strangers reach us now, most promising first. */
  readonly rendezvousAddresses: () => readonly string[];
  /** This device's name for people; longer ones are cut to 63 bytes of UTF-8. */
  readonly announcement: () => Pick<Announcement, "displayName">;
}

/** One sentence for every reason: a stranger must not learn which invites exist. */
export const NO_INVITE = "There is no such invite, or it is used, cancelled or expired.";

export const LIMITS = {
  /** Open invites at once; the hints of codes tell them apart. */
  invitesOpen: 32,
  /** Invites kept in all, closed ones included. */
  invites: 256,
  closedInviteKeptMs: 24 * 3_600_000,
  validMsMin: 60_000,
  validMsMax: 86_400_000,
  validMsDefault: 600_000,
  /** Runs of the handshake that strangers began in the last `runMs`. */
  runs: 16,
  runsPerSource: 6,
  runMs: 30_000,
  /** Pairings that wait for people. */
  pairingsActive: 8,
  pairingsKept: 32,
  /** From the first request to both confirmations and the registry. */
  pairingMs: 600_000,
  requestTimeoutMs: 5_000,
  retryMs: 1_000,
  retries: 2,
  pollMs: 1_000,
  /** Polls that fail one after another before the joiner gives up. */
  pollFailures: 30,
  /** Devices that are tried with a typed code, and addresses of each. */
  devicesTried: 8,
  addressesTried: 4,
  sightings: 256,
  /** Commands that wait while invites are read from the store. */
  waiting: 64,
} as const;

export interface Invite {
  readonly inviteId: string;
  readonly hint: number;
  /** Hashes of the secrets; null once the invite is closed. */
  readonly linkPassword: Uint8Array | null;
  readonly codePassword: Uint8Array | null;
  readonly role: Role;
  /** Name proposed for the device. */
  readonly displayName: string | null;
  readonly expiresAtMs: number;
  readonly state: InviteView["state"];
  readonly closedAtMs: number | null;
}

/** One stranger's handshake, before it has proved the secret. */
export interface Run {
  readonly inviteId: string;
  readonly kind: InviteKind;
  readonly from: string;
  readonly startedMs: number;
  /** Null once the run has ended; it then only counts for the limits. */
  machine: InviterState | null;
  /** The last request and its answer: a repeated request gets the same answer. */
  last: { readonly request: string; readonly reply: Uint8Array } | null;
}

interface PairingBase {
  readonly pairingId: string;
  phase: PairingPhase;
  problem: string | null;
  confirmed: boolean;
}

/** A pairing in which we invited. */
export interface InviterPairing extends PairingBase {
  readonly side: "inviter";
  readonly runId: string;
  readonly role: Role;
  readonly proposedName: string | null;
  readonly paired: Paired<JoinerIdentity>;
  remoteConfirmed: boolean;
  admitting: boolean;
  pages: readonly (readonly Uint8Array[])[] | null;
  pagesServed: number;
  counter: number;
  last: { readonly request: string; readonly reply: Uint8Array } | null;
}

/** A pairing in which we want to join. */
export interface JoinerPairing extends PairingBase {
  readonly side: "joiner";
  readonly ticket: InviteTicket;
  /** From a link; null for a code. */
  readonly inviter: DeviceId | null;
  /** Devices still to try, each with its addresses. */
  readonly devices: string[][];
  address: string;
  /** The most telling of what devices that were tried have said. */
  bestProblem: { readonly rank: number; readonly problem: string };
  machine: JoinerState | null;
  paired: Paired<InviterIdentity> | null;
  /** Counts requests: an answer to an earlier one is ignored. */
  requestId: number;
  body: Uint8Array;
  retriesLeft: number;
  cancel: (() => void) | null;
  counter: number;
  failures: number;
  pagesExpected: number;
  readonly pages: (readonly Uint8Array[])[];
  joining: boolean;
}

export type Pairing = InviterPairing | JoinerPairing;

export interface PairingState {
  readonly stopServing: () => void;
  loaded: boolean;
  /** Commands that came before invites were loaded. */
  readonly waiting: PairingCommand[];
  registry: Registry | null;
  /** Known from founding before the registry arrives. */
  mesh: MeshId | null;
  readonly invites: Map<string, Invite>;
  readonly runs: Map<string, Run>;
  readonly pairings: Map<string, Pairing>;
  readonly sightings: Map<DeviceId, Sighting>;
  replies: number;
}

export type PairingContext = Context<PairingCommand>;

/** What people see of a pairing. */
export function viewOf(pairing: Pairing): PairingView {
  const remote = pairing.paired?.remote ?? null;
  return {
    pairingId: pairing.pairingId,
    side: pairing.side,
    phase: pairing.phase,
    words: pairing.paired?.words ?? [],
    remoteDeviceId: remote?.deviceId ?? null,
    remoteDisplayName: remote?.displayName ?? null,
    problem: pairing.problem,
  };
}

/** True while something may still happen to it. */
export function isActive(pairing: Pairing): boolean {
  return pairing.phase === "connecting" || pairing.phase === "confirming" ||
    pairing.phase === "waitingForOther";
}

/** Moves a pairing on and tells everybody. Ended pairings let go of timers and requests. */
export function enterPhase(
  context: PairingContext,
  pairing: Pairing,
  phase: PairingPhase,
  problem: string | null = null,
): void {
  if (pairing.phase === phase) return;
  pairing.phase = phase;
  pairing.problem = problem;
  context.publish(nodeEvents, {
    type: "pairingChanged",
    pairingId: pairing.pairingId,
    phase,
  });
  if (isActive(pairing)) return;
  context.cancelTimer(`expiry ${pairing.pairingId}`);
  context.cancelTimer(`poll ${pairing.pairingId}`);
  context.cancelTimer(`retry ${pairing.pairingId}`);
}

/** Adds a pairing, forgetting the oldest that has ended when there are too many. */
export function addPairing(context: PairingContext, state: PairingState, pairing: Pairing): void {
  for (const old of state.pairings.values()) {
    if (state.pairings.size < LIMITS.pairingsKept) break;
    if (!isActive(old)) state.pairings.delete(old.pairingId);
  }
  state.pairings.set(pairing.pairingId, pairing);
  context.startTimer(`expiry ${pairing.pairingId}`, LIMITS.pairingMs, {
    type: "pairingExpiryDue",
    pairingId: pairing.pairingId,
  });
  context.publish(nodeEvents, {
    type: "pairingChanged",
    pairingId: pairing.pairingId,
    phase: pairing.phase,
  });
}

/** Pairings under way. */
export function activePairings(state: PairingState): number {
  return [...state.pairings.values()].filter(isActive).length;
}
