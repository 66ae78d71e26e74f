/**
 * Who shares keys with whom, and how many of them a secret needs. Small rosters: everybody with everybody (Bonawitz et al. 2017). Large
 * ones: each device with the k/2 next on both sides of a ring in random order (the Harary graph of Bell et al. 2020, section 3.2).
 *
 * With c = max(1, ⌊γn⌋) colluders and d = ⌊δn⌋ dropouts anywhere in the roster, k is the smallest even number, and t then the largest threshold,
 * for which these hold (Bell et al. 2020, definition of a good graph; X and Y hypergeometric, drawn k of n − 1):
 *
 *   privacy       n · P[X ≥ t] ≤ 2^−σ       X: colluders among one device's neighbours; t of them would read its secrets
 *   connection    n²/2 · ((c + d) / n)^k ≤ 2^−σ   a ring falls apart only where two runs of k/2 neighbours are all gone or colluding
 *   completion    n · P[Y > k − t] ≤ 2^−η   Y: dropouts among one device's neighbours; t must be left
 *
 * Only additions, multiplications and divisions of IEEE 754 are used: every machine finds the same numbers.
 */
import type { MaskStream } from "../../platform/ports.ts";
import {
  type Assumptions,
  SUM_DEVICES_MAX,
  SUM_DEVICES_MIN,
  SUM_NEIGHBOURS_MAX,
} from "./contract.ts";
import { shuffledIndices } from "./shuffle.ts";

/** The numbers that follow from a roster's size. */
export interface SumShape {
  /** n: devices in the roster. */
  readonly devices: number;
  /** k: neighbours of each. n − 1 when everybody is everybody's. */
  readonly degree: number;
  /** t: neighbours' shares that give a secret, and neighbours that must survive. */
  readonly threshold: number;
  /**
   * Fewest devices in a sum, and fewest signatures under it: more than half of the honest and all colluders. Two different survivor
   * sets can then not both be signed.
   */
  readonly quorum: number;
  /** c: colluders assumed. */
  readonly corrupt: number;
}

/** Why no sum is possible with so many devices under these assumptions, and what would be. */
export interface ImpossibleShape {
  readonly impossible: string;
}

/** The shape for `devices` devices; never throws for any numbers. */
export function shapeFor(devices: number, assumptions: Assumptions): SumShape | ImpossibleShape {
  const problem = assumptionProblem(assumptions);
  if (problem !== undefined) return { impossible: problem };
  if (!Number.isInteger(devices) || devices < SUM_DEVICES_MIN || devices > SUM_DEVICES_MAX) {
    return {
      impossible:
        `Cannot sum securely among ${devices} devices: expected ${SUM_DEVICES_MIN} to ${SUM_DEVICES_MAX}`,
    };
  }
  const corrupt = Math.max(1, shareOf(devices, assumptions.corruptPermille));
  const dropouts = shareOf(devices, assumptions.dropoutPermille);
  // Beyond n − c no set can be large enough: then everybody honest must sign.
  const quorum = Math.min(((devices + corrupt) >> 1) + 1, devices);
  const sparse = sparseShape(devices, corrupt, dropouts, assumptions);
  if (sparse !== undefined) return { devices, quorum, corrupt, ...sparse };
  if (devices - 1 > SUM_NEIGHBOURS_MAX) {
    return {
      impossible:
        `Cannot sum securely among ${devices} devices: ${SUM_NEIGHBOURS_MAX} neighbours are not enough for ${corrupt} colluders and ${dropouts} dropouts; ` +
        `assume fewer, or sum in groups of at most ${SUM_NEIGHBOURS_MAX + 1}`,
    };
  }
  // Of a quorum, one may be the owner of the secret: quorum − 1 others are there.
  return { devices, quorum, corrupt, degree: devices - 1, threshold: quorum - 1 };
}

/** What is wrong with the assumptions, or undefined. */
export function assumptionProblem(assumptions: Assumptions): string | undefined {
  const { corruptPermille, dropoutPermille, privacyBits, completionBits } = assumptions;
  const between = (value: number, low: number, high: number) =>
    Number.isInteger(value) && value >= low && value <= high;
  if (!between(corruptPermille, 0, 500) || !between(dropoutPermille, 0, 500)) {
    return `Cannot sum securely: of 1,000 devices ${corruptPermille} collude and ${dropoutPermille} drop out, expected integers from 0 to 500`;
  }
  if (!between(privacyBits, 20, 100) || !between(completionBits, 10, 60)) {
    return `Cannot sum securely: chances of failure are 2^-${privacyBits} and 2^-${completionBits}, expected exponents of 20 to 100 and 10 to 60`;
  }
  return undefined;
}

function shareOf(devices: number, permille: number): number {
  return Math.floor(devices * permille / 1_000);
}

function sparseShape(
  devices: number,
  corrupt: number,
  dropouts: number,
  { privacyBits, completionBits }: Assumptions,
): { readonly degree: number; readonly threshold: number } | undefined {
  const privacy = 2 ** -privacyBits;
  const completion = 2 ** -completionBits;
  const gone = (corrupt + dropouts) / devices;
  if (gone >= 1) return undefined;
  const others = devices - 1;
  // Below that a draw could take all honest devices, and the sparse graph would be nearly complete anyhow.
  const degreeMax = Math.min(SUM_NEIGHBOURS_MAX, others - 1, others - Math.max(corrupt, dropouts));
  let connection = devices * devices / 2;
  for (let degree = 2; degree <= degreeMax; degree += 2) {
    connection *= gone * gone;
    if (connection > privacy) continue;
    const colluding = tails(others, corrupt, degree);
    let threshold = colluding.findIndex((tail) => devices * tail <= privacy);
    if (threshold < 1 || threshold > degree) continue;
    const dropping = tails(others, dropouts, degree);
    const completes = (t: number) =>
      t <= degree && devices * dropping[degree - t + 1]! <= completion;
    if (!completes(threshold)) continue;
    while (completes(threshold + 1)) threshold++;
    return { degree, threshold };
  }
  return undefined;
}

/** P[X ≥ x] for x = 0 … draws + 1, where X of `draws` out of `population` are among `marked`. Draws ≤ population − marked. */
function tails(population: number, marked: number, draws: number): number[] {
  const chances: number[] = [];
  let chance = 1;
  for (let i = 0; i < draws; i++) chance *= (population - marked - i) / (population - i);
  for (let x = 0; x <= draws; x++) {
    chances.push(chance);
    chance *= (marked - x) * (draws - x) / ((x + 1) * (population - marked - draws + x + 1));
  }
  const result = new Array<number>(draws + 2).fill(0);
  // From the small ones up, so that they are not lost beside the large.
  for (let x = draws; x >= 0; x--) result[x] = result[x + 1]! + chances[x]!;
  return result;
}

/** The ring: who stands where, both ways. */
export interface SumGraph {
  readonly shape: SumShape;
  /** order[position] = roster index; empty when everybody is everybody's neighbour. */
  readonly order: Uint32Array;
  /** position[roster index]. */
  readonly position: Uint32Array;
}

/** The graph that follows from a 32-byte seed. */
export function graphFrom(seed: Uint8Array, shape: SumShape, masks: MaskStream): SumGraph {
  const n = shape.devices;
  if (shape.degree === n - 1) {
    return { shape, order: new Uint32Array(0), position: new Uint32Array(0) };
  }
  const order = shuffledIndices(seed, n, masks);
  const position = new Uint32Array(n);
  order.forEach((index, at) => position[index] = at);
  return { shape, order, position };
}

/** Roster indices of the neighbours of the device at `index`, ascending. Being a neighbour is mutual. */
export function neighboursOf(graph: SumGraph, index: number): number[] {
  const { shape, order, position } = graph;
  const n = shape.devices;
  if (shape.degree === n - 1) {
    return Array.from({ length: n - 1 }, (_, i) => i < index ? i : i + 1);
  }
  const at = position[index]!;
  const neighbours: number[] = [];
  for (let step = 1; step <= shape.degree / 2; step++) {
    neighbours.push(order[(at + step) % n]!, order[(at + n - step) % n]!);
  }
  return neighbours.sort((a, b) => a - b);
}
