/** The coordinator's state in a secure sum, and the small questions that its steps ask of it. */
import type { DeviceId } from "../../protocols/ids.ts";
import { hasBit } from "./bitmap.ts";
import {
  type Advertisement,
  type KeyShares,
  SEALED_SHARE_BYTES,
  type SumOutcome,
  type SumRefusal,
  type SumRound,
} from "./contract.ts";
import { assumptionProblem } from "./graph.ts";
import type { MerkleLevels } from "./merkle.ts";
import { refused, type RosterView, roundProblem } from "./roster.ts";
import type { Share } from "./shamir.ts";

/** What came of a masked vector: itself only in the sum. */
export interface InputRecord {
  readonly leaf: Uint8Array;
  readonly unreadable: readonly number[];
}

/** The coordinator's state. Everything about devices is by roster index. */
export interface ServerState {
  readonly round: SumRound;
  phase: "advertising" | "sharing" | "masking" | "signing" | "revealing" | "unmasking" | "done";
  readonly advertisements: Map<DeviceId, Advertisement>;
  /** Whose every advertised key is, by its hex digits. */
  readonly keyOwners: Map<string, DeviceId>;
  roster:
    | { readonly view: RosterView; readonly devices: Uint8Array; readonly levels: MerkleLevels }
    | undefined;
  /** Undefined for a device that is known to have shared keys, but whose message is lost: then its shares are checked less. */
  readonly shares: Map<number, KeyShares | undefined>;
  /** Sum of everything masked so far, modulo 2^32. */
  readonly sum: Uint32Array<ArrayBuffer>;
  readonly inputs: Map<number, InputRecord>;
  claim: {
    readonly survivors: Uint8Array;
    readonly levels: MerkleLevels;
    readonly ranks: ReadonlyMap<number, number>;
  } | undefined;
  readonly signatures: Map<number, Uint8Array>;
  readonly revealers: Set<number>;
  /** Shares of each owner's one secret that is needed. */
  readonly revealed: Map<number, Share[]>;
  /** How often something was refused, by reason. */
  readonly refusals: Partial<Record<SumRefusal, number>>;
}

/** Whether a message counts now. */
export type Accepted = SumOutcome<"accepted" | "repeated">;

/** Begins an attempt; refused when its numbers are impossible. */
export function openSum(round: SumRound): SumOutcome<ServerState> {
  const problem = roundProblem(round) ?? assumptionProblem(round.assumptions);
  if (problem !== undefined) return refused("malformed", problem);
  return {
    ok: true,
    value: {
      round,
      phase: "advertising",
      advertisements: new Map(),
      keyOwners: new Map(),
      roster: undefined,
      shares: new Map(),
      sum: new Uint32Array(round.length),
      inputs: new Map(),
      claim: undefined,
      signatures: new Map(),
      revealers: new Set(),
      revealed: new Map(),
      refusals: {},
    },
  };
}

/** Counts a refusal and hands it on. */
export function count<T extends SumOutcome<unknown>>(state: ServerState, outcome: T): T {
  if (!outcome.ok) state.refusals[outcome.refusal] = (state.refusals[outcome.refusal] ?? 0) + 1;
  return outcome;
}

/** The piece of an owner's message that is for one holder; undefined when the message is not here. */
export function pieceFor(
  state: ServerState,
  { owner, holder }: { readonly owner: number; readonly holder: number },
): Uint8Array | undefined {
  const sealed = state.shares.get(owner)?.sealed;
  if (sealed === undefined) return undefined;
  const at = state.roster!.view.neighbours(owner).indexOf(holder);
  return sealed.subarray(at * SEALED_SHARE_BYTES, (at + 1) * SEALED_SHARE_BYTES);
}

/** True when the device at `index` survived. */
export function survived(state: ServerState, index: number): boolean {
  return state.claim !== undefined && hasBit(state.claim.survivors, index);
}

/** A device's place in the roster; undefined for strangers and before there is one. */
export function find(state: ServerState, device: DeviceId) {
  const index = state.roster?.view.indexOf.get(device);
  return state.roster === undefined || index === undefined
    ? undefined
    : { roster: state.roster, index };
}

/** The refusal of somebody who is not in the roster. */
export function notInRoster(state: ServerState, device: DeviceId): Accepted {
  return count(
    state,
    refused("wrongPhase", `Cannot take a message of ${device}: it is not in the roster`, device),
  );
}
