/** Squared Euclidean distances between all updates, read once in tiles: what Krum and Bulyan choose by. */
import { allClients, forEachTile, tileBytes } from "./tiles.ts";
import type { UpdateSource } from "./update_source.ts";

/** A symmetric matrix: entry [i · clients + j] is ‖xᵢ − xⱼ‖². Sums of differences, so near updates keep their digits. */
export function pairwiseDistances(source: UpdateSource): Float64Array<ArrayBuffer> {
  const { clients } = source;
  const distances = new Float64Array(clients * clients);
  forEachTile(source, allClients(source), ({ rows, length }) => {
    for (let i = 0; i < clients; i++) {
      let j = i + 1;
      for (; j + 1 < clients; j += 2) {
        addTwo(distances, i * clients + j, rows[i]!, rows[j]!, rows[j + 1]!, length);
      }
      if (j < clients) {
        distances[i * clients + j]! += squaredDistance(rows[i]!, rows[j]!, length);
      }
    }
  });
  for (let i = 0; i < clients; i++) {
    for (let j = 0; j < i; j++) distances[i * clients + j] = distances[j * clients + i]!;
  }
  return distances;
}

/** Bytes of tile and matrix. */
export function pairwiseDistancesBytes(clients: number): number {
  return tileBytes(clients) + 8 * clients * clients;
}

/** ‖a − b‖² over the first `length` numbers. */
export function squaredDistance(
  a: Float32Array<ArrayBuffer>,
  b: Float32Array<ArrayBuffer>,
  length: number,
): number {
  let [even, odd] = [0, 0];
  const whole = length & ~1;
  for (let i = 0; i < whole; i += 2) {
    const [p, q] = [a[i]! - b[i]!, a[i + 1]! - b[i + 1]!];
    even += p * p;
    odd += q * q;
  }
  if (whole < length) even += (a[whole]! - b[whole]!) ** 2;
  return even + odd;
}

/** Two distances from one row at once: every number of `a` is read once for both. The same bits as `squaredDistance`. */
function addTwo(
  distances: Float64Array<ArrayBuffer>,
  at: number,
  a: Float32Array<ArrayBuffer>,
  b: Float32Array<ArrayBuffer>,
  c: Float32Array<ArrayBuffer>,
  length: number,
): void {
  let [evenB, oddB, evenC, oddC] = [0, 0, 0, 0];
  const whole = length & ~1;
  for (let i = 0; i < whole; i += 2) {
    const [p, q] = [a[i]!, a[i + 1]!];
    const [pb, qb, pc, qc] = [p - b[i]!, q - b[i + 1]!, p - c[i]!, q - c[i + 1]!];
    evenB += pb * pb;
    oddB += qb * qb;
    evenC += pc * pc;
    oddC += qc * qc;
  }
  if (whole < length) {
    evenB += (a[whole]! - b[whole]!) ** 2;
    evenC += (a[whole]! - c[whole]!) ** 2;
  }
  distances[at]! += evenB + oddB;
  distances[at + 1]! += evenC + oddC;
}
