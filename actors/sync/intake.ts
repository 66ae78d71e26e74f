/**
 * Blocks on their way in: decoded, put in order, checked in batches, validated one after another, handed to storage.
 * Never stores a block whose signature or place was not checked, and never asks twice for what is already on its way.
 */
import type { Block } from "../../protocols/blocks/block.ts";
import { decodeBlock } from "../../protocols/blocks/decode.ts";
import { signedMessageOf } from "../../protocols/blocks/encode.ts";
import { validateBlock } from "../../protocols/blocks/validate.ts";
import type { BlockId, DeviceId } from "../../protocols/ids.ts";
import type { Blocks } from "../../protocols/sync/messages.ts";
import type { PutOutcome } from "../../store/store.ts";
import { nodeEvents } from "../events.ts";
import type { Context, TaskOutcome } from "../kernel/actor.ts";
import type { BlocksCommitted } from "../storage/commands.ts";
import type { SyncCommand } from "./commands.ts";
import { nextSegment, releaseRanges, remainder } from "./plan.ts";
import { followFork, tellOfTwins } from "./forks.ts";
import { hold, keepEarly, letGo, releaseEarly, retryEarly, unblock } from "./held.ts";
import { type Answer, matchIds, matchLogs } from "./match.ts";
import { note } from "./reconciliation.ts";
import { closeRequest, requestFrom, requestMore, requestRest } from "./requests.ts";
import {
  type Arrival,
  type OpenRequest,
  type PeerSync,
  SYNC_BOUNDS,
  type SyncDependencies,
  type SyncState,
} from "./state.ts";

/** Arrivals with what was found out about them outside the actor. */
export interface CheckedBatch {
  readonly arrivals: readonly Arrival[];
  readonly signatureValid: readonly boolean[];
  /** Blocks that the batch refers to and that are stored. */
  readonly related: ReadonlyMap<BlockId, Block>;
}

/** An answer with blocks has come. */
export function onBlocks(
  context: Context<SyncCommand>,
  state: SyncState,
  deps: SyncDependencies,
  peer: PeerSync,
  message: Blocks,
): void {
  const request = closeRequest(context, state, peer.id, message.requestId, ["log", "ids"]);
  if (request === undefined) return;
  const blocks: Block[] = [];
  for (const bytes of message.blocks) {
    const decoded = (deps.decodeBlock ?? decodeBlock)(bytes, deps.crypto);
    if (!decoded.ok) {
      strike(context, deps, peer.id, `sent a malformed block: ${decoded.reason}`);
      break;
    }
    blocks.push(decoded.block);
  }
  const answer = request.kind === "log"
    ? matchLogs(request, blocks)
    : matchIds(request, blocks, deps.crypto);
  if (answer.surplus > 0) {
    strike(context, deps, peer.id, `sent ${answer.surplus} blocks that were not asked for`);
  }
  // Blocks of one branch build on each other, and ids come in no order.
  const ordered = request.kind === "log"
    ? answer.blocks
    : answer.blocks.toSorted((a, b) => a.header.sequence - b.header.sequence);
  for (const block of ordered) {
    arrive(context, state, deps, {
      block,
      from: peer.id,
      byId: request.kind === "ids",
      blockedOn: new Set(),
      sinceMs: context.monotonicMs(),
    });
  }
  const goesOn = !message.complete && answer.progress;
  if (request.kind === "log") finishLogRequest(context, state, deps, request, { answer, goesOn });
  else if (goesOn) {
    note(request.payloads ? peer.wantedPayloads : peer.wantedIds, answer.ids);
    if (request.salt === peer.shortIdSalt) note(peer.wantedShortIds, answer.shortIds);
  }
  requestFrom(context, state, deps, peer);
  checkNext(context, state, deps);
}

function finishLogRequest(
  context: Context<SyncCommand>,
  state: SyncState,
  deps: SyncDependencies,
  request: Extract<OpenRequest, { kind: "log" }>,
  end: { readonly answer: Answer; readonly goesOn: boolean },
): void {
  const peer = state.peers.get(request.peer);
  if (peer === undefined) return;
  const { answer, goesOn } = end;
  peer.segment = nextSegment(peer.segment, request.sequences, answer.blocks.length, !goesOn);
  const rest = remainder(request.ranges, answer.reached);
  if (goesOn) {
    const unfinished = new Set(rest.map((range) => range.author));
    releaseRanges(state, request.ranges.filter((range) => !unfinished.has(range.author)));
    requestRest(context, state, deps, peer, rest);
    return;
  }
  // The peer announced these blocks and does not have them: do not ask it again until it says something new of this author.
  for (const range of rest) peer.refused.add(range.author);
  releaseRanges(state, request.ranges);
}

/** Puts one block in its author's order; what comes too early waits, what is known is dropped. */
function arrive(
  context: Context<SyncCommand>,
  state: SyncState,
  deps: SyncDependencies,
  arrival: Arrival,
): void {
  const { block, byId } = arrival;
  const { author, sequence, mesh } = block.header;
  // Without a registry nothing can be judged; the session that carried this is about to be told so, too.
  if (state.registry === null) return;
  if (mesh !== null && mesh !== state.registry.mesh) {
    strike(context, deps, arrival.from, `sent block ${block.id} of another mesh`);
    return;
  }
  if (state.arrivals.length + state.earlyCount >= SYNC_BOUNDS.arrivalsMax) return;
  if (state.heldBytes >= SYNC_BOUNDS.arrivalBytesMax) return;
  const accepted = state.accepted.get(author) ?? 0;
  if (byId) {
    if (sequence === accepted + 1) state.accepted.set(author, sequence);
    hold(state, arrival);
    state.arrivals.push(arrival);
  } else if (sequence === accepted + 1) {
    state.accepted.set(author, sequence);
    hold(state, arrival);
    state.arrivals.push(arrival);
    releaseEarly(state, author);
  } else if (sequence > accepted + 1) keepEarly(state, arrival);
}

/** Starts checking the next batch unless one is under way: arrivals collect meanwhile, so batches grow with the load. */
export function checkNext(
  context: Context<SyncCommand>,
  state: SyncState,
  deps: SyncDependencies,
): void {
  if (state.checking || state.arrivals.length === 0) return;
  const arrivals = takeBatch(state);
  state.checking = true;
  context.perform(
    () => check(deps, arrivals),
    (outcome) => ({ type: "batchChecked", outcome }),
  );
}

/** The oldest arrivals that fit into one batch; at least one. */
function takeBatch(state: SyncState): Arrival[] {
  let count = 0;
  let bytes = 0;
  for (const { block } of state.arrivals) {
    if (count === SYNC_BOUNDS.batchBlocks || bytes >= SYNC_BOUNDS.batchBytes) break;
    bytes += block.payload?.length ?? 0;
    count++;
  }
  const batch = state.arrivals.splice(0, count);
  for (const arrival of batch) letGo(state, arrival);
  return batch;
}

async function check(deps: SyncDependencies, arrivals: readonly Arrival[]): Promise<CheckedBatch> {
  const wanted = new Set<BlockId>();
  for (const { block } of arrivals) {
    if (block.header.target !== null) wanted.add(block.header.target);
    for (const parent of block.header.parents) wanted.add(parent);
    if (block.header.previous !== null) wanted.add(block.header.previous);
  }
  // Most build on one that comes with them: it is there when its turn comes, or nothing that builds on it may be stored.
  for (const { block, byId } of arrivals) if (!byId) wanted.delete(block.id);
  const signatureValid = await deps.crypto.verifyMany(
    arrivals.map(({ block }) => signedMessageOf(block)),
  );
  const related = new Map<BlockId, Block>();
  const ids = [...wanted];
  for (let i = 0; i < ids.length; i += 1000) {
    for (const block of await deps.store.blocks.get(ids.slice(i, i + 1000))) {
      if (block !== undefined) related.set(block.id, block);
    }
  }
  return { arrivals, signatureValid, related };
}

/** Signatures are checked: validates in order and hands what is valid to storage. */
export function onBatchChecked(
  context: Context<SyncCommand>,
  state: SyncState,
  deps: SyncDependencies,
  outcome: TaskOutcome<CheckedBatch>,
): void {
  state.checking = false;
  if (!outcome.ok) throw outcome.error;
  const { arrivals, signatureValid } = outcome.value;
  const related = new Map(outcome.value.related);
  for (const block of state.committedMeanwhile.splice(0)) related.set(block.id, block);
  for (const stored of state.storing.values()) {
    for (const { block } of stored) related.set(block.id, block);
  }
  const broken = new Set<DeviceId>();
  const valid: Arrival[] = [];
  arrivals.forEach((arrival, index) => {
    const { block } = arrival;
    const author = block.header.author;
    // A log that was broken earlier in this batch has no place for what follows.
    if (broken.has(author) && !arrival.byId) return;
    if (!signatureValid[index]) {
      strike(context, deps, arrival.from, `sent block ${block.id} with a wrong signature`);
      broken.add(author);
      refuse(state, arrival);
      return;
    }
    const verdict = validateBlock(block, {
      registry: state.registry,
      find: (id) => related.get(id),
    });
    if (verdict.type === "valid") {
      related.set(block.id, block);
      valid.push(arrival);
      return;
    }
    broken.add(author);
    if (verdict.type === "waiting") {
      followFork(context, state, deps, arrival, verdict.missing);
      for (const id of verdict.missing) arrival.blockedOn.add(id);
      state.accepted.set(
        author,
        Math.min(state.accepted.get(author) ?? 0, block.header.sequence - 1),
      );
      keepEarly(state, arrival);
      return;
    }
    context.log.write("info", "Refused a block", {
      id: block.id,
      from: arrival.from,
      reason: verdict.message,
    });
    refuse(state, arrival);
  });
  for (const author of broken) resetAccepted(state, author, valid);
  if (valid.length > 0) store(context, state, deps, valid);
  checkNext(context, state, deps);
}

/** Do not ask this peer for this author again until the registry or its head changes. */
function refuse(state: SyncState, arrival: Arrival): void {
  state.peers.get(arrival.from)?.refused.add(arrival.block.header.author);
}

/** After a break: what counts as accepted is what is stored or being stored; everything behind it is asked for again. */
function resetAccepted(state: SyncState, author: DeviceId, valid: readonly Arrival[]): void {
  let accepted = state.frontiers.get(author)?.sequence ?? 0;
  const consider = (arrivals: readonly Arrival[]) => {
    for (const { block } of arrivals) {
      if (block.header.author === author && block.header.sequence === accepted + 1) accepted++;
    }
  };
  for (const batch of state.storing.values()) consider(batch);
  consider(valid);
  state.accepted.set(author, accepted);
  state.arrivals = state.arrivals.filter((arrival) => {
    if (arrival.byId || arrival.block.header.author !== author) return true;
    letGo(state, arrival);
    return false;
  });
}

function store(
  context: Context<SyncCommand>,
  state: SyncState,
  deps: SyncDependencies,
  arrivals: readonly Arrival[],
): void {
  // One batch may come from several peers; each part keeps its own source for gossip.
  let start = 0;
  while (start < arrivals.length) {
    const from = arrivals[start]!.from;
    let end = start + 1;
    while (end < arrivals.length && arrivals[end]!.from === from) end++;
    const part = arrivals.slice(start, end);
    const token = state.nextToken++;
    state.storing.set(token, part);
    context.send(deps.storage, {
      type: "storeBlocks",
      blocks: part.map(({ block }) => block),
      receivedFrom: from,
      replyTo: context.self,
      token,
    });
    start = end;
  }
}

/** Storage has answered: durable, or refused by it. */
export function onBlocksStored(
  context: Context<SyncCommand>,
  state: SyncState,
  deps: SyncDependencies,
  token: number,
  outcomes: readonly PutOutcome[],
): void {
  const arrivals = state.storing.get(token);
  if (arrivals === undefined) return;
  state.storing.delete(token);
  const twins = outcomes.flatMap(({ type, id }) => type === "equivocation" ? [id] : []);
  if (twins.length > 0) {
    unblock(state, new Set(twins));
    tellOfTwins(context, state, deps, twins, arrivals[0]?.from ?? null);
    checkNext(context, state, deps);
  }
  outcomes.forEach((outcome, index) => {
    const arrival = arrivals[index];
    if (arrival === undefined) return;
    const author = arrival.block.header.author;
    if (outcome.type === "gap") {
      refuse(state, arrival);
      resetAccepted(state, author, []);
    }
  });
  requestMore(context, state, deps);
}

/** The disk refused: nothing of it counts; asked for again after a while, when requests are made anew. */
export function onStoreFailed(
  context: Context<SyncCommand>,
  state: SyncState,
  token: number,
  error: unknown,
): void {
  const arrivals = state.storing.get(token);
  const hash = state.storingChunks.get(token);
  state.storing.delete(token);
  state.storingChunks.delete(token);
  if (hash !== undefined) {
    const want = state.chunkWants.get(hash);
    if (want !== undefined) want.asked = false;
  }
  for (const author of new Set(arrivals?.map(({ block }) => block.header.author))) {
    resetAccepted(state, author, []);
  }
  // What was dropped is looked for again as soon as things are tended to.
  state.looking.nextAtMs = 0;
  context.publish(nodeEvents, {
    type: "warning",
    source: "sync",
    message: `Cannot store received blocks: ${String(error)}`,
  });
}

/** Blocks are durable, ours or others': heads move, and blocks that waited for them may go on. */
export function advanceHeads(state: SyncState, event: BlocksCommitted): void {
  const committed = new Set<BlockId>();
  for (const { block } of event.blocks) {
    committed.add(block.id);
    if (state.checking) state.committedMeanwhile.push(block);
    const { author, sequence } = block.header;
    if (sequence !== (state.frontiers.get(author)?.sequence ?? 0) + 1) continue;
    state.frontiers.set(author, { author, sequence, head: block.id });
    if ((state.accepted.get(author) ?? 0) < sequence) state.accepted.set(author, sequence);
  }
  unblock(state, committed);
}

/** The registry has changed: what was refused or waiting because of it is tried again. */
export function retryAfterRegistryChange(state: SyncState): void {
  for (const peer of state.peers.values()) peer.refused.clear();
  retryEarly(state);
}

function strike(
  context: Context<SyncCommand>,
  deps: SyncDependencies,
  deviceId: DeviceId,
  reason: string,
): void {
  context.send(deps.sessions, { type: "strike", deviceId, reason });
}
