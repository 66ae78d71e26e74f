/**
 * Which peers hear of a block at once, which later, and whom to ask for what did not come: epidemic broadcast trees (Leitão,
 * Pereira, Rodrigues, *Epidemic Broadcast Trees*, SRDS 2007). Pure: time and chance are handed in, everything sent is returned.
 *
 * Every session is in the tree at first (section 3.4). Who hears of the same twice takes the second session out of it ("prune", section
 * 3.6), so that a spanning tree of the fastest ways is left. Beside the tree a few peers hear of it later; who hears of something
 * beside the tree that does not come along it takes that session into the tree ("graft", section 3.7), and one over which the way is much
 * shorter (section 3.8).
 *
 * Four things differ from the paper:
 * - A message is the newest head of an author, so that what is old needs no memory: a head says "and everything before it".
 * - News beside the tree goes to `LAZY_FANOUT` peers drawn each time, not to all: what a block costs a node does not depend on how many
 *   sessions it has. What these miss, sync finds.
 * - A graft asks for nothing: whoever says "have" has it, and blocks are pulled.
 * - A lost session of the tree is replaced by one beside it at once. In the paper the membership protocol does that.
 *
 * Everything is bounded by the peers, `AUTHORS_MAX` and `MISSING_MAX`.
 */
import type { Frontier } from "../blocks/block.ts";
import type { DeviceId } from "../ids.ts";
import { ANNOUNCED_HEADS_MAX, type Head, HOPS_MAX } from "./messages.ts";

/**
 * Peers beside the tree that hear of a block. Whoever lost its place in the tree hears from none of them with probability e^−3, 5 %, per
 * block; that of the next block, or sync, ends it.
 */
export const LAZY_FANOUT = 3;
/** After this long without a block that somebody has, it is pulled from there, ms. More than a block needs along the tree. */
export const MISSING_MS = 500;
/** So long what was announced along the tree may take to come, ms; then it counts as not announced. */
export const EXPECTED_MS = 5_000;
/** Only what was new this short a time ago tells two ways apart, ms. Old news is from somebody who catches up. */
export const RECENT_MS = 5_000;
/** So many hops shorter a way beside the tree must be to take the place of the one in it; fewer come and go with the author. */
export const SHORTER_BY_HOPS = 2;
/** Authors whose newest head is remembered. */
export const AUTHORS_MAX = 4_096;
/** Missing heads, and peers that have one. */
export const MISSING_MAX = 256;
export const HOLDERS_MAX = 4;

/** Where chance comes from: a whole number of at least 0 and less than `bound`. */
export interface Dice {
  below(bound: number): number;
}

/** Heads for one peer. */
export interface Told {
  readonly peer: DeviceId;
  readonly heads: readonly Head[];
}

/** What follows from news beside the tree. */
export interface Had {
  /** Those of the heads that we have too. */
  readonly here: readonly Head[];
  /** The way over the sender is shorter: it is in the tree now ("graft"), and this peer no longer is ("prune"). */
  readonly longerWay: DeviceId | null;
}

/** The newest head of an author that we heard of. */
interface Heard {
  readonly sequence: number;
  readonly atMs: number;
  /** Who announced it; null when nobody did. */
  readonly from: DeviceId | null;
  /** How many passed it on until it was here. */
  readonly hops: number;
}

/** News that has not been told. */
interface News {
  head: Head;
  /** Peers that have it. */
  readonly sources: Set<DeviceId>;
}

interface Missing {
  head: Head;
  readonly holders: Set<DeviceId>;
  dueMs: number;
}

/** The tree as one device sees it. */
export class Plumtree {
  readonly #eager = new Set<DeviceId>();
  readonly #lazy = new Set<DeviceId>();
  /** Newest stored head per author. */
  readonly #stored = new Map<DeviceId, Heard>();
  /** Newest head per author that is on its way. */
  readonly #expected = new Map<DeviceId, Heard>();
  /** Who else announced what is on its way: they need not hear of it. */
  readonly #alsoFrom = new Map<DeviceId, { sequence: number; peers: Set<DeviceId> }>();
  readonly #eagerNews = new Map<DeviceId, News>();
  readonly #lazyNews = new Map<DeviceId, News>();
  readonly #missing = new Map<DeviceId, Missing>();

  /** Peers along the tree. */
  get eager(): ReadonlySet<DeviceId> {
    return this.#eager;
  }

  /** Peers beside the tree. */
  get lazy(): ReadonlySet<DeviceId> {
    return this.#lazy;
  }

  /** How much is remembered: authors, missing heads. */
  get size(): { readonly authors: number; readonly missing: number } {
    return {
      authors: Math.max(this.#stored.size, this.#expected.size, this.#alsoFrom.size),
      missing: this.#missing.size,
    };
  }

  /** A session has begun: it is in the tree until it turns out to be one too many. */
  peerUp(peer: DeviceId): void {
    this.#lazy.delete(peer);
    this.#eager.add(peer);
  }

  /** A session has ended. Returns the peer that takes its place in the tree and must be told ("graft"), null when none has to. */
  peerDown(peer: DeviceId, dice: Dice): DeviceId | null {
    this.#lazy.delete(peer);
    for (const { holders } of this.#missing.values()) holders.delete(peer);
    for (const [author, { from }] of this.#expected) {
      if (from === peer) this.#expected.delete(author);
    }
    if (!this.#eager.delete(peer)) return null;
    const [instead] = choose([...this.#lazy].sort(), 1, dice);
    if (instead === undefined) return null;
    this.grafted(instead);
    return instead;
  }

  /** A block is durable here: it is news for all who do not have it. */
  stored(head: Frontier, source: DeviceId | null, nowMs: number): void {
    const { author, sequence } = head;
    const expected = this.#expected.get(author);
    if (expected !== undefined && expected.sequence <= sequence) this.#expected.delete(author);
    const known = this.#stored.get(author);
    // What was announced is as old as its announcement.
    const { atMs, from, hops } = expected !== undefined && expected.sequence >= sequence
      ? expected
      : { atMs: nowMs, from: null, hops: 0 };
    if (known === undefined || known.sequence < sequence) {
      remember(this.#stored, author, { sequence, atMs, from, hops });
    }
    const missing = this.#missing.get(author);
    if (missing !== undefined && missing.head.sequence <= sequence) this.#missing.delete(author);
    const also = this.#alsoFrom.get(author);
    const sources = source === null ? [] : [source];
    if (also !== undefined && also.sequence >= sequence) sources.push(...also.peers);
    if (also !== undefined && also.sequence <= sequence) this.#alsoFrom.delete(author);
    addNews(this.#eagerNews, { ...head, hops }, sources);
    addNews(this.#lazyNews, { ...head, hops }, sources);
  }

  /** A peer announced heads along the tree. True: it must be told that it is not needed there ("prune"). */
  announced(from: DeviceId, heads: readonly Head[], nowMs: number): boolean {
    if (!this.#eager.has(from) && !this.#lazy.has(from)) return false;
    let isNew = false;
    let isRecent = false;
    for (const head of heads) {
      const { author, sequence } = head;
      const hops = Math.min(HOPS_MAX, head.hops + 1);
      this.#noteSource(from, head);
      const stored = this.#stored.get(author);
      if (stored !== undefined && stored.sequence >= sequence) {
        // What came without being announced came beside the tree: it says nothing about the ways in it.
        isRecent ||= stored.from !== null && nowMs - stored.atMs < RECENT_MS;
        continue;
      }
      const expected = this.#expected.get(author);
      const pending = expected !== undefined && expected.sequence >= sequence &&
        nowMs - expected.atMs < EXPECTED_MS && expected.from !== from;
      if (pending) {
        isRecent = true;
        continue;
      }
      isNew = true;
      remember(this.#expected, author, { sequence, atMs: nowMs, from, hops });
    }
    if (isNew) {
      this.grafted(from);
      return false;
    }
    if (!isRecent || !this.#eager.has(from)) return isRecent;
    this.pruned(from);
    return true;
  }

  /** A peer beside the tree has these. What we have not is waited for. */
  had(from: DeviceId, heads: readonly Head[], nowMs: number): Had {
    const here: Head[] = [];
    let longerWay: DeviceId | null = null;
    if (!this.#eager.has(from) && !this.#lazy.has(from)) return { here, longerWay };
    for (const head of heads) {
      const { author, sequence } = head;
      this.#noteSource(from, head);
      if ((this.#stored.get(author)?.sequence ?? 0) >= sequence) {
        here.push(head);
        longerWay ??= this.#longerWay(from, head, nowMs);
        continue;
      }
      const missing = this.#missing.get(author);
      if (missing === undefined) {
        if (this.#missing.size >= MISSING_MAX) continue;
        this.#missing.set(author, {
          head,
          holders: new Set([from]),
          dueMs: nowMs + MISSING_MS,
        });
      } else if (missing.head.sequence <= sequence) {
        // Whoever has the newer one has the older one too, not the other way round.
        if (missing.head.sequence < sequence) missing.holders.clear();
        missing.head = head;
        if (missing.holders.size < HOLDERS_MAX) missing.holders.add(from);
      }
    }
    if (longerWay !== null) {
      this.grafted(from);
      this.pruned(longerWay);
    }
    return { here, longerWay };
  }

  /** The peer has heard the same from somebody else first. */
  pruned(from: DeviceId): void {
    if (!this.#eager.delete(from)) return;
    this.#lazy.add(from);
    // It has what we announced last: no need to say so again, beside the tree.
    for (const { sources } of this.#lazyNews.values()) sources.add(from);
  }

  /** The peer is to hear, or tells, along the tree. */
  grafted(from: DeviceId): void {
    if (this.#lazy.delete(from)) this.#eager.add(from);
  }

  /** Something waits to go along the tree. */
  get hasNews(): boolean {
    return this.#eagerNews.size > 0;
  }

  /** What goes along the tree now. */
  takeEager(): readonly Told[] {
    return take(this.#eagerNews, [...this.#eager].sort());
  }

  /** What goes to some beside the tree now. */
  takeLazy(dice: Dice): readonly Told[] {
    return take(this.#lazyNews, choose([...this.#lazy].sort(), LAZY_FANOUT, dice));
  }

  /** When something missing is due, null when nothing is. */
  get dueMs(): number | null {
    let dueMs: number | null = null;
    for (const missing of this.#missing.values()) {
      if (dueMs === null || missing.dueMs < dueMs) dueMs = missing.dueMs;
    }
    return dueMs;
  }

  /** What did not come: by whom it is to be pulled. These peers are in the tree now and must be told ("graft"). */
  takeMissing(nowMs: number): readonly Told[] {
    const pulls = new Map<DeviceId, Head[]>();
    for (const [author, missing] of this.#missing) {
      if (missing.dueMs > nowMs) continue;
      const expected = this.#expected.get(author);
      const onItsWay = expected !== undefined && expected.sequence >= missing.head.sequence &&
        nowMs - expected.atMs < EXPECTED_MS;
      if (onItsWay) {
        missing.dueMs = Math.max(nowMs + 1, expected.atMs + EXPECTED_MS);
        continue;
      }
      const [holder] = missing.holders;
      if (holder === undefined) {
        this.#missing.delete(author);
        continue;
      }
      // Should this one fail, the next one is asked.
      missing.holders.delete(holder);
      missing.dueMs = nowMs + MISSING_MS;
      const heads = pulls.get(holder) ?? [];
      heads.push(missing.head);
      pulls.set(holder, heads);
    }
    for (const peer of pulls.keys()) this.grafted(peer);
    return [...pulls].map(([peer, heads]) => ({ peer, heads }));
  }

  /**
   * Over whom a head came on a way that is much longer than over `from`, null when it did not ("tree optimization", section 3.8).
   * Taking `from` for that peer leaves a tree: whoever had it after fewer hops is not behind us.
   */
  #longerWay(from: DeviceId, { author, sequence, hops }: Head, nowMs: number): DeviceId | null {
    const stored = this.#stored.get(author);
    if (stored?.sequence !== sequence || nowMs - stored.atMs >= RECENT_MS) return null;
    const isLonger = stored.hops - (hops + 1) >= SHORTER_BY_HOPS;
    const inTree = stored.from !== null && this.#eager.has(stored.from);
    return isLonger && inTree && this.#lazy.has(from) ? stored.from : null;
  }

  /** Whoever announces something has it, and need not hear of it from us. */
  #noteSource(peer: DeviceId, { author, sequence }: Frontier): void {
    for (const news of [this.#eagerNews.get(author), this.#lazyNews.get(author)]) {
      if (news !== undefined && news.head.sequence <= sequence) news.sources.add(peer);
    }
    if ((this.#stored.get(author)?.sequence ?? 0) >= sequence) return;
    const also = this.#alsoFrom.get(author);
    if (also === undefined || also.sequence < sequence) {
      remember(this.#alsoFrom, author, { sequence, peers: new Set([peer]) });
    } else if (also.sequence === sequence) also.peers.add(peer);
  }
}

function addNews(
  all: Map<DeviceId, News>,
  head: Head,
  sources: readonly DeviceId[],
): void {
  const news = all.get(head.author);
  if (news === undefined) {
    // What does not fit is found by sync.
    if (all.size < ANNOUNCED_HEADS_MAX) all.set(head.author, { head, sources: new Set(sources) });
    return;
  }
  if (news.head.sequence < head.sequence) {
    news.head = head;
    news.sources.clear();
  }
  if (news.head.sequence === head.sequence) {
    for (const source of sources) {
      news.sources.add(source);
    }
  }
}

function take(all: Map<DeviceId, News>, peers: readonly DeviceId[]): readonly Told[] {
  const told: Told[] = [];
  for (const peer of peers) {
    const heads = [...all.values()].filter(({ sources }) => !sources.has(peer))
      .map(({ head }) => head);
    if (heads.length > 0) told.push({ peer, heads });
  }
  all.clear();
  return told;
}

/** Sets, and forgets what was set longest ago when there is too much. */
function remember<T>(all: Map<DeviceId, T>, author: DeviceId, value: T): void {
  all.delete(author);
  all.set(author, value);
  if (all.size <= AUTHORS_MAX) return;
  const [oldest] = all.keys();
  if (oldest !== undefined) all.delete(oldest);
}

/** `count` of the candidates, uniformly, without repetition (the start of a Fisher–Yates shuffle). */
export function choose<T>(candidates: readonly T[], count: number, dice: Dice): readonly T[] {
  const pool = [...candidates];
  const chosen = Math.min(count, pool.length);
  for (let i = 0; i < chosen; i++) {
    const j = i + dice.below(pool.length - i);
    const picked = pool[j]!;
    pool[j] = pool[i]!;
    pool[i] = picked;
  }
  return pool.slice(0, chosen);
}
