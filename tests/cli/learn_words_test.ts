/** What people type for runs, versions and numbers is refused by the command line itself, in their language, wherever the node would refuse it. */
import assert from "node:assert/strict";
import { newRunOf, NUMBERS, type StartArguments } from "../../cli/commands/learn_start.ts";
import type { NumberRange } from "../../cli/learning/number_option.ts";
import { textsOf } from "../../cli/texts.ts";
import { newRunSchema } from "../../gateway/learning_schemas.ts";
import { TITLE_CHARACTERS_MAX } from "../../learning/runs/plan_codec.ts";
import { run, withFakeNode } from "./fake_world.ts";

const NOTHING = {
  ...Object.fromEntries(Object.keys(NUMBERS).map((name) => [name, undefined])),
  task: "mnist",
  option: [],
  wait: false,
  watch: false,
} as unknown as StartArguments;
/** What a number needs beside it. */
const WITH: Readonly<Record<string, Partial<StartArguments>>> = {
  epsilon: { clip: "1" },
  clip: { epsilon: "1" },
  delta: { epsilon: "1", clip: "1" },
  noise: { epsilon: "1", clip: "1" },
  clipQuantile: { epsilon: "1", clip: "1" },
  alpha: { share: "dirichlet" },
  dimensions: { aggregation: "grid" },
  side: { aggregation: "grid" },
};

Deno.test("a number that start takes is one that the node takes, up to both ends", () => {
  for (const [name, range] of Object.entries<NumberRange>(NUMBERS)) {
    const least = range.above === true ? Math.min(1e-3, range.most / 2) : range.least;
    for (const value of [least, range.most]) {
      const asked = newRunOf(textsOf("en"), { ...NOTHING, ...WITH[name], [name]: String(value) });
      const found = newRunSchema.safeParse(asked);
      assert.ok(found.success, `${name} = ${value}: ${found.error?.message}`);
    }
  }
});

const refused: readonly (readonly [args: readonly string[], said: RegExp, german: RegExp])[] = [
  ...["status", "watch", "rounds", "join", "leave", "stop", "models"].flatMap((command) =>
    ["abc", "Digits", "ABCDEF01", "../../x", "0".repeat(65)].map((id) =>
      [
        [command, id],
        /RUN.*names no run, expected its id or a beginning of it.*submind learn status/s,
        /nennt keinen Lauf, erwartet wird seine Kennung/,
      ] as const
    )
  ),
  ...["verify abc", "rollback abc", "compare abcdef abc", "export abc --out f"].map((line) =>
    [
      line.split(" "),
      /VERSION.*"abc" names no version, expected its hash/s,
      /"abc" nennt keine Fassung, erwartet wird ihr Hash/,
    ] as const
  ),
  [["plot", "abc", "--out", "x.svg"], /"abc" names no run/, /"abc" nennt keinen Lauf/],
  [["start", "mnist", "--from", "abc"], /--from.*names no version/s, /--from.*keine Fassung/s],
  [
    ["start", "mnist", "--title", ""],
    /--title is "", expected 1 to 64 characters/,
    /1 bis 64 Zeichen/,
  ],
  [["start", "mnist", "--title", "ä".repeat(65)], /--title is "ä+", expected 1 to/, /--title ist/],
  [["start", "mnist", "--key", "two words"], /--key is .* 1 to 64 visible/, /--key ist/],
];

Deno.test("a title may be as long as a plan takes it, on the command line and over HTTP alike", () => {
  const titled = (length: number) =>
    newRunSchema.safeParse({ task: "mnist", title: "ä".repeat(length) });
  assert.equal(titled(TITLE_CHARACTERS_MAX).success, true);
  assert.equal(titled(TITLE_CHARACTERS_MAX + 1).success, false);
  assert.equal(TITLE_CHARACTERS_MAX, 64, "as the command line refuses it above");
});

Deno.test("what can name no run and no version is refused before the node is asked, with what would", () =>
  withFakeNode(() => undefined, async ({ run: runAt, seen }) => {
    for (const [args, said, german] of refused) {
      const told = await runAt(["learn", ...args]);
      assert.equal(told.exitCode, 2, `${args.join(" ")}: ${told.out}${told.err}`);
      assert.match(told.err, said);
      assert.match((await runAt(["learn", ...args, "--lang", "de"])).err, german);
      const { out } = await runAt(["learn", ...args, "--json"]);
      assert.equal(JSON.parse(out).error.exitCode, 2);
    }
    assert.equal(seen.length, 0);
  }));

Deno.test("without a node every command that needs one says how to start it, and ends with 3", async () => {
  const data = await Deno.makeTempDir({ prefix: "submind_no_node_" });
  const lines = [
    ...["tasks", "status", "status abcdef", "watch", "watch abcdef", "rounds abcdef"],
    ...["join abcdef", "leave abcdef", "stop abcdef", "budget", "budget --set 1", "models"],
    ...["verify abcdef", "rollback abcdef", "compare abcdef abcdef", "start mnist", ""],
    ...[`export abcdef --out ${data}/x`, `plot abcdef --out ${data}/x.svg`],
  ];
  try {
    for (const line of lines) {
      const args = ["learn", ...line.split(" ").filter((part) => part !== ""), "--data", data];
      const { exitCode, out } = await run([...args, "--json"]);
      const { ok, error } = JSON.parse(out);
      assert.deepEqual([exitCode, ok, error.code], [3, false, "notRunning"], line);
      assert.match((await run([...args, "--lang", "de"])).err, /submind up --data/);
    }
  } finally {
    await Deno.remove(data, { recursive: true });
  }
});
