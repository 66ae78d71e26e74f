/**
 * Many seeds of every scenario, in a pool of processes: what the default tests show with a few. A failure prints the command
 * that replays it.
 */
import assert from "node:assert/strict";
import type { RunSummary } from "../../actors/rounds/commands.ts";
import { Cluster } from "../../simulation/cluster.ts";
import { playInProcesses } from "../../simulation/jobs.ts";
import { SCENARIOS } from "../../simulation/scenarios/all.ts";
import { askRounds, playLearning } from "../../simulation/scenarios/learning.ts";
import { COMPLETED_LEAST, playDropouts } from "../../simulation/scenarios/learning_dropouts.ts";

const PROCESSES = 2;
/** Rounds of learning in which devices fall away: runs of so many. */
const DROPOUT_ROUNDS = 1_000;
const ROUNDS_OF_A_RUN = 10;

interface Job {
  readonly scenario: string;
  readonly seeds: number;
  readonly nodes?: number;
  /** Of learning; absent: the scenario's own. */
  readonly rounds?: number;
}

const PLAYED_OTHERWISE = [
  "partition_and_crash",
  "crowd",
  "messages",
  "learning_dropouts",
  "learning_grid_crowd",
  "learning_crowd",
];

const JOBS: readonly Job[] = [
  { scenario: "partition_and_crash", seeds: 1_000 },
  { scenario: "partition_and_crash", seeds: 200, nodes: 3 },
  { scenario: "partition_and_crash", seeds: 200, nodes: 8 },
  { scenario: "partition_and_crash", seeds: 200, nodes: 12 },
  { scenario: "messages", seeds: 2_000 },
  { scenario: "learning_grid_crowd", seeds: 20 },
  { scenario: "learning_grid_crowd", seeds: 1, nodes: 64 },
  { scenario: "learning_crowd", seeds: 10 },
  { scenario: "learning_crowd", seeds: 1, nodes: 200, rounds: 1 },
  ...SCENARIOS.filter(({ name }) => !PLAYED_OTHERWISE.includes(name))
    .map(({ name }) => ({ scenario: name, seeds: 300 })),
];

for (const { scenario, seeds, nodes, rounds } of JOBS) {
  const place = nodes === undefined ? "" : ` with ${nodes} nodes`;
  Deno.test(`${seeds} seeds of ${scenario}${place} end well, and nothing that was acknowledged is lost`, async () => {
    const problems = await simulate({ scenario, first: 1, count: seeds, nodes, rounds });
    assert.deepEqual(problems, []);
  });
}

Deno.test("a thousand whole nodes in one process share blocks over a partition", async () => {
  const problems = await simulate({ scenario: "crowd", first: 1, count: 1, nodes: 1_000 });
  assert.deepEqual(problems, []);
});

Deno.test("among forty devices, more than have sessions with everybody by themselves, a round comes to count all", async () => {
  const nodes = 40;
  const cluster = new Cluster({ seed: "forty" });
  const problems = await playLearning(cluster, nodes, {
    together: true,
    plan: {
      rounds: 6,
      aggregation: { type: "clear", rule: { name: "weightedMean", numbers: {} } },
    },
    faults: () => cluster.world.advance(5_000),
  });
  assert.deepEqual(problems, []);
  const [run] = await cluster.world.wait(askRounds<readonly RunSummary[]>(
    cluster.nodes[0]!,
    (replyTo) => ({ type: "listRuns", replyTo }),
  ));
  const last = run?.results.find(({ result }) => result.round === 6)?.result;
  assert.equal(last?.submissions.length, nodes);
});

Deno.test("of a thousand rounds in which 30 % of ten devices fall away, 99 % come to a version", async () => {
  let rounds = 0;
  let completed = 0;
  const problems: string[] = [];
  for (let seed = 1; rounds < DROPOUT_ROUNDS; seed++) {
    assert.ok(seed <= DROPOUT_ROUNDS, `${rounds} rounds in ${seed} runs`);
    const played = await playDropouts(new Cluster({ seed }), 10, ROUNDS_OF_A_RUN);
    rounds += played.rounds;
    completed += played.completed;
    if (played.completed < played.rounds) {
      problems.push(`seed ${seed}: ${played.completed} of ${played.rounds} rounds`);
    }
  }
  const share = completed / rounds;
  console.log(`${completed} of ${rounds} rounds (${(100 * share).toFixed(2)} %)`);
  assert.ok(share >= COMPLETED_LEAST, problems.join("\n"));
});

/** Plays seeds in processes of their own; returns the lines that tell what went wrong. */
async function simulate(
  options: {
    readonly scenario: string;
    readonly first: number;
    readonly count: number;
    readonly nodes?: number | undefined;
    readonly rounds?: number | undefined;
  },
): Promise<readonly string[]> {
  const said: string[] = [];
  const summary = await playInProcesses({
    ...options,
    nodes: options.nodes,
    rounds: options.rounds,
    jobs: PROCESSES,
    say: (line) => said.push(line),
  });
  if (summary.ok && summary.seeds === options.count) return [];
  return [...said.filter((line) => !line.endsWith(" 0 failed")), JSON.stringify(summary.failed)];
}
