/** Σ factor · update, kept in double precision: the sum of streaming rules. */
import type { Parameters } from "../parameters.ts";
import type { StreamingAggregate } from "./rule.ts";
import {
  AggregationError,
  checkUpdate,
  type ClientUpdate,
  finiteResult,
  type UpdateSource,
} from "./update_source.ts";
import { TILE_LENGTH } from "./tiles.ts";

/** What a client's numbers are multiplied with, and what it adds to the divisor. */
export interface Share {
  readonly factor: number;
  readonly weight: number;
}

/** Streams updates into one sum. `shareOf` is asked once per update. */
export function streamSum(options: {
  readonly rule: string;
  readonly count: number;
  readonly shareOf: (update: ClientUpdate) => Share;
}): StreamingAggregate {
  const { rule, count, shareOf } = options;
  const sum = new Float64Array(count);
  let divisor = 0;
  let clients = 0;
  return {
    get clients() {
      return clients;
    },
    add(update) {
      checkUpdate(update, count);
      const { factor, weight } = shareOf(update);
      accumulate(sum, update.values, factor, count);
      divisor += weight;
      clients += 1;
    },
    finish() {
      if (clients === 0) {
        throw new AggregationError(
          `Cannot aggregate by ${rule}: no updates, expected at least 1`,
          "tooFewClients",
          1,
        );
      }
      const result = new Float32Array(count);
      divide(sum, divisor, result, count);
      return finiteResult(result, rule);
    },
  };
}

/** The same sum over a source, tile by tile: reads every number once. */
export function sumOfSource(
  source: UpdateSource,
  shares: readonly Share[],
  rule: string,
): Parameters {
  const result = new Float32Array(source.count);
  const sum = new Float64Array(TILE_LENGTH);
  const part = new Float32Array(TILE_LENGTH);
  const divisor = shares.reduce((total, { weight }) => total + weight, 0);
  for (let start = 0; start < source.count; start += TILE_LENGTH) {
    const length = Math.min(TILE_LENGTH, source.count - start);
    const into = length === TILE_LENGTH ? part : part.subarray(0, length);
    sum.fill(0);
    for (let client = 0; client < source.clients; client++) {
      source.read(client, start, into);
      accumulate(sum, into, shares[client]!.factor, length);
    }
    divide(sum, divisor, result.subarray(start, start + length), length);
  }
  return finiteResult(result, rule);
}

/** sum += factor · values, over the first `length` numbers. */
export function accumulate(
  sum: Float64Array<ArrayBuffer>,
  values: Float32Array<ArrayBuffer>,
  factor: number,
  length: number,
): void {
  for (let i = 0; i < length; i++) sum[i] = sum[i]! + factor * values[i]!;
}

function divide(
  sum: Float64Array<ArrayBuffer>,
  divisor: number,
  result: Float32Array<ArrayBuffer>,
  length: number,
): void {
  for (let i = 0; i < length; i++) result[i] = sum[i]! / divisor;
}
