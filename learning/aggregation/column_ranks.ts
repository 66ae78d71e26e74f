/**
 * Order statistics of every coordinate over some clients. Few clients: Batcher's merge-exchange network over whole rows (Knuth, The Art of
 * Computer Programming 3, algorithm 5.2.2M), by vector instructions. Very many: Hoare's selection, one column at a time.
 */
import type { Tile, TileOptions } from "./tiles.ts";

/** From here on selecting beats the network, whose comparators grow faster than the number of clients. */
const NETWORK_CLIENTS_MAX = 512;

/** For whoever walks over tiles to fold them: putting a number into its place takes some four times as long as reading it. */
export const COLUMN_TILES: TileOptions = { workPerNumber: 4 };

/** Gets the column's numbers, of which those of ranks `from` to `to` stand at these indices, and the coordinate. Result is that coordinate's. */
export type ColumnFold = (column: Float32Array<ArrayBuffer>) => number;

/** Which ranks of a column a rule reads, counted from 0. */
export interface RankRange {
  readonly from: number;
  readonly to: number;
  /** Whether the numbers between `from` and `to` must be ascending too. */
  readonly sorted: boolean;
}

/** Makes a function that folds every column of a tile into `result`. Its buffers are made once and used for all tiles. */
export function columnFolder(clients: number, ranks: RankRange, fold: ColumnFold) {
  const column = new Float32Array(clients);
  const comparators = clients <= NETWORK_CLIENTS_MAX ? mergeExchange(clients) : undefined;
  const first = comparators === undefined ? 0 : ranks.from;
  const last = comparators === undefined ? clients - 1 : ranks.to;
  return (tile: Tile, result: Float32Array<ArrayBuffer>): void => {
    const { rows, start, length } = tile;
    if (comparators !== undefined) sortRows(tile, comparators);
    for (let i = 0; i < length; i++) {
      for (let row = first; row <= last; row++) column[row] = rows[row]![i]!;
      if (comparators === undefined) order(column, ranks);
      result[start + i] = fold(column);
    }
  };
}

/** Bytes beside the tile. */
export function columnFolderBytes(clients: number): number {
  return 4 * clients;
}

function order(column: Float32Array<ArrayBuffer>, { from, to, sorted }: RankRange): void {
  if (sorted) {
    column.sort();
    return;
  }
  select(column, 0, column.length - 1, from);
  if (to > from) select(column, from + 1, column.length - 1, to);
}

/** Puts the number of rank `rank` at its index, smaller ones in front of it and larger ones behind, between `left` and `right`. */
function select(
  column: Float32Array<ArrayBuffer>,
  left: number,
  right: number,
  rank: number,
): void {
  let [low, high] = [left, right];
  while (low < high) {
    const pivot = column[rank]!;
    let [i, j] = [low, high];
    while (i <= j) {
      while (column[i]! < pivot) i++;
      while (column[j]! > pivot) j--;
      if (i <= j) {
        const held = column[i]!;
        column[i] = column[j]!;
        column[j] = held;
        i++;
        j--;
      }
    }
    if (j < rank) low = i;
    if (rank < i) high = j;
  }
}

/** Sorts every column of the tile, in place: as integers of the same order, because these have an order without exceptions. */
function sortRows(tile: Tile, comparators: readonly number[]): void {
  const { kernels, addresses, vectorLength } = tile;
  for (const address of addresses) kernels.flip(address, vectorLength);
  for (let k = 0; k < comparators.length; k += 2) {
    kernels.exchange(addresses[comparators[k]!]!, addresses[comparators[k + 1]!]!, vectorLength);
  }
  for (const address of addresses) kernels.flip(address, vectorLength);
}

/** Pairs of indices, smaller first, that sort any `count` numbers when exchanged in this order. */
function mergeExchange(count: number): readonly number[] {
  const pairs: number[] = [];
  for (let p = 1; p < count; p *= 2) {
    for (let k = p; k >= 1; k >>= 1) {
      for (let j = k % p; j <= count - 1 - k; j += 2 * k) {
        for (let i = 0; i <= Math.min(k - 1, count - j - k - 1); i++) {
          const same = Math.floor((i + j) / (p * 2)) === Math.floor((i + j + k) / (p * 2));
          if (same) pairs.push(i + j, i + j + k);
        }
      }
    }
  }
  return pairs;
}
