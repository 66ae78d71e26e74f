/** What a node tells of learning is said in German where German is spoken: the sources are read, and a sentence that nobody has translated fails. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { en } from "../../cli/texts/en.ts";
import { de } from "../../cli/texts/de.ts";
import { refusalInGerman } from "../../cli/texts/refusals_de.ts";
import { toldInGerman } from "../../cli/texts/told_de.ts";
import {
  IMPOSSIBLE,
  MEMBERS_MAX,
  planned,
  refusal,
  RULES,
  wishes,
} from "../learning/impossible_runs.ts";

import { withFakeNode } from "./fake_world.ts";
import { ENGLISH, sentencesIn, sourceOf } from "./sentences_in.ts";

/** Where people get to read what a source says: how the literal stands there. */
const TOLD_IN: readonly (readonly [files: readonly string[], before: readonly string[]])[] = [
  [
    [
      "actors/rounds/lead.ts",
      "actors/rounds/lead_sums.ts",
      "actors/rounds/lead_updates.ts",
      "actors/rounds/lead_buffered.ts",
      "actors/rounds/combining.ts",
    ],
    [
      String.raw`abandon\(\s*context,\s*state,\s*deps,\s*`,
      String.raw`whyTooFew\(\s*lead,\s*`,
      "waitingFor = ",
      String.raw`new Error\(\s*`,
      String.raw`\(lead, `,
    ],
  ],
  [
    ["actors/rounds/lead_small_sums.ts"],
    [String.raw`const reason = `, String.raw`giveUpSecond\(\s*context,\s*state,\s*deps,\s*`],
  ],
  [["actors/rounds/waiting.ts"], [String.raw`\? `, ": "]],
  [["actors/rounds/participant.ts"], [String.raw`decline\(\s*"\w+",\s*`, "return "]],
  [["actors/rounds/small_part.ts", "actors/rounds/restored.ts", "actors/rounds/opted_out.ts"], [
    "return ",
  ]],
  [
    ["actors/rounds/grid/resting.ts", "actors/rounds/grid/meeting.ts"],
    [
      String.raw`rest\(\s*context,\s*state,\s*deps,\s*`,
      "waitingFor = ",
      String.raw`RangeError\(\s*`,
    ],
  ],
  [["actors/rounds/accounting.ts"], [String.raw`ok: false, reason: `]],
  [
    ["learning/tasks/mnist.ts", "learning/tasks/topics.ts", "learning/tasks/sensors.ts"],
    [String.raw`unavailable:\s*`],
  ],
  [["learning/runs/examples.ts"], [String.raw`unavailable:\s*`]],
  [
    ["learning/data/partition.ts", "learning/data/idx.ts", "learning/data/gunzip.ts"],
    [String.raw`RangeError\(\s*`, String.raw`wrong\(\s*`],
  ],
  [["learning/data/image_set.ts"], [String.raw`RangeError\(\s*`]],
  [
    [
      "cli/learning_data/image_folder.ts",
      "cli/learning_data/mnist.ts",
      "cli/learning_data/read_file.ts",
      "cli/commands/learn_data.ts",
    ],
    [String.raw`DataError\(\s*"\w+",\s*`, String.raw`RangeError\(\s*`],
  ],
  [
    ["actors/model_checks.ts"],
    [
      String.raw`"\w+"\], `,
      String.raw`"\w+"\],\s+`,
      String.raw`detail: `,
      String.raw`problem \?\?\s+`,
    ],
  ],
  [["learning/models/verify_model.ts"], [String.raw`refuse\(\s*"\w+",\s*`]],
  [["learning/runs/result_check.ts", "learning/runs/sum_confirmation.ts"], ["return "]],
];

/** Sentences that are put together, as they come out. */
const TOGETHER: Readonly<Record<string, readonly string[]>> = {
  "too few devices were left to 7": ["begin", "share keys", "gather vectors", "sign", "unmask"]
    .map((what) => `too few devices were left to ${what}`),
  "the privacy budget is spent: 7": [
    "the privacy budget is spent: this device allows ε 7 in all, and it would become 8.00",
    "the privacy budget is spent: the run allows ε 7, and it would become 8.00 (runLimit)",
  ],
  "7 is not here; bring it with: submind learn data 7": [
    "7 is not here; bring it with: submind learn data fetch mnist",
    "7 is not here; bring it with: submind learn data import --idx FOLDER --name small",
  ],
  // Nobody can say another kind.
  'Cannot cut data as "7": expected iid, shards or dirichlet': [],
  "7 series give 7 windows of 7 without a gap, at least 7 are needed": [
    "7 series give 7 windows of 7 steps of 7 min without a gap, at least 7 are needed",
  ],
  "it holds ": ["signed bytes", "16-bit integers", "64-bit floats", "values of type 7"]
    .map((what) => `Cannot read 7 as IDX: it holds ${what}, expected unsigned bytes`),
  "Both 7 and 7 hold 7; expected one set in a folder": [
    "Both 7 and 7 hold train labels; expected one set in a folder",
  ],
  "Cannot find 7 in 7": ["pictures", "labels"].flatMap((what) =>
    ["training", "testing"].map((split) => `Cannot find ${what} for ${split} in 7`)
  ),
};

Deno.test("whatever a run waits for, a device has no examples for, and a check has found is told in German, whole", () => {
  const missing: string[] = [];
  let count = 0;
  for (const [files, before] of TOLD_IN) {
    for (const path of files) {
      const found = sentencesIn(path, before).flatMap((text) => TOGETHER[text] ?? [text]);
      assert.ok(found.length > 0, `${path} says nothing any more: look where people get it from`);
      count += found.length;
      for (const text of found) {
        const german = toldInGerman(text);
        if (german === text || ENGLISH.test(german.replaceAll(/submind .*/g, ""))) {
          missing.push(`${path}: ${text} → ${german}`);
        }
      }
    }
  }
  assert.ok(count > 80, `only ${count} sentences were found`);
  assert.deepEqual(missing, []);
});

Deno.test("every check of `learn verify` has a name in both languages", () => {
  assert.deepEqual(Object.keys(de.learnModels.checks), Object.keys(en.learnModels.checks));
  const source = sourceOf("actors/model_checks.ts");
  const named = [...source.matchAll(/(?:check: |\n {4}\[\n? *)"(\w+)"/g)].map(([, name]) => name!);
  assert.ok(named.length >= 5, named.join());
  for (const name of named) assert.ok(name in de.learnModels.checks, name);
});

Deno.test("what members cannot play is told in German, whole, and so is what does not go together", () => {
  const told = (message: string) => {
    const german = refusalInGerman(message);
    const said = german.replaceAll(/"[^"]*"|submind [a-z ]+|learn\.\w+/g, "");
    assert.doesNotMatch(said.replace("no pictures are here", ""), ENGLISH, german);
  };
  for (const [wish, given] of IMPOSSIBLE) told(refusal(wish, given)!);
  for (const [rule] of RULES) {
    for (const aggregation of ["clear", "secureGroups"] as const) {
      for (const members of [1, 2, 3, 4]) {
        const message = refusal({ aggregation, rule }, { members });
        if (message !== undefined) told(message);
      }
    }
  }
  fc.assert(
    fc.property(wishes, fc.integer({ min: 1, max: MEMBERS_MAX }), (wish, members) => {
      const outcome = planned(wish, { members });
      if (outcome.type === "impossible") told(outcome.message);
    }),
    { numRuns: 300, seed: 5 },
  );
});

Deno.test("what `learn verify` has checked is shown in German where German is spoken, and a check that is new by its own name", () => {
  const version = "0f".repeat(32);
  const checks = [
    ["participants", "all 3 are members of the mesh"],
    ["signatures", "all 3 signed what they sent"],
    ["brandNew", "nobody has translated this"],
  ].map(([check, detail]) => ({ check, ok: true, detail }));
  return withFakeNode(
    () => Response.json({ version, valid: true, checks, durationMs: 3 }),
    async ({ run }) => {
      const { out, exitCode } = await run(["learn", "verify", version, "--lang", "de"]);
      assert.equal(exitCode, 0);
      assert.match(out, /✓ Teilnehmer: alle 3 sind Mitglieder des Netzes/);
      assert.match(out, /✓ Unterschriften: alle 3 haben unterschrieben, was sie schickten/);
      assert.match(out, /✓ brandNew: nobody has translated this/);
      const english = await run(["learn", "verify", version, "--lang", "en"]);
      assert.match(english.out, /✓ participants: all 3 are members of the mesh/);
    },
  );
});

Deno.test("start says what a run waits for that is begun with too few members, in the language of the person", () => {
  const begun = { run: "ab".repeat(32), title: "Digits", waitingFor: "2 more devices" };
  return withFakeNode(() => Response.json(begun), async ({ run, seen }) => {
    const words = ["learn", "start", "mnist", "--least", "6", "--wait", "--lang", "de"];
    const { exitCode, err } = await run(words);
    assert.equal(exitCode, 0, err);
    const asked = { task: "mnist", participants: { least: 6 }, wait: true };
    assert.deepEqual(JSON.parse(seen[0]!.body), asked);
    assert.match(err, /Wartet auf: 2 weitere Geräte/);
  });
});
