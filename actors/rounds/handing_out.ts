/**
 * What this device still has of a run that it has left, or that was stopped, for members that verify: vectors that results of the run name, and nothing else. A run
 * that it takes part in hands out by itself.
 */
import type { ContentHash, DeviceId } from "../../protocols/ids.ts";
import type { RequestParts, RoundsMessage } from "../../protocols/rounds/messages.ts";
import type { Behaviour } from "../kernel/actor.ts";
import type { PeerMessage } from "../sessions/commands.ts";
import { vectorsOf } from "./old_vectors.ts";
import type { RoundsDependencies } from "./rounds.ts";
import type { Of as OfRun } from "./run_state.ts";
import type { KnownRun, RoundsContext, RoundsState } from "./state.ts";
import { tell } from "./talking.ts";
import {
  onRequestParts,
  onVectorRead,
  type TransferDependencies,
  type TransferState,
} from "./transfers.ts";

/** Runs of which this is done at once, at most; who is not heard asks again. */
const HANDING_MAX = 2;
/** Nobody has asked for so long: its memory is given back, ms. */
const IDLE_MS = 30_000;

type HandingCommand =
  | PeerMessage<RoundsMessage>
  | OfRun<"vectorRead">
  | { readonly type: "idle" };

/** Somebody asks for parts of a vector of a run that has no actor here. */
export function handOut(
  context: RoundsContext,
  state: RoundsState,
  deps: RoundsDependencies,
  from: DeviceId,
  message: RequestParts,
): void {
  const { run: id, hash } = message;
  const run = state.runs.get(id);
  if (run === undefined || !isNamed(run, hash)) {
    return tell(context, deps, from, { type: "vectorMissing", run: id, hash });
  }
  const { fetches } = state;
  let handing = fetches.handing.get(id);
  if (handing === undefined) {
    if (fetches.handing.size >= HANDING_MAX) return;
    const number = fetches.next++;
    const behaviour = handingOut({ ...deps, run: id });
    const ref = context.spawn(`hand.${number}`, behaviour, { restart: "temporary" });
    context.watch(ref, () => ({ type: "fetchEnded", fetch: number }));
    handing = { number, ref };
    fetches.handing.set(id, handing);
  }
  context.send(handing.ref, { type: "peerMessage", from, message });
}

/** True for what everybody who adopts the version gets; on a grid each version is its device's own. */
function isNamed({ plan, results }: KnownRun, hash: ContentHash): boolean {
  if (plan.aggregation.type === "grid") return false;
  return hash === plan.startFrom ||
    results.some(({ result }) => vectorsOf(result).includes(hash));
}

function handingOut(deps: TransferDependencies): Behaviour<HandingCommand, TransferState> {
  return {
    name: "handingOut",
    init(context) {
      context.startTimer("idle", IDLE_MS, { type: "idle" });
      return {
        peers: new Map(),
        incoming: new Map(),
        serving: new Map(),
        reading: new Map(),
        part: null,
      };
    },
    receive(context, state, command) {
      switch (command.type) {
        case "peerMessage":
          if (command.message.type !== "requestParts") return;
          context.startTimer("idle", IDLE_MS, { type: "idle" });
          return onRequestParts(context, state, deps, command.from, command.message);
        case "vectorRead":
          return onVectorRead(context, state, deps, command);
        case "idle":
          return context.stopSelf();
        default:
          command satisfies never;
      }
    },
  };
}
