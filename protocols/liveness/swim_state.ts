/**
 * How beliefs about one device are merged. Beliefs form a lattice: the higher incarnation wins, for equal incarnations the graver
 * state (SWIM, Das et al. 2002, section 4.2), for equal suspicions the accusers are put together. So the order in which rumours come,
 * and how often, makes no difference.
 *
 * Differs from section 4.2 in one point, as memberlist does: death is of an incarnation too, so that a device may come back.
 */
import type { DeviceId } from "../ids.ts";
import { ACCUSERS_MAX, type Rumour, RUMOUR_STATES } from "./messages.ts";

/**
 * An incarnation that is further ahead of what we know than this is no honest one: nobody refutes that often. It keeps a liar from
 * using up the numbers with which a device could refute.
 */
export const INCARNATION_STEP_MAX = 2 ** 20;

/** What is believed after hearing `heard`; `known` itself when it was no news. */
export function mergeRumours(known: Rumour | null, heard: Rumour): Rumour {
  if (known === null) return heard;
  if (heard.incarnation !== known.incarnation) {
    return heard.incarnation > known.incarnation ? heard : known;
  }
  const gravity = gravityOf(heard) - gravityOf(known);
  if (gravity !== 0) return gravity > 0 ? heard : known;
  return known.state === "suspect" ? confirmed(known, heard.accusers) : known;
}

/** A suspicion with further accusers; `known` itself when they change nothing. The least ids are kept, whatever the order. */
export function confirmed(known: Rumour, accusers: readonly DeviceId[]): Rumour {
  if (accusers.every((id) => known.accusers.includes(id))) return known;
  const all = [...new Set([...known.accusers, ...accusers])].sort().slice(0, ACCUSERS_MAX);
  const same = all.length === known.accusers.length &&
    all.every((id, i) => id === known.accusers[i]);
  return same ? known : { ...known, accusers: all };
}

/** Whether it says something that would have to be refuted by its subject. */
export function isAccusation({ state }: Rumour): boolean {
  return state !== "alive";
}

/**
 * The incarnation with which a device refutes what it hears of itself; null when there is nothing to refute. Also a device that
 * has restarted and forgot its number finds it that way.
 */
export function refutingIncarnation(own: number, heard: Rumour): number | null {
  if (heard.incarnation < own) return null;
  if (heard.incarnation === own && !isAccusation(heard)) return null;
  return heard.incarnation + 1;
}

function gravityOf({ state }: Rumour): number {
  return RUMOUR_STATES.indexOf(state);
}
