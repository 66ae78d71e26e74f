/** How many rounds a run took to reach an accuracy, counted as McMahan et al. 2017 (section 3) count. */

/**
 * The curve is made monotone by the best accuracy so far, its points are joined by straight lines, and where that crosses the target is the answer
 * (a fraction of a round). `accuracies[i]` was measured after round i + 1. Null when the target was not reached.
 */
export function roundsToTarget(accuracies: readonly number[], target: number): number | null {
  let best = -Infinity;
  for (const [i, accuracy] of accuracies.entries()) {
    if (accuracy >= target) {
      // Before the first round nothing was measured: there is no line to it.
      if (i === 0) return 1;
      return i + (target - best) / (accuracy - best);
    }
    best = Math.max(best, accuracy);
  }
  return null;
}
