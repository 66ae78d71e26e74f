/** Where all stay till the end of a round, its sums are confirmed by all: in one sum, in groups, with noise, and after a coordinator has died. */
import assert from "node:assert/strict";
import type { RunPlan } from "../../learning/runs/plan.ts";
import type { RunSummary } from "../../actors/rounds/commands.ts";
import { Cluster } from "../../simulation/cluster.ts";
import { askRounds, playLearning } from "../../simulation/scenarios/learning.ts";
import { NOISE } from "./noise.ts";

/** Of the first rounds some may not hear in time. */
const ALL_IN_ROUND = 3;
const ROUNDS = 5;

async function confirmedRounds(
  name: string,
  { nodes = 4, plan = {}, kill = false }: {
    readonly nodes?: number;
    readonly plan?: Partial<RunPlan>;
    readonly kill?: boolean;
  },
): Promise<readonly boolean[]> {
  const cluster = new Cluster({ seed: name });
  const problems = await playLearning(cluster, nodes, {
    together: true,
    plan: { rounds: ROUNDS, ...plan },
    async faults([starter]) {
      if (!kill) return;
      await cluster.world.advance(1_500);
      starter!.crash(false);
      await cluster.world.advance(6_000);
      await starter!.start();
    },
  });
  assert.deepEqual(problems, []);
  const [summary] = await cluster.world.wait(
    askRounds<readonly RunSummary[]>(
      cluster.nodes[1]!,
      (replyTo) => ({ type: "listRuns", replyTo }),
    ),
  );
  return summary!.results.map(({ result }) => result)
    .toSorted((a, b) => a.round - b.round)
    .map(({ sums }) => sums.length > 0 && sums.every((sum) => sum.confirmations !== undefined));
}

const PLANS: Readonly<Record<string, Parameters<typeof confirmedRounds>[1]>> = {
  "one sum": {},
  "groups": {
    nodes: 6,
    plan: {
      participation: { least: 6, most: 1_000, fraction: 1, overSelection: 0 },
      aggregation: {
        type: "secureGroups",
        encoding: { range: 4, bits: 16 },
        groupSize: 3,
        rule: { name: "coordinateMedian", numbers: {} },
      },
    },
  },
  "noise": {
    plan: {
      privacy: NOISE,
    },
  },
};

for (const [name, options] of Object.entries(PLANS)) {
  Deno.test(`sums are confirmed by all: ${name}`, async () => {
    const confirmed = await confirmedRounds(name, options);
    assert.equal(confirmed.length, ROUNDS);
    assert.ok(confirmed.slice(ALL_IN_ROUND - 1).every(Boolean), String(confirmed));
  });
}

Deno.test("a coordinator that dies and comes back costs the word of some rounds at most, and no round", async () => {
  const confirmed = await confirmedRounds("dies", { plan: { rounds: 12 }, kill: true });
  assert.equal(confirmed.length, 12);
  assert.ok(confirmed.at(-1), String(confirmed));
});
