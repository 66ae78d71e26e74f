/** Squared Euclidean distances between all updates, read once in tiles: what Krum and Bulyan choose by. */
import { allClients, forEachTile, tileBytes } from "./tiles.ts";
import type { Reading, UpdateSource } from "./update_source.ts";

/** A symmetric matrix: entry [i · clients + j] is ‖xᵢ − xⱼ‖². Sums of differences, so near updates keep their digits. */
export function* pairwiseDistances(source: UpdateSource): Reading<Float64Array<ArrayBuffer>> {
  const { clients } = source;
  const distances = new Float64Array(clients * clients);
  yield* forEachTile(source, allClients(source), ({ kernels, addresses, vectorLength }) => {
    for (let i = 0; i < clients; i++) {
      for (let j = i + 1; j < clients; j++) {
        distances[i * clients + j]! += kernels.squaredDistance(
          addresses[i]!,
          addresses[j]!,
          vectorLength,
        );
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
