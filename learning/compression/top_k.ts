/**
 * Top-k: the numbers of largest magnitude as they are, and where they stand. Aji, Heafield: "Sparse Communication for Distributed Gradient
 * Descent", EMNLP 2017. Biased, so the device keeps what was not sent (`error_feedback.ts`).
 */
import { type Compressor, requireModerate, VALUE_MAX } from "./compressor.ts";
import { FRAME_HEADER_BYTES, headerRefusal, writeHeader } from "./frame.ts";
import { parameterBytes, parametersFromBytes } from "../parameters.ts";
import { riceBytesMax, riceDecode, riceEncode } from "./rice.ts";

/** How many of `count` numbers a share of them is: at least one. */
export function chosenCount(count: number, share: number): number {
  return Math.max(1, Math.min(count, Math.ceil(count * share)));
}

/** The compressor; `share` of the numbers is sent, 0 < share ≤ 1. */
export function topK({ share }: { readonly share: number }): Compressor {
  const values = (count: number) => 4 * chosenCount(count, share);
  const bytesMax = (count: number) =>
    FRAME_HEADER_BYTES + values(count) + riceBytesMax(count, chosenCount(count, share));
  return {
    name: "topK",
    feedback: true,
    bytesMax,
    encode(update, { seed }) {
      requireModerate(update, "topK");
      const places = largest(update, chosenCount(update.length, share));
      const chosen = Float32Array.from(places, (place) => update[place]!);
      const coded = riceEncode(places, update.length);
      const bytes = new Uint8Array(FRAME_HEADER_BYTES + 4 * chosen.length + coded.length);
      writeHeader(bytes, { method: "topK", bits: 32, count: update.length, seed });
      bytes.set(parameterBytes(chosen), FRAME_HEADER_BYTES);
      bytes.set(coded, FRAME_HEADER_BYTES + 4 * chosen.length);
      return bytes;
    },
    decode(bytes, { seed, count }) {
      const refusal = headerRefusal(bytes, { method: "topK", bits: 32, count, seed }, {
        least: FRAME_HEADER_BYTES + values(count) + 1,
        most: bytesMax(count),
      });
      if (refusal !== undefined) return { ok: false, reason: refusal };
      const end = FRAME_HEADER_BYTES + values(count);
      const chosen = parametersFromBytes(bytes.subarray(FRAME_HEADER_BYTES, end))!;
      const places = riceDecode(bytes.subarray(end), { count, chosen: chosen.length });
      if (places === undefined || !chosen.every((value) => Math.abs(value) <= VALUE_MAX)) {
        return { ok: false, reason: "malformed" };
      }
      const decoded = new Float32Array(count);
      places.forEach((place, i) => decoded[place] = chosen[i]!);
      return { ok: true, values: decoded };
    },
  };
}

/** Magnitudes are sorted into this many classes by their upper bits: exponent and the first 8 bits of the fraction. */
const CLASSES = 1 << 16;
const CLASS_SHIFT = 15;

/** Places of the k numbers of largest magnitude, ascending; of equals the first. Two passes and a sort of one class. */
export function largest(update: Float32Array<ArrayBuffer>, k: number): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(update.buffer, update.byteOffset, update.length);
  const counts = new Uint32Array(CLASSES);
  for (let i = 0; i < words.length; i++) counts[(words[i]! & 0x7fffffff) >>> CLASS_SHIFT]!++;
  // All above this class are in, of itself as many as are still missing.
  let [edge, above] = [CLASSES - 1, 0];
  while (above + counts[edge]! < k) above += counts[edge--]!;
  const edgeWords = new Uint32Array(counts[edge]!);
  for (let i = 0, n = 0; n < edgeWords.length; i++) {
    const word = words[i]! & 0x7fffffff;
    if (word >>> CLASS_SHIFT === edge) edgeWords[n++] = word;
  }
  edgeWords.sort();
  const missing = k - above;
  const least = edgeWords[edgeWords.length - missing]!;
  // How many that are exactly as large as the smallest one taken are taken.
  let equals = missing;
  for (let i = edgeWords.length - 1; edgeWords[i]! > least; i--) equals--;
  const places = new Uint32Array(k);
  for (let i = 0, n = 0; n < k; i++) {
    const word = words[i]! & 0x7fffffff;
    if (word > least || (word === least && equals-- > 0)) places[n++] = i;
  }
  return places;
}
