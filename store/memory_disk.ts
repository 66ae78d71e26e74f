/**
 * The disk under a memory store: what survives when the simulated device loses power, and the faults that a world may set.
 *
 * A transaction is on the disk when the promise of its call has resolved, as with synchronous=FULL. A crash may also lose
 * what no one was told of: `mark` and `loseSince` take such transactions back.
 */
import type { Block } from "../protocols/blocks/block.ts";
import type { BlockId, ContentHash, DeviceId } from "../protocols/ids.ts";
import { invariant } from "../platform/invariant.ts";
import { emptyMail, type MemoryMailTables } from "./memory_mail.ts";
import type { MemoryReadingsTable } from "./memory_readings.ts";
import { type Damage, type SearchDocument, StoreError } from "./store.ts";

/** A stored block and its place. */
export interface StoredBlock {
  readonly position: number;
  /** False for the second block of an equivocation. */
  readonly counts: boolean;
  block: Block;
  /** Whether some known block supersedes or removes it. */
  replaced: boolean;
}

/** Where a block that was set aside belongs. */
export interface SetAside {
  readonly id: BlockId;
  readonly author: DeviceId;
  readonly sequence: number;
  readonly position: number;
  readonly counts: boolean;
}

/** Everything a store keeps. */
export class MemoryTables {
  readonly blocks = new Map<BlockId, StoredBlock>();
  /** By position; a hole is a block that was set aside. */
  readonly order: (StoredBlock | undefined)[] = [];
  /** By author, by sequence − 1: the block that counts there, set aside or not. */
  readonly logs = new Map<DeviceId, BlockId[]>();
  /** By author: the other blocks of equivocations. */
  readonly twins = new Map<DeviceId, StoredBlock[]>();
  /** By target, in the order stored: blocks that supersede or remove it. */
  readonly targeting = new Map<BlockId, StoredBlock[]>();
  readonly setAside = new Map<BlockId, SetAside>();
  readonly chunks = new Map<ContentHash, Uint8Array>();
  /** Null: nothing to index. */
  readonly documents = new Map<BlockId, SearchDocument | null>();
  /** JSON by key. */
  readonly settings = new Map<string, string>();
  readonly mail: MemoryMailTables = emptyMail();
  readonly readings: MemoryReadingsTable = new Map();
  /** Positions below this were here at the last clean stop. */
  cleanPosition = 0;
}

export type MemoryWrite = "blocks" | "chunks" | "search" | "settings" | "mail" | "readings";

export interface MemoryFaults {
  /** Every write is refused with reason "full". */
  full?: boolean;
  /** Every write is refused with reason "readOnly". */
  readOnly?: boolean;
  /** Runs before each write: wait to be a slow disk, throw a `StoreError` to be a failing one. */
  beforeWrite?: (write: MemoryWrite) => Promise<void> | void;
}

/** Takes one change back. */
export type Undo = () => void;

/** A disk that lives in memory. Open stores on it with `openMemoryStore({ disk })`. */
export class MemoryDisk {
  readonly tables = new MemoryTables();
  /** Faults the world has set; empty is a healthy disk. */
  faults: MemoryFaults = {};
  readonly #undoMax: number;
  readonly #undo: Undo[][] = [];
  #transactions = 0;
  #epoch = 0;
  #tail: Promise<void> | undefined;

  /** @param options `undoTransactionsMax`: how many of the newest transactions `loseSince` can take back; default 0 */
  constructor(options: { readonly undoTransactionsMax?: number } = {}) {
    this.#undoMax = options.undoTransactionsMax ?? 0;
  }

  /** Grows by one with every crash: a store opened before it no longer works. */
  get epoch(): number {
    return this.#epoch;
  }

  /** How many transactions the disk has had. Remember it when a node has heard of a success. */
  mark(): number {
    return this.#transactions;
  }

  /**
   * The device loses power: open stores are dead, writes that were under way never happen.
   *
   * @param loseSince also take back every transaction after this mark (whose success nobody had heard of)
   */
  crash(loseSince?: number): void {
    this.#epoch++;
    this.#tail = undefined;
    if (loseSince === undefined) return;
    const lost = this.#transactions - loseSince;
    invariant(
      lost >= 0 && lost <= this.#undo.length,
      () => `Cannot take back ${lost} transactions: ${this.#undo.length} are remembered`,
    );
    for (let i = 0; i < lost; i++) {
      for (const undo of this.#undo.pop()!.reverse()) undo();
    }
    this.#transactions = loseSince;
  }

  /**
   * Runs one transaction after those before it. `change` is synchronous; what it gives to `remember` can be taken back.
   *
   * @throws {StoreError} when a fault says so; nothing was changed then
   */
  async write<T>(
    write: MemoryWrite,
    epoch: number,
    change: (remember: (undo: Undo) => void) => T,
  ): Promise<T> {
    if (this.faults.beforeWrite !== undefined || this.#tail !== undefined) {
      await this.#takeTurn(write);
    }
    if (epoch !== this.#epoch) throw lostInCrash();
    this.#refuseWhenFaulty();
    const undo: Undo[] = [];
    const result = this.#undoMax > 0 ? change((step) => undo.push(step)) : change(forgetUndo);
    this.#transactions++;
    if (this.#undoMax > 0) {
      this.#undo.push(undo);
      if (this.#undo.length > this.#undoMax) this.#undo.shift();
    }
    return result;
  }

  /** Changes one byte of what is stored under this id or hash, as a failing disk would; false when it is not here. */
  corrupt(
    what: { readonly block: BlockId; readonly part: "header" | "payload" } | {
      readonly chunk: ContentHash;
    },
  ): boolean {
    if ("chunk" in what) {
      const bytes = this.tables.chunks.get(what.chunk);
      if (bytes === undefined) return false;
      this.tables.chunks.set(what.chunk, withFlippedByte(bytes));
      return true;
    }
    const stored = this.tables.blocks.get(what.block);
    if (stored === undefined || (what.part === "payload" && !stored.block.payload?.length)) {
      return false;
    }
    stored.block = what.part === "header"
      ? { ...stored.block, headerBytes: withFlippedByte(stored.block.headerBytes) }
      : { ...stored.block, payload: withFlippedByte(stored.block.payload!) };
    return true;
  }

  async #takeTurn(write: MemoryWrite): Promise<void> {
    const before = this.#tail ?? Promise.resolve();
    const turn = before.then(() => this.faults.beforeWrite?.(write));
    const settled = turn.then(() => {}, () => {});
    this.#tail = settled;
    await turn;
    if (this.#tail === settled) this.#tail = undefined;
  }

  #refuseWhenFaulty(): void {
    if (this.faults.full) {
      throw new StoreError(
        "Cannot write: the disk is full",
        "full",
        "Free some space on the disk; the node goes on by itself.",
      );
    }
    if (this.faults.readOnly) {
      throw new StoreError(
        "Cannot write: the disk is read-only",
        "readOnly",
        "Make the data folder writable and start the node again.",
      );
    }
  }
}

function forgetUndo(): void {}

function lostInCrash(): StoreError {
  return new StoreError(
    "Cannot use the store: its device has lost power since it was opened",
    "failed",
    "Open the store again.",
  );
}

function withFlippedByte(bytes: Uint8Array): Uint8Array {
  const changed = bytes.slice();
  const middle = changed.length >> 1;
  changed[middle] = changed[middle]! ^ 1;
  return changed;
}

/** For `verify`: one finding. */
export function damageOf(table: Damage["table"], key: string, problem: string): Damage {
  return { table, key, problem };
}
