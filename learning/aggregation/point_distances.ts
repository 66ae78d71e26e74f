/** How far updates are from a point that moves: for rules that walk towards it. */
import { TILE_LENGTH } from "./tiles.ts";
import type { UpdateSource } from "./update_source.ts";

/** Euclidean distance of every client's update to the point; reads all numbers once. */
export function distancesTo(
  source: UpdateSource,
  point: Float64Array<ArrayBuffer>,
): Float64Array<ArrayBuffer> {
  const squares = new Float64Array(source.clients);
  forEachPart(source, (client, start, part) => {
    let sum = 0;
    for (let i = 0; i < part.length; i++) {
      const difference = part[i]! - point[start + i]!;
      sum += difference * difference;
    }
    squares[client]! += sum;
  });
  return squares.map(Math.sqrt);
}

/** Visits all clients' numbers, stretch by stretch, the clients in their order within each. `part` is overwritten by the next visit. */
export function forEachPart(
  source: UpdateSource,
  visit: (client: number, start: number, part: Float32Array<ArrayBuffer>) => void,
): void {
  const buffer = new Float32Array(Math.min(TILE_LENGTH, source.count));
  for (let start = 0; start < source.count; start += TILE_LENGTH) {
    const part = buffer.subarray(0, Math.min(TILE_LENGTH, source.count - start));
    for (let client = 0; client < source.clients; client++) {
      source.read(client, start, part);
      visit(client, start, part);
    }
  }
}
