/**
 * Averaging without a leader: peers stand on a grid of `dimensions` axes with `side` places each. In every round those who differ along one
 * axis only average among themselves; after as many rounds as there are axes everybody has the exact average of a full grid. Where a
 * peer stands is said by the places it got in its latest rounds, so nobody hands out positions. Ryabinin, Gorbunov, Plokhotnyuk,
 * Pekhimenko: "Moshpit SGD: Communication-Efficient Decentralized Training on Heterogeneous Unreliable Devices", NeurIPS 2021, section 3.
 */
import { invariant } from "../../platform/invariant.ts";

export interface Grid {
  /** d: rounds until everybody knows of everybody, 1–8. */
  readonly dimensions: number;
  /** M: peers of one group when the grid is full, 2–64; 2M − 1 at most. */
  readonly side: number;
}

/** One peer before a round. */
export interface GridPeer {
  /** Names the peer; unique. */
  readonly device: string;
  /** Places it got in its latest d − 1 rounds, oldest first, each < side: its group key. */
  readonly places: readonly number[];
}

/** Peers that average together, in the order of their places. */
export interface GridGroup {
  /** Places all of them share; text, for topics and logs. */
  readonly key: string;
  /** Ascending by device; the index is the place each gets in this round. */
  readonly devices: readonly string[];
}

/** A grid for so many peers with the fewest rounds such that no group is larger than `groupMax`. */
export function gridFor(peers: number, groupMax: number): Grid {
  invariant(
    peers >= 1 && groupMax >= 2,
    () => `Cannot make a grid for ${peers} peers in groups of ${groupMax}: expected >= 1 and >= 2`,
  );
  let dimensions = 1;
  while (groupMax ** dimensions < peers && dimensions < 8) dimensions++;
  let side = 2;
  while (side ** dimensions < peers && side < groupMax) side++;
  return { dimensions, side };
}

/**
 * Places of a peer that joins. With a `position` (a number nobody else has, counted from 0) a full grid is filled exactly; peers that
 * cannot agree on positions take a random one below side^dimensions, and the grid fills on average.
 */
export function initialPlaces(grid: Grid, position: number): readonly number[] {
  let rest = Math.floor(position / grid.side);
  return Array.from({ length: grid.dimensions - 1 }, () => {
    const place = rest % grid.side;
    rest = Math.floor(rest / grid.side);
    return place;
  });
}

/**
 * Groups of one round, from those who are there. Equal input in any order gives equal groups, so peers that see the same announcements
 * need no one to tell them. A key with twice `side` peers or more is split evenly (splitting sooner would make small groups, which mix
 * worse); peers who are alone with their key meet each other.
 */
export function formGroups(grid: Grid, peers: readonly GridPeer[]): readonly GridGroup[] {
  const byKey = new Map<string, string[]>();
  for (const { device, places } of peers) {
    invariant(
      places.length === grid.dimensions - 1 && places.every((p) => p >= 0 && p < grid.side),
      () => `Cannot group peer ${device}: places ${places.join(",")} are not on the grid`,
    );
    const key = places.join(".");
    byKey.set(key, [...byKey.get(key) ?? [], device]);
  }
  const keys = [...byKey.keys()].sort();
  const alone = keys.filter((key) => byKey.get(key)!.length === 1);
  const groups = keys.filter((key) => byKey.get(key)!.length > 1)
    .flatMap((key) => split(grid, key, byKey.get(key)!));
  const left = alone.flatMap((key) => byKey.get(key)!);
  return left.length === 0 ? groups : [...groups, ...split(grid, "alone", left)];
}

/** The peer after a round in which it stood at `place` of its group. With one axis there are no places to remember. */
export function afterRound(grid: Grid, peer: GridPeer, place: number): GridPeer {
  if (grid.dimensions === 1) return peer;
  return { ...peer, places: [...peer.places, place % grid.side].slice(-(grid.dimensions - 1)) };
}

/** All peers after a round; who was in no group stays where it stood. */
export function nextPeers(
  grid: Grid,
  peers: readonly GridPeer[],
  groups: readonly GridGroup[],
): readonly GridPeer[] {
  const placed = new Map(
    groups.flatMap(({ devices }) => devices.map((device, place) => [device, place] as const)),
  );
  return peers.map((peer) => {
    const place = placed.get(peer.device);
    return place === undefined ? peer : afterRound(grid, peer, place);
  });
}

function split(grid: Grid, key: string, devices: readonly string[]): readonly GridGroup[] {
  const sorted = devices.toSorted();
  const parts = Math.max(1, Math.floor(sorted.length / grid.side));
  return Array.from({ length: parts }, (_, part) => ({
    key: parts === 1 ? key : `${key}/${part}`,
    devices: sorted.filter((_, index) => index % parts === part),
  }));
}
