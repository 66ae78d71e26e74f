/** What the sync actor knows: a plain value that checkers can read. */
import type { Block, Frontier } from "../../protocols/blocks/block.ts";
import type { decodeBlock } from "../../protocols/blocks/decode.ts";
import type { BlockId, ContentHash, DeviceId } from "../../protocols/ids.ts";
import type { Registry } from "../../protocols/registry/registry.ts";
import type { Difference } from "../../protocols/sync/reconcile.ts";
import type { ReconcileSet } from "../../protocols/sync/reconcile_set.ts";
import type {
  LogRange,
  RequestBlocks,
  RequestChunks,
  SyncInterest,
} from "../../protocols/sync/messages.ts";
import type { Crypto } from "../../platform/ports.ts";
import type { Store } from "../../store/store.ts";
import type { Interest } from "../handle.ts";
import type { Ref } from "../kernel/actor.ts";
import type { SessionsCommand } from "../sessions/commands.ts";
import type { StorageCommand } from "../storage/commands.ts";

export interface SyncDependencies {
  readonly self: DeviceId;
  readonly crypto: Crypto;
  readonly store: Pick<Store, "blocks" | "chunks" | "settings">;
  readonly storage: Ref<StorageCommand>;
  readonly sessions: Ref<SessionsCommand>;
  /** How bytes become blocks; default `decodeBlock`. Nodes that share a process may share what they decode. */
  readonly decodeBlock?: typeof decodeBlock;
}

/** Bounds of everything this actor holds. What is dropped at a bound is asked for again later. */
export const SYNC_BOUNDS = {
  /** Requests without answer per peer: enough to keep a path busy while blocks are verified. */
  openRequestsPerPeer: 4,
  requestTimeoutMs: 15_000,
  /** Sequences asked for in one request, adapted to what fits into an answer. */
  segmentFirst: 64,
  segmentMax: 1024,
  /** Blocks verified together: enough to keep several workers busy while the batch before is stored. */
  batchBlocks: 1024,
  /** Payload bytes verified together, and so handed to storage at once; one block may go over it. */
  batchBytes: 8 * 1024 * 1024,
  /** Blocks waiting for verification or for a predecessor; no more is asked for at half of it. */
  arrivalsMax: 16_384,
  arrivalBytesMax: 128 * 1024 * 1024,
  /** A peer from which this much waits is not asked for more, so that one cannot fill what is there for all. */
  heldPerPeer: 2_048,
  heldBytesPerPeer: 16 * 1024 * 1024,
  /** What waits this long for something that does not come is let go. */
  heldMs: 60_000,
  /** Reads for one peer at a time, and requests of it that wait for them; a peer of ours never has more than 8 open. */
  readsPerPeer: 4,
  readQueuePerPeer: 32,
  /** Ids noted per peer, of each sort; the rest is found by the next comparison. */
  wantedIdsPerPeer: 65_536,
  /** Bodies of at most this many blocks are fetched at a time. */
  chunkWantsMax: 16_384,
  openChunkRequestsPerPeer: 4,
  /** Payloads noted at a time when the interest widens. */
  payloadWantsMax: 10_000,
  /** Peers that wait to hear how far we have come are told at most this often. */
  frontiersDelayMs: 100,
  /**
   * What is new is told to one peer this often, up to half as much again, of so many authors, until it was told to so many peers that had
   * not shown to have it. Whoever gossip missed hears of it from none of its neighbours with probability e^−3.
   */
  spreadEveryMs: 15_000,
  spreadHeads: 64,
  spreadTimes: 3,
  /** What is newer than this is still on its way along the tree of gossip, and must not overtake it there. */
  spreadAfterMs: 5_000,
  /** A reconciliation that takes more rounds than this is given up: the other side lies. */
  reconcileRoundsMax: 64,
  /** Whoever is not in sync is looked after this often, up to half as much again: what was refused, lost or full may be gone. */
  tendEveryMs: 15_000,
  /** What is missing is looked up again after this long at first, and ever more rarely while nothing changes. */
  lookEveryMs: 15_000,
  lookEveryMsMax: 600_000,
  /** Whole sets are compared with one peer this often, to find what logs alone cannot show. */
  reconcileEveryMs: 600_000,
  /** A comparison that has not ended by then is forgotten. */
  reconcileMs: 120_000,
  /** Building a set reads every id: for one peer not more often than this. */
  buildEveryMs: 10_000,
  /** Pairs of heads remembered as compared, per peer. */
  knownForks: 1_024,
  heads: 4096,
} as const;

/** A block on its way in. */
export interface Arrival {
  readonly block: Block;
  readonly from: DeviceId;
  /** Asked for by id: may be a fork, a repair or a payload, so it need not continue its author's log. */
  readonly byId: boolean;
  /** Ids that must be stored first; empty when it only waits for its turn. */
  blockedOn: Set<BlockId>;
  readonly sinceMs: number;
}

/** What waits here from one peer. */
export interface Held {
  count: number;
  bytes: number;
}

export type OpenRequest =
  & {
    readonly peer: DeviceId;
    /** How often its time was extended because other answers came. */
    waits: number;
  }
  & (
    | { readonly kind: "log"; readonly ranges: readonly LogRange[]; readonly sequences: number }
    | {
      readonly kind: "ids";
      readonly ids: readonly BlockId[];
      readonly shortIds: readonly string[];
      /** The salt of the short ids, hex. */
      readonly salt: string;
      readonly payloads: boolean;
    }
    | { readonly kind: "chunk"; readonly hash: ContentHash }
  );

/** One author's log being fetched from one peer. */
export interface LogFetch {
  readonly peer: DeviceId;
  requestedUpTo: number;
  openRequests: number;
}

/** What we know of one peer during its session. */
export interface PeerSync {
  readonly id: DeviceId;
  readonly heads: Map<DeviceId, Frontier>;
  /** Its first complete list has come. */
  known: boolean;
  /** We held the same once during this session: from then on gossip tells what is new, and only what we lack counts. */
  met: boolean;
  /** What it told of in its frontiers and we lacked, per author: it is told when we have it. */
  readonly awaited: Map<DeviceId, number>;
  interest: SyncInterest | null;
  /** What it was last told, per author. */
  readonly told: Map<DeviceId, number>;
  toldInterest: boolean;
  openRequests: number;
  openChunkRequests: number;
  /** When it last answered anything; a slow path is not a broken promise. */
  answeredAtMs: number;
  /** Reads under way for it, and what it asked for besides. */
  reading: number;
  readonly readQueue: (RequestBlocks | RequestChunks)[];
  /** Ids it says we lack, not looked up yet. */
  readonly offeredIds: Set<BlockId>;
  comparingIds: boolean;
  segment: number;
  /** Authors whose blocks from this peer were refused; asked again when the registry changes. */
  readonly refused: Set<DeviceId>;
  inSync: boolean;
  reconciledAtMs: number | null;
  /** A comparison is wanted and waits for its time. */
  reconcileWanted: boolean;
  /** When it was last answered with all our heads. */
  toldAllAtMs: number | null;
  /** Heads that differ at the same sequence and were already reconciled. */
  readonly knownForks: Set<string>;
  asking: {
    readonly salt: string;
    set: ReconcileSet | null;
    readonly difference: Difference;
    rounds: number;
    readonly sinceMs: number;
  } | null;
  answering: {
    readonly salt: string;
    set: ReconcileSet | null;
    building: boolean;
    pending: Uint8Array | null;
    byShortId: Map<string, BlockId> | null;
  } | null;
  /** Ids to ask this peer for. */
  readonly wantedIds: Set<BlockId>;
  readonly wantedShortIds: Set<string>;
  shortIdSalt: string;
  /** When a set was last built to answer it. */
  builtAtMs: number | null;
  readonly wantedPayloads: Set<BlockId>;
}

/** A chunk that is missing. */
export interface ChunkWant {
  readonly blocks: Set<BlockId>;
  preferred: DeviceId | null;
  /** Peers that did not have it. */
  readonly without: Set<DeviceId>;
  asked: boolean;
}

/** Looking up what is missing here reads much of the store. */
export interface Looking {
  underWay: boolean;
  /** Asked for while one was under way. */
  again: boolean;
  /** What the last one found. */
  found: number;
  waitMs: number;
  nextAtMs: number;
}

export interface SyncState {
  readonly looking: Looking;
  loaded: boolean;
  registry: Registry | null;
  interest: Interest | null;
  readonly frontiers: Map<DeviceId, Frontier>;
  /** Authors whose logs have grown: how many peers are still to be told, and since when it is new. */
  readonly spreading: Map<DeviceId, { left: number; readonly sinceMs: number }>;
  /** Highest sequence per author that is stored or on its way there without a gap. */
  readonly accepted: Map<DeviceId, number>;
  readonly peers: Map<DeviceId, PeerSync>;
  readonly requests: Map<number, OpenRequest>;
  nextRequestId: number;
  readonly fetches: Map<DeviceId, LogFetch>;
  /** Decoded, in order, waiting for verification. */
  arrivals: Arrival[];
  /** Blocks that came before their predecessor, per author and sequence. */
  readonly early: Map<DeviceId, Map<number, Arrival>>;
  earlyCount: number;
  /** Arrivals and early blocks, per peer and in all. */
  readonly held: Map<DeviceId, Held>;
  heldBytes: number;
  checking: boolean;
  /** Blocks that became durable while a batch was being checked: its task read the store before them. */
  committedMeanwhile: Block[];
  /** Batches handed to storage, by token. */
  readonly storing: Map<number, readonly Arrival[]>;
  nextToken: number;
  /** By hash; in the order wanted. */
  readonly chunkWants: Map<ContentHash, ChunkWant>;
  /** How many chunks each incomplete body lacks. */
  readonly incompleteBodies: Map<BlockId, number>;
  /** Bodies that made room for others because nobody here has a part of them. */
  readonly shelvedBodies: Set<BlockId>;
  readonly storingChunks: Map<number, ContentHash>;
  /** Blocks set aside as damaged, as listed last: logs stop before them. */
  holes: Set<BlockId>;
}

/** The state before anything was read. */
export function emptySyncState(): SyncState {
  return {
    looking: {
      underWay: false,
      again: false,
      found: 0,
      waitMs: SYNC_BOUNDS.lookEveryMs,
      nextAtMs: 0,
    },
    loaded: false,
    registry: null,
    interest: null,
    frontiers: new Map(),
    spreading: new Map(),
    accepted: new Map(),
    peers: new Map(),
    requests: new Map(),
    nextRequestId: 1,
    fetches: new Map(),
    arrivals: [],
    early: new Map(),
    earlyCount: 0,
    held: new Map(),
    heldBytes: 0,
    checking: false,
    committedMeanwhile: [],
    storing: new Map(),
    nextToken: 1,
    chunkWants: new Map(),
    incompleteBodies: new Map(),
    shelvedBodies: new Set(),
    storingChunks: new Map(),
    holes: new Set(),
  };
}

/** What we know of a peer when its session begins. */
export function newPeer(id: DeviceId): PeerSync {
  return {
    id,
    heads: new Map(),
    known: false,
    met: false,
    awaited: new Map(),
    interest: null,
    told: new Map(),
    toldInterest: false,
    openRequests: 0,
    openChunkRequests: 0,
    answeredAtMs: Number.NEGATIVE_INFINITY,
    reading: 0,
    readQueue: [],
    offeredIds: new Set(),
    comparingIds: false,
    segment: SYNC_BOUNDS.segmentFirst,
    refused: new Set(),
    inSync: false,
    reconciledAtMs: null,
    reconcileWanted: false,
    toldAllAtMs: null,
    knownForks: new Set(),
    asking: null,
    answering: null,
    wantedIds: new Set(),
    wantedShortIds: new Set(),
    shortIdSalt: "",
    builtAtMs: null,
    wantedPayloads: new Set(),
  };
}
