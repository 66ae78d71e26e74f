/**
 * Order statistics of every coordinate over some clients. Few clients: Batcher's merge-exchange network over whole rows (Knuth, The Art of
 * Computer Programming 3, algorithm 5.2.2M), without branches that depend on the data. Many: Hoare's selection, one column at a time.
 */
import type { Tile } from "./tiles.ts";

/** From here on selecting beats the network, whose comparators grow faster than the number of clients. */
const NETWORK_CLIENTS_MAX = 32;

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
  return (tile: Tile, result: Float32Array<ArrayBuffer>): void => {
    const { rows, start, length } = tile;
    if (comparators !== undefined) sortRows(rows, length, comparators);
    for (let i = 0; i < length; i++) {
      for (let row = 0; row < clients; row++) column[row] = rows[row]![i]!;
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

/** Sorts every column of the rows, in place. */
function sortRows(
  rows: readonly Float32Array<ArrayBuffer>[],
  length: number,
  comparators: readonly number[],
): void {
  const words = rows.map((row) => new Int32Array(row.buffer, row.byteOffset, length));
  words.forEach(flipNegatives);
  for (let k = 0; k < comparators.length; k += 2) {
    exchange(words[comparators[k]!]!, words[comparators[k + 1]!]!, length);
  }
  words.forEach(flipNegatives);
}

/** Turns the bits of floats into integers of the same order, and back: negative floats count downwards. */
function flipNegatives(words: Int32Array<ArrayBuffer>): void {
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    words[i] = word ^ ((word >> 31) & 0x7fffffff);
  }
}

/** After it `a` holds the smaller of each pair, `b` the larger. */
function exchange(
  a: Int32Array<ArrayBuffer>,
  b: Int32Array<ArrayBuffer>,
  length: number,
): void {
  for (let i = 0; i < length; i++) {
    const [x, y] = [a[i]!, b[i]!];
    const swap = (x ^ y) & -Number(x > y);
    a[i] = x ^ swap;
    b[i] = y ^ swap;
  }
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
