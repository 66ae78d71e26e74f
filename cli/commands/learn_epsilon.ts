/** `submind learn epsilon`: what privacy costs, and how much noise an ε takes. Computes by itself; works without a running node. */
import { object } from "@optique/core/constructs";
import { map, optional, withDefault } from "@optique/core/modifiers";
import { command, option } from "@optique/core/primitives";
import { choice, string } from "@optique/core/valueparser";
import {
  type Accountant,
  ACCOUNTANTS,
  DELTA_MIN,
  epsilonOf,
  NOISE_MULTIPLIER_MAX,
  noiseMultiplierFor,
  STEPS_MAX,
} from "../../learning/privacy/accountant.ts";
import {
  judgePrivacy,
  NOISE_MODELS,
  noiseForShare,
  type NoiseModel,
  noiseShareOf,
  type PrivacyVerdict,
} from "../../learning/privacy/possible.ts";
import { PARAMETER_COUNT_MAX } from "../../learning/parameters.ts";
import { type Action, type CommandContext, plain } from "../command.ts";
import { CliError, EXIT } from "../exit_codes.ts";
import { formatCount } from "../output/units.ts";
import type { Texts } from "../texts.ts";

const DEVICES_MAX = 1_000_000_000;
const EPSILON_MAX = 1e6;

/** Parser of the command, to stand below `learn`. */
export function learnEpsilonCommand(texts: Texts) {
  const { help, options } = texts.learnEpsilon;
  // Texts, because the parser reads no fractions: what is no number is told with its option and what was expected.
  const number = (name: `--${string}`, description: string) =>
    option(name, string({ metavar: "NUMBER" }), { description: plain(description) });
  return command(
    "epsilon",
    map(
      object({
        q: withDefault(number("--q", options.q), "1"),
        sigma: optional(number("--sigma", options.sigma)),
        target: optional(number("--target-epsilon", options.target)),
        steps: number("--steps", options.steps),
        delta: number("--delta", options.delta),
        accountant: withDefault(
          option("--accountant", choice(ACCOUNTANTS, { metavar: "NAME" }), {
            description: plain(options.accountant),
          }),
          "pld",
        ),
        devices: optional(number("--devices", options.devices)),
        parameters: optional(number("--parameters", options.parameters)),
        noise: withDefault(
          option("--noise", choice(NOISE_MODELS, { metavar: "KIND" }), {
            description: plain(options.noise),
          }),
          "distributed",
        ),
        noiseShare: withDefault(number("--noise-share", options.noiseShare), "1"),
      }),
      (found): Action => (context) => Promise.resolve(runEpsilon(context, found)),
    ),
    { brief: plain(help.epsilon) },
  );
}

/** The options as typed. */
export interface EpsilonArguments {
  readonly q: string;
  readonly sigma: string | undefined;
  readonly target: string | undefined;
  readonly steps: string;
  readonly delta: string;
  readonly accountant: Accountant;
  readonly devices: string | undefined;
  readonly parameters: string | undefined;
  readonly noise: NoiseModel;
  readonly noiseShare: string;
}

/** What is answered; the fields of the JSON. */
export interface EpsilonAnswer {
  readonly epsilon: number;
  readonly sigma: number;
  readonly q: number;
  readonly steps: number;
  readonly delta: number;
  readonly accountant: Accountant;
  /** Only when devices and parameters were given. */
  readonly noiseShare?: number;
  readonly noise?: NoiseModel;
}

function runEpsilon(context: CommandContext, found: EpsilonArguments) {
  const answer = answerOf(context.texts, context.language, found);
  context.output.result(answer, () => describe(context, answer));
  return EXIT.ok;
}

/** Reads the options and computes. Throws a `CliError` that names an option, what was given and what was expected. */
export function answerOf(
  texts: Texts,
  language: CommandContext["language"],
  found: EpsilonArguments,
): EpsilonAnswer {
  const { accountant, noise } = found;
  const read = (name: string, text: string, accepts: (value: number) => boolean) =>
    numberOf(texts, { name, text, accepts });
  const q = read("--q", found.q, (value) => value >= 0 && value <= 1);
  const steps = read("--steps", found.steps, isWholeUpTo(STEPS_MAX));
  const delta = read("--delta", found.delta, (value) => value >= DELTA_MIN && value < 1);
  const sigma = found.sigma === undefined
    ? undefined
    : read("--sigma", found.sigma, (value) => value > 0 && value <= NOISE_MULTIPLIER_MAX);
  const target = found.target === undefined
    ? undefined
    : read("--target-epsilon", found.target, (value) => value > 0 && value <= EPSILON_MAX);
  const noiseShareMax = read(
    "--noise-share",
    found.noiseShare,
    (value) => value > 0 && value <= EPSILON_MAX,
  );
  const scale = scaleOf(texts, found, { q, steps });
  if (sigma !== undefined && target !== undefined) throw usage(texts, texts.learnEpsilon.both);
  // A draw that shows in every update by itself hides nobody.
  const rate = scale?.noise === "local" ? 1 : q;
  const answer = (
    noiseMultiplier: number,
    from: "--sigma" | "--target-epsilon" | "--noise-share",
  ): EpsilonAnswer => {
    const epsilon = epsilonOf({ samplingRate: rate, noiseMultiplier, steps, delta }, accountant);
    if (epsilon === Infinity) {
      const text = from === "--sigma" ? found.sigma! : found.noiseShare;
      throw badValue(texts, from, text, texts.learnEpsilon.withoutNoise);
    }
    return {
      epsilon,
      sigma: noiseMultiplier,
      q,
      steps,
      delta,
      accountant,
      ...(scale === undefined ? {} : { noiseShare: noiseShareOf(noiseMultiplier, scale), noise }),
    };
  };
  if (sigma !== undefined) return answer(sigma, "--sigma");
  if (target === undefined) {
    if (scale === undefined) throw usage(texts, texts.learnEpsilon.neither);
    const noise = Math.min(NOISE_MULTIPLIER_MAX, noiseForShare(noiseShareMax, scale));
    return answer(noise, "--noise-share");
  }
  if (scale !== undefined) {
    const verdict = judgePrivacy({ epsilon: target, delta, noiseShareMax, ...scale }, accountant);
    if (verdict.type === "impossible") throw impossible(texts, language, { ...found, verdict });
    return answer(verdict.noiseMultiplier, "--target-epsilon");
  }
  const needed = noiseMultiplierFor({ samplingRate: rate, steps, delta }, target, accountant);
  if (needed !== undefined) return answer(needed, "--target-epsilon");
  throw new CliError(texts.learnEpsilon.unprovable(found.target!, accountant), {
    code: "privacyImpossible",
    exitCode: EXIT.refused,
    hint: texts.learnEpsilon.unprovableHint,
  });
}

function isWholeUpTo(most: number) {
  return (value: number) => Number.isInteger(value) && value >= 1 && value <= most;
}

/** Devices and parameters, which only mean something together. */
function scaleOf(
  texts: Texts,
  found: EpsilonArguments,
  { q, steps }: { readonly q: number; readonly steps: number },
) {
  if (found.devices === undefined && found.parameters === undefined) return undefined;
  if (found.devices === undefined || found.parameters === undefined) {
    throw usage(texts, texts.learnEpsilon.together);
  }
  const devices = numberOf(texts, {
    name: "--devices",
    text: found.devices,
    accepts: isWholeUpTo(DEVICES_MAX),
  });
  const parameters = numberOf(texts, {
    name: "--parameters",
    text: found.parameters,
    accepts: isWholeUpTo(PARAMETER_COUNT_MAX),
  });
  if (!(devices * q >= 1)) {
    throw usage(texts, texts.learnEpsilon.nobodyDrawn(found.devices, found.q));
  }
  return { devices, parameters, noise: found.noise, samplingRate: q, rounds: steps };
}

type ExpectedOption = keyof Texts["learnEpsilon"]["expected"];

function numberOf(
  texts: Texts,
  { name, text, accepts }: {
    readonly name: string;
    readonly text: string;
    readonly accepts: (value: number) => boolean;
  },
): number {
  const value = /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(text) ? Number(text) : NaN;
  if (accepts(value)) return value;
  const isNoNoise = name === "--sigma" && value === 0;
  throw badValue(texts, name, text, isNoNoise ? texts.learnEpsilon.withoutNoise : undefined);
}

/** A value that cannot be, perhaps with why. */
function badValue(texts: Texts, name: string, text: string, why?: string): CliError {
  const expected = texts.learnEpsilon.expected[name as ExpectedOption];
  const said = texts.learnEpsilon.badValue(name, text.slice(0, 60), expected);
  return usage(texts, why === undefined ? said : `${said} ${why}`);
}

function usage(texts: Texts, message: string): CliError {
  return new CliError(message, {
    code: "usage",
    exitCode: EXIT.usage,
    hint: texts.learnEpsilon.usageHint,
  });
}

function impossible(
  texts: Texts,
  language: CommandContext["language"],
  { verdict, target, devices, delta }: EpsilonArguments & {
    readonly verdict: Extract<PrivacyVerdict, { type: "impossible" }>;
  },
): CliError {
  const words = texts.learnEpsilon;
  const { possible, noiseShare } = verdict;
  const count = (value: number) => formatCount(value, language);
  const message = verdict.reason === "deltaTooLarge"
    ? words.deltaTooLarge(delta, devices!, digits(possible.deltaBelow))
    : verdict.reason === "unprovable"
    ? words.unprovable(target!, "rdp")
    : words.tooMuchNoise(target!, digits(noiseShare!));
  const ways = [
    possible.epsilon === null ? null : words.wayEpsilon(digits(possible.epsilon)),
    possible.devices === null ? null : words.wayDevices(count(possible.devices)),
    possible.parameters === null ? null : words.wayParameters(count(possible.parameters)),
  ].filter((way) => way !== null);
  return new CliError(message, {
    code: "privacyImpossible",
    exitCode: EXIT.refused,
    hint: ways.length === 0 || verdict.reason === "deltaTooLarge"
      ? words.usageHint
      : words.possible(ways),
  });
}

/** Four digits, with a decimal point in every language: what is shown can be typed. */
function digits(value: number): string {
  return String(Number(value.toPrecision(4)));
}

/** Four digits, rounded up: noise that is shown is enough when it is typed. */
function digitsUp(value: number): string {
  const near = Number(value.toPrecision(4));
  if (near >= value) return String(near);
  return digits(near + 10 ** (Math.floor(Math.log10(near)) - 3));
}

function describe({ texts, language }: CommandContext, answer: EpsilonAnswer): string {
  const words = texts.learnEpsilon;
  const { epsilon, sigma, q, steps, delta, accountant, noiseShare } = answer;
  const lines = [
    words.epsilonIs(digits(epsilon), String(delta)),
    words.given(digitsUp(sigma), String(q), formatCount(steps, language), accountant),
  ];
  if (q === 0) lines.push(words.nobody);
  if (noiseShare !== undefined) lines.push(words.shareIs(digits(noiseShare)));
  return lines.join("\n");
}
