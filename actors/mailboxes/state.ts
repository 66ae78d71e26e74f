/** What the mailboxes actor remembers between steps. Everything that must survive is in the store. */
import type { Broker, KeptMessage } from "../../platform/broker.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import type { DeviceKeys } from "../../protocols/keys/device_keys.ts";
import type { ParcelId } from "../../protocols/mailbox/parcel.ts";
import type { Registry } from "../../protocols/registry/registry.ts";
import type { Store } from "../../store/store.ts";
import type { Context, Ref } from "../kernel/actor.ts";
import type { PublisherCommand } from "../publisher/commands.ts";
import type { SessionsCommand } from "../sessions/commands.ts";
import type { MailboxesCommand } from "./commands.ts";
import type { Job } from "./jobs.ts";
import type { CarriedParcel, QueuedParcel, StepDependencies } from "./step.ts";

export type MailContext = Context<MailboxesCommand>;

export interface MailboxesDependencies extends Omit<StepDependencies, "mail"> {
  readonly store: Pick<Store, "mail" | "blocks" | "settings">;
  readonly sessions: Ref<SessionsCommand>;
  readonly publisher: Ref<PublisherCommand>;
  /** Keeps mail for whoever is away; without one, other devices do. */
  readonly broker?: Pick<Broker, "state" | "keep" | "collect">;
  /** By which this device logs in to brokers, 32 bytes; published beside the other keys. Zeros: to none. */
  readonly brokerKey: Uint8Array;
}

/** Where a parcel was handed, and what came of it. */
export type CopyState = "offered" | "kept" | "refused";

/** An own parcel on its way. */
export interface Outgoing extends QueuedParcel {
  parcel: Uint8Array | null;
  readonly sinceMs: number;
  /** Not before this monotonic time. */
  retryAtMs: number;
  refusals: number;
  readonly copies: Map<DeviceId | "broker", CopyState>;
}

/** Another's parcel that waits here. */
export interface Carried extends CarriedParcel {
  retryAtMs: number;
  refusals: number;
}

/** What was handed to a peer and not answered. */
export interface InFlight {
  readonly bytes: number;
  readonly sentAtMs: number;
  readonly role: "own" | "copy" | "carried";
}

/** One device that mail goes to or comes from. */
export interface Peer {
  up: boolean;
  /** Monotonic time since which it is down. */
  downSinceMs: number;
  readonly inFlight: Map<ParcelId, InFlight>;
  /** Of `inFlight`. */
  inFlightBytes: number;
  /** Deposits of it that wait for their turn. */
  jobs: number;
  /** Of those deposits. */
  jobBytes: number;
  connectTries: number;
  connectAtMs: number;
  /** As a carrier: not asked again before this monotonic time. */
  unwillingUntilMs: number;
}

/** Who waits for the answers to a deposit. */
export type Depositor =
  | { readonly type: "peer"; readonly deviceId: DeviceId }
  | { readonly type: "broker"; readonly kept: KeptMessage };

export interface MailboxesState {
  phase: "loading" | "open";
  registry: Registry | null;
  /** False until the members have been told for the first time, also that there is no mesh: before that nobody knows who may do what. */
  membershipTold: boolean;
  readonly keys: Map<DeviceId, DeviceKeys>;
  /** Sequence of the block from which the keys are, by author. */
  readonly keySequences: Map<DeviceId, number>;
  readonly peers: Map<DeviceId, Peer>;
  readonly outgoing: Map<ParcelId, Outgoing>;
  readonly byRecipient: Map<DeviceId, Map<ParcelId, Outgoing>>;
  outgoingBytes: number;
  readonly carried: Map<ParcelId, Carried>;
  readonly carriedByRecipient: Map<DeviceId, Map<ParcelId, Carried>>;
  carriedBytes: number;
  jobs: Job[];
  running: readonly Job[] | null;
  /** Jobs that are worked off one by one, because a step with several has failed. */
  soloJobs: number;
  /** Whether jobs wait that gain by being done with others, and since when, monotonic ms; "over" when they have waited long enough. */
  patience: "none" | "over" | { readonly sinceMs: number };
  /** Messages and parcels in a step, as the steps before had them. */
  crowd: number;
  diskFailures: number;
  /** True when the wait after a failure of the disk is over. */
  diskRetried: boolean;
  readonly depositors: Map<number, Depositor>;
  nextDeposit: number;
  /** Steps so far: each has a generator of its own. */
  steps: number;
  /** Publishing of our keys: tries so far, and the earliest next one. */
  publications: number;
  publishAtMs: number;
  keysStale: boolean;
  /** When a kind of warning was last told, monotonic ms. */
  readonly warned: Map<string, number>;
  renewAtMs: number;
  /** True when something happened since time was last looked at. */
  busy: boolean;
  /** When time is looked at although nothing has happened, monotonic ms. */
  tendAtMs: number;
  /** Ends collecting from the broker. */
  stopCollecting: (() => void) | null;
}

/** A state that knows nothing yet. */
export function emptyState(): MailboxesState {
  return {
    phase: "loading",
    registry: null,
    membershipTold: false,
    keys: new Map(),
    keySequences: new Map(),
    peers: new Map(),
    outgoing: new Map(),
    byRecipient: new Map(),
    outgoingBytes: 0,
    carried: new Map(),
    carriedByRecipient: new Map(),
    carriedBytes: 0,
    jobs: [],
    running: null,
    soloJobs: 0,
    patience: "none",
    crowd: 0,
    diskFailures: 0,
    diskRetried: false,
    depositors: new Map(),
    nextDeposit: 1,
    steps: 0,
    publications: 0,
    publishAtMs: 0,
    keysStale: false,
    warned: new Map(),
    renewAtMs: 0,
    busy: true,
    tendAtMs: 0,
    stopCollecting: null,
  };
}

/** What is known of a device; made when it is first needed. */
export function peerOf(state: MailboxesState, device: DeviceId, nowMs: number): Peer {
  return state.peers.getOrInsertComputed(device, () => ({
    up: false,
    downSinceMs: nowMs,
    inFlight: new Map(),
    inFlightBytes: 0,
    jobs: 0,
    jobBytes: 0,
    connectTries: 0,
    connectAtMs: 0,
    unwillingUntilMs: 0,
  }));
}

/** Remembers an own parcel. */
export function addOutgoing(state: MailboxesState, parcel: QueuedParcel, nowMs: number): void {
  if (state.outgoing.has(parcel.id)) return;
  const entry: Outgoing = {
    ...parcel,
    sinceMs: nowMs,
    retryAtMs: 0,
    refusals: 0,
    copies: new Map(),
  };
  state.outgoing.set(entry.id, entry);
  state.byRecipient.getOrInsertComputed(entry.recipient, () => new Map()).set(entry.id, entry);
  state.outgoingBytes += entry.bytes;
}

/** Forgets an own parcel. Returns what was known of it. */
export function removeOutgoing(state: MailboxesState, id: ParcelId): Outgoing | undefined {
  const entry = state.outgoing.get(id);
  if (entry === undefined) return undefined;
  state.outgoing.delete(id);
  state.outgoingBytes -= entry.bytes;
  removeFrom(state.byRecipient, entry.recipient, id);
  return entry;
}

/** Remembers another's parcel. */
export function addCarried(state: MailboxesState, parcel: CarriedParcel): void {
  if (state.carried.has(parcel.id)) return;
  const entry: Carried = { ...parcel, retryAtMs: 0, refusals: 0 };
  state.carried.set(entry.id, entry);
  state.carriedByRecipient.getOrInsertComputed(entry.recipient, () => new Map())
    .set(entry.id, entry);
  state.carriedBytes += entry.bytes;
}

/** Forgets another's parcel. */
export function removeCarried(state: MailboxesState, id: ParcelId): void {
  const entry = state.carried.get(id);
  if (entry === undefined) return;
  state.carried.delete(id);
  state.carriedBytes -= entry.bytes;
  removeFrom(state.carriedByRecipient, entry.recipient, id);
}

function removeFrom<Entry>(
  lists: Map<DeviceId, Map<ParcelId, Entry>>,
  device: DeviceId,
  id: ParcelId,
): void {
  const list = lists.get(device);
  list?.delete(id);
  if (list?.size === 0) lists.delete(device);
}
