/** Positive numbers that must come through bit by bit, as their eight bytes: canonical CBOR has no fractions. */
import { z } from "zod";
import { bytes } from "../protocols/wire_schema.ts";

/** IEEE 754 double precision, big-endian. */
export function float64Bytes(value: number): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(8);
  new DataView(out.buffer).setFloat64(0, value);
  return out;
}

/** Reads them: finite and above 0. */
export const positiveFloat64 = bytes(8).transform((value, context): number => {
  const number = value.length === 8
    ? new DataView(value.buffer, value.byteOffset).getFloat64(0)
    : NaN;
  if (number > 0 && number < Infinity) return number;
  context.addIssue({ code: "custom", message: "expected a finite number above 0, 8 bytes" });
  return z.NEVER;
});
