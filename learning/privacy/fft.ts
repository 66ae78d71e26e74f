/** Complex fast Fourier transform of a power-of-two length, in place, radix 2 with one table of twiddle factors. */
import { invariant } from "../../platform/invariant.ts";

/** Transforms arrays of one length; the tables are made once. */
export interface Fft {
  readonly length: number;
  /** Replaces (re, im) by Σ x_j e^(−2πi jk/n). */
  forward(re: Float64Array, im: Float64Array): void;
  /** Inverse of `forward`, scaled by 1/n. */
  inverse(re: Float64Array, im: Float64Array): void;
}

/** A transform of `length` numbers, a power of two from 2 to 2^24. */
export function fftOf(length: number): Fft {
  const bits = Math.log2(length);
  invariant(
    Number.isInteger(bits) && bits >= 1 && bits <= 24,
    () => `Cannot make an FFT of length ${length}, expected a power of two from 2 to 2^24`,
  );
  const cosine = new Float64Array(length / 2);
  const sine = new Float64Array(length / 2);
  for (let k = 0; k < length / 2; k++) {
    cosine[k] = Math.cos(2 * Math.PI * k / length);
    sine[k] = Math.sin(2 * Math.PI * k / length);
  }
  const reversed = new Uint32Array(length);
  for (let k = 1; k < length; k++) {
    reversed[k] = (reversed[k >> 1]! >> 1) | ((k & 1) << (bits - 1));
  }

  const transform = (re: Float64Array, im: Float64Array) => {
    invariant(
      re.length === length && im.length === length,
      () => `Cannot transform ${re.length} and ${im.length} numbers, expected ${length}`,
    );
    for (let k = 0; k < length; k++) {
      const other = reversed[k]!;
      if (other <= k) continue;
      const [a, b] = [re[k]!, im[k]!];
      re[k] = re[other]!;
      im[k] = im[other]!;
      re[other] = a;
      im[other] = b;
    }
    for (let half = 1; half < length; half *= 2) {
      const step = length / (2 * half);
      for (let start = 0; start < length; start += 2 * half) {
        for (let j = 0, t = 0; j < half; j++, t += step) {
          const top = start + j;
          const low = top + half;
          const c = cosine[t]!;
          const s = sine[t]!;
          const x = re[low]! * c + im[low]! * s;
          const y = im[low]! * c - re[low]! * s;
          re[low] = re[top]! - x;
          im[low] = im[top]! - y;
          re[top] = re[top]! + x;
          im[top] = im[top]! + y;
        }
      }
    }
  };

  return {
    length,
    forward: transform,
    inverse(re, im) {
      // Swapping real and imaginary parts conjugates; doing it before and after inverts.
      transform(im, re);
      for (let k = 0; k < length; k++) {
        re[k] = re[k]! / length;
        im[k] = im[k]! / length;
      }
    },
  };
}
