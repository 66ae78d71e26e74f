/** Options of tasks: each task lists what it knows, and everything else is refused before a run starts. */
import type { TaskOptions } from "../task.ts";

/** What one option may be, and what it is when the person says nothing. */
export type OptionRule =
  | { readonly type: "choice"; readonly of: readonly string[]; readonly default: string }
  | {
    readonly type: "integer";
    readonly min: number;
    readonly max: number;
    readonly default: number;
  }
  | {
    readonly type: "number";
    readonly min: number;
    readonly max: number;
    readonly default: number;
  }
  | {
    readonly type: "text";
    readonly pattern: RegExp;
    /** What the pattern means, for people. */
    readonly expected: string;
    readonly default: string;
  };

export type OptionRules = Readonly<Record<string, OptionRule>>;

/** The values of all options, the defaults filled in. */
export type OptionValues<Rules extends OptionRules> = {
  readonly [Name in keyof Rules]: Rules[Name] extends { readonly default: number } ? number
    : string;
};

/** Checks what was given and fills in the rest. Throws a `RangeError` that names task, option, value and what was expected. */
export function readOptions<const Rules extends OptionRules>(
  task: string,
  rules: Rules,
  given: TaskOptions,
): OptionValues<Rules> {
  for (const name of Object.keys(given)) {
    if (Object.hasOwn(rules, name)) continue;
    const known = Object.keys(rules).join(", ");
    throw new RangeError(`Task "${task}" has no option "${name}": it has ${known}`);
  }
  const values = Object.entries(rules).map(([name, rule]) => {
    const value = asTyped(rule, given[name] ?? rule.default);
    const expected = problemOf(rule, value);
    if (expected === undefined) return [name, value];
    const shown = String(value).slice(0, 64);
    throw new RangeError(`Task "${task}": ${name} is "${shown}", expected ${expected}`);
  });
  return Object.fromEntries(values) as OptionValues<Rules>;
}

/** Whoever reads options from a command line takes "512" for a number, also where a text is meant. */
function asTyped(rule: OptionRule, value: string | number | boolean): string | number | boolean {
  const isText = rule.type === "choice" || rule.type === "text";
  return isText && typeof value === "number" ? String(value) : value;
}

/** What was expected, when the value is something else. */
function problemOf(rule: OptionRule, value: string | number | boolean): string | undefined {
  switch (rule.type) {
    case "choice":
      return rule.of.includes(String(value)) && typeof value === "string"
        ? undefined
        : `one of ${rule.of.join(", ")}`;
    case "integer":
    case "number": {
      const isOne = typeof value === "number" && value >= rule.min && value <= rule.max &&
        (rule.type === "number" || Number.isInteger(value));
      const what = rule.type === "integer" ? "an integer" : "a number";
      return isOne ? undefined : `${what} from ${rule.min} to ${rule.max}`;
    }
    case "text":
      return typeof value === "string" && rule.pattern.test(value) ? undefined : rule.expected;
    default:
      return rule satisfies never;
  }
}
