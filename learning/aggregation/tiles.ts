/** Walks over updates in tiles: the same stretch of coordinates of all chosen clients, small enough for the cache. */
import type { Reading, UpdateSource } from "./update_source.ts";
import {
  borrowKernels,
  returnKernels,
  type VectorKernels,
  wholeVectors,
} from "./vector_kernels.ts";

/** Coordinates read at once of one client; sums go tile by tile, so this number is part of what makes results equal bit by bit. */
export const TILE_LENGTH = 4_096;
/** Numbers of all clients in one tile: 1 MiB. */
const TILE_NUMBERS = 1 << 18;
const TILE_LENGTH_MIN = 64;

/** Coordinates per tile for so many clients. */
function tileLength(clients: number, numbersMax = TILE_NUMBERS): number {
  const fitting = Math.floor(numbersMax / clients / TILE_LENGTH_MIN) * TILE_LENGTH_MIN;
  return Math.max(TILE_LENGTH_MIN, Math.min(TILE_LENGTH, fitting));
}

/** Bytes of one tile buffer for so many clients. */
export function tileBytes(clients: number): number {
  return 4 * clients * tileLength(clients);
}

/** One stretch of coordinates. */
export interface Tile {
  /** `rows[i]` holds the numbers of `clients[i]`; only the first `length` count. Overwritten by the next tile. */
  readonly rows: readonly Float32Array<ArrayBuffer>[];
  /** Where the rows begin in the kernels' memory. */
  readonly addresses: readonly number[];
  readonly kernels: VectorKernels;
  /** Where the room that was asked for begins in it. Zero at first; what is written there stays until the last tile. */
  readonly room: number;
  /** `length` up to whole vectors; what was filled up is zero. */
  readonly vectorLength: number;
  readonly start: number;
  readonly length: number;
}

/** What a visitor of tiles needs beside them. */
export interface TileOptions {
  /** Bytes of the kernels' memory for itself. Default 0. */
  readonly roomBytes?: number;
  /** Numbers of all clients in one tile at most. Default 2^18. */
  readonly numbersMax?: number;
  /** How much it does with each number, in reading it once. Default 1. */
  readonly workPerNumber?: number;
}

/** Calls `visit` for every tile of the chosen clients, from the first coordinate to the last. */
export function* forEachTile(
  source: UpdateSource,
  clients: readonly number[],
  visit: (tile: Tile) => void,
  { roomBytes = 0, numbersMax, workPerNumber = 1 }: TileOptions = {},
): Reading<void> {
  const step = tileLength(clients.length, numbersMax);
  const room = 4 * clients.length * step;
  const kernels = borrowKernels(room + roomBytes);
  try {
    new Uint8Array(kernels.memory, room, roomBytes).fill(0);
    const addresses = clients.map((_, row) => 4 * row * step);
    const rows = addresses.map((address) => new Float32Array(kernels.memory, address, step));
    for (let start = 0; start < source.count; start += step) {
      const length = Math.min(step, source.count - start);
      const vectorLength = wholeVectors(length);
      yield { start, length, work: workPerNumber * length * clients.length };
      clients.forEach((client, index) => {
        const row = rows[index]!;
        source.read(client, start, length === step ? row : row.subarray(0, length));
        if (vectorLength > length) row.fill(0, length, vectorLength);
      });
      visit({ rows, addresses, kernels, room, start, length, vectorLength });
    }
  } finally {
    returnKernels(kernels);
  }
}

/** 0, 1, … clients − 1. */
export function allClients(source: UpdateSource): readonly number[] {
  return Array.from({ length: source.clients }, (_, client) => client);
}

/** Sum of squares of the first `length` numbers, always added in the same order. */
function squaredNorm(values: Float32Array<ArrayBuffer>, length = values.length): number {
  let [a, b, c, d] = [0, 0, 0, 0];
  const whole = length & ~3;
  for (let i = 0; i < whole; i += 4) {
    const [p, q, r, s] = [values[i]!, values[i + 1]!, values[i + 2]!, values[i + 3]!];
    a += p * p;
    b += q * q;
    c += r * r;
    d += s * s;
  }
  for (let i = whole; i < length; i++) a += values[i]! * values[i]!;
  return a + b + (c + d);
}

/** Euclidean norm of one update. The same bits whether it is held or read in tiles. */
export function normOf(values: Float32Array<ArrayBuffer>): number {
  let sum = 0;
  for (let start = 0; start < values.length; start += TILE_LENGTH) {
    sum += squaredNorm(values.subarray(start, start + TILE_LENGTH));
  }
  return Math.sqrt(sum);
}

/** Euclidean norm of every client's update, read in tiles. The same bits as `normOf`. */
export function* normsOf(source: UpdateSource): Reading<Float64Array<ArrayBuffer>> {
  const buffer = new Float32Array(Math.min(TILE_LENGTH, source.count));
  const sums = new Float64Array(source.clients);
  for (let start = 0; start < source.count; start += TILE_LENGTH) {
    const length = Math.min(TILE_LENGTH, source.count - start);
    const part = buffer.subarray(0, length);
    yield { start, length };
    for (let client = 0; client < source.clients; client++) {
      source.read(client, start, part);
      sums[client]! += squaredNorm(part);
    }
  }
  return sums.map(Math.sqrt);
}
