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

/** Starts comparing with a peer, unless that is under way. The set is built outside the actor. */
export function startReconcile(
  context: Context<SyncCommand>,
  deps: SyncDependencies,
  peer: PeerSync,
): void {
  if (peer.asking !== null) return;
  const salt = context.random.bytes(SALT_BYTES);
  peer.asking = { salt: salt.toHex(), set: null, difference: { have: [], need: [] }, rounds: 0 };
  peer.reconciledAtMs = context.monotonicMs();
  build(context, deps, peer.id, salt, "asker");
}

/** A peer compares: builds the set for its salt once, then answers each round from it. */
export function onReconcileAsk(
  context: Context<SyncCommand>,
  deps: SyncDependencies,
  peer: PeerSync,
  message: ReconcileAsk,
): void {
  const salt = message.salt.toHex();
  if (peer.answering?.salt !== salt) {
    peer.answering = { salt, set: null, pending: message.ranges, byShortId: null };
    build(context, deps, peer.id, message.salt, "answerer");
    return;
  }
  if (peer.answering.set === null) return;
  answer(context, deps, peer, peer.answering.set, message.salt, message.ranges);
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
    else peer.answering = null;
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
  if (step.type === "send" && asking.rounds < SYNC_BOUNDS.reconcileRoundsMax) {
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
  for (const short of asking.difference.need) peer.wantedShortIds.add(short);
  for (let i = 0; i < asking.difference.have.length; i += SYNC_LIMITS.ids) {
    tell(context, deps, peer.id, {
      type: "haveBlocks",
      ids: asking.difference.have.slice(i, i + SYNC_LIMITS.ids),
    });
  }
  requestFrom(context, state, deps, peer);
}

/** A peer says what we lack: those really unknown are asked for by id. */
export function onHaveBlocks(
  context: Context<SyncCommand>,
  deps: SyncDependencies,
  from: DeviceId,
  ids: readonly BlockId[],
): void {
  context.perform(
    async () => {
      const known = await deps.store.blocks.known(ids);
      return ids.filter((id) => !known.has(id));
    },
    (outcome) => ({ type: "idsCompared", from, outcome }),
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
  if (peer === undefined || !outcome.ok) return;
  for (const id of outcome.value) peer.wantedIds.add(id);
  requestFrom(context, state, deps, peer);
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
  peer: DeviceId,
  salt: Uint8Array,
  side: "asker" | "answerer",
): void {
  context.perform(
    async () =>
      new ReconcileSet(
        await deps.store.blocks.reconcileItems(),
        salt,
        (key, data) => deps.crypto.permuteBlocks(key, data),
      ),
    (outcome) => ({ type: "setBuilt", peer, salt: salt.toHex(), side, outcome }),
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
