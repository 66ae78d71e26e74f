/**
 * How a common data set is cut among devices in experiments. Every device computes the same cut from the same 32-byte seed, so nothing but the
 * seed needs to be told. Real data is not cut: it is where it is.
 */
import type { DataShare } from "../task.ts";
import { dirichlet, permutation, shuffle } from "./draws.ts";
import { seededStream } from "./seeded_stream.ts";

/** Most devices a data set is cut for. */
export const CLIENTS_MAX = 100_000;
/** Concentration of the Dirichlet distribution when none is given. */
export const DEFAULT_ALPHA = 0.5;
/** Shards each device gets in the pathological cut. */
export const SHARDS_PER_CLIENT = 2;

/** For each device the examples it has, in no particular order; no example is given twice. */
export type Partition = readonly Uint32Array<ArrayBuffer>[];

/** The parts of a `DataShare` that are equal on all devices. */
export type Cut = Omit<DataShare, "index">;

/** The whole cut. Throws a `RangeError` when there are fewer examples than devices, or when the cut makes no sense. */
export function partition(labels: Uint8Array, cut: Cut): Partition {
  const { count, kind } = cut;
  if (!Number.isInteger(count) || count < 1 || count > CLIENTS_MAX) {
    throw new RangeError(`Cannot cut data for ${count} devices: expected 1 to ${CLIENTS_MAX}`);
  }
  switch (kind) {
    case "iid":
      return iidPartition(labels, cut);
    case "shards":
      return shardPartition(labels, cut);
    case "dirichlet":
      return dirichletPartition(labels, cut);
    default:
      throw new RangeError(
        `Cannot cut data as "${kind satisfies never}": expected iid, shards or dirichlet`,
      );
  }
}

/** What device `share.index` gets. Throws a `RangeError` as `partition` does, and for an index that is none. */
export function shareOf(labels: Uint8Array, share: DataShare): Uint32Array<ArrayBuffer> {
  const mine = partition(labels, share)[share.index];
  if (mine === undefined) {
    throw new RangeError(
      `Cannot take share ${share.index} of ${share.count}: expected 0 to ${share.count - 1}`,
    );
  }
  return mine;
}

/** Shuffled, then cut into equal parts; up to `count` − 1 examples are left over and nobody's. */
function iidPartition(labels: Uint8Array, { count, seed }: Cut): Partition {
  const each = examplesEach(labels.length, count);
  const order = permutation(labels.length, seededStream(seed).fork("iid"));
  return Array.from({ length: count }, (_, i) => order.slice(i * each, (i + 1) * each));
}

/**
 * McMahan et al. 2017 (section 3), the pathological cut: examples sorted by label, cut into 2 · count shards (200 of 300 for MNIST and 100 devices),
 * two shards for each device, so that most devices have examples of two digits only.
 */
function shardPartition(labels: Uint8Array, { count, seed }: Cut): Partition {
  const shards = count * SHARDS_PER_CLIENT;
  const each = examplesEach(labels.length, shards);
  const random = seededStream(seed).fork("shards");
  // The paper does not say in which order a digit's examples stand; a random one leaves no writer's pages together.
  const sorted = sortedByLabel(labels, permutation(labels.length, random.fork("order")));
  const order = permutation(shards, random.fork("deal"));
  return Array.from({ length: count }, (_, i) => {
    const mine = new Uint32Array(each * SHARDS_PER_CLIENT);
    for (let k = 0; k < SHARDS_PER_CLIENT; k++) {
      const shard = order[i * SHARDS_PER_CLIENT + k]!;
      mine.set(sorted.subarray(shard * each, (shard + 1) * each), k * each);
    }
    return mine;
  });
}

/**
 * Hsu, Qi and Brown 2019, "Measuring the Effects of Non-Identical Data Distribution for Federated Visual Classification": each device draws its
 * own shares of the classes from Dirichlet(α · prior), α · prior being α for every class here, and then examples class by class without putting back.
 * All devices get equally many. A class that has run out is left out and the other shares grow in proportion.
 */
function dirichletPartition(
  labels: Uint8Array,
  { count, seed, alpha = DEFAULT_ALPHA }: Cut,
): Partition {
  if (!(alpha >= 0.001 && alpha <= 1e6)) {
    throw new RangeError(`Cannot cut data with alpha ${alpha}: expected 0.001 to 1000000`);
  }
  const each = examplesEach(labels.length, count);
  const random = seededStream(seed).fork("dirichlet");
  const classes = labels.reduce((most, label) => Math.max(most, label), 0) + 1;
  const waiting = byClass(labels, classes);
  for (const examples of waiting) shuffle(examples, random);
  const left = waiting.map((examples) => examples.length);
  const concentrations = left.map(() => alpha);
  return Array.from({ length: count }, () => {
    const shares = dirichlet(concentrations, random);
    const mine = new Uint32Array(each);
    for (let i = 0; i < each; i++) {
      const chosen = drawClass(shares, left, random.float());
      left[chosen]!--;
      mine[i] = waiting[chosen]![left[chosen]!]!;
    }
    return mine;
  });
}

/** The class at `point` of [0, 1) when only classes with examples left count. */
function drawClass(shares: Float64Array, left: readonly number[], point: number): number {
  let total = 0;
  for (let k = 0; k < shares.length; k++) if (left[k]! > 0) total += shares[k]!;
  // Every class this device prefers may have run out: then by what is left.
  const weight = total > 0
    ? (k: number) => left[k]! > 0 ? shares[k]! / total : 0
    : (k: number) => left[k]! / left.reduce((sum, count) => sum + count, 0);
  let last = 0;
  let rest = point;
  for (let k = 0; k < shares.length; k++) {
    const share = weight(k);
    if (share === 0) continue;
    last = k;
    rest -= share;
    if (rest < 0) return k;
  }
  // Rounding may leave a sliver above the last share.
  return last;
}

function byClass(labels: Uint8Array, classes: number): readonly Uint32Array<ArrayBuffer>[] {
  const counts = new Uint32Array(classes);
  for (const label of labels) counts[label]!++;
  const lists = Array.from(counts, (count) => new Uint32Array(count));
  const at = new Uint32Array(classes);
  labels.forEach((label, example) => {
    lists[label]![at[label]!++] = example;
  });
  return lists;
}

/** The examples of `order`, label by label; within a label as they stood. */
function sortedByLabel(
  labels: Uint8Array,
  order: Uint32Array<ArrayBuffer>,
): Uint32Array<ArrayBuffer> {
  const starts = new Uint32Array(257);
  for (const label of labels) starts[label + 1]!++;
  for (let label = 0; label < 256; label++) starts[label + 1]! += starts[label]!;
  const sorted = new Uint32Array(order.length);
  for (const example of order) sorted[starts[labels[example]!]!++] = example;
  return sorted;
}

function examplesEach(examples: number, parts: number): number {
  const each = Math.floor(examples / parts);
  if (each < 1) {
    throw new RangeError(
      `Cannot cut ${examples} examples into ${parts} parts: each would be empty`,
    );
  }
  return each;
}
