/** Numbers and choices of rules as people type them; the parser's own value parsers read no fractions. */
import type { Choice } from "../../learning/runs/plan.ts";
import { CliError, EXIT } from "../exit_codes.ts";
import type { Texts } from "../texts.ts";

const NUMBER = /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i;
const NAME = /^[A-Za-z][A-Za-z0-9]{0,31}$/;
/** A choice has no more numbers than this. */
const NUMBERS_MAX = 16;

/** Longest value of a task's option, as the node takes it. */
const VALUE_MAX = 256;

/** Short names of rules that have long ones. */
const SHORT: Readonly<Record<string, string>> = {
  mean: "weightedMean",
  median: "coordinateMedian",
};

export interface NumberRange {
  readonly least: number;
  readonly most: number;
  readonly integer?: boolean;
  /** `least` itself does not belong. */
  readonly above?: boolean;
}

/** Reads a number in a range. Throws a `CliError` with the option, what was given and what was expected. */
export function numberOption(
  texts: Texts,
  { name, text, range }: {
    readonly name: string;
    readonly text: string;
    readonly range: NumberRange;
  },
): number {
  const value = NUMBER.test(text) ? Number(text) : NaN;
  const { least, most, integer = false, above = false } = range;
  const fits = value <= most && (above ? value > least : value >= least);
  if (fits && (!integer || Number.isInteger(value))) return value;
  throw usage(texts, name, text, texts.learnRuns.expectedNumber(range));
}

/** Reads `name` or `name:key=number,key=number`, e.g. `fedAdam:serverRate=0.1`. Which names and keys there are, the node knows. */
export function choiceOption(
  texts: Texts,
  { name, text }: { readonly name: string; readonly text: string },
): Choice {
  const colon = text.indexOf(":");
  const typed = colon === -1 ? text : text.slice(0, colon);
  const pairs = colon === -1 ? [] : text.slice(colon + 1).split(",").map((pair) => pair.split("="));
  const numbers = pairs.map(([key = "", value = "", ...more]): [string, number] => {
    const good = NAME.test(key) && NUMBER.test(value) && more.length === 0;
    return [key, good ? Number(value) : NaN];
  });
  const keys = new Set(numbers.map(([key]) => key));
  const readable = NAME.test(typed) && numbers.every(([, value]) => Number.isFinite(value)) &&
    keys.size === numbers.length && numbers.length <= NUMBERS_MAX;
  if (!readable) throw usage(texts, name, text, texts.learnRuns.expectedChoice);
  return { name: SHORT[typed] ?? typed, numbers: Object.fromEntries(numbers) };
}

/** Reads `key=value` of a task's options: numbers and true/false become what they are. */
export function taskOption(
  texts: Texts,
  text: string,
): readonly [key: string, value: string | number | boolean] {
  const at = text.indexOf("=");
  const [key, value] = [text.slice(0, Math.max(0, at)), text.slice(at + 1)];
  if (at === -1 || !NAME.test(key) || value.length > VALUE_MAX) {
    throw usage(texts, "--option", text, texts.learnRuns.expectedOption);
  }
  if (value === "true" || value === "false") return [key, value === "true"];
  return [key, NUMBER.test(value) ? Number(value) : value];
}

function usage(texts: Texts, name: string, text: string, expected: string): CliError {
  return new CliError(texts.learnRuns.badValue(name, text.slice(0, 60), expected), {
    code: "usage",
    exitCode: EXIT.usage,
    hint: "submind learn start --help",
  });
}
