/**
 * Screening of a round's updates in the clear: which are far too long, or point where hardly anybody else points. It works on sketches, so it
 * needs 4 KiB per update. It proves nothing about anybody: who is refused here loses this round and no reputation. With secure sums
 * single updates are not visible, and nothing can be screened but what clients prove themselves.
 */
import { medianOf, robustScores } from "./robust_scores.ts";
import { SKETCH_LENGTH, type UpdateSketch } from "./sketch.ts";

/** Beyond it an update is an outlier to be shown (Iglewicz, Hoaglin 1993). */
export const SUSPICIOUS_SCORE = 3.5;
/** Beyond it an update is not counted: one in 500 million normal ones. */
export const REFUSED_SCORE = 6;
/** With fewer updates nobody is screened: three liars of four would be the majority that defines what is usual. */
export const SCREENED_CLIENTS_MIN = 5;

export interface ScreeningResult {
  readonly verdict: "fine" | "suspicious" | "refused";
  /** Robust z-score of the norm; large is bad, short updates are harmless. */
  readonly normScore: number;
  /** Robust z-score of the cosine to the median direction, turned so that large is bad. */
  readonly directionScore: number;
  /** Cosine to the median direction. */
  readonly cosine: number;
}

/** A verdict for each sketch, in their order. */
export function screenUpdates(sketches: readonly UpdateSketch[]): readonly ScreeningResult[] {
  const norms = robustScores(sketches.map(({ norm }) => norm));
  const middle = medianDirection(sketches);
  const cosines = sketches.map(({ direction }) => cosine(direction, middle));
  // Measured against 1: cosines may well have a median near zero.
  const directions = robustScores(cosines, 1);
  const few = sketches.length < SCREENED_CLIENTS_MIN;
  return sketches.map((_, i) => {
    const [normScore, directionScore] = [norms[i]!, -directions[i]!];
    const worst = few ? 0 : Math.max(normScore, directionScore);
    return {
      verdict: worst > REFUSED_SCORE ? "refused" : worst > SUSPICIOUS_SCORE ? "suspicious" : "fine",
      normScore,
      directionScore,
      cosine: cosines[i]!,
    };
  });
}

/** Of each number of the sketches the median: liars below one half cannot turn it where they like. */
function medianDirection(sketches: readonly UpdateSketch[]): Float32Array<ArrayBuffer> {
  return Float32Array.from(
    { length: SKETCH_LENGTH },
    (_, place) => medianOf(sketches.map(({ direction }) => direction[place]!)),
  );
}

function cosine(a: Float32Array<ArrayBuffer>, b: Float32Array<ArrayBuffer>): number {
  let [product, squareA, squareB] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    product += a[i]! * b[i]!;
    squareA += a[i]! * a[i]!;
    squareB += b[i]! * b[i]!;
  }
  return squareA > 0 && squareB > 0 ? product / Math.sqrt(squareA * squareB) : 0;
}
