/** Comparing whole sets with a peer: finds forks, holes and anything that heads of logs cannot show. */
import type { BlockId, DeviceId } from "../../protocols/ids.ts";
import type { ReconcileAnswer, ReconcileAsk } from "../../protocols/sync/messages.ts";
import { SYNC_LIMITS } from "../../protocols/sync/messages.ts";
import {
  answerReconcile,
  beginReconcile,
  continueReconcile,
} from "../../protocols/sync/reconcile.ts";
import { ReconcileSet, SALT_BYTES } from "../../protocols/sync/reconcile_set.ts";
import type { Context, TaskOutcome } from "../kernel/actor.ts";
import type { SyncCommand } from "./commands.ts";
import { requestFrom, tell } from "./requests.ts";
import { type PeerSync, SYNC_BOUNDS, type SyncDependencies, type SyncState } from "./state.ts";

/**
 * Starts comparing with a peer; when that is under way or a set was built for it just now, a little later. The set is built
 * outside the actor.
 */
export function startReconcile(
  context: Context<SyncCommand>,
  deps: SyncDependencies,
  peer: PeerSync,
): void {
  const nowMs = context.monotonicMs();
  const stale = peer.asking !== null && nowMs - peer.asking.sinceMs >= SYNC_BOUNDS.reconcileMs;
  if ((peer.asking !== null && !stale) || !isTime(nowMs, peer.reconciledAtMs)) {
    peer.reconcileWanted = true;
    return compareLater(context, peer);
  }
  const salt = context.random.bytes(SALT_BYTES);
  peer.asking = {
    salt: salt.toHex(),
    set: null,
    difference: { have: [], need: [] },
    rounds: 0,
    sinceMs: nowMs,
  };
  peer.reconcileWanted = false;
  peer.reconciledAtMs = nowMs;
  build(context, deps, peer, salt, "asker");
}

/** A peer compares: builds the set for its salt once, then answers each round from it. */
export function onReconcileAsk(
  context: Context<SyncCommand>,
  deps: SyncDependencies,
  peer: PeerSync,
  message: ReconcileAsk,
): void {
  const salt = message.salt.toHex();
  if (peer.answering?.salt === salt) {
    if (peer.answering.set === null) peer.answering.pending = message.ranges;
    else answer(context, deps, peer, peer.answering.set, message.salt, message.ranges);
    return;
  }
  peer.answering = { salt, set: null, building: false, pending: message.ranges, byShortId: null };
  if (isTime(context.monotonicMs(), peer.builtAtMs)) return buildAnswer(context, deps, peer);
  // Building costs us far more than asking costs the peer: the newest salt waits for its time.
  compareLater(context, peer);
}

/** What had to wait before is built now. */
export function onCompareDue(
  context: Context<SyncCommand>,
  state: SyncState,
  deps: SyncDependencies,
  device: DeviceId,
): void {
  const peer = state.peers.get(device);
  if (peer === undefined) return;
  const { answering } = peer;
  if (answering !== null && answering.set === null && !answering.building) {
    if (isTime(context.monotonicMs(), peer.builtAtMs)) buildAnswer(context, deps, peer);
    else compareLater(context, peer);
  }
  if (peer.reconcileWanted) startReconcile(context, deps, peer);
}

function buildAnswer(context: Context<SyncCommand>, deps: SyncDependencies, peer: PeerSync): void {
  if (peer.answering === null) return;
  peer.answering.building = true;
  peer.builtAtMs = context.monotonicMs();
  build(context, deps, peer, Uint8Array.fromHex(peer.answering.salt), "answerer");
}

function isTime(nowMs: number, lastMs: number | null): boolean {
  return lastMs === null || nowMs - lastMs >= SYNC_BOUNDS.buildEveryMs;
}

function compareLater(context: Context<SyncCommand>, peer: PeerSync): void {
  const key = `compare ${peer.id}`;
  context.startTimer(key, SYNC_BOUNDS.buildEveryMs, { type: "compareDue", peer: peer.id });
}

/** The set is ready: the asker begins, the answerer answers what waited. */
export function onSetBuilt(
  context: Context<SyncCommand>,
  state: SyncState,
  deps: SyncDependencies,
  command: Extract<SyncCommand, { type: "setBuilt" }>,
): void {
  const peer = state.peers.get(command.peer);
  if (peer === undefined) return;
  const salt = Uint8Array.fromHex(command.salt);
  if (!command.outcome.ok) {
    context.log.write("warning", "Cannot compare sets", {
      peer: peer.id,
      error: String(command.outcome.error),
    });
    if (command.side === "asker") peer.asking = null;
    else if (peer.answering?.salt === command.salt) peer.answering = null;
    return;
  }
  const set = command.outcome.value;
  if (command.side === "asker") {
    if (peer.asking?.salt !== command.salt) return;
    peer.asking.set = set;
    tell(context, deps, peer.id, { type: "reconcileAsk", salt, ranges: beginReconcile(set) });
    return;
  }
  const answering = peer.answering;
  if (answering?.salt !== command.salt) return;
  answering.set = set;
  answering.building = false;
  const pending = answering.pending;
  answering.pending = null;
  if (pending !== null) answer(context, deps, peer, set, salt, pending);
}

function answer(
  context: Context<SyncCommand>,
  deps: SyncDependencies,
  peer: PeerSync,
  set: ReconcileSet,
  salt: Uint8Array,
  ranges: Uint8Array,
): void {
  const step = answerReconcile(set, ranges);
  if (step.type === "malformed") strike(context, deps, peer.id, step.reason);
  else if (step.type === "send") {
    tell(context, deps, peer.id, { type: "reconcileAnswer", salt, ranges: step.message });
  }
}

/** The next round, or the end: what we lack is asked for, what the peer lacks it is told. */
export function onReconcileAnswer(
  context: Context<SyncCommand>,
  state: SyncState,
  deps: SyncDependencies,
  peer: PeerSync,
  message: ReconcileAnswer,
): void {
  const asking = peer.asking;
  if (asking === null || asking.set === null || asking.salt !== message.salt.toHex()) return;
  asking.rounds++;
  const step = continueReconcile(asking.set, message.ranges, asking.difference);
  const { have, need } = asking.difference;
  if (have.length > asking.set.size) {
    peer.asking = null;
    return strike(context, deps, peer.id, "more differences than there can be");
  }
  const full = need.length >= SYNC_BOUNDS.wantedIdsPerPeer;
  if (step.type === "send" && !full && asking.rounds < SYNC_BOUNDS.reconcileRoundsMax) {
    tell(context, deps, peer.id, {
      type: "reconcileAsk",
      salt: message.salt,
      ranges: step.message,
    });
    return;
  }
  peer.asking = null;
  if (step.type === "malformed") {
    strike(context, deps, peer.id, step.reason);
    return;
  }
  if (peer.shortIdSalt !== asking.salt) peer.wantedShortIds.clear();
  peer.shortIdSalt = asking.salt;
  note(peer.wantedShortIds, need);
  if (full) startReconcile(context, deps, peer);
  for (let i = 0; i < have.length; i += SYNC_LIMITS.ids) {
    tell(context, deps, peer.id, { type: "haveBlocks", ids: have.slice(i, i + SYNC_LIMITS.ids) });
  }
  requestFrom(context, state, deps, peer);
}

/** A peer says what we lack: those really unknown are asked for by id. */
export function onHaveBlocks(
  context: Context<SyncCommand>,
  deps: SyncDependencies,
  peer: PeerSync,
  ids: readonly BlockId[],
): void {
  note(peer.offeredIds, ids);
  compareIds(context, deps, peer);
}

function compareIds(context: Context<SyncCommand>, deps: SyncDependencies, peer: PeerSync): void {
  if (peer.comparingIds || peer.offeredIds.size === 0) return;
  const ids = [...peer.offeredIds].slice(0, SYNC_LIMITS.ids);
  for (const id of ids) peer.offeredIds.delete(id);
  peer.comparingIds = true;
  context.perform(
    async () => {
      const known = await deps.store.blocks.known(ids);
      return ids.filter((id) => !known.has(id));
    },
    (outcome) => ({ type: "idsCompared", from: peer.id, outcome }),
  );
}

/** Asks for the ids that turned out to be unknown. */
export function onIdsCompared(
  context: Context<SyncCommand>,
  state: SyncState,
  deps: SyncDependencies,
  from: DeviceId,
  outcome: TaskOutcome<readonly BlockId[]>,
): void {
  const peer = state.peers.get(from);
  if (peer === undefined) return;
  peer.comparingIds = false;
  if (outcome.ok) note(peer.wantedIds, outcome.value);
  compareIds(context, deps, peer);
  requestFrom(context, state, deps, peer);
}

/** Adds as many as there is room for. */
export function note<T>(to: Set<T>, values: readonly T[]): void {
  for (const value of values) {
    if (to.size >= SYNC_BOUNDS.wantedIdsPerPeer) return;
    to.add(value);
  }
}

/** Full ids for the short ones of the comparison this peer runs with us; unknown ones are left out. */
export function resolveShortIds(peer: PeerSync, shortIds: readonly string[]): readonly BlockId[] {
  const answering = peer.answering;
  if (answering === null || answering.set === null || shortIds.length === 0) return [];
  if (answering.byShortId === null) {
    answering.byShortId = new Map();
    for (let i = 0; i < answering.set.size; i++) {
      answering.byShortId.set(answering.set.shortId(i).toHex(), answering.set.id(i));
    }
  }
  const byShortId = answering.byShortId;
  return shortIds.flatMap((short) => byShortId.get(short) ?? []);
}

function build(
  context: Context<SyncCommand>,
  deps: SyncDependencies,
  peer: PeerSync,
  salt: Uint8Array,
  side: "asker" | "answerer",
): void {
  const { id } = peer;
  context.perform(
    async () =>
      new ReconcileSet(
        await deps.store.blocks.reconcileItems(),
        salt,
        (key, data) => deps.crypto.permuteBlocks(key, data),
      ),
    (outcome) => ({ type: "setBuilt", peer: id, salt: salt.toHex(), side, outcome }),
  );
}

function strike(
  context: Context<SyncCommand>,
  deps: SyncDependencies,
  deviceId: DeviceId,
  reason: string,
): void {
  context.send(deps.sessions, { type: "strike", deviceId, reason: `reconciliation: ${reason}` });
}
