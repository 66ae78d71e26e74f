/** Types that tie a schema to the interface it stands for, checked by the compiler: there is nothing here at run time. */
import type { z } from "@hono/zod-openapi";

/** A value as JSON carries it: bytes are base64, ids are plain strings, nothing is read-only. */
export type Json<T> = T extends Uint8Array ? string
  : T extends string ? (T extends { readonly __brand: string } ? string : T)
  : T extends readonly (infer Item)[] ? Json<Item>[]
  : T extends object ? { -readonly [Key in keyof T]: Json<T[Key]> }
  : T;

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true
  : false;

/**
 * `true` when what the schema lets through is exactly `Interface` as JSON. Plain assignability would miss an
 * extra optional field.
 */
export type Matches<Schema extends z.ZodType, Interface> = Same<
  Json<z.output<Schema>>,
  Json<Interface>
>;

/** Fails to compile unless every check is `true`. */
export function identical<Checks extends readonly true[]>(..._checks: Checks): void {}
