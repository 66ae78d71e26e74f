/** Σ factor · update / Σ weight, kept in double precision, and the rules that are such a sum: they stream. */
import type { Parameters } from "../parameters.ts";
import { type AggregationRule, ruleOf, type StreamingAggregate } from "./rule.ts";
import {
  AggregationError,
  checkUpdate,
  type ClientUpdate,
  finiteResult,
  type Reading,
  requireClients,
  type UpdateSource,
  WEIGHT_MAX,
} from "./update_source.ts";
import { TILE_LENGTH } from "./tiles.ts";
import {
  borrowKernels,
  returnKernels,
  type VectorKernels,
  vectorKernels,
  wholeVectors,
} from "./vector_kernels.ts";

/** What a client's numbers are multiplied with, and what it adds to the divisor. */
export interface Share {
  readonly factor: number;
  readonly weight: number;
}

/** A rule whose result is such a sum: the same share of a client whether its update is read from a source or streamed. */
export function summingRule(options: {
  readonly name: string;
  readonly shareOf: (update: ClientUpdate) => Share;
  /** The shares of all clients of a source, in their order. */
  readonly sharesOf: (source: UpdateSource) => Reading<readonly Share[]>;
}): AggregationRule {
  const { name, shareOf, sharesOf } = options;
  return ruleOf({
    name,
    clientsMin: 1,
    weighted: true,
    workingBytes: () => SUM_WORKING_BYTES,
    *steps(source) {
      requireClients(source, 1, name);
      return yield* sumOfSource(source, yield* sharesOf(source), name);
    },
    begin: (count) => streamSum({ rule: name, count, shareOf }),
  });
}

/** A summing rule that looks at nothing but weights. */
export function summingRuleOfWeights(
  name: string,
  shareOf: (weight: number) => Share,
): AggregationRule {
  return summingRule({
    name,
    shareOf: ({ weight }) => shareOf(weight),
    // deno-lint-ignore require-yield -- weights are at hand
    *sharesOf(source) {
      return Array.from({ length: source.clients }, (_, i) => shareOf(source.weight(i)));
    },
  });
}

/** Streams updates into one sum, which lives in the kernels' memory. `shareOf` is asked once per update. */
function streamSum(options: {
  readonly rule: string;
  readonly count: number;
  readonly shareOf: (update: ClientUpdate) => Share;
}): StreamingAggregate {
  const { rule, count, shareOf } = options;
  const sum = sumIn(vectorKernels(sumBytes(count)), count);
  let divisor = 0;
  let clients = 0;
  return {
    get clients() {
      return clients;
    },
    add(update) {
      const { values } = update;
      if (
        values.length !== count || !(update.weight > 0 && update.weight <= WEIGHT_MAX) ||
        !sum.isFinite(values)
      ) {
        checkUpdate(update, count);
      }
      const { factor, weight } = shareOf(update);
      for (let start = 0; start < count; start += TILE_LENGTH) {
        sum.part.set(values.subarray(start, start + TILE_LENGTH));
        sum.add(factor, start, Math.min(TILE_LENGTH, count - start));
      }
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
      divide(sum.values, divisor, result, count);
      return finiteResult(result, rule);
    },
  };
}

/** The same sum over a source, tile by tile: reads every number once. */
export function* sumOfSource(
  source: UpdateSource,
  shares: readonly Share[],
  rule: string,
): Reading<Parameters> {
  const result = new Float32Array(source.count);
  const divisor = shares.reduce((total, { weight }) => total + weight, 0);
  const kernels = borrowKernels(sumBytes(TILE_LENGTH));
  try {
    const sum = sumIn(kernels, TILE_LENGTH);
    for (let start = 0; start < source.count; start += TILE_LENGTH) {
      const length = Math.min(TILE_LENGTH, source.count - start);
      const into = length === TILE_LENGTH ? sum.part : sum.part.subarray(0, length);
      sum.values.fill(0);
      yield { start, length };
      for (let client = 0; client < source.clients; client++) {
        source.read(client, start, into);
        sum.add(shares[client]!.factor, 0, length);
      }
      divide(sum.values, divisor, result.subarray(start, start + length), length);
    }
  } finally {
    returnKernels(kernels);
  }
  return finiteResult(result, rule);
}

/** Working memory of `sumOfSource`, bytes: a tile of an update and one of the sum. */
export const SUM_WORKING_BYTES = 12 * TILE_LENGTH;

/** A sum in the kernels' memory, and a part of an update in front of it. */
interface KernelSum {
  /** `TILE_LENGTH` numbers to be filled by the caller. */
  readonly part: Float32Array<ArrayBuffer>;
  readonly values: Float64Array<ArrayBuffer>;
  /** values[start …] += factor · the first `length` numbers of the part. What stands behind them in the last vector is added too, to no one's number. */
  add(factor: number, start: number, length: number): void;
  isFinite(values: Parameters): boolean;
}

/** Where the sum begins: behind the part. */
const SUM_AT = 4 * TILE_LENGTH;

function sumBytes(count: number): number {
  return SUM_AT + 8 * wholeVectors(count);
}

function sumIn(kernels: VectorKernels, count: number): KernelSum {
  const part = new Float32Array(kernels.memory, 0, TILE_LENGTH);
  return {
    part,
    values: new Float64Array(kernels.memory, SUM_AT, count),
    add: (factor, start, length) =>
      kernels.accumulate(SUM_AT + 8 * start, 0, factor, wholeVectors(length)),
    isFinite(values) {
      for (let start = 0; start < values.length; start += TILE_LENGTH) {
        const length = Math.min(TILE_LENGTH, values.length - start);
        part.set(values.subarray(start, start + length));
        part.fill(0, length, wholeVectors(length));
        if (kernels.finiteness(0, wholeVectors(length)) !== 0) return false;
      }
      return true;
    },
  };
}

function divide(
  sum: Float64Array<ArrayBuffer>,
  divisor: number,
  result: Float32Array<ArrayBuffer>,
  length: number,
): void {
  for (let i = 0; i < length; i++) result[i] = sum[i]! / divisor;
}
