/**
 * Updates that lie on a disk because together they do not fit into memory. They are written one by one and read across: a block of the same coordinates of all of
 * them stands together, two blocks are in memory at a time, and a rule that reads in stretches finds the same numbers as if all were held.
 */
import type { Scratch } from "../../platform/ports.ts";
import { invariant } from "../../platform/invariant.ts";
import { TILE_LENGTH } from "./tiles.ts";
import {
  checkUpdate,
  type ClientUpdate,
  type Stretch,
  type UpdateSource,
} from "./update_source.ts";

/** Coordinates of a block. A stretch is no longer, so it lies in two blocks at most. */
const BLOCK_LENGTH = TILE_LENGTH;
const BLOCKS_HELD = 2;

/** Memory that reading needs for so many updates, bytes: 32 MiB for 1,024. */
export function storedUpdatesBytes(clients: number): number {
  return BLOCKS_HELD * 4 * BLOCK_LENGTH * clients;
}

/** A source that must be asked to bring a stretch before it is read. */
export interface StoredSource extends UpdateSource {
  /** True when `read` would find the stretch. */
  has(stretch: Stretch): boolean;
  /** Brings the stretch; others may be gone then. Rejects when the disk fails. */
  bring(stretch: Stretch): Promise<void>;
}

/** Takes updates, then becomes their source. */
export class StoredUpdates {
  readonly #scratch: Scratch;
  readonly #count: number;
  readonly #clientsMax: number;
  readonly #weights: number[] = [];

  /** `count` numbers in each of at most `clientsMax` updates. */
  constructor(
    options: { readonly scratch: Scratch; readonly count: number; readonly clientsMax: number },
  ) {
    this.#scratch = options.scratch;
    this.#count = options.count;
    this.#clientsMax = options.clientsMax;
  }

  /** Writes an update behind those before it. Throws an `AggregationError` when it is faulty. */
  async add(update: ClientUpdate): Promise<void> {
    const { values, weight } = update;
    const place = this.#weights.length;
    invariant(
      place < this.#clientsMax,
      () => `Cannot store an update: there is room for ${this.#clientsMax}`,
    );
    checkUpdate(update, this.#count);
    this.#weights.push(weight);
    for (let start = 0; start < this.#count; start += BLOCK_LENGTH) {
      const part = values.subarray(start, start + BLOCK_LENGTH);
      const bytes = new Uint8Array(part.buffer, part.byteOffset, part.byteLength);
      await this.#scratch.write(this.#addressOf(start, place), bytes);
    }
  }

  /** All that were added, in their order. */
  source(): StoredSource {
    const count = this.#count;
    const weights = this.#weights;
    const blocks = new Map<number, Float32Array<ArrayBuffer>>();
    const spare: Float32Array<ArrayBuffer>[] = [];
    const blockOf = (coordinate: number) => Math.floor(coordinate / BLOCK_LENGTH);
    const blocksOf = ({ start, length }: Stretch) => {
      const [first, last] = [blockOf(start), blockOf(start + length - 1)];
      return first === last ? [first] : [first, last];
    };
    const read = async (block: number) => {
      // The memory of a block that is not needed any more, if there is one.
      const numbers = spare.pop() ?? new Float32Array(weights.length * BLOCK_LENGTH);
      const bytes = new Uint8Array(numbers.buffer);
      await this.#scratch.read(this.#addressOf(block * BLOCK_LENGTH, 0), bytes);
      blocks.set(block, numbers);
    };
    return {
      clients: weights.length,
      count,
      weight: (client) => weights[client]!,
      has: (stretch) => blocksOf(stretch).every((block) => blocks.has(block)),
      bring: async (stretch) => {
        const wanted = blocksOf(stretch);
        const missing = wanted.filter((block) => !blocks.has(block));
        for (const [block, numbers] of [...blocks]) {
          if (wanted.includes(block) || blocks.size + missing.length <= BLOCKS_HELD) continue;
          blocks.delete(block);
          spare.push(numbers);
        }
        for (const block of missing) await read(block);
      },
      read(client, start, into) {
        for (let done = 0; done < into.length;) {
          const [block, offset] = [blockOf(start + done), (start + done) % BLOCK_LENGTH];
          const numbers = blocks.get(block);
          invariant(
            numbers !== undefined,
            () => `Cannot read coordinate ${start + done}: it was not asked for before`,
          );
          const length = Math.min(BLOCK_LENGTH - offset, into.length - done);
          const from = client * BLOCK_LENGTH + offset;
          into.set(numbers.subarray(from, from + length), done);
          done += length;
        }
      },
    };
  }

  /** Where the numbers of an update from the start of a block on are, bytes. The last block takes as much room as the others. */
  #addressOf(start: number, place: number): number {
    return 4 * (start * this.#clientsMax + place * BLOCK_LENGTH);
  }
}
