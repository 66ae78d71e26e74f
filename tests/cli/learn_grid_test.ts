/** `submind learn` about runs without a coordinator. */
import assert from "node:assert/strict";
import type { RunJson } from "../../cli/client_learning.ts";
import { type Answer, withFakeNode } from "./fake_world.ts";

const RUN = "a1b2c3d4e5f6".padEnd(64, "0") as RunJson["run"];
const VERSION = "0f".repeat(32);

const VIEW = {
  run: RUN,
  title: "Digits",
  task: "mnist",
  startedBy: "d".repeat(52),
  startedAtMs: 1_700_000_000_000,
  state: "running",
  joined: true,
  round: 3,
  rounds: 10,
  phase: "collecting",
  coordinator: null,
  term: 0,
  devices: 9,
  waitingFor: null,
  version: VERSION,
  metrics: null,
  epsilonSpent: null,
  plan: {
    version: 1,
    title: "Digits",
    task: "mnist",
    options: {},
    networkHash: VERSION,
    seed: "",
    startFrom: null,
    rounds: 10,
    participation: { least: 2, most: 1_024, fraction: 1, overSelection: 0 },
    local: { epochs: 1, batchSize: 10, learningRate: 0.1, momentum: null, proximal: null },
    strategy: { name: "fedAvg", numbers: {} },
    aggregation: {
      type: "grid",
      dimensions: 2,
      side: 3,
      rule: { name: "coordinateMedian", numbers: {} },
    },
    compression: null,
    privacy: null,
    deadlines: { readyMs: 1, trainMs: 1, phaseMs: 1 },
    proofOfWorkBits: 8,
    share: null,
  },
};

const answer: Answer = ({ path }) =>
  path.endsWith("/rounds")
    ? Response.json({ rounds: [] })
    : path.startsWith("/v1/learning/runs")
    ? Response.json(VIEW)
    : undefined;

Deno.test("a grid is asked for by name, with its sides and axes where somebody wants others", () =>
  withFakeNode(answer, async ({ run, seen }) => {
    const plain = await run("learn start mnist --aggregation grid --json".split(" "));
    assert.equal(plain.exitCode, 0, plain.err);
    assert.deepEqual(JSON.parse(seen[0]!.body), { task: "mnist", aggregation: "grid" });
    const line = "learn start mnist --aggregation grid --side 3 --dimensions 2 --rule median";
    const all = await run(line.split(" "));
    assert.equal(all.exitCode, 0, all.err);
    assert.deepEqual(JSON.parse(seen[1]!.body), {
      task: "mnist",
      aggregation: "grid",
      rule: { name: "coordinateMedian", numbers: {} },
      grid: { dimensions: 2, side: 3 },
    });
  }));

Deno.test("sides without a grid, and sides that no grid has, are refused before the node is asked", () =>
  withFakeNode(answer, async ({ run, seen }) => {
    for (
      const words of [
        "--side 3",
        "--aggregation grid --side 17",
        "--aggregation grid --dimensions 0",
      ]
    ) {
      const outcome = await run(`learn start mnist ${words}`.split(" "));
      assert.equal(outcome.exitCode, 2, words);
    }
    assert.deepEqual(seen, []);
  }));

Deno.test("status says that nobody coordinates, in both languages", () =>
  withFakeNode(answer, async ({ run }) => {
    const english = await run(["learn", "status", "a1b2c3"]);
    assert.match(english.out, /Coordinator none, on a grid/);
    assert.match(english.out, /grid M=3 d=2 coordinateMedian/);
    const german = await run(["learn", "status", "a1b2c3", "--lang", "de"]);
    assert.match(german.out, /keiner, auf einem Gitter/);
  }));
