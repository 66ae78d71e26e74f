/** Who coordinates and who is called: rules that every device works out alike from public numbers. */
import type { Crypto } from "../../platform/ports.ts";
import { type DeviceId, publicKeyOf } from "../../protocols/ids.ts";
import { seededStream } from "../data/seeded_stream.ts";
import type { Participation, RunId, RunPlan } from "./plan.ts";

/**
 * Candidates in the order in which they take the coordinator's part in `term`: by SHA-256(run ‖ term ‖ device), which nobody chooses,
 * but whoever started the run comes first in term 0.
 */
export function coordinatorOrder(
  candidates: readonly DeviceId[],
  term: Term,
  crypto: Pick<Crypto, "sha256">,
): readonly DeviceId[] {
  return ordered(candidates, placeIn(term, crypto));
}

interface Term {
  readonly run: RunId;
  readonly term: number;
  readonly startedBy: DeviceId;
}

function placeIn({ run, term, startedBy }: Term, crypto: Pick<Crypto, "sha256">) {
  const named = [Uint8Array.fromHex(run), uint32(term)];
  return (device: DeviceId): string =>
    term === 0 && device === startedBy ? "" : crypto.sha256(...named, publicKeyOf(device)).toHex();
}

/**
 * Candidates in the order in which they have a seat among those who coordinate a large company: whoever started the run, then by
 * SHA-256(run ‖ 0 ‖ device). `places` remembers the hashes of this run: a large company is put in order whenever somebody comes.
 */
export function seatOrder(
  candidates: readonly DeviceId[],
  { run, startedBy }: { readonly run: RunId; readonly startedBy: DeviceId },
  crypto: Pick<Crypto, "sha256">,
  places: Map<DeviceId, string> = new Map(),
): readonly DeviceId[] {
  const placeOf = placeIn({ run, term: 0, startedBy }, crypto);
  const placed = (device: DeviceId): string => {
    const place = placeOf(device);
    places.set(device, place);
    return place;
  };
  return ordered(candidates, (device) => places.get(device) ?? placed(device));
}

/**
 * Who may be the second party of an attempt, in order: by SHA-256(run ‖ round ‖ attempt ‖ device), so that each attempt has another one. The first is
 * it.
 */
export function secondPartyOrder(
  candidates: readonly DeviceId[],
  { run, round, attempt }: {
    readonly run: RunId;
    readonly round: number;
    readonly attempt: number;
  },
  crypto: Pick<Crypto, "sha256">,
): readonly DeviceId[] {
  const named = [Uint8Array.fromHex(run), uint32(round), uint32(attempt)];
  return ordered(candidates, (device) => crypto.sha256(...named, publicKeyOf(device)).toHex());
}

function ordered(
  candidates: readonly DeviceId[],
  place: (device: DeviceId) => string,
): readonly DeviceId[] {
  return candidates.map((device) => [place(device), device] as const)
    .sort(([a], [b]) => a < b ? -1 : a > b ? 1 : 0)
    .map(([, device]) => device);
}

function uint32(value: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

/** How many devices a round calls when `joined` are there: the plan's share, at least what it needs, and some more because some will not answer. */
export function calledCount(
  { least, most, fraction, overSelection }: Participation,
  joined: number,
): number {
  const wanted = Math.min(most, Math.max(least, Math.round(fraction * joined)));
  return Math.min(joined, Math.min(most, Math.ceil(wanted * (1 + overSelection))));
}

/**
 * Fewest updates that make a version. Fewer than were called may do: that is what the least number is for, but a round of less than half of it would
 * be another round.
 */
export function countedLeast({ participation }: Pick<RunPlan, "participation">): number {
  return Math.max(1, Math.ceil(participation.least / 2));
}

/** Whom a round calls: drawn without replacement from the joined devices by public randomness, ascending. */
export function calledDevices(
  joined: readonly DeviceId[],
  { plan, round, attempt }: {
    readonly plan: { readonly seed: Uint8Array; readonly participation: Participation };
    readonly round: number;
    readonly attempt: number;
  },
): readonly DeviceId[] {
  const random = seededStream(plan.seed).fork(`called ${round} ${attempt}`);
  const pool = [...joined].sort();
  const count = calledCount(plan.participation, pool.length);
  for (let i = 0; i < count; i++) {
    const other = i + random.below(pool.length - i);
    [pool[i], pool[other]] = [pool[other]!, pool[i]!];
  }
  return pool.slice(0, count).sort();
}
