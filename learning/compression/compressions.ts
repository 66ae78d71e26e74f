/** All compressions as a plan names them: plain data in, compressor out. */
import { z } from "zod";
import { type Choice, fromChoice } from "../strategies/choice.ts";
import type { Compressor } from "./compressor.ts";
import { eden } from "./eden.ts";
import { randomK } from "./random_k.ts";
import { stochastic } from "./stochastic.ts";
import { topK } from "./top_k.ts";

const bits = z.int().min(1).max(8);
const share = z.number().min(1e-6).max(1).default(0.01);

/** A compression and its numbers. Strict: unknown keys are refused, absent numbers get the default. */
export const compressionSchema = z.discriminatedUnion("name", [
  z.strictObject({ name: z.literal("eden"), bits: bits.default(4) }),
  z.strictObject({ name: z.literal("stochastic"), bits: bits.default(8) }),
  z.strictObject({ name: z.literal("topK"), share }),
  z.strictObject({
    name: z.literal("randomK"),
    share,
    /** 1: what was not sent is kept for the next round. 0: numbers are scaled up, and nothing is kept. */
    feedback: z.int().min(0).max(1).default(1),
  }),
]);

/** A compression and all its numbers. */
export type Compression = z.output<typeof compressionSchema>;

/** The compression a plan chose. Throws a `RangeError` that names what does not fit. */
export function compressionOf(choice: Choice): Compression {
  return fromChoice("compression", compressionSchema, choice);
}

/** Makes the compressor. */
export function createCompressor(compression: Compression): Compressor {
  switch (compression.name) {
    case "eden":
      return eden(compression);
    case "stochastic":
      return stochastic(compression);
    case "topK":
      return topK(compression);
    case "randomK":
      return randomK({ share: compression.share, feedback: compression.feedback === 1 });
  }
}
