/**
 * Whom to probe next: everybody once, in random order, then again in another order. So every member is probed within two rounds
 * (SWIM, Das et al. 2002, section 4.3), which random choice alone cannot promise.
 */
import type { Random } from "../../platform/ports.ts";
import type { DeviceId } from "../ids.ts";

export class ProbeOrder {
  readonly #order: DeviceId[] = [];
  #next = 0;

  /** Adds a device at a random place of the round, so that a crowd of newcomers is not probed last by everyone. */
  add(device: DeviceId, random: Random): void {
    if (this.#order.includes(device)) return;
    const place = random.below(this.#order.length + 1);
    this.#order.splice(place, 0, device);
    if (place < this.#next) this.#next += 1;
  }

  remove(device: DeviceId): void {
    const place = this.#order.indexOf(device);
    if (place < 0) return;
    this.#order.splice(place, 1);
    if (place < this.#next) this.#next -= 1;
  }

  /** The next one of those that `pick` lets through; null when there is nobody. */
  next(random: Random, pick: (device: DeviceId) => boolean = () => true): DeviceId | null {
    for (let looked = 0; looked < 2 * this.#order.length; looked++) {
      if (this.#next >= this.#order.length) {
        this.#next = 0;
        shuffle(this.#order, random);
      }
      const device = this.#order[this.#next++]!;
      if (pick(device)) return device;
    }
    return null;
  }
}

/** Fisher–Yates. */
function shuffle<T>(items: T[], random: Random): void {
  for (let i = items.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [items[i], items[j]] = [items[j]!, items[i]!];
  }
}
