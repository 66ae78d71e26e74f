/**
 * What a node refuses of learning, or warns of, is said in German where German is spoken: all sources are read, also those that nobody has thought of, and
 * only what is listed here with its reason is left out.
 */
import assert from "node:assert/strict";
import pc from "picocolors";
import { eventLine } from "../../cli/output/event_line.ts";
import { textsOf } from "../../cli/texts.ts";
import { refusalInGerman } from "../../cli/texts/refusals_de.ts";
import { toldInGerman } from "../../cli/texts/told_de.ts";
import { warningInGerman } from "../../cli/texts/warnings_de.ts";
import { ENGLISH, sentencesIn, sourceOf, sourcesIn } from "./sentences_in.ts";

/** How refusals stand in sources. */
const REFUSED = [
  String.raw`\w*Error\(\s*`,
  String.raw`\brefused?\(\s*"\w+",\s*`,
  String.raw`\bimpossible\(\s*`,
  String.raw`\bmessage:\s+`,
];
/** In these folders functions give a problem back. */
const GIVEN_BACK = /^learning\/runs\//;

/** Sources whose errors no person reads, and why. */
const UNSEEN: readonly (readonly [paths: RegExp, why: string])[] = [
  [
    /^learning\/secure\/(?!encoding|unmask)/,
    "told between devices; people read that too few were left",
  ],
  [/^learning\/engine\/(?!shapes)/, "a device that cannot train writes it into its log"],
  [/^learning\/privacy\/(?!release)/, "plans are checked before they come here"],
  [/^learning\/models\/(compare|onnx|safetensors)\.ts$/, "layouts are compared before"],
  [/^learning\/compression\/compressor\.ts$/, "a device that cannot train writes it into its log"],
  [/^learning\/runs\/update\.ts$/, "a device that cannot train writes it into its log"],
  [/^learning\/float64\.ts$/, "bytes of others are refused in the log"],
  [/^learning\/(screening|simulate|gossip_averaging)\//, "arguments of our own"],
  [/^actors\/rounds\/spilled_updates\.ts$/, "its attempt is over: nobody waits for it"],
];

/** Sentences that are put together, as they come out; none where nobody can come to read them. */
const TOGETHER: Readonly<Record<string, readonly string[]>> = {
  "Cannot plan the run: 7": [],
  "Cannot 7 the run: 7": ["Cannot join the run: 7", "Cannot leave the run: 7"],
  "Cannot verify round 7: 7 is not on this device, and 77. Devices keep what the last 7 rounds are verified with: try again when devices that took part are connected, or verify a newer version. Version 7":
    ["its parent 7", "the optimiser's state of its parent", "what the round released"].flatMap((
      part,
    ) =>
      [
        "",
        "; it was valid when this device took it",
        "; it did not hold when this device last looked",
      ].flatMap((then) =>
        [
          "no other device that may learn can be reached",
          "none of those asked has sent it: 7 has not kept it, 7 sent something else, 7 did not send it in time, 7 has not kept it",
        ].map((search) =>
          `Cannot verify round 7: ${part} is not on this device, and ${search}${then}. Devices keep what the last 7 rounds are verified with: try again when devices that took part are connected, or verify a newer version. Version 7`
        )
      )
    ),
  'Cannot cut data as "7": expected iid, shards or dirichlet': [],
  "7 7 MiB of memory, expected at most 7": [
    "combining 7 updates of 7 numbers takes 7 MiB of memory, expected at most 7",
  ],
  "7 is 7 per example, expected at most 7 numbers": ["the input", "layer 7 (conv)"].map((what) =>
    `Cannot build the network: ${what} is 7×7×7 per example, expected at most 7 numbers`
  ),
  'Task "mnist": model 7 does not fit pictures of 7×7: 7; ': [
    'Task "mnist": model cnn does not fit pictures of 7×7: Cannot build the network: maxPool gets 7×7 (layer 7), expected even rows and columns; no model would fit',
    'Task "mnist": model cnn does not fit pictures of 7×7: Cannot build the network: layer 7 (conv) is 7×7×7 per example, expected at most 7 numbers; model softmax would fit',
  ],
  "Cannot encode updates: integers reach 7, expected less than 2^30. Choose a smaller ": [
    "Cannot encode updates: integers reach 7, expected less than 2^30. Choose a smaller scale than 7 or less noise than 7.",
  ],
  "privacy cannot be promised: 7": [
    'privacy cannot be promised: on a grid devices see each other\'s parameters, with no sum that noise could hide in; expected aggregation "secure" or "secureGroups", or no ε',
  ],
  "it promises privacy, and 7": [
    'it promises privacy, and on a grid devices see each other\'s parameters, with no sum that noise could hide in; expected aggregation "secure" or "secureGroups", or no ε',
  ],
  'its strategy is "7"7, and on a grid nobody steps for all; expected fedAvg or fedProx': [
    'its strategy is "fedAvg" with another rate than 1, and on a grid nobody steps for all; expected fedAvg or fedProx',
  ],
  // Names, numbers and what zod says of them: `Wishes` of refusals_de_test.ts.
  'Cannot use 7 "7" with 7: 7': [],
  // What members cannot play is planned, for hundreds of wishes, by learn_german_test.ts.
  "participants.least is 7, and the data set is divided among the 7 of today; expected at most 7, or no share":
    [],
  "participants.least is 7, and this device, one of 7, has nothing to learn from: 7; expected examples here, or 7; 7":
    [],
  'rule "7"7 needs 7 devices7, and 7; possible would be 7': [],
  'aggregation "7" needs a second party beside the coordinator, and 7 may coordinate (learn.coordinate); expected 7, or aggregation "secure"':
    [],
};

/** No task builds such a network, and no plan has such an encoding. */
const NEVER: readonly (readonly [path: string, sentence: RegExp])[] = [
  [
    "learning/engine/shapes.ts",
    /layers? (is empty|learns|type|name)|more than 7 layers|residual block|size of conv|the last layer gives|^7 is 7, expected an integer|^Cannot build the network: 7$/,
  ],
  ["learning/secure/encoding.ts", /clip is 7|7 summands|weightMax is|Cannot encode an update: /],
  ["learning/secure/unmask.ts", /Cannot take shares|Cannot unmask while|Cannot finish/],
  [
    "learning/privacy/release.ts",
    /of 7 numbers, expected 7|updates: 7 is 7, expected 7|with Skellam noise/,
  ],
  ["learning/compression/sum_vector.ts", /Cannot encode an update of/],
  // The cause of another error.
  ["learning/data/gunzip.ts", /bytes follow the padding/],
];

function isGerman(german: string, english: string): boolean {
  return german !== english &&
    !ENGLISH.test(german.replaceAll(/submind .*|"[^"]*"|learn\.\w+/g, ""));
}

function isSaid(text: string): boolean {
  const prefix = "Cannot plan the run: ";
  return isGerman(refusalInGerman(text), text) || isGerman(toldInGerman(text), text) ||
    isGerman(warningInGerman(text), text) ||
    isGerman(refusalInGerman(prefix + text), `Der Lauf lässt sich nicht planen: ${text}`);
}

const SOURCES = [
  ...sourcesIn("learning"),
  ...sourcesIn("actors/rounds"),
  ...[...sourcesIn("actors")].filter((path) => /^actors\/(learning|model)_\w+\.ts$/.test(path)),
];

Deno.test("whatever is refused of learning is told in German, whole, wherever in the sources it stands", () => {
  const missing: string[] = [];
  let count = 0;
  for (const path of SOURCES) {
    if (UNSEEN.some(([paths]) => paths.test(path))) continue;
    const before = GIVEN_BACK.test(path) ? [...REFUSED, "return "] : REFUSED;
    const never = NEVER.filter(([file]) => file === path);
    for (const text of new Set(sentencesIn(path, before))) {
      if (never.some(([, sentence]) => sentence.test(text))) continue;
      const said = TOGETHER[text] ?? [text];
      count += said.length;
      missing.push(...said.filter((one) => !isSaid(one)).map((one) => `${path}: ${one}`));
    }
  }
  assert.deepEqual(missing, []);
  assert.ok(count > 150, `only ${count} sentences were found`);
});

Deno.test("nothing is left out of the translations that is not there any more", () => {
  for (const [paths] of UNSEEN) assert.ok(SOURCES.some((path) => paths.test(path)), `${paths}`);
  for (const [path, sentence] of NEVER) {
    assert.ok(sentencesIn(path, REFUSED).some((text) => sentence.test(text)), path);
  }
  const all = SOURCES.flatMap((path) => sentencesIn(path, [...REFUSED, "return "]));
  for (const text of Object.keys(TOGETHER)) assert.ok(all.includes(text), text);
});

/** Sentences of warnings that are put together. */
const WARNED: Readonly<Record<string, readonly string[]>> = {
  "Mail7 was not used (7): 7": ["Mail from 7 was not used (7): 7", "Mail was not used (7): 7"],
  "The founding block of mesh 7 cannot be read here; ": [
    "The founding block of mesh 7 cannot be read here; run verify, or restore a backup",
  ],
};

Deno.test("what a node warns of is shown in German where German is spoken", () => {
  const options = { language: "de", texts: textsOf("de"), colors: pc.createColors(false) } as const;
  const shown = (message: string) =>
    eventLine({ type: "warning", source: "learning", message }, options)!;
  const missing: string[] = [];
  let count = 0;
  for (const path of sourcesIn("actors")) {
    if (!sourceOf(path).includes('type: "warning"')) continue;
    const texts = [
      ...sentencesIn(path, [
        String.raw`type: "warning",\s*source: "\w+",\s*message:\s*`,
        // Others of this form are refusals.
        String.raw`const message = (?=.(?:Mail|The founding))`,
      ]),
      ...sentencesIn(path, [String.raw`step\.warn\(\s*\w+(?:\.\w+)*, "\w+", `]),
    ].flatMap((text) => WARNED[text] ?? [text]);
    for (const text of texts) {
      count++;
      if (!isGerman(shown(text), `learning: ${text}`)) missing.push(`${path}: ${shown(text)}`);
    }
  }
  assert.deepEqual(missing, []);
  assert.ok(count >= 9, `only ${count} warnings were found`);
  assert.equal(
    shown(
      "A version by abcdef does not follow from its round: what came has the hash 12, it names 34",
    ),
    "learning: Eine Fassung von abcdef folgt nicht aus ihrer Runde: was kam, hat den Hash 12, sie nennt 34",
  );
  assert.equal(shown("something new"), "learning: something new");
});
