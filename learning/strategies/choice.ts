/** From a plan's choices (a name and numbers) to typed descriptions, with errors that say what to change. */
import type { z } from "zod";
import type { Choice } from "../runs/plan.ts";

export type { Choice };

/** Reads a choice by a schema of `{name, …numbers}`. Throws a `RangeError` naming the key, its value and what was expected. */
export function fromChoice<T>(what: string, schema: z.ZodType<T>, choice: Choice): T {
  const flat: Record<string, unknown> = { ...choice.numbers, name: choice.name };
  const read = schema.safeParse(flat);
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  const key = issue?.path.join(".") ?? "";
  const value = key === "" ? `"${choice.name}"` : `${key} = ${String(flat[key])}`;
  throw new RangeError(`Cannot use ${what} "${choice.name}" with ${value}: ${issue?.message}`);
}

/** A typed description as a plan holds it: every number named, none left to defaults. */
export function toChoice(description: { readonly name: string }): Choice {
  const { name, ...numbers } = description;
  return { name, numbers: numbers as Readonly<Record<string, number>> };
}
