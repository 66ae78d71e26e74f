/**
 * Random-k: one number out of each of k equal stretches, chosen by the seed both ends know, so no places are sent; with the shared seed all
 * devices choose the same places. Wangni, Wang, Liu, Zhang: "Gradient Sparsification for Communication-Efficient Distributed
 * Optimization", NeurIPS 2018; one from each stretch instead of anywhere, which errs less. Without feedback each number is multiplied
 * by the length of its stretch and unbiased; with feedback it is sent as it is (Stich, Cordonnier, Jaggi: "Sparsified SGD with Memory",
 * NeurIPS 2018).
 */
import { seededStream } from "../data/seeded_stream.ts";
import { parameterBytes, parametersFromBytes } from "../parameters.ts";
import { type Compressor, requireModerate, VALUE_MAX } from "./compressor.ts";
import { FRAME_HEADER_BYTES, headerRefusal, writeHeader } from "./frame.ts";
import { chosenCount } from "./top_k.ts";

/** The compressor; `share` of the numbers is sent, 0 < share ≤ 1. */
export function randomK(
  { share, feedback }: { readonly share: number; readonly feedback: boolean },
): Compressor {
  const size = (count: number) => FRAME_HEADER_BYTES + 4 * chosenCount(count, share);
  return {
    name: "randomK",
    feedback,
    bytesMax: size,
    encode(update, { seed }) {
      requireModerate(update, "randomK");
      const { places, lengths } = stretches(update.length, chosenCount(update.length, share), seed);
      const chosen = Float32Array.from(
        places,
        (place, i) => update[place]! * (feedback ? 1 : lengths[i]!),
      );
      const bytes = new Uint8Array(size(update.length));
      writeHeader(bytes, { method: "randomK", bits: 32, count: update.length, seed });
      bytes.set(parameterBytes(chosen), FRAME_HEADER_BYTES);
      return bytes;
    },
    decode(bytes, { seed, count }) {
      const refusal = headerRefusal(bytes, { method: "randomK", bits: 32, count, seed }, {
        least: size(count),
        most: size(count),
      });
      if (refusal !== undefined) return { ok: false, reason: refusal };
      const chosen = parametersFromBytes(bytes.subarray(FRAME_HEADER_BYTES))!;
      if (!chosen.every((value) => Math.abs(value) <= VALUE_MAX * count)) {
        return { ok: false, reason: "malformed" };
      }
      const decoded = new Float32Array(count);
      stretches(count, chosen.length, seed).places.forEach((place, i) =>
        decoded[place] = chosen[i]!
      );
      return { ok: true, values: decoded };
    },
  };
}

/** One place in each of k stretches, and their lengths: stretch i is ⌊i·count/k⌋ … ⌊(i+1)·count/k⌋ − 1; the place in it is the i-th draw below its length. */
export function stretches(count: number, k: number, seed: Uint8Array) {
  const stream = seededStream(seed).fork("places");
  const places = new Uint32Array(k);
  const lengths = new Uint32Array(k);
  for (let i = 0; i < k; i++) {
    const from = Math.floor(i * count / k);
    const length = Math.floor((i + 1) * count / k) - from;
    lengths[i] = length;
    places[i] = from + stream.below(length);
  }
  return { places, lengths };
}
