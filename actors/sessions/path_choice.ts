/**
 * Which kind of path is better, and in which order kinds are tried. Pure.
 *
 * Both ends rank a path alike without talking about it: by its technology and by whether somebody else carries it.
 */
import type { Random } from "../../platform/ports.ts";
import type { Path, PathKind } from "../../platform/transport.ts";

/** Ranks of paths, lower is better. */
const DIRECT_QUIC = 0;
const DIRECT = 1;
const RELAYED = 2;
const BROKER = 3;

/** First wait of a kind that did not work, and the longest, ms. Between them the wait doubles. */
const KIND_WAIT_FIRST_MS = 1_000;
const KIND_WAIT_MAX_MS = 300_000;

/** How good a path is now: 0 is best. A path that stops being relayed gets better while it lives. */
export function pathRank({ kind, relayed }: Pick<Path, "kind" | "relayed">): number {
  if (kind === "nats") return BROKER;
  if (relayed) return RELAYED;
  return kind === "quic" ? DIRECT_QUIC : DIRECT;
}

/** The best that a path of this kind can be. */
export function bestRank(kind: PathKind): number {
  return pathRank({ kind, relayed: false });
}

/** What is remembered of one transport for one peer. */
export interface KindMemory {
  /** Dials since the last that led to a path as good as this kind can be. */
  failures: number;
  /** Before then it is tried only when nothing better is left, monotonic ms. */
  notBeforeMs: number;
}

/** The wait after that many failures in a row: doubling, with a random half left away. */
export function kindWaitMs(failures: number, random: Random): number {
  const ceiling = Math.min(KIND_WAIT_MAX_MS, KIND_WAIT_FIRST_MS * 2 ** Math.min(failures - 1, 30));
  return Math.round(ceiling * (0.5 + random.float() / 2));
}

/**
 * The order in which transports are dialled for a peer without a path: best first, those that failed lately behind the others.
 * None is left out, so that a peer whose paths all failed is still tried.
 */
export function dialOrder(memories: readonly KindMemory[], nowMs: number): number[] {
  const indexes = memories.map((_, index) => index);
  const rests = (index: number): boolean => memories[index]!.notBeforeMs > nowMs;
  return [...indexes.filter((index) => !rests(index)), ...indexes.filter(rests)];
}

/** Transports that may lead to a better path than one of rank `rank`: the first of each kind, best first. */
export function betterTransports(kinds: readonly PathKind[], rank: number): number[] {
  return [...kinds.keys()].filter((index) =>
    kinds.indexOf(kinds[index]!) === index && bestRank(kinds[index]!) < rank
  );
}
