/** Squared Euclidean distances between all updates, read once in tiles: what Krum and Bulyan choose by. */
import { allClients, forEachTile, type Tile, tileBytes, type TileOptions } from "./tiles.ts";
import type { Reading, UpdateSource } from "./update_source.ts";

/**
 * Below it, squares of single precision are so small that they lost digits, or were lost: with 2^24 numbers not more than 10^-7 of this. Updates are far from
 * it, but for two that are equal.
 */
const SQUARES_MIN = 1e-30;
/** Numbers of a tile: half a MiB, so that among a thousand updates comparing them is done in ten milliseconds. */
const TILE_NUMBERS = 1 << 17;
/** Comparing two numbers, to reading one. */
const WORK_PER_PAIR = 1 / 8;

/**
 * A symmetric matrix: entry [i · clients + j] is ‖xᵢ − xⱼ‖². Sums of differences, so near updates keep their digits; squares in single precision, to some
 * 10^-6, and where that does not reach, for huge and for tiny distances, in double.
 */
export function* pairwiseDistances(source: UpdateSource): Reading<Float64Array<ArrayBuffer>> {
  const { clients, count } = source;
  const distances = new Float64Array(clients * clients);
  const options = { numbersMax: TILE_NUMBERS, workPerNumber: 1 + WORK_PER_PAIR * clients / 2 };
  const visit = (tile: Tile) => {
    const { kernels, addresses, room, start, length, vectorLength } = tile;
    const stride = (addresses[1] ?? 0) - addresses[0]!;
    kernels.pairDistances(addresses[0]!, stride, clients, vectorLength, room);
    if (start + length < count) return;
    distances.set(new Float64Array(kernels.memory, room, distances.length));
  };
  const roomBytes = distances.byteLength;
  yield* forEachTile(source, allClients(source), visit, { ...options, roomBytes });
  yield* outOfRange(source, distances, options);
  for (let i = 0; i < clients; i++) {
    for (let j = 0; j < i; j++) distances[i * clients + j] = distances[j * clients + i]!;
  }
  return distances;
}

/** Makes the distances that single precision cannot hold once more. Reads nothing when there are none. */
function* outOfRange(
  source: UpdateSource,
  distances: Float64Array<ArrayBuffer>,
  options: TileOptions,
): Reading<void> {
  const { clients } = source;
  const pairs: { readonly i: number; readonly j: number }[] = [];
  for (let i = 0; i < clients; i++) {
    for (let j = i + 1; j < clients; j++) {
      const distance = distances[i * clients + j]!;
      if (distance >= SQUARES_MIN && distance < Infinity) continue;
      distances[i * clients + j] = 0;
      pairs.push({ i, j });
    }
  }
  if (pairs.length === 0) return;
  yield* forEachTile(source, allClients(source), ({ kernels, addresses, vectorLength }) => {
    for (const { i, j } of pairs) {
      distances[i * clients + j]! += kernels.squaredDistance(
        addresses[i]!,
        addresses[j]!,
        vectorLength,
      );
    }
  }, options);
}

/** Bytes of tile and matrix, which is there twice while the last tile is read. */
export function pairwiseDistancesBytes(clients: number): number {
  return tileBytes(clients) + 16 * clients * clients;
}
