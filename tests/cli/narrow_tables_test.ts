/** Tables in narrow terminals: nothing is lost, and no line is wider than the terminal. */
import assert from "node:assert/strict";
import { type Answer, withFakeNode } from "./fake_world.ts";

const RUN = "a1b2c3d4e5f6".padEnd(64, "0");
const VERSION = "0f".repeat(32);
const DEVICE = "d".repeat(52);

const round = {
  round: 12,
  atMs: 1_700_000_000_000,
  durationMs: 2_900,
  coordinator: DEVICE,
  called: 4,
  ready: 4,
  counted: 3,
  dropped: 1,
  refused: 0,
  accuracy: 0.929,
  loss: 0.2311,
  trainingLoss: 0.3769,
  updateBytes: 448_000,
  parameterBytes: 796_840,
  epsilon: null,
};
const model = {
  version: VERSION,
  run: RUN,
  round: 3,
  participants: 4,
  bytes: 796_840,
  here: true,
  current: true,
  verified: "valid",
  metrics: { accuracy: 0.956, loss: 0.1433 },
};
const run = {
  run: RUN,
  title: "Handwritten digits, a long title",
  state: "running",
  round: 3,
  rounds: 50,
  devices: 4,
  metrics: round,
  waitingFor: "2 devices were ready, expected at least 3; one says: this device has round 4",
};
const budget = {
  epsilonLifetimeMax: 10,
  delta: 1e-5,
  epsilonSpent: 2.5,
  runs: [{ run: RUN, title: run.title, rounds: 12, epsilon: 2.5, epsilonMax: 8 }],
};
const task = {
  task: "mnist",
  title: { en: "Handwritten digits", de: "Handgeschriebene Ziffern" },
  parameters: 199_210,
  available: true,
  reason: null,
  trainingExamples: 60_000,
  testExamples: 10_000,
};

const answer: Answer = ({ path }) => path in ANSWERS ? Response.json(ANSWERS[path]) : undefined;

const ANSWERS: Readonly<Record<string, unknown>> = {
  [`/v1/learning/runs/${RUN}/rounds`]: { rounds: [round, { ...round, round: 13 }] },
  "/v1/learning/models": { models: [model] },
  "/v1/learning/runs": { runs: [run] },
  "/v1/learning/budget": budget,
  "/v1/learning/tasks": { tasks: [task] },
};

/** Each table, and what must be found in it however narrow it is. */
const TABLES: readonly (readonly [words: readonly string[], found: readonly RegExp[]])[] = [
  [
    ["rounds", RUN],
    [/Runde 12/, /Genauigkeit 92,9/, /Gezählt 3\/4/, /Ausgefallen 1/, /Beitrag 448 kB/, /dddddddd/],
  ],
  [["models"], [/0f0f0f0f0f/, /Runde 3/, /Genauigkeit 95,6/, /Größe/, /gültig/, /in Gebrauch/]],
  [["status"], [/a1b2c3d4e5/, /läuft/, /3 von 50/, /bereit, erwartet werden/, /ist\s+bei Runde 4/]],
  [["budget"], [/a1b2c3d4e5/, /ε 2,5/, /Höchstens 8/]],
  [["tasks"], [/mnist/, /Zum Lernen 60.000/, /Bereit ja/]],
];

Deno.test("in forty columns rows become names with values, all of them, and no line is too long", () =>
  withFakeNode(answer, async ({ run }) => {
    for (const [words, found] of TABLES) {
      for (const width of [40, 60]) {
        const { out, err } = await run(["learn", ...words, "--lang", "de"], { width });
        assert.equal(err, "");
        for (const one of found) assert.match(out.replaceAll(/\n +/g, " "), one, words.join(" "));
        const table = out.split("\n").filter((line) => !/δ|submind/.test(line));
        for (const line of table) assert.ok([...line].length <= width, `${width}: ${line}`);
      }
    }
  }));

Deno.test("where there is room, and where nobody sees how much, rows stay on their lines", () =>
  withFakeNode(answer, async ({ run }) => {
    const words = ["learn", "rounds", RUN, "--lang", "en"];
    const piped = await run(words);
    assert.match(piped.out, /^Round +Accuracy +Loss .*\n12 +92.9% .*\n13 +92.9%/);
    const wide = await run(words, { width: 200 });
    assert.equal(wide.out, piped.out);
    const narrow = await run(words, { width: 40 });
    assert.match(narrow.out, /^Round 12 · Accuracy 92\.9% · Loss 0\.2311\n {2}Own loss 0\.3769/);
  }));
