/** What lies between two versions of a model: distances of their parameters, layer by layer, and what was measured. */
import { type ParameterLayout, type Parameters, tensorOf } from "../parameters.ts";

/** One tensor in both versions. */
export interface TensorComparison {
  readonly name: string;
  readonly numbers: number;
  /** Euclidean norms. */
  readonly normBefore: number;
  readonly normAfter: number;
  /** Euclidean norm of the difference. */
  readonly distance: number;
  /** Largest absolute difference. */
  readonly largestChange: number;
}

export interface ModelComparison {
  readonly equal: boolean;
  /** Euclidean norm of the difference of all parameters. */
  readonly distance: number;
  /** `distance` over the norm before; infinite when everything was zero before and is not now. */
  readonly relativeDistance: number;
  /** Cosine of the angle between the two parameter vectors; 1 when either is zero. */
  readonly cosine: number;
  readonly tensors: readonly TensorComparison[];
  /** What either version measured; null where one did not. */
  readonly metrics: readonly {
    readonly name: string;
    readonly before: number | null;
    readonly after: number | null;
  }[];
}

export interface ComparedModel {
  readonly parameters: Parameters;
  readonly metrics: Readonly<Record<string, number>>;
}

/** Compares two versions of one layout. Throws a `RangeError` when the parameters are not as many as the layout says. */
export function compareModels(
  before: ComparedModel,
  after: ComparedModel,
  layout: ParameterLayout,
): ModelComparison {
  for (const { parameters } of [before, after]) {
    if (parameters.length !== layout.count) {
      throw new RangeError(
        `Cannot compare models: one has ${parameters.length} parameters, the layout ${layout.count}`,
      );
    }
  }
  let [dot, normBefore, normAfter, distance] = [0, 0, 0, 0];
  const tensors = layout.tensors.map(({ name }, index): TensorComparison => {
    const sums = compareTensor(
      tensorOf(before.parameters, layout, index),
      tensorOf(after.parameters, layout, index),
    );
    dot += sums.dot;
    normBefore += sums.before;
    normAfter += sums.after;
    distance += sums.distance;
    return {
      name,
      numbers: sums.numbers,
      normBefore: Math.sqrt(sums.before),
      normAfter: Math.sqrt(sums.after),
      distance: Math.sqrt(sums.distance),
      largestChange: sums.largestChange,
    };
  });
  const product = Math.sqrt(normBefore * normAfter);
  const names = new Set([...Object.keys(before.metrics), ...Object.keys(after.metrics)]);
  return {
    equal: distance === 0,
    distance: Math.sqrt(distance),
    relativeDistance: distance === 0 ? 0 : Math.sqrt(distance / normBefore),
    cosine: product === 0 ? 1 : dot / product,
    tensors,
    metrics: [...names].sort().map((name) => ({
      name,
      before: before.metrics[name] ?? null,
      after: after.metrics[name] ?? null,
    })),
  };
}

/** Sums of squares and products of two tensors, in double precision. */
function compareTensor(before: Parameters, after: Parameters) {
  let [dot, normBefore, normAfter, distance, largestChange] = [0, 0, 0, 0, 0];
  for (let i = 0; i < before.length; i++) {
    const a = before[i]!;
    const b = after[i]!;
    const difference = b - a;
    dot += a * b;
    normBefore += a * a;
    normAfter += b * b;
    distance += difference * difference;
    if (difference > largestChange) largestChange = difference;
    else if (-difference > largestChange) largestChange = -difference;
  }
  return {
    numbers: before.length,
    dot,
    before: normBefore,
    after: normAfter,
    distance,
    largestChange,
  };
}
