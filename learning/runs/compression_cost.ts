/** What compressing cost one device's own update of a round. It stays on the device: told to others it would be one more release of what was learned there. */
import { normalisedError } from "../compression/normalised_error.ts";
import { decodeSumVector } from "../compression/sum_vector.ts";
import { withResidual } from "../compression/error_feedback.ts";
import type { Parameters } from "../parameters.ts";
import type { OpenedPlan } from "./opened_plan.ts";
import { sumFormOf } from "./secure_round.ts";
import { exactUpdate, type LocalUpdate, type LocalUpdateOptions, readUpdate } from "./update.ts";

/**
 * ‖u − û‖² ÷ ‖u‖²: u is what was compressed (trained, clipped where the device clips, and with what compression has left out before), û what its bytes stand for, alone
 * in their sum where sums are secure. Where something is left out for later, it is the share of the square that comes later. Null where the plan
 * compresses nothing, and where there is no ratio: an update of zeros that rounding at random has moved.
 */
export function compressionError(
  opened: OpenedPlan,
  update: LocalUpdate,
  options: Pick<
    LocalUpdateOptions,
    "subject" | "before" | "after" | "devices" | "residual" | "crypto"
  >,
): number | null {
  const { before, after, devices, residual } = options;
  const form = sumFormOf(opened, devices);
  if (opened.plan.compression === null) return null;
  const trained = exactUpdate(opened, { before, after });
  const exact = update.residual === null ? trained : withResidual(trained, residual);
  let sent: Parameters | undefined;
  if (update.type === "clear") {
    const read = readUpdate(opened, update.bytes, options);
    if (read.ok) sent = read.values;
  } else if (form?.type === "compressed") {
    sent = decodeSumVector(update.values, form.vector, 1)?.mean;
  }
  const error = sent === undefined ? NaN : normalisedError(exact, sent);
  return Number.isFinite(error) ? error : null;
}
