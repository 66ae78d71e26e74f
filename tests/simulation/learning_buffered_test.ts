/** Runs whose updates gather in a buffer, on whole nodes: nobody waits for a slow device, what it brings counts less, and a coordinator that dies loses nothing. */
import assert from "node:assert/strict";
import type { RunSummary } from "../../actors/rounds/commands.ts";
import { chainTo } from "../../learning/runs/buffered.ts";
import type { RunPlan } from "../../learning/runs/plan.ts";
import type { RoundResult } from "../../learning/runs/result.ts";
import { Cluster } from "../../simulation/cluster.ts";
import { askRounds, playLearning } from "../../simulation/scenarios/learning.ts";
import type { SimulatedNode } from "../../simulation/simulated_node.ts";

const NODES = 4;
const STALENESS_MAX = 40;
/** Each task of a device, training among them, takes up to 3 ms times this; of the slow one ten times as long. */
const SLOWNESS = 60;
const SLOW = 10;

function planOf(rounds: number): Partial<RunPlan> {
  return {
    rounds,
    strategy: {
      name: "fedBuff",
      numbers: { serverRate: 1, goal: 2, stalenessMax: STALENESS_MAX },
    },
    aggregation: { type: "clear", rule: { name: "weightedMean", numbers: {} } },
  };
}

async function summaryOf({ world }: Cluster, node: SimulatedNode): Promise<RunSummary> {
  const [summary] = await world.wait(askRounds<readonly RunSummary[]>(
    node,
    (replyTo) => ({ type: "listRuns", replyTo }),
  ));
  return summary!;
}

/** The results that led to the last version, oldest first; and what holds for all of them. */
async function versionsOf(cluster: Cluster, node: SimulatedNode): Promise<readonly RoundResult[]> {
  const { report, results, plan } = await summaryOf(cluster, node);
  const last = { round: plan.rounds, parameters: report!.parameters! };
  const chain = chainTo(last, results.map(({ result }) => result), plan.rounds).toReversed();
  assert.equal(chain.length, plan.rounds, "every version follows from the one before");
  const taken = new Set<string>();
  for (const { round, submissions } of chain) {
    for (const { device, base } of submissions) {
      assert.ok(base!.round < round && round - 1 - base!.round <= STALENESS_MAX);
      const known = base!.round === 0 ? chain[0]!.parent : chain[base!.round - 1]!.result;
      assert.equal(base!.parameters, known);
      const name = `${device} from ${base!.round}`;
      assert.ok(!taken.has(name), `${name} counts twice`);
      taken.add(name);
    }
  }
  return chain;
}

Deno.test("a run with a device ten times as slow does not wait for it, and its late updates are in later versions", async () => {
  const cluster = new Cluster({ seed: "slow device" });
  let slow: SimulatedNode;
  const problems = await playLearning(cluster, NODES, {
    together: true,
    plan: planOf(60),
    faults(nodes) {
      for (const { device } of nodes) device.slowness = SLOWNESS;
      slow = nodes.at(-1)!;
      slow.device.slowness = SLOWNESS * SLOW;
      return Promise.resolve();
    },
  });
  assert.deepEqual(problems, []);
  const versions = await versionsOf(cluster, cluster.nodes[0]!);
  const staleness = (of: (node: string) => boolean) =>
    versions.flatMap(({ round, submissions }) =>
      submissions.filter(({ device }) => of(device)).map(({ base }) => round - 1 - base!.round)
    );
  const late = staleness((device) => device === slow.deviceId);
  const prompt = staleness((device) => device !== slow.deviceId);
  assert.ok(late.length >= 2, `${late.length} updates of the slow device count`);
  assert.ok(
    prompt.length > 10 * late.length,
    `${prompt.length} of the others, ${late.length} late`,
  );
  const mean = (of: readonly number[]) => of.reduce((a, b) => a + b) / of.length;
  assert.ok(mean(late) > 3 * mean(prompt), `${mean(late)} versions late, others ${mean(prompt)}`);
  // Had anybody waited, there would be no version without it.
  const without = versions.filter(({ submissions }) =>
    submissions.every(({ device }) => device !== slow.deviceId)
  );
  assert.ok(without.length >= 40, `${without.length} versions without the slow device`);
});

Deno.test("a coordinator that dies with updates in its buffer is replaced, and they are handed in again", async () => {
  const cluster = new Cluster({ seed: "buffer lost" });
  const { world } = cluster;
  const problems = await playLearning(cluster, NODES, {
    together: true,
    plan: planOf(30),
    async faults([starter, ...others]) {
      for (const { device } of cluster.nodes) device.slowness = SLOWNESS;
      await world.advance(3_000);
      starter!.crash(false);
      const before = (await summaryOf(cluster, others[0]!)).report!.round;
      await world.advance(15_000);
      const after = (await summaryOf(cluster, others[0]!)).report!.round;
      assert.ok(after > before, `still at version ${after}`);
      await starter!.start();
    },
  });
  assert.deepEqual(problems, []);
  await versionsOf(cluster, cluster.nodes[1]!);
});
