/** `submind learn start`: options become a new run; what is impossible, the node refuses with what would be possible. */
import { object } from "@optique/core/constructs";
import { map, multiple, optional, withDefault } from "@optique/core/modifiers";
import { argument, command, flag, option } from "@optique/core/primitives";
import { choice, string } from "@optique/core/valueparser";
import type { NewRun } from "../../actors/learning_handle.ts";
import type { ContentHash } from "../../protocols/ids.ts";
import { type Action, clientOf, type CommandContext, plain } from "../command.ts";
import { CliError, EXIT } from "../exit_codes.ts";
import { SHORT_ID } from "../learning/figures.ts";
import {
  choiceOption,
  numberOption,
  type NumberRange,
  taskOption,
} from "../learning/number_option.ts";
import { shortId } from "../learning/short_id.ts";
import { watchToTheEnd } from "../learning/watch.ts";
import { printableLine } from "../output/table.ts";
import type { Texts } from "../texts.ts";

/** As `TITLE_CHARACTERS_MAX` of plans. */
const TITLE_MAX = 64;
const KEY_MAX = 64;
const AGGREGATIONS = ["secure", "groups", "twoServers", "paillier", "clear", "grid"] as const;
/** Those that combine more than one sum or update, and so by a rule. */
const WITH_RULE: readonly (string | undefined)[] = ["groups", "clear", "grid"];
const SHARES = ["iid", "shards", "dirichlet"] as const;
const SECONDS: NumberRange = { least: 0.1, most: 86_400 };
const POSITIVE: NumberRange = { least: 0, most: 1e6, above: true };
const whole = (most: number): NumberRange => ({ least: 1, most, integer: true });

/** Every option that is a number, and what it may be: as `newRunSchema` of the gateway, whose words are no person's. A test holds them together. */
export const NUMBERS = {
  rounds: whole(100_000),
  epochs: whole(1_000),
  batch: whole(1_024),
  rate: { least: 0, most: 100, above: true },
  momentum: { least: 0, most: 0.999 },
  proximal: { least: 0, most: 1e6 },
  least: whole(1_024),
  most: whole(1_024),
  fraction: { least: 0, most: 1, above: true },
  epsilon: POSITIVE,
  delta: { least: 1e-100, most: 0.1 },
  clip: POSITIVE,
  clipQuantile: { least: 0.01, most: 0.99 },
  noise: POSITIVE,
  alpha: POSITIVE,
  dimensions: whole(4),
  side: { least: 2, most: 16, integer: true },
  readyTime: SECONDS,
  trainTime: SECONDS,
  phaseTime: SECONDS,
} as const satisfies Readonly<Record<string, NumberRange>>;
type NumberName = keyof typeof NUMBERS;
type Metavar = "NUMBER" | "RULE" | "TEXT";

/** The options as typed. */
export type StartArguments =
  & Readonly<Record<NumberName, string | undefined>>
  & {
    readonly task: string;
    readonly title: string | undefined;
    readonly option: readonly string[];
    readonly strategy: string | undefined;
    readonly aggregation: typeof AGGREGATIONS[number] | undefined;
    readonly rule: string | undefined;
    readonly compress: string | undefined;
    readonly share: typeof SHARES[number] | undefined;
    readonly from: string | undefined;
    readonly key: string | undefined;
    readonly wait: boolean;
    readonly watch: boolean;
  };

/** Parser of the command, to stand below `learn`. */
export function learnStartCommand(texts: Texts) {
  const { help, options } = texts.learnRuns;
  const text = (name: keyof typeof options, metavar: Metavar) =>
    optional(option(optionName(name), string({ metavar }), { description: plain(options[name]) }));
  const number = (name: NumberName) => text(name, "NUMBER");
  const what = object({
    task: argument(string({ metavar: "TASK" }), { description: plain(options.task) }),
    title: text("title", "TEXT"),
    option: multiple(
      option("--option", string({ metavar: "NAME=VALUE" }), {
        description: plain(options.option),
      }),
    ),
    from: optional(
      option("--from", shortId(texts, "VERSION"), { description: plain(options.from) }),
    ),
    key: text("key", "TEXT"),
    wait: withDefault(flag("--wait", { description: plain(options.wait) }), false),
    watch: withDefault(flag("--watch", { description: plain(options.watch) }), false),
    rounds: number("rounds"),
    epochs: number("epochs"),
    batch: number("batch"),
    rate: number("rate"),
    momentum: number("momentum"),
    proximal: number("proximal"),
    strategy: text("strategy", "RULE"),
    aggregation: optional(
      option("--aggregation", choice(AGGREGATIONS, { metavar: "KIND" }), {
        description: plain(options.aggregation),
      }),
    ),
    rule: text("rule", "RULE"),
    dimensions: number("dimensions"),
    side: number("side"),
    compress: text("compress", "RULE"),
    epsilon: number("epsilon"),
    delta: number("delta"),
    clip: number("clip"),
    clipQuantile: number("clipQuantile"),
    noise: number("noise"),
    share: optional(
      option("--share", choice(SHARES, { metavar: "KIND" }), {
        description: plain(options.share),
      }),
    ),
    alpha: number("alpha"),
    least: number("least"),
    most: number("most"),
    fraction: number("fraction"),
    readyTime: number("readyTime"),
    trainTime: number("trainTime"),
    phaseTime: number("phaseTime"),
  });
  return command(
    "start",
    map(what, (found): Action => (context) => runStart(context, found)),
    { brief: plain(help.start) },
  );
}

function optionName(name: string): `--${string}` {
  return `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

async function runStart(context: CommandContext, found: StartArguments) {
  const texts = context.texts.learnRuns;
  const asked = newRunOf(context.texts, found);
  const key = found.key ?? context.random.bytes(16).toHex();
  const run = await clientOf(context).learning.start(asked, key);
  const { output } = context;
  const value = { ok: true, ...run };
  const short = run.run.slice(0, SHORT_ID);
  const print = found.watch ? output.event : output.result;
  print(
    value,
    () => [texts.startedRun(printableLine(run.title), run.run), texts.joinHint(short)].join("\n"),
  );
  if (found.wait && run.waitingFor !== null) {
    output.note(texts.waitsFor(texts.told(run.waitingFor)));
  }
  if (found.watch) return await watchToTheEnd(context, run.run);
  output.note(texts.watchHint(short));
  return EXIT.ok;
}

/** What is asked of the node. Throws a `CliError` that names an option, what was given and what was expected. */
export function newRunOf(texts: Texts, found: StartArguments): NewRun {
  const numbers = readNumbers(texts, found);
  checkTexts(texts, found);
  checkTogether(texts, found);
  const rule = (name: "strategy" | "rule" | "compress") => {
    const text = found[name];
    return text === undefined ? undefined : choiceOption(texts, { name: `--${name}`, text });
  };
  const ms = (seconds: number | undefined) =>
    seconds === undefined ? undefined : Math.round(seconds * 1_000);
  const aggregation = found.aggregation === "groups" ? "secureGroups" : found.aggregation;
  const { epsilon, clip, alpha } = numbers;
  const options = found.option.map((text) => taskOption(texts, text));
  return known({
    task: found.task,
    title: found.title,
    options: options.length === 0 ? undefined : Object.fromEntries(options),
    rounds: numbers.rounds,
    participants: part({ least: numbers.least, most: numbers.most, fraction: numbers.fraction }),
    local: part({
      epochs: numbers.epochs,
      batchSize: numbers.batch,
      learningRate: numbers.rate,
      momentum: numbers.momentum,
      proximal: numbers.proximal,
    }),
    strategy: rule("strategy"),
    aggregation,
    rule: rule("rule"),
    grid: part({ dimensions: numbers.dimensions, side: numbers.side }),
    compression: rule("compress"),
    privacy: epsilon === undefined || clip === undefined ? undefined : known({
      epsilon,
      delta: numbers.delta,
      clip,
      clipQuantile: numbers.clipQuantile,
      noiseMultiplier: numbers.noise,
    }),
    deadlines: part({
      readyMs: ms(numbers.readyTime),
      trainMs: ms(numbers.trainTime),
      phaseMs: ms(numbers.phaseTime),
    }),
    share: found.share === undefined ? undefined : known({ kind: found.share, alpha }),
    startFrom: found.from as ContentHash | undefined,
    wait: found.wait || undefined,
  });
}

function readNumbers(
  texts: Texts,
  found: StartArguments,
): Partial<Record<NumberName, number>> {
  const names = Object.keys(NUMBERS) as NumberName[];
  return Object.fromEntries(
    names.flatMap((name) => {
      const text = found[name];
      if (text === undefined) return [];
      const range: NumberRange = NUMBERS[name];
      return [[name, numberOption(texts, { name: optionName(name), text, range })]];
    }),
  );
}

function checkTexts(texts: Texts, { title, key }: StartArguments): void {
  const { badValue, expectedTitle, expectedKey } = texts.learnRuns;
  const wrong = (name: string, text: string, expected: string) =>
    new CliError(badValue(name, text.slice(0, 60), expected), {
      code: "usage",
      exitCode: EXIT.usage,
      hint: "submind learn start --help",
    });
  if (title !== undefined && (title === "" || title.length > TITLE_MAX)) {
    throw wrong("--title", title, expectedTitle(TITLE_MAX));
  }
  if (key !== undefined && (!/^[!-~]+$/.test(key) || key.length > KEY_MAX)) {
    throw wrong("--key", key, expectedKey(KEY_MAX));
  }
}

/** Options that mean nothing without others. */
function checkTogether(texts: Texts, found: StartArguments): void {
  const needs: readonly (readonly [NumberName | "rule", boolean, string])[] = [
    ["clip", found.epsilon !== undefined, "--epsilon"],
    ["clipQuantile", found.epsilon !== undefined, "--epsilon"],
    ["delta", found.epsilon !== undefined, "--epsilon"],
    ["noise", found.epsilon !== undefined, "--epsilon"],
    ["epsilon", found.clip !== undefined, "--clip"],
    ["dimensions", found.aggregation === "grid", "--aggregation grid"],
    ["side", found.aggregation === "grid", "--aggregation grid"],
    ["alpha", found.share === "dirichlet", "--share dirichlet"],
    [
      "rule",
      WITH_RULE.includes(found.aggregation),
      "--aggregation groups | clear | grid",
    ],
  ];
  for (const [name, satisfied, other] of needs) {
    if (found[name] === undefined || satisfied) continue;
    throw new CliError(texts.learnRuns.needs(optionName(name), other), {
      code: "usage",
      exitCode: EXIT.usage,
      hint: "submind learn start --help",
    });
  }
}

type Known<T> = { [Key in keyof T]: Exclude<T[Key], undefined> };

/** Without what was not said: the task's defaults apply. */
function known<T extends object>(values: T): Known<T> {
  const said = Object.entries(values).filter(([, value]) => value !== undefined);
  return Object.fromEntries(said) as Known<T>;
}

/** The same, and nothing at all when nothing was said. */
function part<T extends object>(values: T): Known<T> | undefined {
  const said = known(values);
  return Object.keys(said).length === 0 ? undefined : said;
}
