/**
 * Error feedback: what compression left out is kept on the device and added to its next update, so nothing is lost, only late. Seide, Fu,
 * Droppo, Li, Yu: "1-Bit Stochastic Gradient Descent", Interspeech 2014; Karimireddy, Rebjock, Stich, Jaggi: "Error Feedback Fixes
 * SignSGD", ICML 2019. Not to be combined with clipping for privacy: what is kept would be spent again in a later round.
 */
import { invariant } from "../../platform/invariant.ts";
import type { Random } from "../../platform/ports.ts";
import type { Parameters } from "../parameters.ts";
import type { Compressor } from "./compressor.ts";

export interface FedBack {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** To be stored, and handed in with the next update once this one was counted; if it was not, the old one is handed in again. */
  readonly residual: Parameters;
}

/** Compresses update + residual and gives what is left. `residual` is null in the first round. */
export function encodeWithFeedback(options: {
  readonly compressor: Compressor;
  readonly update: Parameters;
  readonly residual: Parameters | null;
  readonly seed: Uint8Array;
  readonly random: Random;
}): FedBack {
  const { compressor, update, seed, random } = options;
  const count = update.length;
  const residual = withResidual(update, options.residual);
  const bytes = compressor.encode(residual, { seed, random });
  const sent = compressor.decode(bytes, { seed, count });
  invariant(sent.ok, "Cannot feed back: our own encoding is not read");
  for (let i = 0; i < count; i++) residual[i] = residual[i]! - sent.values[i]!;
  return { bytes, residual };
}

/** update + residual, in numbers of its own; nothing is added where `residual` is null. */
export function withResidual(update: Parameters, residual: Parameters | null): Parameters {
  const whole = update.slice();
  if (residual === null) return whole;
  invariant(
    residual.length === whole.length,
    () => `Cannot feed back: ${residual.length} numbers are kept, the update has ${whole.length}`,
  );
  for (let i = 0; i < whole.length; i++) whole[i] = whole[i]! + residual[i]!;
  return whole;
}
