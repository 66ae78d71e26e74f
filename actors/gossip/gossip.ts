/**
 * Spreads the news of new blocks along a tree of sessions that comes about by itself (`protocols/gossip/plumtree.ts`): the newest head
 * per author goes to the neighbours in the tree at once and to a few others later; they pull what they lack through sync. What gossip
 * misses, sync finds.
 *
 * Never announces a block that is not durable here, and never back to the peer it came from.
 */
import type { GossipMessage } from "../../protocols/gossip/messages.ts";
import { Plumtree, type Told } from "../../protocols/gossip/plumtree.ts";
import { encodeGossipMessage } from "../../protocols/gossip/wire.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import type { Behaviour, Context, Ref } from "../kernel/actor.ts";
import {
  type PeerMessage,
  type PeerSessionEvent,
  peerSessions,
  type SessionsCommand,
} from "../sessions/commands.ts";
import { type BlocksCommitted, blocksCommitted } from "../storage/commands.ts";
import type { SyncCommand } from "../sync/commands.ts";
import type { GossipCommand } from "./commands.ts";

/** After an announcement news is collected this long, so that a burst of blocks is two of them. */
export const COLLECT_MS = 10;
/** News for peers beside the tree is collected this long: it is only for those who lost their place in it. */
export const HAVE_MS = 500;

export interface GossipDependencies {
  readonly sessions: Ref<SessionsCommand>;
  readonly sync: Ref<SyncCommand>;
}

/** The tree as this device sees it, with what is not told yet, and which timers run. */
export interface GossipState {
  readonly tree: Plumtree;
  announcing: boolean;
  telling: boolean;
}

/** The gossip actor. */
export function gossip(deps: GossipDependencies): Behaviour<GossipCommand, GossipState> {
  return {
    name: "gossip",
    init(context) {
      context.subscribe(peerSessions, (event) => ({ type: "sessionChanged", event }));
      context.subscribe(blocksCommitted, (event) => ({ type: "blocksCommitted", event }));
      context.send(deps.sessions, { type: "repeatPeerSessions" });
      return { tree: new Plumtree(), announcing: false, telling: false };
    },
    receive(context, state, command) {
      switch (command.type) {
        case "sessionChanged":
          return onSessionChanged(context, state, deps, command.event);
        case "blocksCommitted":
          return onBlocksCommitted(context, state, deps, command.event);
        case "announceDue":
          state.announcing = false;
          return announce(context, state, deps);
        case "haveDue":
          state.telling = false;
          for (const { peer, heads } of state.tree.takeLazy(context.random)) {
            say(context, deps, peer, { type: "have", heads });
          }
          return;
        case "missingDue":
          for (const told of state.tree.takeMissing(context.monotonicMs())) {
            say(context, deps, told.peer, { type: "graft" });
            hasHeads(context, deps, told);
          }
          return waitForMissing(context, state);
        case "peerMessage":
          return onPeerMessage(context, state, deps, command);
        default:
          command satisfies never;
      }
    },
  };
}

function onSessionChanged(
  context: Context<GossipCommand>,
  { tree }: GossipState,
  deps: GossipDependencies,
  event: PeerSessionEvent,
): void {
  const { deviceId } = event;
  if (event.type === "up") {
    const known = tree.eager.has(deviceId) || tree.lazy.has(deviceId);
    if (!event.resumed || !known) tree.peerUp(deviceId);
    return;
  }
  const instead = tree.peerDown(deviceId, context.random);
  if (instead !== null) say(context, deps, instead, { type: "graft" });
}

function onBlocksCommitted(
  context: Context<GossipCommand>,
  state: GossipState,
  deps: GossipDependencies,
  event: BlocksCommitted,
): void {
  const nowMs = context.monotonicMs();
  for (const { block, receivedFrom } of event.blocks) {
    const { author, sequence } = block.header;
    state.tree.stored({ author, sequence, head: block.id }, receivedFrom, nowMs);
  }
  if (!state.announcing) announce(context, state, deps);
  if (state.telling) return;
  state.telling = true;
  context.startTimer("have", HAVE_MS, { type: "haveDue" });
}

/** Tells the neighbours in the tree what is new; nothing more for a while. */
function announce(
  context: Context<GossipCommand>,
  state: GossipState,
  deps: GossipDependencies,
): void {
  if (!state.tree.hasNews) return;
  for (const { peer, heads } of state.tree.takeEager()) {
    say(context, deps, peer, { type: "announce", heads });
  }
  state.announcing = true;
  context.startTimer("announce", COLLECT_MS, { type: "announceDue" });
}

function onPeerMessage(
  context: Context<GossipCommand>,
  state: GossipState,
  deps: GossipDependencies,
  { from, message }: PeerMessage<GossipMessage>,
): void {
  const { tree } = state;
  const nowMs = context.monotonicMs();
  switch (message.type) {
    case "announce":
      if (tree.announced(from, message.heads, nowMs)) say(context, deps, from, { type: "prune" });
      return hasHeads(context, deps, { peer: from, heads: message.heads });
    case "have": {
      const { here, longerWay } = tree.had(from, message.heads, nowMs);
      if (longerWay !== null) {
        say(context, deps, from, { type: "graft" });
        say(context, deps, longerWay, { type: "prune" });
      }
      if (here.length > 0) hasHeads(context, deps, { peer: from, heads: here });
      return waitForMissing(context, state);
    }
    case "prune":
      return tree.pruned(from);
    case "graft":
      return tree.grafted(from);
    default:
      message satisfies never;
  }
}

/** Sync notes what a peer has, and pulls what is new. */
function hasHeads(
  context: Context<GossipCommand>,
  deps: GossipDependencies,
  { peer, heads }: Told,
): void {
  context.send(deps.sync, { type: "headsAnnounced", from: peer, heads });
}

function waitForMissing(context: Context<GossipCommand>, { tree }: GossipState): void {
  const { dueMs } = tree;
  if (dueMs === null) return;
  const delayMs = Math.max(1, dueMs - context.monotonicMs());
  context.startTimer("missing", delayMs, { type: "missingDue" });
}

function say(
  context: Context<GossipCommand>,
  deps: GossipDependencies,
  to: DeviceId,
  message: GossipMessage,
): void {
  const body = encodeGossipMessage(message);
  context.send(deps.sessions, { type: "sendToPeer", to, protocol: "gossip", body });
}
