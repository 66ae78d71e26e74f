/** Updates in the clear that a coordinator has gathered and does not hold in memory. They lie on the disk until the round is over, one behind the other. */
import { invariant } from "../../platform/invariant.ts";
import type { Scratch } from "../../platform/ports.ts";
import type { DeviceId } from "../../protocols/ids.ts";

/** Updates as they came that a coordinator holds in memory, bytes; what comes beyond goes to the disk. */
export const GATHERED_BYTES_MAX = 64 * 1024 * 1024;

/** One attempt's updates on the disk. Its promises are waited for in tasks, never in the actor. */
export class SpilledUpdates {
  readonly #open: () => Promise<Scratch>;
  readonly #places = new Map<DeviceId, { readonly at: number; readonly bytes: number }>();
  #scratch: Promise<Scratch> | undefined;
  #end = 0;
  #isOver = false;

  /** `open` is asked for room with the first update. */
  constructor(open: () => Promise<Scratch>) {
    this.#open = open;
  }

  /** Rejects when the disk is full or fails, or the attempt is over. */
  async write(device: DeviceId, update: Uint8Array): Promise<void> {
    if (this.#isOver) throw new Error("Cannot keep an update: its attempt is over");
    const at = this.#end;
    this.#end += update.length;
    this.#scratch ??= this.#open();
    await (await this.#scratch).write(at, update);
    this.#places.set(device, { at, bytes: update.length });
  }

  /** The bytes that were written. Rejects when the disk fails. */
  async read(device: DeviceId): Promise<Uint8Array<ArrayBuffer>> {
    const place = this.#places.get(device);
    invariant(
      place !== undefined && this.#scratch !== undefined,
      () => `Cannot read the update of ${device}: it was not written`,
    );
    const update = new Uint8Array(place.bytes);
    await (await this.#scratch).read(place.at, update);
    return update;
  }

  /** Gives the room back; nothing can be written or read any more. Never rejects: what cannot be removed now goes with the next start. */
  async close(): Promise<void> {
    this.#isOver = true;
    try {
      await (await this.#scratch)?.close();
    } catch {
      // Nobody can do anything about it, and nothing depends on it.
    }
  }
}
