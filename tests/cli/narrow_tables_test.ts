/** Tables in narrow terminals: nothing is lost, and no line is wider than the terminal. */
import assert from "node:assert/strict";
import pc from "picocolors";
import type { CommandContext } from "../../cli/command.ts";
import { inPlace } from "../../cli/learning/in_place.ts";
import { formatPairs } from "../../cli/output/table.ts";
import type { Terminal } from "../../cli/output/terminal.ts";
import { type Answer, withFakeNode } from "./fake_world.ts";
import { metricsOf, runView } from "./learning_views.ts";

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

const WAITS = "2 devices were ready, expected at least 3; one says: this device has round 4";
const oneRun: Answer = ({ path }) =>
  Response.json(
    path.endsWith("/rounds")
      ? { rounds: [1, 2, 3].map(metricsOf) }
      : runView({ waitingFor: WAITS }),
  );

Deno.test("what is known of one run fits forty columns, and only an id that is to be copied is longer", () =>
  withFakeNode(oneRun, async ({ run }) => {
    for (const lang of ["de", "en"]) {
      const words = ["learn", "status", RUN, "--lang", lang];
      const narrow = await run(words, { width: 40 });
      for (const line of narrow.out.split("\n")) {
        assert.ok([...line].length <= 40 || /^ {2}[0-9a-f]{64}$/.test(line), line);
      }
      assert.match(narrow.out, /^Plan {8,10}model=softmax\n {12,14}fedAdam:serverRate=0\.1\n/m);
      assert.ok(narrow.out.includes(`\n  ${VERSION}\n`));
      const piped = await run(words);
      const said = (text: string) => text.replaceAll(/[^\p{L}\d]|[█░]/gu, "");
      assert.equal(said(narrow.out), said(piped.out));
      assert.match(
        piped.out,
        /^Plan {8,10}model=softmax · fedAdam:serverRate=0\.1 · E=1 .*ε≤20 .*\)$/m,
      );
      assert.equal((await run(words, { width: 200 })).out, piped.out);
    }
  }));

Deno.test("a value with no room beside its name stands below it", () => {
  const terminal = { colors: pc.createColors(false), tableWidth: 40 } as Terminal;
  const pairs = [["Written at the same time", "one two three four five six"], ["Kind", "text"]];
  assert.equal(
    formatPairs(terminal, pairs as [string, string][]),
    "Written at the same time\n  one two three four five six\nKind                      text",
  );
});

Deno.test("what is drawn in place is wrapped before the last column, and is no higher than the terminal", () => {
  let shown = "";
  const terminal = {
    outIsTerminal: true,
    outBytes: (bytes: Uint8Array) => shown += new TextDecoder().decode(bytes),
    width: 40,
    rows: 4,
  };
  const place = inPlace({ output: { terminal, json: false } } as unknown as CommandContext);
  place.draw(["Digits  training  a1b2c3d4e5 · Coordinator dddddddd · 4 Devices"]);
  assert.equal(shown, "Digits  training  a1b2c3d4e5\n  Coordinator dddddddd · 4 Devices\n");
  shown = "";
  place.draw(["x".repeat(60), "a", "b", "c", "d"]);
  assert.equal(shown, `\u001b[2A\u001b[0J${"x".repeat(39)}\na\nb\n`);
});
