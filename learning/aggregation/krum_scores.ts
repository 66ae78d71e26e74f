/** Krum's score of every client: how far it is from its nearest others. Used by Krum, multi-Krum and Bulyan. */

import { type Reading, workOf } from "./update_source.ts";

/** Distances of all to all: entry [i · clients + j] of a symmetric matrix. */
export interface Distances {
  readonly distances: Float64Array<ArrayBuffer>;
  /** Side of the matrix. */
  readonly clients: number;
  /** f: how many may lie. */
  readonly faulty: number;
}

/** Finding a distance its place among others, to reading a number. */
const WORK_PER_DISTANCE = 32;

/** Of how many nearest others a client is scored by: n − f − 2, at least one, among n. Blanchard et al. 2017, section 4. */
function nearOf(among: number, faulty: number): number {
  return Math.min(among - 1, Math.max(1, among - faulty - 2));
}

/** Score of each client: the sum of squared distances to its nearest others. */
export function* krumScores(
  { distances, clients, faulty }: Distances,
): Reading<Float64Array<ArrayBuffer>> {
  const near = nearOf(clients, faulty);
  const others = new Float64Array(clients - 1);
  const scores = new Float64Array(clients);
  for (let client = 0; client < clients; client++) {
    yield workOf(WORK_PER_DISTANCE * clients);
    const row = distances.subarray(client * clients, (client + 1) * clients);
    others.set(row.subarray(0, client));
    others.set(row.subarray(client + 1), client);
    others.sort();
    scores[client] = sumOf(others, near);
  }
  return scores;
}

/**
 * The first `count` of those whom Krum would choose one after another, each time asked again about those that are left. Ascending. Every client's others are
 * put in order once: one that was chosen is taken out.
 */
export function* krumRepeatedly(
  { distances, clients, faulty }: Distances,
  count: number,
): Reading<readonly number[]> {
  const left: Neighbours[] = [];
  for (let client = 0; client < clients; client++) {
    yield workOf(4 * WORK_PER_DISTANCE * clients);
    const row = distances.subarray(client * clients, (client + 1) * clients);
    const order = Uint16Array.from({ length: clients - 1 }, (_, k) => k < client ? k : k + 1)
      .sort((a, b) => row[a]! - row[b]!);
    left.push({ client, order, squares: Float64Array.from(order, (other) => row[other]!) });
  }
  const chosen: number[] = [];
  while (chosen.length < count) {
    yield workOf(left.length * left.length);
    const near = nearOf(left.length, faulty);
    const scores = Float64Array.from(left, ({ squares }) => sumOf(squares, near));
    const [{ client }] = left.splice(bestFirst(scores)[0]!, 1) as [Neighbours];
    chosen.push(client);
    for (const { order, squares } of left) {
      const place = order.indexOf(client);
      order.copyWithin(place, place + 1);
      squares.copyWithin(place, place + 1);
    }
  }
  return chosen.sort((a, b) => a - b);
}

/** Bytes that `krumRepeatedly` needs. */
export function krumRepeatedlyBytes(clients: number): number {
  return 10 * clients * clients;
}

/** A client's others that are left, nearest first; behind them stands what nobody reads. */
interface Neighbours {
  readonly client: number;
  readonly order: Uint16Array<ArrayBuffer>;
  readonly squares: Float64Array<ArrayBuffer>;
}

function sumOf(ascending: Float64Array<ArrayBuffer>, count: number): number {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += ascending[i]!;
  return sum;
}

/** Indices of the scores, best first; of equals the smaller index: two that are each other's nearest tie when one neighbour counts. */
export function bestFirst(scores: Float64Array<ArrayBuffer>): readonly number[] {
  return Array.from(scores, (_, index) => index)
    .sort((a, b) => scores[a]! - scores[b]! || a - b);
}
