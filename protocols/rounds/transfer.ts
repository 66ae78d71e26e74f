/**
 * A vector on its way to us: which parts are here, which to ask for next. The receiver sets the pace, so that a coordinator takes in what a
 * thousand devices have made in the order and at the speed that it can bear. Whole only when its hash is the one that was offered.
 */
import type { BlockId, ContentHash } from "../ids.ts";
import {
  PART_BYTES,
  PARTS_AT_ONCE_MAX,
  type RequestParts,
  type VectorOffer,
  type VectorPart,
} from "./messages.ts";

/** Parts asked for and not here yet, at most: 1 MiB keeps a fast path busy. */
export const PARTS_IN_FLIGHT_MAX = 8;

/** What is here of one offered vector. */
export interface IncomingVector {
  /** The run it is for. */
  readonly run: BlockId;
  readonly offer: VectorOffer;
  /** The whole vector; parts that are not here are zero. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Per part: 0 not asked for, 1 asked for, 2 here. */
  readonly parts: Uint8Array;
  here: number;
  asked: number;
}

/** Begins to receive. `offer.bytes` was bounded when the message was decoded. */
export function receiveVector(run: BlockId, offer: VectorOffer): IncomingVector {
  return {
    run,
    offer,
    bytes: new Uint8Array(offer.bytes),
    parts: new Uint8Array(partCount(offer.bytes)),
    here: 0,
    asked: 0,
  };
}

/** Parts of a vector of so many bytes. */
export function partCount(bytes: number): number {
  return Math.ceil(bytes / PART_BYTES);
}

/** What to ask for now; marks it as asked for. Null while enough is on its way. */
export function nextRequest(vector: IncomingVector): RequestParts | null {
  const room = PARTS_IN_FLIGHT_MAX - vector.asked;
  const first = vector.parts.indexOf(0);
  // Half a window at a time: one request for each part would double the messages.
  if (first < 0 || (room < PARTS_IN_FLIGHT_MAX / 2 && vector.asked > 0)) return null;
  let count = 0;
  const most = Math.min(room, PARTS_AT_ONCE_MAX);
  while (count < most && vector.parts[first + count] === 0) {
    vector.parts[first + count] = 1;
    count++;
  }
  vector.asked += count;
  return { type: "requestParts", run: vector.run, hash: vector.offer.hash, first, count };
}

/** Nothing came for a while: what was asked for and is not here is asked for again. */
export function askAgain(vector: IncomingVector): void {
  for (let i = 0; i < vector.parts.length; i++) if (vector.parts[i] === 1) vector.parts[i] = 0;
  vector.asked = 0;
}

/** A part has come. `unexpected`: another length than it has, or a place that the vector has not; the sender breaks the rules. */
export function acceptPart(
  vector: IncomingVector,
  { index, bytes }: VectorPart,
): "taken" | "duplicate" | "unexpected" {
  const state = vector.parts[index];
  if (state === undefined) return "unexpected";
  const from = index * PART_BYTES;
  if (bytes.length !== Math.min(PART_BYTES, vector.offer.bytes - from)) return "unexpected";
  if (state === 2) return "duplicate";
  vector.bytes.set(bytes, from);
  if (state === 1) vector.asked--;
  vector.parts[index] = 2;
  vector.here++;
  return "taken";
}

/** True when all parts are here; whether they are what was offered, the hash tells. */
export function isWhole(vector: IncomingVector): boolean {
  return vector.here === vector.parts.length;
}

/** The parts a peer asks for; empty when it asks beyond the end. */
export function partsOf(
  { run, hash }: { readonly run: BlockId; readonly hash: ContentHash },
  vector: Uint8Array,
  { first, count }: Pick<RequestParts, "first" | "count">,
): readonly VectorPart[] {
  const last = Math.min(first + count, partCount(vector.length));
  const parts: VectorPart[] = [];
  for (let index = first; index < last; index++) {
    const from = index * PART_BYTES;
    parts.push({
      type: "vectorPart",
      run,
      hash,
      index,
      bytes: vector.subarray(from, Math.min(from + PART_BYTES, vector.length)),
    });
  }
  return parts;
}
