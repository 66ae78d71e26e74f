/**
 * Vectors on their way: fetched part by part from whoever has them, and handed to those who ask. Bounded: a few are fetched at a time, a few
 * are kept in memory for others, everything else is on the disk.
 */
import type { ContentHash, DeviceId } from "../../protocols/ids.ts";
import {
  PART_BYTES,
  type RequestParts,
  type RoundsMessage,
  type VectorOffer,
  type VectorPart,
} from "../../protocols/rounds/messages.ts";
import {
  acceptPart,
  askAgain,
  isWhole,
  nextRequest,
  partsOf,
  receiveVector,
} from "../../protocols/rounds/transfer.ts";
import type { Context } from "../kernel/actor.ts";
import type { PeerMessage } from "../sessions/commands.ts";
import type { Incoming, Of, Part, RunActorState, RunDependencies } from "./run_state.ts";
import { isReachable, tell } from "./talking.ts";

/** No part for this long: asked again, ms. */
const STALLED_MS = 4_000;
/** No part for this long: asked elsewhere, ms. Updates have the time that their attempt or buffer gives them. */
const SILENT_MS = 3 * STALLED_MS;
/** A version that comes more slowly than this is asked elsewhere, bytes a second; that is a link of 256 kbit/s. */
const LEAST_BYTES_PER_S = 32 * 1_024;
/** So long a source may be slower: it may be serving many, ms. Whoever is the only one has longer, and each time longer. */
const PATIENT_MS = 15_000;
const PATIENT_WITH_LAST_MS = 60_000;
const DOUBLINGS_MAX = 6;
/** Vectors in memory for others, beside this device's own update. */
const SERVING_MAX = 6;
/** Vectors being read from the disk for others at once. */
const READING_MAX = 16;

/** What fetching needs of an actor, whichever kind it is. */
export type FetchContext = Context<PeerMessage<RoundsMessage>>;
export interface FetchState extends Pick<RunActorState, "peers" | "incoming"> {
  /** How often the last source of a version was too slow. */
  readonly tooSlow?: Map<ContentHash, number>;
}
export type FetchDependencies = Pick<RunDependencies, "self" | "run" | "sessions" | "crypto">;

/** What transfers need of the actor of a run, which also hands out. */
export type TransferContext = Context<PeerMessage<RoundsMessage> | Of<"vectorRead">>;
export interface TransferState extends FetchState, Pick<RunActorState, "serving" | "reading"> {
  readonly part: OwnUpdate | null;
  /** Where a device may hand in an update while the next is in the making. */
  readonly buffered?: { readonly handed: OwnUpdate | null };
}
type OwnUpdate = Pick<Part, "coordinator" | "submission" | "bytes">;
export type TransferDependencies = FetchDependencies & Pick<RunDependencies, "vectors">;

/** What the owner of a transfer does with it. */
export interface TransferEnds {
  readonly whole: (incoming: Incoming) => void;
  /** Nobody has it, or what came is not what was offered (`isWrong`). */
  readonly failed: (incoming: Incoming, reason: string, isWrong: boolean) => void;
  /** One source is given up, whether or not there is another; `isWrong` as above. */
  readonly left?: (source: DeviceId, isWrong: boolean) => void;
}

/** Begins to fetch; false, and nothing changed, when nobody may have it or it is on its way already. */
export function fetchVector(
  context: FetchContext,
  state: FetchState,
  deps: FetchDependencies,
  request: {
    readonly offer: VectorOffer;
    readonly sources: readonly DeviceId[];
    readonly purpose: Incoming["purpose"];
  },
): boolean {
  const { offer, purpose } = request;
  const [from, ...sources] = request.sources;
  if (from === undefined || state.incoming.has(offer.hash)) return false;
  const vector = receiveVector(deps.run, offer);
  const nowMs = context.monotonicMs();
  const incoming: Incoming = {
    vector,
    from,
    sources,
    startedAtMs: nowMs,
    movedAtMs: nowMs,
    progressAtMs: nowMs,
    purpose,
  };
  state.incoming.set(offer.hash, incoming);
  ask(context, deps, incoming);
  return true;
}

function ask(context: FetchContext, deps: FetchDependencies, incoming: Incoming): void {
  const request = nextRequest(incoming.vector);
  if (request !== null) tell(context, deps, incoming.from, request);
}

/** A part of something we fetch. */
export function onVectorPart(
  context: FetchContext,
  state: FetchState,
  deps: FetchDependencies,
  options: { readonly from: DeviceId; readonly part: VectorPart; readonly ends: TransferEnds },
): void {
  const { from, part, ends } = options;
  const incoming = state.incoming.get(part.hash);
  if (incoming === undefined || incoming.from !== from) return;
  if (acceptPart(incoming.vector, part) === "unexpected") {
    const reason = "a part did not fit";
    return elsewhere(context, state, deps, { incoming, ends, reason, isWrong: true });
  }
  incoming.movedAtMs = context.monotonicMs();
  incoming.progressAtMs = incoming.movedAtMs;
  if (!isWhole(incoming.vector)) return ask(context, deps, incoming);
  if (deps.crypto.sha256Hex(incoming.vector.bytes) !== part.hash) {
    return elsewhere(context, state, deps, {
      incoming,
      ends,
      reason: "what came was not what was offered",
      isWrong: true,
    });
  }
  state.incoming.delete(part.hash);
  ends.whole(incoming);
}

/** The next who may have it, from the beginning; or the end of trying. */
export function elsewhere(
  context: FetchContext,
  state: FetchState,
  deps: FetchDependencies,
  options: {
    readonly incoming: Incoming;
    readonly ends: TransferEnds;
    readonly reason: string;
    readonly isWrong?: boolean;
  },
): void {
  const { incoming, ends, reason, isWrong = false } = options;
  const { offer } = incoming.vector;
  state.incoming.delete(offer.hash);
  ends.left?.(incoming.from, isWrong);
  if (incoming.sources.length === 0) return ends.failed(incoming, reason, isWrong);
  fetchVector(context, state, deps, {
    offer,
    sources: incoming.sources,
    purpose: incoming.purpose,
  });
}

/** Looks after transfers that stand still; called once a second. */
export function tendTransfers(
  context: FetchContext,
  state: FetchState,
  deps: FetchDependencies,
  ends: TransferEnds,
): void {
  const nowMs = context.monotonicMs();
  for (const incoming of [...state.incoming.values()]) {
    if (isVersion(incoming) && isSlow(incoming, nowMs, patienceMs(state, incoming))) {
      if (incoming.sources.length === 0) noteSlow(state, incoming);
      elsewhere(context, state, deps, { incoming, ends, reason: "its owner sends it too slowly" });
      continue;
    }
    if (nowMs - incoming.movedAtMs < STALLED_MS) continue;
    if (!isReachable(state, deps, incoming.from)) {
      elsewhere(context, state, deps, { incoming, ends, reason: "its owner is away" });
      continue;
    }
    if (incoming.purpose.type !== "submission" && nowMs - incoming.progressAtMs >= SILENT_MS) {
      elsewhere(context, state, deps, { incoming, ends, reason: "its owner sends nothing of it" });
      continue;
    }
    incoming.movedAtMs = nowMs;
    askAgain(incoming.vector);
    ask(context, deps, incoming);
  }
}

/** For everything else there is a phase that ends. */
function isVersion({ purpose: { type } }: Incoming): boolean {
  return type !== "submission" && type !== "member";
}

/** A slow link gets through in the end, and meanwhile others have their turn. */
function noteSlow({ tooSlow }: FetchState, { vector: { offer: { hash } } }: Incoming): void {
  tooSlow?.set(hash, Math.min(DOUBLINGS_MAX, 1 + (tooSlow.get(hash) ?? 0)));
}

/** How long a source may be slower than the least rate, ms. */
function patienceMs({ tooSlow }: FetchState, { vector, sources }: Incoming): number {
  if (sources.length > 0) return PATIENT_MS;
  return PATIENT_WITH_LAST_MS * 2 ** (tooSlow?.get(vector.offer.hash) ?? 0);
}

/** True when less has come since the beginning than would have at the least rate, but for `patienceMs` without anything. */
export function isSlow(
  { vector, startedAtMs }: Incoming,
  nowMs: number,
  patienceMs = PATIENT_MS,
): boolean {
  const dueMs = nowMs - startedAtMs - patienceMs;
  return vector.here * PART_BYTES < LEAST_BYTES_PER_S * dueMs / 1_000;
}

/** Updates on their way are wanted no more: all of them, or only some. Gives their devices. */
export function dropSubmissions(
  { incoming }: Pick<RunActorState, "incoming">,
  which: (one: Incoming) => boolean = () => true,
): readonly DeviceId[] {
  const dropped: DeviceId[] = [];
  for (const [hash, one] of [...incoming]) {
    if (one.purpose.type !== "submission" || !which(one)) continue;
    incoming.delete(hash);
    dropped.push(one.purpose.device);
  }
  return dropped;
}

/** Lets others fetch a vector from memory; the oldest make room. */
export function serve(
  state: TransferState,
  hash: ContentHash,
  bytes: Uint8Array<ArrayBuffer>,
): void {
  state.serving.delete(hash);
  state.serving.set(hash, bytes);
  for (const old of state.serving.keys()) {
    if (state.serving.size <= SERVING_MAX) break;
    state.serving.delete(old);
  }
}

/** Somebody asks for parts: from memory, else the vector is read first. */
export function onRequestParts(
  context: TransferContext,
  state: TransferState,
  deps: TransferDependencies,
  from: DeviceId,
  request: RequestParts,
): void {
  const { hash } = request;
  const { run } = deps;
  // An update is for the coordinator of its attempt and nobody else, and only while the attempt lasts.
  const own = [state.part, state.buffered?.handed].find((part) =>
    part?.coordinator === from && part.submission?.update.hash === hash
  )?.bytes;
  const bytes = own ?? state.serving.get(hash);
  if (bytes !== undefined) {
    for (const one of partsOf({ run, hash }, bytes, request)) tell(context, deps, from, one);
    return;
  }
  const asking = state.reading.get(hash);
  if (asking !== undefined) {
    if (!asking.includes(from)) asking.push(from);
    return;
  }
  // Whoever is not heard now asks again.
  if (state.reading.size >= READING_MAX) return;
  state.reading.set(hash, [from]);
  context.perform(
    () => deps.vectors.get(hash),
    (outcome) => ({ type: "vectorRead", hash, outcome }),
  );
}

/** It was read: whoever asked begins again, or looks elsewhere. */
export function onVectorRead(
  context: TransferContext,
  state: TransferState,
  deps: TransferDependencies,
  { hash, outcome }: Of<"vectorRead">,
): void {
  const asking = state.reading.get(hash) ?? [];
  state.reading.delete(hash);
  if (!outcome.ok || outcome.value === undefined) {
    for (const device of asking) {
      tell(context, deps, device, { type: "vectorMissing", run: deps.run, hash });
    }
    return;
  }
  serve(state, hash, outcome.value);
  // Their first window; they ask for the rest themselves.
  for (const device of asking) {
    for (const part of partsOf({ run: deps.run, hash }, outcome.value, { first: 0, count: 8 })) {
      tell(context, deps, device, part);
    }
  }
}
