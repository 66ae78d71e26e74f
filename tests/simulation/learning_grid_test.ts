/** Runs on a grid among whole nodes: without faults they are what a coordinator would have made, and no fault stops them or loses what was learned. */
import assert from "node:assert/strict";
import { spreadOf } from "../../learning/gossip_averaging/group_model.ts";
import { type Parameters, parametersFromBytes } from "../../learning/parameters.ts";
import type { RunId } from "../../learning/runs/plan.ts";
import { Cluster } from "../../simulation/cluster.ts";
import type { SimulatedNode } from "../../simulation/simulated_node.ts";
import { playLearning } from "../../simulation/scenarios/learning.ts";
import { playGrid } from "../../simulation/scenarios/learning_grid.ts";
import { gridStateOf } from "../../simulation/scenarios/learning_grid_crowd.ts";

const NODES = 9;
const ACCURACY_LEAST = 0.9;
const all = { least: NODES, most: 1_000, fraction: 1, overSelection: 0 };
const brief = { readyMs: 2_000, trainMs: 4_000, phaseMs: 2_000 };

function roundOf(node: SimulatedNode, run: RunId): number {
  return gridStateOf(node, run)?.head?.round ?? 0;
}

Deno.test("devices that fill a grid end with the same bits, which are the mean that a coordinator makes", async () => {
  const rounds = 5;
  const nodes = 4;
  const participation = { ...all, least: nodes };
  const rule = { name: "weightedMean", numbers: {} };
  const aggregation = { type: "grid", dimensions: 2, side: 2, rule } as const;
  const { problems, versions, models, spread, accuracies } = await playGrid(
    new Cluster({ seed: "full grid" }),
    nodes,
    {
      plan: { rounds, participation, aggregation },
      faults: () => Promise.resolve(),
    },
  );
  assert.deepEqual(problems, []);
  assert.equal(new Set(versions).size, 1);
  assert.equal(spread, 0);
  assert.ok(accuracies.length === nodes && accuracies.every((one) => one > ACCURACY_LEAST));
  const cluster = new Cluster({ seed: "full grid" });
  const withCoordinator = await playLearning(cluster, nodes, {
    together: true,
    plan: { rounds, participation, aggregation: { type: "clear", rule } },
    faults: () => Promise.resolve(),
  });
  assert.deepEqual(withCoordinator, []);
  const [{ vectors }] = cluster.nodes as [SimulatedNode];
  const distances = [...vectors.values()].map((bytes) => {
    const other = parametersFromBytes(bytes)!;
    return Math.hypot(...other.map((value, i) => value - models[0]![i]!));
  });
  // The same devices train from the same seed: only the order in which numbers are added differs.
  assert.ok(
    Math.min(...distances) < 1e-5,
    `the nearest of its vectors is ${Math.min(...distances)} away`,
  );
});

Deno.test("more devices than have sessions with everybody fill a grid of three axes, and a round gives them the same bits", async () => {
  const nodes = 27;
  const rule = { name: "weightedMean", numbers: {} };
  const { problems, versions, spread } = await playGrid(new Cluster({ seed: "27" }), nodes, {
    plan: {
      rounds: 1,
      participation: { ...all, least: nodes },
      aggregation: { type: "grid", dimensions: 3, side: 3, rule },
    },
    faults: () => Promise.resolve(),
  });
  assert.deepEqual(problems, []);
  assert.equal(versions.length, nodes);
  assert.equal(new Set(versions).size, 1);
  assert.equal(spread, 0);
});

Deno.test("an averaging brings ten devices together at least as far as the paper predicts for groups drawn at random", async () => {
  const nodes = 10;
  const side = 3;
  const cluster = new Cluster({ seed: "ten on a grid" });
  const rounds = 8;
  const seen = new Map<string, Map<SimulatedNode, Parameters>>();
  const { problems } = await playGrid(cluster, nodes, {
    plan: { rounds, participation: { ...all, least: nodes } },
    async faults(_join, _late, run) {
      while (cluster.nodes.some((node) => roundOf(node, run) < rounds)) {
        for (const node of cluster.nodes) {
          const { place = null, model = null } = gridStateOf(node, run) ?? {};
          if (place === null || model === null) continue;
          const key = `${place.round}/${place.step}`;
          seen.set(key, (seen.get(key) ?? new Map()).set(node, model.values));
        }
        await cluster.world.advance(5);
      }
    },
  });
  assert.deepEqual(problems, []);
  const ratios: number[] = [];
  for (let round = 1; round <= rounds; round++) {
    for (
      const [before, after] of [[`${round}/1`, `${round}/2`], [`${round}/2`, `${round + 1}/0`]]
    ) {
      const [a, b] = [seen.get(before!), seen.get(after!)];
      if (a?.size !== nodes || b?.size !== nodes) continue;
      const first = spreadOf([...a.values()]);
      if (first > 0) ratios.push((spreadOf([...b.values()]) / first) ** 2);
    }
  }
  assert.ok(ratios.length >= rounds, `${ratios.length} averagings were seen whole`);
  const mean = ratios.reduce((sum, one) => sum + one, 0) / ratios.length;
  // Ryabinin et al. 2021, Eq. 5: r groups of N devices keep (r − 1) / N + r / N² of the squared distance, with groups drawn at random.
  const predicted = (side - 1) / nodes + side / nodes ** 2;
  assert.ok(
    mean <= predicted,
    `${mean} of the squared distance is left, predicted ${predicted}`,
  );
});

Deno.test("a device killed in the middle, one that joins late, and cut links stop nobody, and all learn", async () => {
  const cluster = new Cluster({ seed: "killed on a grid" });
  const { world, network, nodes } = cluster;
  const rounds = 10;
  const { problems, accuracies, relativeSpread } = await playGrid(cluster, NODES, {
    late: 1,
    plan: { rounds, deadlines: brief, participation: { ...all, least: 3 } },
    async faults(join, [late], run) {
      const [starter, , witness] = nodes;
      starter!.crash(false);
      const before = roundOf(witness!, run);
      network.cut(nodes[3]!.station, nodes[4]!.station);
      network.cut(nodes[5]!.station, nodes[6]!.station);
      await world.advance(6_000);
      assert.ok(roundOf(witness!, run) > before, "the others go on without who started it");
      await starter!.start();
      await join(late!);
      network.heal();
    },
  });
  assert.deepEqual(problems, []);
  assert.equal(accuracies.length, NODES);
  assert.ok(accuracies.every((one) => one > ACCURACY_LEAST), accuracies.join(" "));
  assert.ok(relativeSpread < 0.25, `${relativeSpread}`);
});

Deno.test("when all lose power at once, each goes on from its own version", async () => {
  const cluster = new Cluster({ seed: "dark grid" });
  const rounds = 12;
  const { problems, accuracies } = await playGrid(cluster, 6, {
    plan: { rounds, deadlines: brief, participation: { ...all, least: 4 } },
    async faults(_join, _late, run) {
      const reached = () => cluster.nodes.map((node) => roundOf(node, run));
      await cluster.world.until(() => reached().some((round) => round >= 3), 60_000, 10);
      const before = reached();
      for (const node of cluster.nodes) node.crash(false);
      await cluster.world.advance(1_000);
      for (const node of cluster.nodes) await node.start();
      await cluster.world.until(() => reached().every((round) => round > 0), 60_000, 10);
      const after = reached();
      assert.ok(after.every((round, i) => round >= before[i]!), `${before} became ${after}`);
    },
  });
  assert.deepEqual(problems, []);
  assert.ok(accuracies.every((one) => one > ACCURACY_LEAST));
});
