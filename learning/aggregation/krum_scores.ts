/** Krum's score of every client among some: how far it is from its nearest others. Used by Krum, multi-Krum and Bulyan. */

/**
 * Score of each of `among`: the sum of squared distances to its n − f − 2 nearest others (at least one), n being how many there are.
 * Blanchard et al. 2017, section 4.
 */
export function krumScores(options: {
  readonly distances: Float64Array<ArrayBuffer>;
  /** Side of the matrix. */
  readonly clients: number;
  /** f: how many may lie. */
  readonly faulty: number;
  readonly among: readonly number[];
}): Float64Array<ArrayBuffer> {
  const { distances, clients, faulty, among } = options;
  const near = Math.min(among.length - 1, Math.max(1, among.length - faulty - 2));
  const others = new Float64Array(Math.max(0, among.length - 1));
  return Float64Array.from(among, (client) => {
    let k = 0;
    for (const other of among) {
      if (other !== client) others[k++] = distances[client * clients + other]!;
    }
    others.sort();
    let score = 0;
    for (let i = 0; i < near; i++) score += others[i]!;
    return score;
  });
}

/** Indices of the scores, best first; of equals the smaller index: two that are each other's nearest tie when one neighbour counts. */
export function bestFirst(scores: Float64Array<ArrayBuffer>): readonly number[] {
  return Array.from(scores, (_, index) => index)
    .sort((a, b) => scores[a]! - scores[b]! || a - b);
}
