/**
 * Which rumours still have to be told, and to whom: the infection-style dissemination of SWIM (Das et al. 2002, section 4.1). Every
 * rumour is passed on λ · log(n) times by everyone who learns it. Sessions lose nothing, so nobody is told twice, and nobody is
 * told what it told us.
 *
 * Holds names, not rumours: what is sent is what is believed at that moment. Bounded by the number of members.
 */
import type { DeviceId } from "../ids.ts";

/** λ: memberlist, whose datagrams may be lost, uses 4. */
const RETRANSMIT_FACTOR = 2;

interface Told {
  /** Those who know it: who told us and whom we told. */
  readonly knows: Set<DeviceId>;
  transmissions: number;
}

/** How often one device passes a rumour on: λ · ⌈log10(n + 1)⌉ (section 4.1; the logarithm as in memberlist). */
export function retransmitLimit(members: number, factor: number = RETRANSMIT_FACTOR): number {
  return factor * Math.ceil(Math.log10(members + 1));
}

export class Dissemination {
  readonly #told = new Map<DeviceId, Told>();

  /** Subjects of which there is something to tell. */
  get size(): number {
    return this.#told.size;
  }

  /** What is believed of `subject` has changed; `source` told us so. What was told before no longer counts. */
  add(subject: DeviceId, source: DeviceId | null): void {
    this.#told.delete(subject);
    this.#told.set(subject, { knows: new Set(source === null ? [] : [source]), transmissions: 0 });
  }

  /** `peer` believes the same of `subject` as we do. */
  noteKnows(subject: DeviceId, peer: DeviceId): void {
    this.#told.get(subject)?.knows.add(peer);
  }

  /** Nothing is to be told of `subject` any more. */
  drop(subject: DeviceId): void {
    this.#told.delete(subject);
  }

  /** What to tell `peer` now: at most `max` subjects, those told least often first. Each counts as told. */
  take(peer: DeviceId, max: number, limit: number): readonly DeviceId[] {
    if (this.#told.size === 0) return [];
    let due = [...this.#told].filter(([subject, told]) =>
      subject !== peer && !told.knows.has(peer)
    );
    if (due.length > max) {
      due = due.sort(([, a], [, b]) => a.transmissions - b.transmissions).slice(0, max);
    }
    for (const [subject, told] of due) {
      told.knows.add(peer);
      told.transmissions += 1;
      if (told.transmissions >= limit) this.#told.delete(subject);
    }
    return due.map(([subject]) => subject);
  }

  /** Forgets what everyone of `peers` knows: whoever else is told hears it from others. */
  dropKnown(peers: Iterable<DeviceId>): void {
    const all = [...peers];
    for (const [subject, { knows }] of this.#told) {
      if (all.every((peer) => peer === subject || knows.has(peer))) this.#told.delete(subject);
    }
  }
}
