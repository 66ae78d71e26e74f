/**
 * Many seeds of every scenario, in a pool of processes: what the default tests show with a few. A failure prints the command
 * that replays it.
 */
import assert from "node:assert/strict";
import { SCENARIOS } from "../../simulation/scenarios/all.ts";

const PROCESSES = 2;
/** One process plays this many seeds, so that the pool stays busy and one bad seed costs little. */
const SEEDS_PER_RUN = 50;

interface Job {
  readonly scenario: string;
  readonly seeds: number;
  readonly nodes?: number;
}

const JOBS: readonly Job[] = [
  { scenario: "partition_and_crash", seeds: 1_000 },
  { scenario: "partition_and_crash", seeds: 200, nodes: 3 },
  { scenario: "partition_and_crash", seeds: 200, nodes: 8 },
  { scenario: "partition_and_crash", seeds: 200, nodes: 12 },
  ...SCENARIOS.filter(({ name }) => name !== "partition_and_crash" && name !== "crowd")
    .map(({ name }) => ({ scenario: name, seeds: 300 })),
];

for (const { scenario, seeds, nodes } of JOBS) {
  const place = nodes === undefined ? "" : ` with ${nodes} nodes`;
  Deno.test(`${seeds} seeds of ${scenario}${place} end well, and no acknowledged block is lost`, async () => {
    const firsts = Array.from(
      { length: Math.ceil(seeds / SEEDS_PER_RUN) },
      (_, i) => 1 + i * SEEDS_PER_RUN,
    );
    const problems: string[] = [];
    const worker = async (): Promise<void> => {
      for (let first = firsts.shift(); first !== undefined; first = firsts.shift()) {
        const count = Math.min(SEEDS_PER_RUN, seeds - first + 1);
        problems.push(...await simulate({ scenario, first, count, nodes }));
      }
    };
    await Promise.all(Array.from({ length: PROCESSES }, worker));
    assert.deepEqual(problems, []);
  });
}

Deno.test("a thousand whole nodes in one process share blocks over a partition", async () => {
  const problems = await simulate({ scenario: "crowd", first: 1, count: 1, nodes: 1_000 });
  assert.deepEqual(problems, []);
});

/** Plays seeds in a process of their own; returns the lines that tell what went wrong. */
async function simulate(
  options: {
    readonly scenario: string;
    readonly first: number;
    readonly count: number;
    readonly nodes?: number | undefined;
  },
): Promise<readonly string[]> {
  const { scenario, first, count, nodes } = options;
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "--v8-flags=--max-old-space-size=3000"]
      .concat(["simulation/main.ts", "--scenario", scenario])
      .concat(["--seed", String(first), "--seeds", String(count)])
      .concat(nodes === undefined ? [] : ["--nodes", String(nodes)]),
  }).output();
  if (success) return [];
  const said = new TextDecoder().decode(stdout).split("\n");
  const bad = said.filter((line) => line.includes("FAILED") || line.startsWith("    "));
  return bad.length > 0 ? bad : [new TextDecoder().decode(stderr).slice(-2_000)];
}
