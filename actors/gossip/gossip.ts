/**
 * Spreads the news of new blocks: the newest head per author goes eagerly to a few peers, who pull what they lack
 * through sync. What gossip misses (a lost session, a peer not chosen), sync repairs.
 *
 * Never announces a block that is not durable here, and never back to the peer it came from.
 */
import type { Frontier } from "../../protocols/blocks/block.ts";
import { ANNOUNCED_HEADS_MAX } from "../../protocols/gossip/messages.ts";
import { encodeGossipMessage } from "../../protocols/gossip/wire.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import type { Random } from "../../platform/ports.ts";
import type { Behaviour, Context, Ref } from "../kernel/actor.ts";
import { peerSessions, type SessionsCommand } from "../sessions/commands.ts";
import { type BlocksCommitted, blocksCommitted } from "../storage/commands.ts";
import type { SyncCommand } from "../sync/commands.ts";
import type { GossipCommand } from "./commands.ts";

/** How many peers hear of a block from us. HyParView's active view for 10,000 nodes is 5 (Leitão et al. 2007); all, when fewer. */
export const FANOUT = 5;
/** News is collected this long, so that a burst of blocks is one announcement. */
export const COLLECT_MS = 10;

export interface GossipDependencies {
  readonly sessions: Ref<SessionsCommand>;
  readonly sync: Ref<SyncCommand>;
}

/** Peers that are up, and news not sent yet. */
export interface GossipState {
  readonly peers: Set<DeviceId>;
  /** Newest head per author, and the peers it came from. */
  readonly news: Map<DeviceId, { head: Frontier; readonly sources: Set<DeviceId> }>;
}

/** The gossip actor. */
export function gossip(deps: GossipDependencies): Behaviour<GossipCommand, GossipState> {
  return {
    name: "gossip",
    init(context) {
      context.subscribe(peerSessions, (event) => ({ type: "sessionChanged", event }));
      context.subscribe(blocksCommitted, (event) => ({ type: "blocksCommitted", event }));
      context.send(deps.sessions, { type: "repeatPeerSessions" });
      return { peers: new Set(), news: new Map() };
    },
    receive(context, state, command) {
      switch (command.type) {
        case "sessionChanged":
          if (command.event.type === "up") state.peers.add(command.event.deviceId);
          else state.peers.delete(command.event.deviceId);
          return;
        case "blocksCommitted":
          return onBlocksCommitted(context, state, command.event);
        case "announceDue":
          return announce(context, state, deps);
        case "peerMessage":
          return context.send(deps.sync, {
            type: "headsAnnounced",
            from: command.from,
            heads: command.message.heads,
          });
        default:
          command satisfies never;
      }
    },
  };
}

function onBlocksCommitted(
  context: Context<GossipCommand>,
  state: GossipState,
  event: BlocksCommitted,
): void {
  if (state.news.size === 0) context.startTimer("announce", COLLECT_MS, { type: "announceDue" });
  for (const { block, receivedFrom } of event.blocks) {
    const { author, sequence } = block.header;
    const known = state.news.get(author);
    if (known === undefined && state.news.size >= ANNOUNCED_HEADS_MAX) continue;
    const sources = known?.sources ?? new Set<DeviceId>();
    if (receivedFrom !== null) sources.add(receivedFrom);
    if (known !== undefined && known.head.sequence >= sequence) continue;
    state.news.set(author, { head: { author, sequence, head: block.id }, sources });
  }
}

function announce(
  context: Context<GossipCommand>,
  state: GossipState,
  deps: GossipDependencies,
): void {
  for (const peer of choose([...state.peers].sort(), FANOUT, context.random)) {
    const heads = [...state.news.values()].filter(({ sources }) => !sources.has(peer)).map((
      { head },
    ) => head);
    if (heads.length === 0) continue;
    const body = encodeGossipMessage({ type: "announce", heads });
    context.send(deps.sessions, { type: "sendToPeer", to: peer, protocol: "gossip", body });
  }
  state.news.clear();
}

/** `count` of the candidates, uniformly, without repetition (the start of a Fisher–Yates shuffle). */
export function choose<T>(candidates: readonly T[], count: number, random: Random): readonly T[] {
  const pool = [...candidates];
  const chosen = Math.min(count, pool.length);
  for (let i = 0; i < chosen; i++) {
    const j = i + random.below(pool.length - i);
    const picked = pool[j]!;
    pool[j] = pool[i]!;
    pool[i] = picked;
  }
  return pool.slice(0, chosen);
}
