/** Ties the schemas of this protocol to its interfaces at compile time. */
import type { z } from "zod";
import type { Identical } from "../wire_schema.ts";

/** As our interfaces say it: nothing inside can be written. Text (branded, too) and bytes stay what they are. */
export type Frozen<T> = T extends string | number | boolean | null | Uint8Array ? T
  : T extends readonly (infer Item)[] ? readonly Frozen<Item>[]
  : { readonly [Key in keyof T]: Frozen<T[Key]> };

/** `true` when every schema gives exactly the member of the union that bears its name: plain assignability would miss an extra optional field. */
export type FitsUnion<
  Schemas extends Record<string, z.ZodType>,
  Union extends { readonly type: string },
> = [EachFits<Schemas, Union>[Union["type"]]] extends [true] ? true : false;

type EachFits<
  Schemas extends Record<string, z.ZodType>,
  Union extends { readonly type: string },
> = {
  readonly [Type in Union["type"]]: Identical<
    Frozen<z.output<Schemas[Type]>>,
    Frozen<Extract<Union, { readonly type: Type }>>
  >;
};
