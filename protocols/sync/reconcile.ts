/**
 * Range-based set reconciliation (Meyer 2023): two devices find the symmetric difference of their block ids by comparing
 * fingerprints of ranges and splitting the ranges that differ. O(d log n) bytes for d differences among n blocks.
 *
 * The initiator learns both sides of the difference; the responder keeps no state between messages except its set.
 * Byte format: `docs/protocols/sync.md`. Never trusts a count or bound it is given: bad input is a value, not a throw.
 */
import type { BlockId } from "../ids.ts";
import {
  type Bound,
  END_OF_RANGE,
  FINGERPRINT_BYTES,
  type ReconcileSet,
  SHORT_ID_BYTES,
} from "./reconcile_set.ts";
import { RangeReader, RangeWriter } from "./range_codec.ts";

/** How many parts a differing range is split into. 16 measured best in bytes; 32 saves a round at 100,000 and more. */
export const BRANCHES = 16;
/** A range with at most this many entries is listed instead of split. */
export const LIST_ENTRIES_MAX = 32;
/** A list is answered with the difference when we have at most this many entries there; else the range is split further. */
export const ANSWERED_ENTRIES_MAX = 4096;
/** Largest reconcile message, bytes; what does not fit is summed up in one fingerprint and continues in the next round. */
export const RECONCILE_BYTES_MAX = 256 * 1024;

const SKIP = 0;
const FINGERPRINT = 1;
const LIST = 2;
const DIFFERENCE = 3;

/** What the initiator knows when nothing is left to ask. */
export interface Difference {
  /** Ids the initiator has and the responder lacks. */
  readonly have: BlockId[];
  /** Salted short ids (16 hex digits) the responder has and the initiator lacks: enough to ask that responder for them. */
  readonly need: string[];
}

export type ReconcileStep =
  | { readonly type: "send"; readonly message: Uint8Array }
  /** Only the initiator: every range has been compared. */
  | { readonly type: "done" }
  | { readonly type: "malformed"; readonly reason: string };

/** The initiator's first message: its whole set as one fingerprint or list. */
export function beginReconcile(
  set: ReconcileSet,
  messageBytesMax = RECONCILE_BYTES_MAX,
): Uint8Array {
  const writer = new RangeWriter(messageBytesMax);
  describe(set, writer, 0, set.size, END_OF_RANGE);
  return writer.finish(set);
}

/** The initiator's answer to a message of the responder; differences are added to `difference`. */
export function continueReconcile(
  set: ReconcileSet,
  message: Uint8Array,
  difference: Difference,
  messageBytesMax = RECONCILE_BYTES_MAX,
): ReconcileStep {
  const writer = new RangeWriter(messageBytesMax);
  const problem = forEachRange(set, message, writer, (range) => {
    if (range.mode === LIST) {
      compareList(set, range, difference);
      writer.skip(range.upper);
      return null;
    }
    if (range.mode === DIFFERENCE) return takeDifference(set, range, difference, writer);
    return null;
  });
  if (problem !== null) return { type: "malformed", reason: problem };
  return writer.isEmpty ? { type: "done" } : { type: "send", message: writer.finish(set) };
}

/** The responder's answer to a message of the initiator. */
export function answerReconcile(
  set: ReconcileSet,
  message: Uint8Array,
  messageBytesMax = RECONCILE_BYTES_MAX,
): ReconcileStep {
  const writer = new RangeWriter(messageBytesMax);
  const problem = forEachRange(set, message, writer, (range) => {
    if (range.mode === DIFFERENCE) return "a difference was sent to the responder";
    if (range.mode === LIST) answerList(set, range, writer);
    return null;
  });
  if (problem !== null) return { type: "malformed", reason: problem };
  return { type: "send", message: writer.finish(set) };
}

interface Range {
  readonly mode: number;
  readonly from: number;
  readonly to: number;
  readonly upper: Bound;
  readonly reader: RangeReader;
}

/** Walks the ranges of a message; fingerprints are handled here, the rest by `onRange`, which returns a problem or null. */
function forEachRange(
  set: ReconcileSet,
  message: Uint8Array,
  writer: RangeWriter,
  onRange: (range: Range) => string | null,
): string | null {
  const reader = new RangeReader(message);
  let from = 0;
  // What follows a cut is summed up in its fingerprint and comes again: looking at it now would count it twice.
  while (!reader.isAtEnd && !writer.isCut) {
    const upper = reader.bound();
    const mode = reader.varint();
    if (upper === undefined || mode === undefined) return reader.problem;
    const to = set.lowerBound(from, upper);
    if (mode === SKIP) writer.skip(upper);
    else if (mode === FINGERPRINT) {
      const theirs = reader.bytes(FINGERPRINT_BYTES);
      if (theirs === undefined) return reader.problem;
      if (equal(theirs, set.fingerprint(from, to))) writer.skip(upper);
      else describe(set, writer, from, to, upper);
    } else if (mode === LIST || mode === DIFFERENCE) {
      const problem = onRange({ mode, from, to, upper, reader });
      if (problem !== null) return problem;
    } else return `range mode is ${mode}, expected 0 to 3`;
    from = to;
  }
  return null;
}

/** Says what we have between two indexes: a list when short, else fingerprints of its parts. */
function describe(
  set: ReconcileSet,
  writer: RangeWriter,
  from: number,
  to: number,
  upper: Bound,
): void {
  const count = to - from;
  if (count <= LIST_ENTRIES_MAX) {
    if (!writer.begin(upper, LIST, from, 4 + count * SHORT_ID_BYTES)) return;
    writer.varint(count);
    for (let i = from; i < to; i++) writer.bytes(set.shortId(i));
    return;
  }
  let start = from;
  for (let part = 0; part < BRANCHES; part++) {
    const end = start + Math.floor(count / BRANCHES) + (part < count % BRANCHES ? 1 : 0);
    const bound = end === to ? upper : set.boundBefore(end);
    if (!writer.begin(bound, FINGERPRINT, start, FINGERPRINT_BYTES)) return;
    writer.bytes(set.fingerprint(start, end));
    start = end;
  }
}

/** Initiator: the responder listed everything it has in this range. */
function compareList(set: ReconcileSet, range: Range, difference: Difference): void {
  const theirs = readList(range.reader);
  if (theirs === undefined) return;
  for (let i = range.from; i < range.to; i++) {
    if (!theirs.delete(set.shortId(i).toHex())) difference.have.push(set.id(i));
  }
  for (const short of theirs.keys()) difference.need.push(short);
}

/**
 * Responder: the initiator listed its entries; only the difference goes back. Where we have far more than was listed the range is split
 * instead: one list of everything might not fit into any message, and would cost us a walk through the whole set for a few bytes.
 */
function answerList(set: ReconcileSet, range: Range, writer: RangeWriter): void {
  const theirs = readList(range.reader);
  if (theirs === undefined) return;
  const answered = Math.min(ANSWERED_ENTRIES_MAX, Math.floor(writer.bytesMax / 16));
  if (range.to - range.from > Math.max(LIST_ENTRIES_MAX, answered)) {
    return describe(set, writer, range.from, range.to, range.upper);
  }
  const extra: Uint8Array[] = [];
  for (let i = range.from; i < range.to; i++) {
    if (!theirs.delete(set.shortId(i).toHex())) extra.push(set.shortId(i));
  }
  if (extra.length === 0 && theirs.size === 0) {
    writer.skip(range.upper);
    return;
  }
  const lacking = [...theirs.values()].sort((a, b) => a - b);
  if (
    !writer.begin(
      range.upper,
      DIFFERENCE,
      range.from,
      8 + lacking.length * 3 + extra.length * SHORT_ID_BYTES,
    )
  ) return;
  writer.varint(lacking.length);
  let previous = -1;
  for (const index of lacking) {
    writer.varint(index - previous - 1);
    previous = index;
  }
  writer.varint(extra.length);
  for (const short of extra) writer.bytes(short);
}

/** Initiator: positions in the list we sent that the responder lacks, then short ids that we lack. */
function takeDifference(
  set: ReconcileSet,
  range: Range,
  difference: Difference,
  writer: RangeWriter,
): string | null {
  const lacking = range.reader.varint();
  if (lacking === undefined) return range.reader.problem;
  if (lacking > range.to - range.from) {
    return `difference names ${lacking} entries, expected at most ${range.to - range.from}`;
  }
  let index = -1;
  for (let i = 0; i < lacking; i++) {
    const step = range.reader.varint();
    if (step === undefined) return range.reader.problem;
    index += step + 1;
    if (range.from + index >= range.to) {
      return `difference names entry ${index}, expected less than ${range.to - range.from}`;
    }
    difference.have.push(set.id(range.from + index));
  }
  const extra = range.reader.varint();
  if (extra === undefined) return range.reader.problem;
  for (let i = 0; i < extra; i++) {
    const short = range.reader.bytes(SHORT_ID_BYTES);
    if (short === undefined) return range.reader.problem;
    difference.need.push(short.toHex());
  }
  writer.skip(range.upper);
  return null;
}

/** Short ids of a list with their positions; undefined when the message is cut short (the reader then holds the problem). */
function readList(reader: RangeReader): Map<string, number> | undefined {
  const count = reader.varint();
  if (count === undefined) return undefined;
  const list = new Map<string, number>();
  for (let i = 0; i < count; i++) {
    const short = reader.bytes(SHORT_ID_BYTES);
    if (short === undefined) return undefined;
    list.set(short.toHex(), i);
  }
  return list;
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 0; i < FINGERPRINT_BYTES; i++) if (a[i] !== b[i]) return false;
  return true;
}
