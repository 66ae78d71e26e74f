/**
 * The results of a run that a device keeps in mind. All are on the disk for good; here the newest of each author are whole, of older ones there is what people are
 * shown, and nobody's results take the room of another's.
 */
import type { RoundResult } from "../../learning/runs/result.ts";
import type { BlockId, DeviceId } from "../../protocols/ids.ts";

/** A result that is durable here. Nothing is proven by that. */
export interface CommittedResult {
  readonly block: BlockId;
  readonly author: DeviceId;
  readonly atMs: number;
  readonly result: RoundResult;
  /** Only where the result is in mind without its submissions and sums: how many submissions it has. */
  readonly counted?: number;
}

/** Results of one author and one round; who coordinates publishes one, and seldom another. */
const SAME_ROUND_MAX = 8;
/** What is whole of one author in one run, bytes in memory, about: a hundred results of 500 devices. */
const WHOLE_BYTES_MAX = 32 * 1_024 * 1_024;
/** Results of one author that may yet be made ours; only the newest lead on. */
const WAITING_MAX = 64;
/** Strings, signatures and what holds them together, bytes. */
const ENTRY_BYTES = 512;

/** What is in mind of one author in one run. */
interface Held {
  /** About what the whole ones take in memory, bytes. */
  bytes: number;
  whole: CommittedResult[];
  readonly blocks: Map<number, BlockId[]>;
}
/** By author. */
export type HeldResults = Map<DeviceId, Held>;
interface ResultsOfRun {
  readonly results: CommittedResult[];
  readonly held: HeldResults;
}

/** Takes a result in; false for one that is known already, or for too many of one author and round. */
export function keepResult({ results, held }: ResultsOfRun, committed: CommittedResult): boolean {
  const { author, block, result } = committed;
  const own: Held = held.get(author) ?? { bytes: 0, whole: [], blocks: new Map() };
  const same = own.blocks.get(result.round) ?? [];
  if (same.length >= SAME_ROUND_MAX || same.includes(block)) return false;
  held.set(author, own);
  own.blocks.set(result.round, [...same, block]);
  own.whole.push(committed);
  own.bytes += bytesOf(result);
  results.push(committed);
  if (own.bytes > WHOLE_BYTES_MAX) forgetSignatures(results, own);
  return true;
}

/** Of the oldest rounds, until there is room for a while. The newest result stays whole, however large it is. */
function forgetSignatures(results: CommittedResult[], own: Held): void {
  own.whole.sort((a, b) => a.result.round - b.result.round);
  const outlines = new Map<CommittedResult, CommittedResult>();
  for (const one of own.whole.slice(0, -1)) {
    if (own.bytes <= 0.75 * WHOLE_BYTES_MAX) break;
    own.bytes -= bytesOf(one.result);
    outlines.set(one, outlineOf(one));
  }
  own.whole = own.whole.slice(outlines.size);
  for (let i = 0; i < results.length; i++) results[i] = outlines.get(results[i]!) ?? results[i]!;
}

/** A result does not hold: it is no longer in mind, and makes room for another one of its round. */
export function dropResult({ results, held }: ResultsOfRun, block: string): void {
  const index = results.findIndex((one) => one.block === block);
  if (index < 0) return;
  const [dropped] = results.splice(index, 1);
  const { author, counted, result } = dropped!;
  const own = held.get(author)!;
  const others = own.blocks.get(result.round)!.filter((one) => one !== block);
  own.blocks.set(result.round, others);
  if (counted !== undefined) return;
  own.whole = own.whole.filter((one) => one !== dropped);
  own.bytes -= bytesOf(result);
}

/** Without what only its verification needs. */
function outlineOf(committed: CommittedResult): CommittedResult {
  const { result } = committed;
  const counted = result.submissions.length;
  return { ...committed, result: { ...result, submissions: [], sums: [] }, counted };
}

/** About what a result takes in memory. */
function bytesOf({ submissions, sums }: RoundResult): number {
  const parts = sums.reduce(
    (count, { roster, inputs, signatures, confirmations = [] }) =>
      count + roster.length + inputs.length + signatures.length +
      confirmations.reduce((sum, { totals }) => sum + 1 + totals.length / 64, 0),
    0,
  );
  return ENTRY_BYTES * (1 + submissions.length + parts);
}

/** How many submissions a result has. */
export function countedIn({ result, counted }: CommittedResult): number {
  return counted ?? result.submissions.length;
}

/** The results that can be verified with what is in mind. */
export function wholeResults(results: readonly CommittedResult[]): readonly CommittedResult[] {
  return results.filter(({ counted }) => counted === undefined);
}

/** A result waits to be made ours; of its author the one of the lowest round makes room. */
export function keepWaiting(
  waiting: Map<string, CommittedResult>,
  committed: CommittedResult,
): void {
  waiting.set(committed.block, committed);
  const own = [...waiting.values()].filter(({ author }) => author === committed.author);
  if (own.length <= WAITING_MAX) return;
  const lowest = own.reduce((low, one) => one.result.round < low.result.round ? one : low);
  waiting.delete(lowest.block);
}

/** The highest round that a result is of; zero when there is none. */
export function newestRound(results: readonly CommittedResult[]): number {
  return results.reduce((newest, { result }) => Math.max(newest, result.round), 0);
}
