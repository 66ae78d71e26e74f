/** Nearest of the best 2^b values for a normal number, found by a table: one look and at most one comparison. */
import { invariant } from "../../platform/invariant.ts";
import { POSITIVE_CENTROIDS } from "./centroids.ts";

/** The table covers ±REACH; cells are narrower than the distance of any two thresholds, so a cell holds at most one. */
const REACH = 5;
const CELLS = 4_096;

export interface NormalQuantiser {
  /** Values by code, ascending. */
  readonly centroids: Float64Array<ArrayBuffer>;
  /** `thresholds[c]` lies between the values of c and c + 1; the last one is infinite. */
  readonly thresholds: Float64Array<ArrayBuffer>;
  /** Code at the left edge of each cell. */
  readonly cells: Uint8Array<ArrayBuffer>;
}

const quantisers: NormalQuantiser[] = [];

/** The quantiser for 1 to 8 bits. */
export function normalQuantiser(bits: number): NormalQuantiser {
  const positive = POSITIVE_CENTROIDS[bits - 1];
  invariant(
    positive !== undefined,
    () => `Cannot quantise to ${bits} bits: expected an integer from 1 to 8`,
  );
  return quantisers[bits] ??= build(positive);
}

/**
 * Writes the codes of the first `length` numbers, each first multiplied by `factor`; gives the sum of number times value,
 * with the numbers as they are.
 */
export function quantiseNormal(
  { centroids, thresholds, cells }: NormalQuantiser,
  options: {
    readonly values: Float32Array<ArrayBuffer>;
    readonly length: number;
    readonly factor: number;
    readonly codes: Uint8Array;
  },
): number {
  const { values, length, factor, codes } = options;
  const perUnit = factor * (CELLS / (2 * REACH));
  let dot = 0;
  for (let i = 0; i < length; i++) {
    const value = values[i]!;
    const cell = Math.min(CELLS - 1, Math.max(0, value * perUnit + CELLS / 2)) | 0;
    let code = cells[cell]!;
    if (value * factor > thresholds[code]!) code += 1;
    codes[i] = code;
    dot += value * centroids[code]!;
  }
  return dot;
}

function build(positive: readonly number[]): NormalQuantiser {
  const centroids = Float64Array.from([...positive.map((value) => -value).reverse(), ...positive]);
  const thresholds = centroids.map((value, code) =>
    (value + (centroids[code + 1] ?? Infinity)) / 2
  );
  const cells = new Uint8Array(CELLS);
  for (let cell = 0, code = 0; cell < CELLS; cell++) {
    const left = (cell / CELLS) * 2 * REACH - REACH;
    // The first cell stands for everything to its left, too.
    while (cell > 0 && left > thresholds[code]!) code++;
    cells[cell] = code;
  }
  return { centroids, thresholds, cells };
}
