/** What every bench returns, and how one is measured: several rounds, of which the median counts. */

/** One measured number. */
export interface Figure {
  /** Unique and stable: "kernel tells, 1,000 in flight". */
  readonly name: string;
  readonly value: number;
  /** "1/s", "ms", "B"; what is better follows from it. */
  readonly unit: string;
  /** What it must reach (rates) or stay below (times, sizes). */
  readonly limit?: number;
  /** Against something that was measured in the same run; `note` says what. */
  readonly ratio?: number;
  readonly note?: string;
}

/** The middle value; of two middle ones the smaller. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[(sorted.length - 1) >> 1] ?? NaN;
}

/** Operations per second of `body`, which does `operations` of them: one round to warm up, then the median of `rounds`. */
export async function ratePerSecond(
  options: { readonly operations: number; readonly rounds: number },
  body: () => Promise<void> | void,
): Promise<number> {
  await body();
  const rates: number[] = [];
  for (let round = 0; round < options.rounds; round++) {
    const startedMs = performance.now();
    await body();
    rates.push(options.operations / (performance.now() - startedMs) * 1_000);
  }
  return median(rates);
}
