/**
 * What is aggregated: the updates of a round's clients, wherever they lie. Rules read them in tiles (some clients' numbers from one
 * place on), so that a thousand updates need not be in memory at once. Never decides which clients count.
 */
import type { Parameters } from "../parameters.ts";

/** One client's difference of parameters, and how much it should count (its examples, say). */
export interface ClientUpdate {
  readonly values: Parameters;
  /** > 0 and at most `WEIGHT_MAX`; a claim of the client, so plans bound it and robust rules do not read it. */
  readonly weight: number;
}

/** The updates of one round, all checked by `updateFault`. Reading the same place twice gives the same numbers. */
export interface UpdateSource {
  /** How many updates there are. */
  readonly clients: number;
  /** Numbers in each. */
  readonly count: number;
  /** Weight of one client, 0 ≤ client < clients. */
  weight(client: number): number;
  /** Copies the client's numbers from `start` on into `into`, all of it. In a `Reading`: of the stretch that was said last. */
  read(client: number, start: number, into: Float32Array<ArrayBuffer>): void;
}

/** Numbers of the same coordinates of all updates. */
export interface Stretch {
  readonly start: number;
  /** At most `TILE_LENGTH` of `tiles.ts`. */
  readonly length: number;
  /** How much is done before the next stretch is said, in numbers read once; those of the stretch when absent. For whoever has others waiting. */
  readonly work?: number;
}

/** Work over a source that says which stretch it reads next before it reads it, so that somebody can bring it from a disk meanwhile. */
export type Reading<T> = Generator<Stretch, T, void>;

/** The place in a reading where so much is done without reading anything. */
export function workOf(numbers: number): Stretch {
  return { start: 0, length: 1, work: numbers };
}

/** The result of a reading whose source has everything at hand. */
export function atOnce<T>(reading: Reading<T>): T {
  for (;;) {
    const step = reading.next();
    if (step.done === true) return step.value;
  }
}

/** Largest weight: sums of a million clients still are exact integers. */
export const WEIGHT_MAX = 2 ** 32;

/** Why one update cannot be aggregated. */
export interface UpdateFault {
  readonly type: "wrongLength" | "notFinite" | "badWeight";
  /** For people and logs: value, and what was expected. */
  readonly message: string;
}

/** Why a round's updates cannot be aggregated; `clientsNeeded` when there are too few. */
export class AggregationError extends Error {
  override readonly name = "AggregationError";
  constructor(
    message: string,
    readonly reason: "tooFewClients" | UpdateFault["type"],
    readonly clientsNeeded?: number,
  ) {
    super(message);
  }
}

/** What is wrong with an update of a model of `count` numbers; undefined when it may be aggregated. One pass over the numbers. */
export function updateFault(update: ClientUpdate, count: number): UpdateFault | undefined {
  const { values, weight } = update;
  if (values.length !== count) {
    return {
      type: "wrongLength",
      message: `update has ${values.length} numbers, expected ${count}`,
    };
  }
  if (!(weight > 0 && weight <= WEIGHT_MAX)) {
    return { type: "badWeight", message: `weight is ${weight}, expected 0 < weight <= 2^32` };
  }
  const place = notFiniteAt(values);
  if (place === undefined) return undefined;
  return {
    type: "notFinite",
    message: `number ${place} of the update is ${values[place]}, expected a finite number`,
  };
}

/** Throws an `AggregationError` that names the fault. */
export function checkUpdate(update: ClientUpdate, count: number): void {
  const fault = updateFault(update, count);
  if (fault === undefined) return;
  throw new AggregationError(`Cannot aggregate an update: ${fault.message}`, fault.type);
}

/** Updates that are in memory. Throws an `AggregationError` naming the first client whose update is faulty. */
export function heldUpdates(updates: readonly ClientUpdate[], count?: number): UpdateSource {
  const length = count ?? updates[0]?.values.length ?? 0;
  updates.forEach((update, client) => {
    const fault = updateFault(update, length);
    if (fault === undefined) return;
    throw new AggregationError(
      `Cannot aggregate the update of client ${client}: ${fault.message}`,
      fault.type,
    );
  });
  return {
    clients: updates.length,
    count: length,
    weight: (client) => updates[client]!.weight,
    read: (client, start, into) =>
      into.set(updates[client]!.values.subarray(start, start + into.length)),
  };
}

/** Throws unless there are at least `needed` updates, saying how many the rule needs and why. */
export function requireClients(source: UpdateSource, needed: number, rule: string): void {
  if (source.clients >= needed) return;
  throw new AggregationError(
    `Cannot aggregate by ${rule}: ${source.clients} updates, expected at least ${needed}; wait for more clients or choose a rule that needs fewer`,
    "tooFewClients",
    needed,
  );
}

/** The result, or an `AggregationError` when numbers left the finite ones: finite updates can still overflow. */
export function finiteResult(result: Parameters, rule: string): Parameters {
  const place = notFiniteAt(result);
  if (place === undefined) return result;
  throw new AggregationError(
    `Cannot aggregate by ${rule}: number ${place} of the result is ${
      result[place]
    }; the updates are too large`,
    "notFinite",
  );
}

/** Index of the first number that is NaN or infinite; undefined when there is none. */
function notFiniteAt(values: Parameters): number | undefined {
  // NaN and both infinities minus themselves are NaN, all else is zero; summed, one of them shows.
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]! - values[i]!;
  if (sum === 0) return undefined;
  return values.findIndex((value) => !Number.isFinite(value));
}
