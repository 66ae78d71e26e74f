/**
 * The node as its views (gateway, CLI, MCP, dashboard, embedding applications) see it. All of them use this and hold no
 * state of their own. Field names are the same here, in JSON, in the CLI and in the docs.
 */
import type { Block, BlockDraft, BlockKind } from "../protocols/blocks/block.ts";
import type { BlockId, DeviceId, MeshId } from "../protocols/ids.ts";
import type { Permission, Role, TrustLevel } from "../protocols/registry/roles.ts";
import type { PathKind } from "../platform/transport.ts";
import type { BlockPage, BlockQuery, Damage, SearchPage, SearchQuery } from "../store/store.ts";
import type { BridgeView } from "./bridge/commands.ts";
import type { ActorCounters } from "./kernel/counters.ts";
import type { NodeEvent, PairingPhase } from "./events.ts";
import type { LivenessState, LivenessView } from "./liveness/commands.ts";
import type { LearningHandle } from "./learning_handle.ts";
import type { MailHandle } from "./mail_handle.ts";
import type { SensorHandle } from "./sensor_handle.ts";

/** A refusal that a person can act on. `reason` is stable for machines; views map it to their own codes in one table. */
export interface Refusal {
  readonly type: "refused";
  readonly reason:
    | "invalid"
    | "notFound"
    | "notPermitted"
    | "noMesh"
    | "alreadyMember"
    | "expired"
    | "tooLarge"
    | "busy"
    | "unavailable";
  /** What could not be done, the value, what was expected, what to do. */
  readonly message: string;
}

export type Outcome<T> = { readonly type: "done"; readonly value: T } | Refusal;

export interface NodeStatus {
  readonly deviceId: DeviceId;
  readonly displayName: string;
  /** Null until this device has founded or joined a mesh. */
  readonly mesh: MeshId | null;
  readonly role: Role | null;
  readonly version: string;
  readonly uptimeMs: number;
  readonly blocks: number;
  readonly blockBytes: number;
  readonly blocksWithoutPayload: number;
  readonly chunks: number;
  readonly chunkBytes: number;
  readonly members: number;
  /** Sessions that are up. */
  readonly peersConnected: number;
  readonly peersSighted: number;
  readonly multicast: boolean;
  readonly rendezvousAddresses: readonly string[];
  /** Rows found damaged and not repaired yet. */
  readonly damage: readonly Damage[];
}

export type SessionState = "idle" | "connecting" | "handshaking" | "up" | "waiting";

export interface PeerView {
  readonly deviceId: DeviceId;
  readonly displayName: string;
  readonly role: Role | null;
  /** False for devices that are merely seen on the network. */
  readonly member: boolean;
  readonly sighted: boolean;
  readonly addresses: readonly string[];
  readonly state: SessionState;
  readonly path: PathKind | null;
  readonly pathDescription: string | null;
  /** True while frames take a detour over somebody else (TURN, a broker). */
  readonly relayed: boolean;
  /** Smoothed round trip over the session, ms; null when unknown. */
  readonly roundTripMs: number | null;
  readonly connectedForMs: number | null;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly framesUnacknowledged: number;
  readonly retryInMs: number | null;
  readonly lastProblem: string | null;
  /** True while our and their frontiers are known to be equal. */
  readonly inSync: boolean;
  /** What the failure detector believes: `unknown` when nobody has told us of it, and for devices that are no members. */
  readonly liveness: LivenessState;
}

export interface MemberView {
  readonly deviceId: DeviceId;
  readonly displayName: string;
  readonly role: Role;
  readonly permissions: readonly Permission[];
  readonly trust: TrustLevel;
  readonly revoked: boolean;
  readonly admittedBy: DeviceId | null;
  readonly admittedAtMs: number;
  readonly self: boolean;
}

export interface InviteOptions {
  readonly role: Role;
  /** Name proposed for the new device; it may bring its own. */
  readonly displayName?: string;
  /** 60,000 – 86,400,000; default 600,000. */
  readonly validMs?: number;
}

export interface InviteView {
  readonly inviteId: string;
  /** "kiana:…": everything a device needs to find us and prove it was invited. Shown once. */
  readonly link: string;
  /** The short form that is typed: "4821-7730". */
  readonly code: string;
  readonly role: Role;
  readonly expiresAtMs: number;
  readonly state: "open" | "used" | "expired" | "burned" | "cancelled";
}

export interface PairingView {
  readonly pairingId: string;
  /** `inviter` shows the invite, `joiner` typed it. */
  readonly side: "inviter" | "joiner";
  readonly phase: PairingPhase;
  /** Short authentication string, words to compare; empty before `confirming`. */
  readonly words: readonly string[];
  readonly remoteDeviceId: DeviceId | null;
  readonly remoteDisplayName: string | null;
  readonly problem: string | null;
}

export interface AddedBlock {
  readonly id: BlockId;
  readonly sequence: number;
}

/** A block with what is known about it, for views. */
export interface BlockView {
  readonly block: Block;
  /** Blocks that supersede or remove it; empty when it is current. */
  readonly replacedBy: readonly BlockId[];
  /** The version to show of the document this block belongs to, the same on every device that knows the same blocks; null when it was removed. */
  readonly current: BlockId | null;
  /** Versions written at the same time as `current` that nobody has replaced yet: still readable, until someone supersedes them. */
  readonly conflicts: readonly BlockId[];
  /** True when the whole body can be read here. */
  readonly complete: boolean;
}

export interface NodeHandle {
  readonly deviceId: DeviceId;
  /** Messages between devices. */
  readonly mail: MailHandle;
  readonly sensors: SensorHandle;
  readonly learning: LearningHandle;
  status(): Promise<NodeStatus>;

  /**
   * Publishes blocks in order; resolves after they are durable. The same `idempotencyKey` (≤ 64 characters) within 24 h
   * gives the first answer again. Founds a mesh when this device has none.
   */
  addBlocks(
    drafts: readonly BlockDraft[],
    idempotencyKey?: string,
  ): Promise<Outcome<readonly AddedBlock[]>>;
  block(id: BlockId): Promise<Outcome<BlockView>>;
  /** The whole body, chunks put together; refuses with `unavailable` while parts are missing. */
  body(id: BlockId): Promise<Outcome<ReadableStream<Uint8Array>>>;
  blocks(query: BlockQuery): Promise<BlockPage>;
  search(query: SearchQuery): Promise<SearchPage>;

  peers(): Promise<readonly PeerView[]>;
  /** Which members are believed to be there, and how carefully they are watched. */
  liveness(): Promise<LivenessView>;
  /** The connection to the broker, and what goes over it. */
  bridge(): Promise<BridgeView>;
  /** Adds an address to try for a device where multicast does not reach; kept across restarts. */
  addStaticPeer(address: string): Promise<Outcome<null>>;

  members(): Promise<readonly MemberView[]>;
  updateMember(
    id: DeviceId,
    change: {
      displayName?: string;
      role?: Role;
      permissions?: readonly Permission[];
      trust?: TrustLevel;
    },
  ): Promise<Outcome<MemberView>>;
  revokeMember(id: DeviceId): Promise<Outcome<MemberView>>;

  createInvite(options: InviteOptions): Promise<Outcome<InviteView>>;
  invites(): Promise<readonly InviteView[]>;
  cancelInvite(inviteId: string): Promise<Outcome<null>>;
  /** Joins with a link or a typed code; people then compare words. */
  acceptInvite(linkOrCode: string): Promise<Outcome<PairingView>>;
  pairings(): Promise<readonly PairingView[]>;
  /** A person says whether the words are the same on both devices. */
  confirmPairing(pairingId: string, wordsMatch: boolean): Promise<Outcome<PairingView>>;

  /** Which topics and sizes of payload this device keeps. Null keeps everything. */
  setInterest(interest: Interest | null): Promise<Outcome<Interest | null>>;
  interest(): Promise<Interest | null>;

  /** Recomputes every hash; damaged rows are fetched from peers again. */
  verifyStore(onProgress?: (done: number, total: number) => void): Promise<readonly Damage[]>;
  backup(
    directory: string,
    onProgress?: (done: number, total: number) => void,
  ): Promise<Outcome<null>>;

  /** Watches everything that happens. Returns a function that ends it. */
  subscribe(listener: (event: NodeEvent) => void): () => void;
  counters(): readonly ActorCounters[];
  /** Graceful: goodbye, sessions closed, store closed. */
  stop(): Promise<void>;
}

/** Selective sync: headers always, payloads only as stated. */
export interface Interest {
  /** Topics wanted, each including its subtopics; empty wants all. */
  readonly topics: readonly string[];
  /** Bodies larger than this stay with the others until asked for, bytes. */
  readonly bodyBytesMax: number;
}

export type { BlockKind };
