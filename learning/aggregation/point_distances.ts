/** How far updates are from a point that moves: for rules that walk towards it. */
import type { Parameters } from "../parameters.ts";
import { TILE_LENGTH } from "./tiles.ts";
import type { Reading, UpdateSource } from "./update_source.ts";
import { borrowKernels, returnKernels, wholeVectors } from "./vector_kernels.ts";

/** Euclidean distance of every client's update to the point; reads all numbers once. */
export function* distancesTo(
  source: UpdateSource,
  point: Parameters,
): Reading<Float64Array<ArrayBuffer>> {
  const squares = new Float64Array(source.clients);
  const kernels = borrowKernels(8 * TILE_LENGTH);
  try {
    const centre = new Float32Array(kernels.memory, 0, TILE_LENGTH);
    const part = new Float32Array(kernels.memory, 4 * TILE_LENGTH, TILE_LENGTH);
    for (let start = 0; start < source.count; start += TILE_LENGTH) {
      const length = Math.min(TILE_LENGTH, source.count - start);
      const vectorLength = wholeVectors(length);
      centre.set(point.subarray(start, start + length));
      centre.fill(0, length, vectorLength);
      part.fill(0, length, vectorLength);
      yield { start, length };
      for (let client = 0; client < source.clients; client++) {
        source.read(client, start, part.subarray(0, length));
        squares[client]! += kernels.squaredDistance(0, 4 * TILE_LENGTH, vectorLength);
      }
    }
  } finally {
    returnKernels(kernels);
  }
  return squares.map(Math.sqrt);
}
