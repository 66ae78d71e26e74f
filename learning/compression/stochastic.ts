/**
 * Stochastic uniform quantisation after a rotation: each rotated number becomes one of the two levels around it, by chance in such a way that
 * its mean is the number. Suresh, Yu, Kumar, McMahan: "Distributed Mean Estimation with Limited Communication", ICML 2017, sections 2 and 3.
 * Unbiased for any fixed rotation; the error is larger than EDEN's.
 */
import { blockCompressor } from "./block_compressor.ts";
import type { Compressor } from "./compressor.ts";
import { BLOCK_LENGTH_MAX } from "./rotation.ts";
import { roundingNoise } from "./rounding_noise.ts";

/** Lowest level and distance of levels, 32-bit floats. */
const BLOCK_HEADER_BYTES = 8;

/** The compressor with 1 to 8 bits per number. */
export function stochastic({ bits }: { readonly bits: number }): Compressor {
  const levels = 2 ** bits;
  return blockCompressor({
    method: "stochastic",
    bits,
    headerBytes: BLOCK_HEADER_BYTES,
    encoder(random) {
      const noise = new Uint32Array(BLOCK_LENGTH_MAX);
      const fill = roundingNoise(random);
      return ({ rotation, start, length, codes, view, at }) => {
        rotation.rotate(start, length);
        fill(noise, length);
        const [low, step] = quantise({ values: rotation.values, length, levels, noise, codes });
        view.setFloat32(at, low, true);
        view.setFloat32(at + 4, step, true);
      };
    },
    readTable(view, at, length, table) {
      const [low, step] = [view.getFloat32(at, true), view.getFloat32(at + 4, true)];
      if (!(Number.isFinite(low) && step >= 0 && step < Infinity)) return false;
      // Rotating there and back makes numbers larger by the square of the block's length.
      for (let code = 0; code < levels; code++) {
        table[code] = (low + code * step) / (length * length);
      }
      return true;
    },
  });
}

/** Codes of one rotated block; gives its lowest level and the distance of levels. */
function quantise(options: {
  readonly values: Float32Array<ArrayBuffer>;
  readonly length: number;
  readonly levels: number;
  readonly noise: Uint32Array;
  readonly codes: Uint8Array;
}): readonly [low: number, step: number] {
  const { values, length, levels, noise, codes } = options;
  let [low, high] = [Infinity, -Infinity];
  for (let i = 0; i < length; i++) {
    const value = values[i]!;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  // Rounded up to a 32-bit float, so that the highest level is not below the highest number.
  const step = Math.fround((high - low) / (levels - 1) * (1 + 2 ** -23));
  const perStep = step > 0 ? 1 / step : 0;
  for (let i = 0; i < length; i++) {
    const place = (values[i]! - low) * perStep + noise[i]! * 2 ** -32;
    codes[i] = Math.min(levels - 1, place);
  }
  return [low, step];
}
