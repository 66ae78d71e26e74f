/** Grid averaging: exact after as many rounds as axes, faster than the paper's bound for random groups, and alive under dropouts. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { weightedMean } from "../../learning/aggregation/weighted_mean.ts";
import {
  formGroups,
  type Grid,
  gridFor,
  type GridPeer,
  initialPlaces,
  nextPeers,
} from "../../learning/gossip_averaging/grid.ts";
import { groupModel } from "../../learning/gossip_averaging/group_model.ts";
import type { Parameters } from "../../learning/parameters.ts";
import type { Random } from "../../platform/ports.ts";
import { seededRandom } from "../../platform/seeded_random.ts";

interface World {
  readonly grid: Grid;
  peers: readonly GridPeer[];
  readonly values: Map<string, Parameters>;
}

function worldOf(grid: Grid, peers: number, random: Random, count = 8): World {
  const devices = Array.from({ length: peers }, (_, i) => `device ${String(i).padStart(5, "0")}`);
  return {
    grid,
    peers: devices.map((device, i) => ({ device, places: initialPlaces(grid, i) })),
    values: new Map(devices.map((device) => [
      device,
      Float32Array.from({ length: count }, () => random.float() * 2 - 1),
    ])),
  };
}

/** One round; `absent` says who does not come. */
function round(world: World, absent: (device: string) => boolean = () => false): void {
  const there = world.peers.filter(({ device }) => !absent(device));
  const groups = formGroups(world.grid, there);
  for (const { devices } of groups) {
    const mean = meanModel(devices.map((device) => world.values.get(device)!));
    for (const device of devices) world.values.set(device, mean);
  }
  world.peers = nextPeers(world.grid, world.peers, groups);
}

/** What the members of a group have after they have fetched each other's numbers. */
function meanModel(members: readonly Parameters[]): Parameters {
  return groupModel(weightedMean(), members.map((values, i) => ({ hash: String(i), values })));
}

/** Mean squared distance of the peers' numbers to their common mean. */
function variance(values: Iterable<Parameters>): number {
  const all = [...values];
  const count = all[0]!.length;
  let total = 0;
  for (let i = 0; i < count; i++) {
    const mean = all.reduce((sum, numbers) => sum + numbers[i]!, 0) / all.length;
    total += all.reduce((sum, numbers) => sum + (numbers[i]! - mean) ** 2, 0) / all.length;
  }
  return total / count;
}

function meanOf(values: Iterable<Parameters>, place: number): number {
  const all = [...values];
  return all.reduce((sum, numbers) => sum + numbers[place]!, 0) / all.length;
}

for (const [side, dimensions] of [[2, 3], [3, 3], [5, 2], [8, 2], [4, 4], [7, 1]] as const) {
  Deno.test(`a full grid of ${side}^${dimensions} peers has the exact average after ${dimensions} rounds, and not before`, () => {
    const world = worldOf({ dimensions, side }, side ** dimensions, seededRandom(side));
    const mean = meanOf(world.values.values(), 0);
    const start = variance(world.values.values());
    for (let r = 1; r <= dimensions; r++) {
      round(world);
      const left = variance(world.values.values()) / start;
      if (r < dimensions) assert.ok(left > 1e-6);
      else assert.ok(left < 1e-12, `${left} of the variance is left`);
    }
    for (const numbers of world.values.values()) assert.ok(Math.abs(numbers[0]! - mean) < 1e-6);
    // And the next rounds keep it.
    round(world);
    assert.ok(variance(world.values.values()) < start * 1e-12);
  });
}

Deno.test("random groups shrink the variance by (r − 1)/N + r/N² a round, as the paper's theorem says", () => {
  const [peers, groups, runs] = [60, 6, 40];
  const expected = (groups - 1) / peers + groups / peers ** 2;
  let measured = 0;
  for (let run = 0; run < runs; run++) {
    const random = seededRandom(`theorem ${run}`);
    const values = Array.from(
      { length: peers },
      () => Float32Array.from({ length: 16 }, () => random.float()),
    );
    const before = variance(values);
    const chosen = values.map(() => random.below(groups));
    const after = [...values];
    for (let group = 0; group < groups; group++) {
      const members = values.flatMap((_, i) => chosen[i] === group ? [i] : []);
      if (members.length === 0) continue;
      const mean = meanModel(members.map((i) => values[i]!));
      for (const i of members) after[i] = mean;
    }
    measured += variance(after) / before / runs;
  }
  assert.ok(Math.abs(measured / expected - 1) < 0.08, `${measured}, expected ${expected}`);
});

for (
  const [peers, dimensions, side, missing] of [
    [125, 3, 5, 0.1],
    [27, 3, 3, 1 / 3],
    [64, 3, 4, 1 / 3],
    [100, 3, 5, 1 / 3],
  ] as const
) {
  const share = `${Math.round(100 * missing)} %`;
  Deno.test(`with ${share} of ${peers} peers missing in every round the grid shrinks the variance no slower than random groups`, () => {
    const [runs, rounds] = [12, 5];
    const present = peers * (1 - missing);
    const groups = side ** (dimensions - 1);
    // The theorem for those present; those who are away keep their numbers.
    const perRound = missing + (1 - missing) * ((groups - 1) / present + groups / present ** 2);
    const left = new Array<number>(rounds).fill(0);
    for (let run = 0; run < runs; run++) {
      const random = seededRandom(`missing ${run}`);
      const world = worldOf({ dimensions, side }, peers, random);
      const start = variance(world.values.values());
      for (let r = 0; r < rounds; r++) {
        const away = world.peers.filter(() => random.float() < missing)
          .map(({ device }) => device);
        round(world, (device) => away.includes(device));
        left[r]! += variance(world.values.values()) / start / runs;
      }
    }
    left.forEach((rest, r) => {
      const bound = perRound ** (r + 1);
      assert.ok(rest < 1.1 * bound, `round ${r + 1}: ${rest}, random groups ${bound}`);
    });
  });
}

Deno.test("peers that come back after a long absence are taken in again", () => {
  const world = worldOf({ dimensions: 2, side: 4 }, 16, seededRandom("back"));
  const late = new Set(["device 00003", "device 00007"]);
  for (let r = 0; r < 5; r++) round(world, (device) => late.has(device));
  assert.ok(variance(world.values.values()) > 1e-4);
  for (let r = 0; r < 10; r++) round(world);
  assert.ok(variance(world.values.values()) < 1e-3, String(variance(world.values.values())));
});

Deno.test("groups follow from who is there, not from the order of announcements, and hold everybody once", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 2, max: 6 }),
      fc.integer({ min: 1, max: 120 }),
      fc.nat(),
      (dimensions, side, count, seed) => {
        const random = seededRandom(seed);
        const grid = { dimensions, side };
        const peers = Array.from({ length: count }, (_, i) => ({
          device: `d${i}`,
          places: initialPlaces(grid, random.below(side ** dimensions)),
        }));
        const groups = formGroups(grid, peers);
        assert.deepEqual(formGroups(grid, peers.toReversed()), groups);
        assert.deepEqual(
          groups.flatMap(({ devices }) => devices).sort(),
          peers.map(({ device }) => device).sort(),
        );
        assert.equal(new Set(groups.map(({ key }) => key)).size, groups.length);
        for (const { devices } of groups) {
          assert.ok(devices.length < 2 * side && devices.length >= 1);
        }
        assert.ok(
          groups.filter(({ devices }) => devices.length === 1).length <= 1 + groups.length / 2,
        );
        for (const { places } of nextPeers(grid, peers, groups)) {
          assert.ok(places.length === dimensions - 1 && places.every((p) => p >= 0 && p < side));
        }
      },
    ),
    { numRuns: 100 },
  );
});

Deno.test("a grid has the fewest axes for its largest group, and room for everybody", () => {
  assert.deepEqual(gridFor(9, 16), { dimensions: 1, side: 9 });
  assert.deepEqual(gridFor(100, 16), { dimensions: 2, side: 10 });
  assert.deepEqual(gridFor(1_000, 16), { dimensions: 3, side: 10 });
  assert.deepEqual(gridFor(1, 16), { dimensions: 1, side: 2 });
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 20_000 }),
      fc.integer({ min: 4, max: 64 }),
      (peers, most) => {
        const { dimensions, side } = gridFor(peers, most);
        assert.ok(side <= most && side ** dimensions >= peers);
      },
    ),
  );
});

Deno.test("a peer that is not on the grid is not grouped", () => {
  assert.throws(
    () => formGroups({ dimensions: 2, side: 3 }, [{ device: "x", places: [3] }]),
    /peer x.*not on the grid/,
  );
});
