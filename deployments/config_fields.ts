/** The settings as a flat list: dotted key, environment variable, kind and expectation; and texts turned into values. */
import { z } from "zod";
import { distance } from "fastest-levenshtein";
import { configFileSchema, type Expectation } from "./config_schema.ts";

export type FieldKind = "text" | "integer" | "truth" | "list";

/** One setting. */
export interface ConfigField {
  /** Dotted as in `submind config get`: "gateway.port". */
  readonly key: string;
  readonly path: readonly string[];
  /** "SUBMIND_GATEWAY_PORT". */
  readonly variable: string;
  readonly kind: FieldKind;
  readonly expected: Expectation;
  /** Not to be shown on a screen without being asked for. */
  readonly secret: boolean;
}

function unwrapped(schema: z.ZodType): z.ZodType {
  if (
    schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault ||
    schema instanceof z.ZodOptional
  ) return unwrapped(schema.unwrap() as z.ZodType);
  return schema;
}

function kindOf(schema: z.ZodType): FieldKind {
  if (schema instanceof z.ZodBoolean) return "truth";
  if (schema instanceof z.ZodArray) return "list";
  if (schema instanceof z.ZodNumber) return "integer";
  return "text";
}

function variableOf(path: readonly string[]): string {
  const words = path.map((part) => part.replaceAll(/[A-Z]/g, (letter) => `_${letter}`));
  return `SUBMIND_${words.join("_").toUpperCase()}`;
}

function fieldsOf(schema: z.ZodType, path: readonly string[]): readonly ConfigField[] {
  const inner = unwrapped(schema);
  if (inner instanceof z.ZodObject) {
    return Object.entries(inner.shape).flatMap(([key, part]) =>
      fieldsOf(part as z.ZodType, [...path, key])
    );
  }
  const expected = inner.meta() as Expectation | undefined;
  return [{
    key: path.join("."),
    path,
    variable: variableOf(path),
    kind: kindOf(inner),
    expected: expected ?? { en: "a valid value", de: "ein gültiger Wert" },
    secret: expected?.["secret"] === true,
  }];
}

/** Every setting that `config.toml` may hold, in the order of the schema. */
export const CONFIG_FIELDS: readonly ConfigField[] = fieldsOf(configFileSchema, []);

/** The field of a dotted key; undefined when there is none. */
export function fieldOf(key: string): ConfigField | undefined {
  return CONFIG_FIELDS.find((field) => field.key === key);
}

/** The candidate that differs least from `text`, or null when none is near (more than half of it would change). */
export function nearest(text: string, candidates: readonly string[]): string | null {
  let best: string | null = null;
  let bestDistance = Math.max(2, Math.floor(text.length / 2)) + 1;
  for (const candidate of candidates) {
    const steps = distance(text.toLowerCase(), candidate.toLowerCase());
    if (steps < bestDistance) [best, bestDistance] = [candidate, steps];
  }
  return best;
}

/**
 * Turns the text of an environment variable or argument into the value a field holds. Texts that do not fit the kind are
 * returned as they are, so that validation names them. Lists are separated by commas.
 */
export function valueOfText(field: ConfigField, text: string): unknown {
  switch (field.kind) {
    case "integer":
      return /^-?\d{1,15}$/.test(text.trim()) ? Number(text) : text;
    case "truth": {
      const word = text.trim().toLowerCase();
      if (["true", "1", "yes", "on"].includes(word)) return true;
      return ["false", "0", "no", "off"].includes(word) ? false : text;
    }
    case "list":
      return text.split(",").map((part) => part.trim()).filter((part) => part !== "");
    case "text":
      return text;
    default:
      return field.kind satisfies never;
  }
}

/** Sets `value` at `path` in a copy of a nested table. */
export function withValue(
  table: Readonly<Record<string, unknown>>,
  path: readonly string[],
  value: unknown,
): Record<string, unknown> {
  const [first, ...rest] = path;
  if (first === undefined) return { ...table };
  if (rest.length === 0) return { ...table, [first]: value };
  const inner = table[first];
  const child = typeof inner === "object" && inner !== null && !Array.isArray(inner)
    ? inner as Record<string, unknown>
    : {};
  return { ...table, [first]: withValue(child, rest, value) };
}

/** What stands at `path` of a nested table; undefined when nothing does. */
export function valueAt(table: unknown, path: readonly string[]): unknown {
  let here = table;
  for (const part of path) {
    if (typeof here !== "object" || here === null) return undefined;
    here = (here as Record<string, unknown>)[part];
  }
  return here;
}
