/** Which way two real nodes find through each pair of routers, after how long, and what theory allows. */
import { NAT_KINDS, type NatKind } from "../../deployments/lab/nat_lab.ts";
import type { NodeEvent } from "../../actors/events.ts";
import { createNatWorld, type NatWorld, type Way, type WayKind, wayOf } from "./nat_world.ts";

/** What became of one pair. Times in ms from the moment both nodes answer. */
export interface PairResult {
  readonly a: NatKind;
  readonly b: NatKind;
  readonly connected: boolean;
  /** The best way found; null when there was none. */
  readonly path: WayKind | null;
  readonly transport: string | null;
  /** Until that way was in use. */
  readonly ms: number | null;
  /** Until the first session, by whatever way. */
  readonly up_ms: number | null;
  /** Until the first had heard of the second. */
  readonly sighted_ms: number | null;
  /** What theory allows. */
  readonly expected: WayKind;
  /** Ways in the order in which they were used. */
  readonly ways: readonly string[];
}

export type NatPair = readonly [NatKind, NatKind];

/** Every unordered pair, equal ones too. */
export const NAT_PAIRS: readonly NatPair[] = NAT_KINDS.flatMap((a, index) =>
  NAT_KINDS.slice(index).map((b): NatPair => [a, b])
);

/** A way that is worse than theory allows is waited for this long, ms. */
const BEST_MS = 40_000;
/** A way as good as theory allows must still be in use after this, ms. */
const STEADY_MS = 500;
const LOOK_MS = 250;
const RANK: Readonly<Record<WayKind, number>> = { direct: 0, turn: 1, nats: 2 };

/**
 * Hole punching needs one end whose mapped address the other can learn and that lets the other in (RFC 5128): a full cone lets everybody in,
 * two port-restricted cones learn each other's address. Against a symmetric router only a full cone helps. Without UDP there is neither
 * hole punching nor TURN over UDP.
 */
function expectedWay(a: NatKind, b: NatKind): WayKind {
  if (a === "udp-blocked" || b === "udp-blocked") return "nats";
  if (a === "full-cone" || b === "full-cone") return "direct";
  return a === "symmetric" || b === "symmetric" ? "turn" : "direct";
}

/** Whether a pair is as good as theory allows. */
export function isGood({ connected, path, expected }: PairResult): boolean {
  return connected && path !== null && RANK[path] <= RANK[expected];
}

/** Measures pairs one after another in one world: the nodes are the same, the routers and every connection are new each time. */
export async function measureNatPairs(
  { pairs, folder, signal, onProgress, onResult }: {
    readonly pairs: readonly NatPair[];
    readonly folder: string;
    /** Ends it early: everything is taken down and the promise rejects. */
    readonly signal?: AbortSignal;
    readonly onProgress: (text: string) => void;
    readonly onResult: (result: PairResult) => void;
  },
): Promise<readonly PairResult[]> {
  onProgress("making two homes, a TURN server and a hub; pairing the nodes on one LAN");
  await using world = await createNatWorld({
    nats: ["port-restricted", "port-restricted"],
    folder,
  });
  signal?.addEventListener("abort", () => void world.close(), { once: true });
  signal?.throwIfAborted();
  const results: PairResult[] = [];
  for (const [a, b] of pairs) {
    onProgress(`${a} with ${b}: theory allows ${expectedWay(a, b)}`);
    await world.home(0).setNat(a);
    await world.home(1).setNat(b);
    const result = await measurePair(world, [a, b]);
    onResult(result);
    results.push(result);
  }
  return results;
}

async function measurePair(world: NatWorld, [a, b]: NatPair): Promise<PairResult> {
  const expected = expectedWay(a, b);
  await Promise.all(world.nodes.map((node) => node.start()));
  try {
    const watched = await watchWays(world, expected);
    const last = watched.ways.at(-1);
    return {
      a,
      b,
      connected: last !== undefined,
      path: last?.path ?? null,
      transport: last?.transport ?? null,
      ms: last?.atMs ?? null,
      up_ms: watched.ways[0]?.atMs ?? null,
      sighted_ms: watched.sightedMs,
      expected,
      ways: watched.ways.map(({ path, transport }) =>
        path === transport ? path : `${path}/${transport}`
      ),
    };
  } finally {
    await world.stopNodes();
  }
}

interface Watched {
  readonly ways: readonly (Way & { readonly atMs: number })[];
  readonly sightedMs: number | null;
}

/** Follows the session until its way is as good as `expected` at both ends and stays so, or time is up. */
async function watchWays(world: NatWorld, expected: WayKind): Promise<Watched> {
  const startedMs = performance.now();
  const atMs = () => Math.round(performance.now() - startedMs);
  const { anna, ben } = world;
  const ways: (Way & { atMs: number })[] = [];
  let sightedMs: number | null = null;
  let goodSinceMs: number | null = null;
  let seen = 0;
  while (atMs() < BEST_MS) {
    // An event wakes us at once; what has no event is seen soon.
    await anna.process.waitFor((lines) => lines.length > seen || undefined, LOOK_MS).catch(
      () => {},
    );
    seen = anna.mark;
    const woken = atMs();
    if (sightedMs === null && anna.process.lines.some((line) => isSighting(line, ben.id))) {
      sightedMs = woken;
    }
    const [there, back] = [wayOf(await anna.peer(ben)), wayOf(await ben.peer(anna))];
    if (there === undefined || back === undefined) {
      goodSinceMs = null;
      continue;
    }
    const last = ways.at(-1);
    const changed = last?.path !== there.path || last.transport !== there.transport;
    if (changed) ways.push({ ...there, atMs: woken });
    const good = RANK[there.path] <= RANK[expected] && RANK[back.path] <= RANK[expected];
    goodSinceMs = good ? changed ? woken : goodSinceMs ?? woken : null;
    if (goodSinceMs !== null && woken - goodSinceMs >= STEADY_MS) break;
  }
  return { ways, sightedMs };
}

function isSighting(line: string, deviceId: string): boolean {
  if (!line.includes('"peerSighted"')) return false;
  return (JSON.parse(line) as Extract<NodeEvent, { type: "peerSighted" }>).deviceId === deviceId;
}
