/** What a node refuses of learning is said in German where German is spoken: real refusals, and none of them left half in English. */
import assert from "node:assert/strict";
import { refusalInGerman } from "../../cli/texts/refusals_de.ts";
import { type NewRun, planRun } from "../../learning/runs/new_run.ts";
import { mnistTask } from "../../learning/tasks/mnist.ts";
import { TASKS } from "../../learning/tasks/tasks.ts";
import { nodeCrypto } from "../../platform/node_crypto.ts";
import { deviceIdOf } from "../../protocols/ids.ts";
import { smallMnistFiles, sourceOf } from "../learning/data_fixtures.ts";
import { problem, withFakeNode } from "./fake_world.ts";

const ENGLISH = /\b(the|and|or|is|are|expected|cannot|possible|would|with|devices|rounds)\b/i;

const WISHES: readonly (readonly [Partial<NewRun>, RegExp])[] = [
  [{ privacy: { epsilon: 1, clip: 1 } }, /mal so lang .*; möglich wäre ε \d+; um es trotzdem/],
  [{ privacy: { epsilon: 1e-300, clip: 1 } }, /mit keinem Rauschen beweisen; möglich wäre ε/],
  [{ privacy: { epsilon: 9, clip: 1, delta: 0.1 }, participants: { least: 20 } }, /delta ist 0.1/],
  [{ task: "chess" }, /Eine Aufgabe "chess" ist nicht bekannt, erwartet wird eine von: mnist/],
  [{ options: { colour: 1 } }, /"mnist" hat keine Einstellung "colour", sondern model, set/],
  [{ options: { rows: 0 } }, /rows ist "0", erwartet wird eine ganze Zahl von 1 bis 256$/],
  [{ options: { model: "gpt" } }, /model ist "gpt", erwartet wird eines von 2nn, cnn/],
  [
    { options: { rows: 27, model: "cnn" } },
    /cnn passt nicht zu Bildern von 27×28: maxPool .*; passen würden die Modelle 2nn und softmax$/,
  ],
  [{ participants: { least: 2 } }, /--least ist 2, erwartet wird mindestens 3 bei der Agg/],
  [{ participants: { least: 5, most: 4 } }, /--least ist 5, erwartet wird höchstens 4$/],
  [{ task: "topics" }, /classes ist "", erwartet werden 2 bis 64 Themen/],
  [{ strategy: { name: "fedAvg", numbers: { serverRate: 0 } } }, /erwartet wird eine Zahl >=/],
];

Deno.test("refusals of plans are told in German, whole", () => {
  const members = [1, 2, 3, 4].map((byte) => deviceIdOf(new Uint8Array(32).fill(byte)));
  const context = {
    tasks: TASKS,
    crypto: nodeCrypto({ workersMax: 0 }),
    members,
    seed: new Uint8Array(32),
  };
  for (const [wish, said] of WISHES) {
    const planning = planRun({ task: "mnist", ...wish }, context);
    assert.ok(planning.type === "impossible", JSON.stringify(wish));
    const german = refusalInGerman(planning.message);
    assert.match(german, /^Der Lauf lässt sich nicht planen: /);
    assert.match(german, said);
    assert.doesNotMatch(german, ENGLISH, planning.message);
  }
});

Deno.test("pictures that are not as the options say are told in German", async () => {
  const source = sourceOf({ files: await smallMnistFiles() });
  for (const options of [{ rows: 8 }, { classes: 4 }]) {
    const found = await mnistTask.examples({ source, options, share: null });
    assert.ok("unavailable" in found);
    const german = refusalInGerman(`Cannot plan the run: ${found.unavailable}`);
    assert.match(german, /erwartet w\w+ (?:die|mindestens die) Einstellung/);
    assert.doesNotMatch(german, ENGLISH);
  }
});

Deno.test("a refusal of the node is told in the language of the person, and one that is not known as it is", () =>
  withFakeNode(
    () => problem(404, "notFound", 'Cannot find it: no run begins with "abcdef"'),
    async ({ run }) => {
      const german = await run(["learn", "join", "abcdef", "--lang", "de"]);
      assert.match(german.err, /Fehler: Nicht gefunden: Kein Lauf beginnt mit "abcdef"/);
      const english = await run(["learn", "join", "abcdef", "--lang", "en"]);
      assert.match(english.err, /Error: Cannot find it: no run begins with "abcdef"/);
      for (const other of ["", "Cannot open it: no key, or another", "expected one of a, or b"]) {
        assert.equal(refusalInGerman(other), other);
      }
    },
  ));
