/**
 * Which rumours still have to be told, and to whom: the infection-style dissemination of SWIM (Das et al. 2002, section 4.1). Every
 * rumour is passed on to some by everyone who learns it. Sessions lose nothing, so nobody is told twice, and nobody is
 * told what it told us.
 *
 * Holds names, not rumours: what is sent is what is believed at that moment. Bounded by the number of members.
 */
import type { DeviceId } from "../ids.ts";

/** How sure it is that everybody hears: all do with probability exp(−exp(−c)), here 95 %, without counting on the ring of neighbours. */
const CERTAINTY = 3;

interface Told {
  /** Those who know it: who told us and whom we told. Once there are `limit`, it is told to nobody else. */
  readonly knows: Set<DeviceId>;
}

/**
 * Of how many others one device has to know that they have a rumour, before it stops telling it: ln(n) + c (Kermarrec, Massoulié,
 * Ganesh 2003, theorem 1, about those whom it tells). Whoever told us counts too, as in rumour mongering with counters (Demers et al. 1987):
 * those who hear it late hear it often, and find hardly anybody who does not know it. SWIM's λ · log(n) with memberlist's λ = 4 is about as
 * many among ten and half as many again among a thousand, because datagrams get lost.
 */
export function retransmitLimit(members: number): number {
  return Math.ceil(Math.log(Math.max(1, members))) + CERTAINTY;
}

export class Dissemination {
  /** What somebody may act on at once goes before what merely completes a picture. */
  readonly #urgent = new Map<DeviceId, Told>();
  readonly #other = new Map<DeviceId, Told>();

  /** Subjects of which there is something to tell. */
  get size(): number {
    return this.#urgent.size + this.#other.size;
  }

  /** What is believed of `subject` has changed; `source` told us so. What was told before no longer counts. */
  add(subject: DeviceId, source: DeviceId | null, urgent: boolean): void {
    this.drop(subject);
    const knows = new Set(source === null ? [] : [source]);
    (urgent ? this.#urgent : this.#other).set(subject, { knows });
  }

  /** `peer` believes the same of `subject` as we do. */
  noteKnows(subject: DeviceId, peer: DeviceId): void {
    (this.#urgent.get(subject) ?? this.#other.get(subject))?.knows.add(peer);
  }

  /** Nothing is to be told of `subject` any more. */
  drop(subject: DeviceId): void {
    this.#urgent.delete(subject);
    this.#other.delete(subject);
  }

  /** Nothing is to be told: everybody within reach knows it. Whoever else has to hear it hears it from others. */
  clear(): void {
    this.#urgent.clear();
    this.#other.clear();
  }

  /** What to tell `peer` now: at most `max` subjects, urgent ones first, those first that wait longest. Each counts as told. */
  take(peer: DeviceId, max: number, limit: number): readonly DeviceId[] {
    const taken: DeviceId[] = [];
    for (const queue of [this.#urgent, this.#other]) {
      for (const [subject, told] of queue) {
        if (taken.length >= max) return taken;
        if (subject === peer || told.knows.has(peer)) continue;
        taken.push(subject);
        told.knows.add(peer);
        if (told.knows.size >= limit) queue.delete(subject);
      }
    }
    return taken;
  }
}
