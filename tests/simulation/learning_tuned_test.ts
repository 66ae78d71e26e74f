/** Runs whose rounds are tuned to what earlier ones have shown: all devices, those that were away too, go on with the same numbers. */
import assert from "node:assert/strict";
import { headSetting } from "../../actors/rounds/adopting.ts";
import type { BudgetSummary, RunSummary } from "../../actors/rounds/commands.ts";
import { epsilonOf } from "../../learning/privacy/accountant.ts";
import type { RunPlan } from "../../learning/runs/plan.ts";
import type { RoundResult } from "../../learning/runs/result.ts";
import { Cluster } from "../../simulation/cluster.ts";
import { askRounds, playLearning } from "../../simulation/scenarios/learning.ts";

const ROUNDS = 16;

/** A run in which the coordinator dies and comes back, and another device misses rounds; what results and devices know at its end. */
async function play(seed: string, plan: Partial<RunPlan>) {
  const cluster = new Cluster({ seed });
  const { world } = cluster;
  const problems = await playLearning(cluster, 5, {
    together: true,
    plan: { rounds: ROUNDS, ...plan },
    async faults([starter, , late]) {
      late!.crash(false);
      await world.advance(1_000);
      starter!.crash(false);
      await world.advance(3_500);
      await late!.start();
      await starter!.start();
    },
  });
  assert.deepEqual(problems, []);
  const [summary] = await world.wait(askRounds<readonly RunSummary[]>(
    cluster.nodes[0]!,
    (replyTo) => ({ type: "listRuns", replyTo }),
  ));
  const { run, results } = summary!;
  const heads = [];
  const budgets = [];
  for (const node of cluster.nodes) {
    const { settings } = node.running.store;
    const budget = await world.wait(
      askRounds<BudgetSummary>(node, (replyTo) => ({ type: "getBudget", replyTo })),
    );
    const spent = budget.runs.find((one) => one.run === run);
    budgets.push({
      device: node.deviceId,
      rounds: spent?.rounds ?? 0,
      epsilon: spent?.epsilon ?? 0,
    });
    heads.push(await settings.get(headSetting(run)) as { readonly tuning?: number });
  }
  return { results: results.map(({ result }) => result), heads, budgets };
}

/** The results of the rounds, each of which begins where the one before has ended. */
function chainOf(results: readonly RoundResult[]): readonly RoundResult[] {
  const chain = [...new Map(results.map((one) => [one.round, one])).values()];
  for (const [i, one] of chain.entries()) {
    assert.equal(one.tuning!.used, i === 0 ? null : chain[i - 1]!.tuning!.next);
  }
  return chain;
}

Deno.test("sums of four bits a number are learned from, and every device knows the next round's levels", async () => {
  const { results, heads } = await play("compressed", {
    compression: { name: "stochastic", numbers: { bits: 4 } },
  });
  const { used, next } = chainOf(results).at(-1)!.tuning!;
  assert.ok(used! < 4, "the range follows the lengths of updates");
  assert.deepEqual(heads.map(({ tuning }) => tuning), heads.map(() => next));
});

Deno.test("a common choice of numbers is learned from, what is left out coming later", async () => {
  const { results, heads } = await play("chosen", {
    compression: { name: "randomK", numbers: { share: 0.34, feedback: 1 } },
    rounds: 2 * ROUNDS,
  });
  assert.ok(results.every(({ tuning }) => tuning === undefined));
  assert.ok(heads.every(({ tuning }) => tuning === undefined));
});

Deno.test("groups of sums are compressed alike", async () => {
  const { results } = await play("groups", {
    aggregation: {
      type: "secureGroups",
      encoding: { range: 4, bits: 16 },
      groupSize: 3,
      rule: { name: "coordinateMedian", numbers: {} },
    },
    compression: { name: "stochastic", numbers: { bits: 8 } },
  });
  assert.ok(results.at(-1)!.tuning!.used! > 0);
});

Deno.test("the clipping length follows the devices, is the same everywhere, and costs what was promised", async () => {
  const privacy = {
    clip: 0.01,
    noiseMultiplier: 1,
    noise: "distributed",
    delta: 1e-5,
    dropout: 0.3,
    epsilonMax: 900,
    adaptive: { quantile: 0.5, rate: 1, countDeviation: 0.6, least: 1e-4, most: 100 },
  } as const;
  const { results, heads, budgets } = await play("adaptive", { privacy });
  const chain = chainOf(results);
  const { next } = chain.at(-1)!.tuning!;
  // Updates are much longer at first: nearly all are clipped.
  const longest = Math.max(...chain.map(({ tuning }) => tuning!.next));
  assert.ok(longest > 5 * privacy.clip, String(longest));
  assert.deepEqual(heads.map(({ tuning }) => tuning), heads.map(() => next));
  for (const { device, rounds, epsilon } of budgets) {
    const counted = chain.filter(({ submissions }) =>
      submissions.some((one) => one.device === device)
    );
    assert.ok(rounds >= counted.length && rounds > 0 && rounds <= ROUNDS);
    const expected = epsilonOf(
      { samplingRate: 1, noiseMultiplier: 1, steps: rounds, delta: 1e-5 },
      "rdp",
    );
    assert.ok(Math.abs(epsilon / expected - 1) < 0.05, `${epsilon}, ${expected}`);
  }
});
