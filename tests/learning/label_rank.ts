/** Where a label stands when a row of outputs is sorted, the largest first and equal ones in their order; 0 for the first. */
export function labelRank(outputs: ArrayLike<number>, label: number): number {
  return Array.from(outputs, (value, k) => ({ value, k }))
    .toSorted((a, b) => b.value - a.value || a.k - b.k)
    .findIndex(({ k }) => k === label);
}
