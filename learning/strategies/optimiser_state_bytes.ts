/** An optimiser's state as bytes: what is stored with a model version. Little-endian, exact, read strictly. */
import { isFinite, parameterBytes, parametersFromBytes } from "../parameters.ts";
import type { OptimiserState, ServerOptimiser } from "./server_optimiser.ts";

/** Version of this format. */
const VERSION = 1;
/** Version, number of slots (one byte each), two zero bytes, step and count (32 bits each). */
const HEADER_BYTES = 12;

/** The state of a model of `count` numbers. */
export function optimiserStateBytes(state: OptimiserState, count: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(HEADER_BYTES + 4 * count * state.slots.length);
  const view = new DataView(bytes.buffer);
  bytes[0] = VERSION;
  bytes[1] = state.slots.length;
  view.setUint32(4, state.step, true);
  view.setUint32(8, count, true);
  state.slots.forEach((slot, index) =>
    bytes.set(parameterBytes(slot), HEADER_BYTES + 4 * count * index)
  );
  return bytes;
}

/** Inverse of `optimiserStateBytes`; undefined when the bytes are not a state of this optimiser for a model of `count` numbers. Copies. */
export function optimiserStateFrom(
  bytes: Uint8Array,
  optimiser: ServerOptimiser,
  count: number,
): OptimiserState | undefined {
  if (bytes.length !== HEADER_BYTES + 4 * count * optimiser.slots) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const fits = bytes[0] === VERSION && bytes[1] === optimiser.slots &&
    bytes[2] === 0 && bytes[3] === 0 && view.getUint32(8, true) === count;
  if (!fits) return undefined;
  const slots = Array.from({ length: optimiser.slots }, (_, index) => {
    const from = HEADER_BYTES + 4 * count * index;
    return parametersFromBytes(bytes.subarray(from, from + 4 * count))!;
  });
  return slots.every(isFinite) ? { step: view.getUint32(4, true), slots } : undefined;
}
