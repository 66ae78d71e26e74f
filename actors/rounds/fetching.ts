/**
 * Vectors that a person's verification needs and this device has not: fetched from members that keep them, by the transfers that versions are adopted with. What comes is
 * checked by its hash, goes to whoever asked, and is kept by nobody. Any member that may learn can ask so, whether or not it has joined the run: the same
 * permission as others ask for when they hand out versions.
 */
import { may } from "../../protocols/registry/registry.ts";
import type { RunId } from "../../learning/runs/plan.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import type { RoundsMessage, VectorOffer } from "../../protocols/rounds/messages.ts";
import type { Outcome } from "../handle.ts";
import type { Behaviour, Context, Ref } from "../kernel/actor.ts";
import { refused } from "../outcomes.ts";
import type { PeerMessage } from "../sessions/commands.ts";
import type { RunPeer } from "./commands.ts";
import { isTrusted } from "./faults.ts";
import type { RoundsDependencies } from "./rounds.ts";
import type { KnownRun, RoundsContext, RoundsState } from "./state.ts";
import {
  elsewhere,
  type FetchDependencies,
  type FetchState,
  fetchVector,
  onVectorPart,
  tendTransfers,
  type TransferEnds,
} from "./transfers.ts";

/** Vectors that are fetched so at once, at most; each may take 64 MiB of memory. */
const FETCHES_MAX = 4;
/** Devices asked for one vector, at most. */
export const SOURCES_MAX = 8;
const TICK_MS = 1_000;

/** Fetches one vector of a run; the answer is in memory only. */
export interface FetchVector {
  readonly type: "fetchVector";
  readonly run: RunId;
  readonly offer: VectorOffer;
  /** Who has published the round that it belongs to, and that round: they are asked first who have done it. */
  readonly author: DeviceId;
  readonly round: number;
  /** Nothing is waited for longer, ms. */
  readonly withinMs: number;
  readonly replyTo: Ref<Outcome<FetchedVector>>;
}

export type FetchedVector =
  | { readonly type: "here"; readonly bytes: Uint8Array<ArrayBuffer> }
  /** In the order in which they were asked; nobody where no device could be asked. */
  | { readonly type: "nowhere"; readonly asked: readonly AskedDevice[] };

/** Somebody who was asked in vain: it has not got it, has sent something else, or not all of it in time. */
export interface AskedDevice {
  readonly device: DeviceId;
  readonly why: "missing" | "wrong" | "late";
}

/** Vectors on their way between this device and members that verify. */
export interface Fetches {
  /** To this device. */
  readonly running: Map<number, { readonly run: RunId; readonly ref: Ref<FetchCommand> }>;
  /** From it, of runs that it takes no part in (any more). */
  readonly handing: Map<
    RunId,
    { readonly number: number; readonly ref: Ref<PeerMessage<RoundsMessage>> }
  >;
  next: number;
}

type FetchCommand =
  | PeerMessage<RoundsMessage>
  | { readonly type: "tick" }
  | { readonly type: "over" };

/** Begins to fetch for somebody who waits. */
export function onFetchVector(
  context: RoundsContext,
  state: RoundsState,
  deps: RoundsDependencies,
  request: FetchVector,
): void {
  const { replyTo, run: id } = request;
  const { fetches } = state;
  const run = state.runs.get(id);
  if (run === undefined) {
    return context.send(
      replyTo,
      refused("notFound", `Cannot fetch what it is verified with: no run ${id} is known here`),
    );
  }
  if (!may(state.registry, deps.self, "learn.join")) {
    return context.send(
      replyTo,
      refused(
        "notPermitted",
        "Cannot fetch what it is verified with: this device lacks the permission learn.join, without which others hand out nothing of a model; an owner can grant it",
      ),
    );
  }
  if (fetches.running.size >= FETCHES_MAX) {
    return context.send(
      replyTo,
      refused(
        "busy",
        `Cannot fetch what it is verified with: ${FETCHES_MAX} vectors are being fetched already, expected fewer; try again in a moment`,
      ),
    );
  }
  const sources = sourcesOf(state, run, request);
  if (sources.length === 0) {
    return context.send(replyTo, { type: "done", value: { type: "nowhere", asked: [] } });
  }
  const fetch = fetches.next++;
  const { self, sessions, crypto } = deps;
  const ref = context.spawn(
    `fetch.${fetch}`,
    fetching({ self, sessions, crypto, run: id }, sources, request),
    { restart: "temporary" },
  );
  fetches.running.set(fetch, { run: id, ref });
  context.watch(ref, () => ({ type: "fetchEnded", fetch }));
}

/** One that fetched or handed out is done. */
export function onFetchEnded({ fetches: { running, handing } }: RoundsState, fetch: number): void {
  running.delete(fetch);
  for (const [run, { number }] of handing) if (number === fetch) handing.delete(run);
}

/** A part of a vector may be for somebody who verifies. */
export function passOnToFetches(
  context: RoundsContext,
  { fetches }: RoundsState,
  from: DeviceId,
  message: RoundsMessage,
): void {
  if (message.type !== "vectorPart" && message.type !== "vectorMissing") return;
  for (const { run, ref } of fetches.running.values()) {
    if (run === message.run) context.send(ref, { type: "peerMessage", from, message });
  }
}

/** Whoever can be reached and may learn: the author, those who have done the round, the others of the run, and then whoever may have left it. */
function sourcesOf(
  { registry, up, reputation }: RoundsState,
  { devices }: KnownRun,
  { author, round }: FetchVector,
): readonly RunPeer[] {
  const rank = ({ deviceId, round: done, trusted }: RunPeer) =>
    !trusted ? 4 : deviceId === author ? 0 : done >= round ? 1 : devices.has(deviceId) ? 2 : 3;
  return [...up].filter((device) => may(registry, device, "learn.join"))
    .map((deviceId): RunPeer => ({
      deviceId,
      up: true,
      coordinates: may(registry, deviceId, "learn.coordinate"),
      round: devices.get(deviceId) ?? 0,
      trusted: isTrusted({ reputation }, deviceId),
    }))
    .sort((a, b) => rank(a) - rank(b) || (a.deviceId < b.deviceId ? -1 : 1))
    .slice(0, SOURCES_MAX);
}

/** Fetches one vector, says what came of it, and ends. */
function fetching(
  deps: FetchDependencies,
  sources: readonly RunPeer[],
  { offer, withinMs, replyTo }: FetchVector,
): Behaviour<FetchCommand, FetchState & { readonly asked: AskedDevice[] }> {
  type State = FetchState & { readonly asked: AskedDevice[] };

  function finish(context: Context<FetchCommand>, value: FetchedVector): void {
    context.send(replyTo, { type: "done", value });
    context.stopSelf();
  }

  function ends(context: Context<FetchCommand>, { asked }: State, isMissing = false): TransferEnds {
    return {
      whole: ({ vector: { bytes } }) => finish(context, { type: "here", bytes }),
      failed: () => finish(context, { type: "nowhere", asked }),
      left(device, isWrong) {
        asked.push({ device, why: isMissing ? "missing" : isWrong ? "wrong" : "late" });
      },
    };
  }

  return {
    name: "fetching",
    init(context) {
      const state: State = {
        peers: new Map(sources.map((peer) => [peer.deviceId, peer])),
        incoming: new Map(),
        asked: [],
      };
      const devices = sources.map(({ deviceId }) => deviceId);
      fetchVector(context, state, deps, {
        offer,
        sources: devices,
        purpose: { type: "verification" },
      });
      context.startTimer("tick", TICK_MS, { type: "tick" });
      context.startTimer("over", withinMs, { type: "over" });
      return state;
    },
    receive(context, state, command) {
      switch (command.type) {
        case "tick":
          context.startTimer("tick", TICK_MS, { type: "tick" });
          return tendTransfers(context, state, deps, ends(context, state));
        case "over": {
          const late = [...state.incoming.values()].map(({ from }) => (
            { device: from, why: "late" as const }
          ));
          return finish(context, { type: "nowhere", asked: [...state.asked, ...late] });
        }
        case "peerMessage": {
          const { from, message } = command;
          if (message.type === "vectorPart") {
            return onVectorPart(context, state, deps, {
              from,
              part: message,
              ends: ends(context, state),
            });
          }
          if (message.type !== "vectorMissing") return;
          const incoming = state.incoming.get(message.hash);
          if (incoming?.from !== from) return;
          return elsewhere(context, state, deps, {
            incoming,
            ends: ends(context, state, true),
            reason: "it is not there",
          });
        }
        default:
          command satisfies never;
      }
    },
  };
}
