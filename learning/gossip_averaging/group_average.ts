/**
 * What a group does: everybody is responsible for one stretch of the numbers. Each sends the stretches to those responsible, gets back their
 * means: two messages of count / n numbers per pair instead of whole vectors. Ryabinin et al. 2021, section 3 ("All-Reduce").
 */
import type { Parameters } from "../parameters.ts";

/** Numbers `start` … `end` − 1. */
export interface Stretch {
  readonly start: number;
  readonly end: number;
}

/** The stretch of each of `members`, in the order of their places; lengths differ by one at most. */
export function stretches(count: number, members: number): readonly Stretch[] {
  return Array.from({ length: members }, (_, place) => ({
    start: Math.floor(place * count / members),
    end: Math.floor((place + 1) * count / members),
  }));
}

/** Mean of one stretch over those whose numbers came, in the order of their places: what the one responsible sends back. */
export function stretchMean(parts: readonly Parameters[]): Parameters {
  const mean = new Float32Array(parts[0]?.length ?? 0);
  const sum = new Float64Array(mean.length);
  for (const part of parts) {
    for (let i = 0; i < sum.length; i++) sum[i] = sum[i]! + part[i]!;
  }
  for (let i = 0; i < sum.length; i++) mean[i] = sum[i]! / parts.length;
  return mean;
}

/** Numbers of a member after the round: means where they came, its own where the one responsible has gone. */
export function assemble(
  own: Parameters,
  means: readonly (Parameters | undefined)[],
): Parameters {
  const result = own.slice();
  stretches(own.length, means.length).forEach(({ start, end }, place) => {
    const mean = means[place];
    if (mean !== undefined && mean.length === end - start) result.set(mean, start);
  });
  return result;
}
