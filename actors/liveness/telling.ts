/** Passing rumours on: with every ping and answer, and in messages of their own while there are any. */
import type { DeviceId } from "../../protocols/ids.ts";
import { retransmitLimit } from "../../protocols/liveness/dissemination.ts";
import { type Rumour, RUMOURS_MAX } from "../../protocols/liveness/messages.ts";
import type { RingView } from "../../protocols/liveness/ring.ts";
import { isAccusation } from "../../protocols/liveness/swim_state.ts";
import type { Random } from "../../platform/ports.ts";
import {
  type LivenessContext,
  type LivenessDependencies,
  type LivenessState,
  ringOf,
  rumourOf,
  send,
} from "./state.ts";

/** News is collected this long before it is told, ms. */
const COLLECT_MS = 20;
/** While there is news, some peers are told this often; memberlist: 200, ms. */
const GOSSIP_MS = 100;
/** How many peers at a time; as in memberlist. */
const GOSSIP_PEERS = 3;
/** Most rumours that travel with a ping or an answer. */
const RIDERS_MAX = 8;

/** What is believed of `subject` has changed: it is told on. */
export function tellOn(
  context: LivenessContext,
  state: LivenessState,
  subject: DeviceId,
  source: DeviceId | null,
  urgent: boolean,
): void {
  state.news.add(subject, source, urgent);
  if (state.gossiping) return;
  state.gossiping = true;
  context.startTimer("gossip", COLLECT_MS, { type: "gossipDue" });
}

/** What travels with a message to `peer`. Whoever is accused hears of it first (Lifeguard's buddy system, section IV-C). */
export function ridersFor(
  state: LivenessState,
  peer: DeviceId,
  max: number = RIDERS_MAX,
): readonly Rumour[] {
  const aboutPeer = rumourOf(state, peer);
  const rumours = aboutPeer !== undefined && isAccusation(aboutPeer) ? [aboutPeer] : [];
  if (state.news.size === 0) return rumours;
  const limit = retransmitLimit(state.present);
  for (const subject of state.news.take(peer, max - rumours.length, limit)) {
    const rumour = rumourOf(state, subject);
    if (rumour !== undefined) rumours.push(rumour);
  }
  return rumours;
}

/** Tells some peers what is new to them, and goes on until everybody was told who has to be. */
export function onGossipDue(
  context: LivenessContext,
  state: LivenessState,
  deps: LivenessDependencies,
): void {
  state.gossiping = false;
  if (state.news.size === 0) return;
  let told = 0;
  for (const peer of inTellingOrder(ringOf(state), context.random)) {
    const rumours = ridersFor(state, peer, RUMOURS_MAX);
    if (rumours.length === 0) continue;
    send(context, deps, peer, { type: "gossip", rumours });
    if (++told === GOSSIP_PEERS) break;
  }
  if (told === 0) state.news.clear();
  if (state.news.size === 0) return;
  state.gossiping = true;
  context.startTimer("gossip", GOSSIP_MS, { type: "gossipDue" });
}

/**
 * Our neighbours in the ring of all ids first: the ring reaches everybody, where chance alone leaves somebody out now and then. Then
 * all others in random order: they make it fast. Drawn one by one, since most are not needed.
 */
function* inTellingOrder({ neighbours, others }: RingView, random: Random): Generator<DeviceId> {
  yield* neighbours;
  const left = [...others];
  while (left.length > 0) {
    const drawn = random.below(left.length);
    yield left[drawn]!;
    left[drawn] = left.at(-1)!;
    left.pop();
  }
}
