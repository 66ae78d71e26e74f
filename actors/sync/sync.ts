/**
 * Makes our blocks equal our peers'.
 *
 * Invariants:
 * - A block goes to storage only after its signature and its place in its author's log were checked.
 * - Nobody is told of a block before it is durable here.
 * - Each author's log is fetched from one peer at a time; when that peer fails, from another.
 * - Everything waiting here is bounded; what is dropped is asked for again.
 */
import { INLINE_BODY_BYTES_MAX } from "../../protocols/blocks/block.ts";
import type { Frontier } from "../../protocols/blocks/block.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import type { Frontiers, SyncMessage } from "../../protocols/sync/messages.ts";
import { nodeEvents } from "../events.ts";
import type { Interest } from "../handle.ts";
import type { Behaviour, Context } from "../kernel/actor.ts";
import { membershipChanged } from "../members/commands.ts";
import { type PeerMessage, type PeerSessionEvent, peerSessions } from "../sessions/commands.ts";
import { type BlocksCommitted, blocksCommitted } from "../storage/commands.ts";
import {
  findMissingChunks,
  forgetRefusals,
  onChunks,
  onChunksStored,
  requestChunks,
  wantChunks,
} from "./chunks.ts";
import { type LoadedState, peerInSync, type SyncCommand } from "./commands.ts";
import {
  advanceHeads,
  checkNext,
  onBatchChecked,
  onBlocks,
  onBlocksStored,
  onStoreFailed,
  retryAfterRegistryChange,
} from "./intake.ts";
import { dropStale, retryEarly } from "./held.ts";
import { tellOfTwins } from "./forks.ts";
import { awaitHeads, onSpreadDue, spread, tellAwaited, tellFrontiersTo } from "./frontiers.ts";
import { INTEREST_KEY, onInterestStored, storeInterest } from "./interest.ts";
import { compareHeads } from "./plan.ts";
import {
  fillsHole,
  listMissing,
  listMissingForNewcomer,
  listMissingIfDue,
  lookForPayloads,
  onLookFailed,
  onMissingListed,
  takeStoredFrontiers,
} from "./repair.ts";
import {
  onCompareDue,
  onHaveBlocks,
  onIdsCompared,
  onReconcileAnswer,
  onReconcileAsk,
  onSetBuilt,
  startReconcile,
} from "./reconciliation.ts";
import { dropRequestsOf, onRequestDue, requestFrom, requestMore } from "./requests.ts";
import { onBlocksRead, onChunkRead, onReadEnded, onRequest } from "./serve.ts";
import {
  emptySyncState,
  newPeer,
  type PeerSync,
  SYNC_BOUNDS,
  type SyncDependencies,
  type SyncState,
} from "./state.ts";

/** The sync actor. */
export function sync(deps: SyncDependencies): Behaviour<SyncCommand, SyncState> {
  return {
    name: "sync",
    init: (context) => start(context, deps),
    receive(context, state, command) {
      switch (command.type) {
        case "loaded":
          if (!command.outcome.ok) throw command.outcome.error;
          return onLoaded(context, state, deps, command.outcome.value);
        case "sessionChanged":
          return onSessionChanged(context, state, deps, command.event);
        case "membershipChanged":
          state.registry = command.event.registry;
          retryAfterRegistryChange(state);
          requestMore(context, state, deps);
          return checkNext(context, state, deps);
        case "blocksCommitted":
          return onBlocksCommitted(context, state, deps, command.event);
        case "peerMessage":
          return onPeerMessage(context, state, deps, command);
        case "headsAnnounced":
          return onHeads(context, state, deps, command.from, command.heads);
        case "batchChecked":
          return onBatchChecked(context, state, deps, command.outcome);
        case "blocksStored":
          return onBlocksStored(context, state, deps, command.token, command.outcomes);
        case "chunksStored":
          onChunksStored(context, state, command.token);
          return requestChunks(context, state, deps);
        case "storeFailed":
          return onStoreFailed(context, state, command.token, command.error);
        case "blocksRead":
          onBlocksRead(context, deps, command);
          return onReadEnded(context, state, deps, command.to);
        case "chunkRead":
          onChunkRead(context, deps, command);
          return onReadEnded(context, state, deps, command.to);
        case "chunksCompared":
          // Without an answer of the disk they are found when things are tended to.
          if (command.outcome.ok) wantChunks(state, command.outcome.value);
          else state.looking.nextAtMs = 0;
          return requestChunks(context, state, deps);
        case "idsCompared":
          return onIdsCompared(context, state, deps, command.from, command.outcome);
        case "setBuilt":
          return onSetBuilt(context, state, deps, command);
        case "compareDue":
          return onCompareDue(context, state, deps, command.peer);
        case "requestDue":
          onRequestDue(context, state, deps, command.requestId);
          requestMore(context, state, deps);
          return requestChunks(context, state, deps);
        case "frontiersDue":
          return tellAwaited(context, state, deps);
        case "spreadDue":
          return onSpreadDue(context, state, deps);
        case "tendDue":
          return onTendDue(context, state, deps);
        case "reconcileDue":
          return onReconcileDue(context, state, deps);
        case "repairDue":
          return listMissing(context, state, deps);
        case "missingListed":
          if (!command.outcome.ok) return onLookFailed(context, state, deps, command.outcome.error);
          return onMissingListed(context, state, deps, command.outcome.value);
        case "setInterest":
          return storeInterest(context, deps, command.interest, command.replyTo);
        case "interestStored":
          return onInterestStored(context, state, deps, command);
        case "getInterest":
          return context.send(command.replyTo, state.interest);
        case "listInSync":
          return context.send(command.replyTo, inSyncPeers(state));
        default:
          command satisfies never;
      }
    },
  };
}

function start(context: Context<SyncCommand>, deps: SyncDependencies): SyncState {
  context.subscribe(membershipChanged, (event) => ({ type: "membershipChanged", event }));
  context.subscribe(peerSessions, (event) => ({ type: "sessionChanged", event }));
  context.subscribe(blocksCommitted, (event) => ({ type: "blocksCommitted", event }));
  context.perform(() => load(deps), (outcome) => ({ type: "loaded", outcome }));
  context.startTimer("reconcile", SYNC_BOUNDS.reconcileEveryMs, { type: "reconcileDue" });
  scheduleTending(context);
  return emptySyncState();
}

async function load(deps: SyncDependencies): Promise<LoadedState> {
  const frontiers = await deps.store.blocks.frontiers();
  const interest = (await deps.store.settings.get(INTEREST_KEY) ?? null) as Interest | null;
  return { frontiers, interest };
}

function onLoaded(
  context: Context<SyncCommand>,
  state: SyncState,
  deps: SyncDependencies,
  loaded: LoadedState,
): void {
  takeStoredFrontiers(state, loaded.frontiers);
  state.interest = loaded.interest;
  state.loaded = true;
  for (const peer of state.peers.values()) {
    tellFrontiersTo(context, state, deps, peer, { complete: true });
  }
  context.send(deps.sessions, { type: "repeatPeerSessions" });
  listMissing(context, state, deps);
  requestMore(context, state, deps);
}

/**
 * A session has come or gone. One that goes on (`resumed`) while we know nothing of it means that we have restarted: the peer
 * is asked to tell everything again.
 */
function onSessionChanged(
  context: Context<SyncCommand>,
  state: SyncState,
  deps: SyncDependencies,
  event: PeerSessionEvent,
): void {
  const { deviceId } = event;
  if (event.type === "down") {
    dropRequestsOf(context, state, deviceId);
    state.peers.delete(deviceId);
    return requestMore(context, state, deps);
  }
  if (event.resumed && state.peers.has(deviceId)) return;
  dropRequestsOf(context, state, deviceId);
  const peer = newPeer(deviceId);
  state.peers.set(deviceId, peer);
  if (!state.loaded) return;
  tellFrontiersTo(context, state, deps, peer, { complete: true, ask: event.resumed });
  listMissingForNewcomer(context, state, deps);
}

function onPeerMessage(
  context: Context<SyncCommand>,
  state: SyncState,
  deps: SyncDependencies,
  command: PeerMessage<SyncMessage>,
): void {
  const { from, message } = command;
  const peer = state.peers.get(from);
  if (peer === undefined) return;
  switch (message.type) {
    case "frontiers":
      return onFrontiers(context, state, deps, peer, message);
    case "requestBlocks":
      return onRequest(context, state, deps, peer, message);
    case "blocks":
      return onBlocks(context, state, deps, peer, message);
    case "requestChunks":
      return onRequest(context, state, deps, peer, message);
    case "chunks":
      return onChunks(context, state, deps, from, message);
    case "reconcileAsk":
      return onReconcileAsk(context, deps, peer, message);
    case "reconcileAnswer":
      return onReconcileAnswer(context, state, deps, peer, message);
    case "haveBlocks":
      return onHaveBlocks(context, deps, peer, message.ids);
    default:
      message satisfies never;
  }
}

function onFrontiers(
  context: Context<SyncCommand>,
  state: SyncState,
  deps: SyncDependencies,
  peer: PeerSync,
  message: Frontiers,
): void {
  if (message.complete) {
    peer.heads.clear();
    peer.known = true;
  }
  peer.interest = message.interest;
  if (message.ask && state.loaded && mayTellAll(context, peer)) {
    tellFrontiersTo(context, state, deps, peer, { complete: true });
  }
  forgetRefusals(state, peer.id);
  onHeads(context, state, deps, peer.id, message.entries);
  awaitHeads(state, peer, message.entries);
  requestChunks(context, state, deps);
}

/** A complete list is long and asking for it is short: a peer gets one a second. */
function mayTellAll(context: Context<SyncCommand>, peer: PeerSync): boolean {
  const nowMs = context.monotonicMs();
  if (peer.toldAllAtMs !== null && nowMs - peer.toldAllAtMs < 1_000) return false;
  peer.toldAllAtMs = nowMs;
  return true;
}

/** A peer has these heads: remembers them and asks for what is new. */
function onHeads(
  context: Context<SyncCommand>,
  state: SyncState,
  deps: SyncDependencies,
  from: DeviceId,
  heads: readonly Frontier[],
): void {
  const peer = state.peers.get(from);
  if (peer === undefined) return;
  for (const head of heads) {
    const known = peer.heads.get(head.author);
    if (known !== undefined && known.sequence > head.sequence) continue;
    if (known === undefined && peer.heads.size >= SYNC_BOUNDS.heads) continue;
    if (known?.head !== head.head) peer.refused.delete(head.author);
    peer.heads.set(head.author, head);
  }
  requestFrom(context, state, deps, peer);
  noteWhetherInSync(context, state, deps, peer);
}

function onBlocksCommitted(
  context: Context<SyncCommand>,
  state: SyncState,
  deps: SyncDependencies,
  event: BlocksCommitted,
): void {
  advanceHeads(state, event);
  if (fillsHole(state, event)) listMissing(context, state, deps);
  lookForPayloads(context, state, event);
  if (event.ownTwins !== undefined) tellOfTwins(context, state, deps, event.ownTwins, null);
  const large = event.blocks.filter(({ block, receivedFrom }) =>
    receivedFrom !== null && block.header.bodyBytes > INLINE_BODY_BYTES_MAX
  );
  if (large.length > 0) {
    context.perform(
      () => findMissingChunks(deps.store, large),
      (outcome) => ({ type: "chunksCompared", outcome }),
    );
  }
  spread(context, state, event.blocks.map(({ block }) => block.header.author));
  checkNext(context, state, deps);
  requestMore(context, state, deps);
  for (const peer of state.peers.values()) noteWhetherInSync(context, state, deps, peer);
}

/** Publishes the moment in which a peer and we become equal, and looks behind the heads once per session and at forks. */
function noteWhetherInSync(
  context: Context<SyncCommand>,
  state: SyncState,
  deps: SyncDependencies,
  peer: PeerSync,
): void {
  const { equal, forks } = compareHeads(state, peer);
  const newForks = forks.filter((fork) => !peer.knownForks.has(fork));
  if (newForks.length > 0) {
    // A peer that invents heads must not fill our memory: what is forgotten is compared once more.
    if (peer.knownForks.size >= SYNC_BOUNDS.knownForks) peer.knownForks.clear();
    for (const fork of newForks) peer.knownForks.add(fork);
    startReconcile(context, deps, peer);
  }
  if (equal && !peer.inSync) {
    context.publish(peerInSync, { deviceId: peer.id });
    context.publish(nodeEvents, { type: "inSyncWith", deviceId: peer.id });
    if (peer.reconciledAtMs === null && deps.self < peer.id) startReconcile(context, deps, peer);
  }
  peer.inSync = equal;
  peer.met ||= equal;
}

function scheduleTending(context: Context<SyncCommand>): void {
  const delayMs = SYNC_BOUNDS.tendEveryMs * (1 + context.random.float() / 2);
  context.startTimer("tend", delayMs, { type: "tendDue" });
}

/**
 * Mends what no message would: blocks dropped because our disk was full, a peer's answer that came up empty while its own disk
 * failed, news that a full queue swallowed. Costs nothing while everyone is in sync.
 */
function onTendDue(context: Context<SyncCommand>, state: SyncState, deps: SyncDependencies): void {
  scheduleTending(context);
  if (!state.loaded) return;
  dropStale(state, context.monotonicMs());
  retryEarly(state);
  for (const peer of state.peers.values()) {
    forgetRefusals(state, peer.id);
    if (peer.inSync) continue;
    peer.refused.clear();
    tellFrontiersTo(context, state, deps, peer, { complete: true, ask: true });
  }
  checkNext(context, state, deps);
  // Devices that keep everything rarely lack a payload; for selective ones the list is long and was read when the session began.
  if (state.interest === null) listMissingIfDue(context, state, deps);
  requestMore(context, state, deps);
  requestChunks(context, state, deps);
}

/** Every while, one comparison with the peer that was compared longest ago. */
function onReconcileDue(
  context: Context<SyncCommand>,
  state: SyncState,
  deps: SyncDependencies,
): void {
  context.startTimer("reconcile", SYNC_BOUNDS.reconcileEveryMs, { type: "reconcileDue" });
  let oldest: PeerSync | undefined;
  for (const peer of state.peers.values()) {
    if (oldest === undefined || (peer.reconciledAtMs ?? -1) < (oldest.reconciledAtMs ?? -1)) {
      oldest = peer;
    }
  }
  if (oldest !== undefined) startReconcile(context, deps, oldest);
}

function inSyncPeers(state: SyncState): ReadonlySet<DeviceId> {
  return new Set([...state.peers.values()].filter((peer) => peer.inSync).map((peer) => peer.id));
}
