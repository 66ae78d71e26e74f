/** What the rounds actor knows. Shared by its files; nobody else needs it. */
import type { Ledger } from "../../learning/privacy/ledger.ts";
import type { RunId, RunPlan } from "../../learning/runs/plan.ts";
import type { Block } from "../../protocols/blocks/block.ts";
import { SourceBudget } from "../../protocols/discovery/source_budget.ts";
import type { BlockId, DeviceId } from "../../protocols/ids.ts";
import type { Registry } from "../../protocols/registry/registry.ts";
import type { Outcome } from "../handle.ts";
import type { Context, Ref } from "../kernel/actor.ts";
import type {
  AnyRunCommand,
  BudgetSummary,
  ChargeRequest,
  CommittedResult,
  RoundsCommand,
  RunReport,
} from "./commands.ts";
import type { Fetches } from "./fetching.ts";
import { type MessageLimit, messageLimit } from "./rate_limit.ts";
import type { HeldResults } from "./results_in_mind.ts";

export type RoundsContext = Context<RoundsCommand>;
export type Of<Type extends RoundsCommand["type"]> = Extract<RoundsCommand, { type: Type }>;

export interface KnownRun {
  readonly run: RunId;
  readonly plan: RunPlan;
  readonly startedBy: DeviceId;
  readonly startedAtMs: number;
  joined: boolean;
  stopped: boolean;
  /** Why this device cannot take part; null when it can. */
  problem: string | null;
  /** Rounds done here. */
  round: number;
  /** When this device had done all rounds, ms of the monotonic clock; null before. */
  finishedAtMs: number | null;
  /** No vectors of rounds before this one are kept any more. */
  roomUpTo: number;
  readonly results: CommittedResult[];
  /** What of them is in mind, by author. */
  readonly held: HeldResults;
  report: RunReport | null;
  /** Null while it is not joined. */
  child: Ref<AnyRunCommand> | null;
  /** Others that have joined, and the rounds they have done. */
  readonly devices: Map<DeviceId, number>;
  /** Devices of which others say that they have joined, and who named them first; they have not said so themselves yet. */
  readonly heardOf: Map<DeviceId, DeviceId>;
  /** Others that have said to this device that they have joined, counted. */
  arrivals: number;
  /** Whom this device names to others, as it was when there were so many arrivals. */
  naming: { readonly arrivals: number; readonly devices: readonly DeviceId[] };
  /** What `naming.devices` was when a device was told them, until its next session: it hears nothing that it was told before. */
  readonly told: Map<DeviceId, readonly DeviceId[]>;
  /** What `seatOrder` has worked out for this run. */
  readonly places: Map<DeviceId, string>;
  /** Those who take turns at coordinating a large company; null when all do who may. */
  seats: ReadonlySet<DeviceId> | null;
  /** Those who would have a seat if all had joined that were named: they are looked for. */
  sought: ReadonlySet<DeviceId>;
  /** True once names had their time to come: from then on only whoever has been met has a seat. */
  isSettled: boolean;
  /** The others will hear soon how many this device knows. */
  companyPending: boolean;
}

export interface RoundsState {
  readonly self: Ref<RoundsCommand>;
  loaded: boolean;
  registry: Registry | null;
  /** Ends of runs by whom is not known to be an owner, such as before it is known who is a member. The newest ones. */
  ends: Block[];
  readonly up: Set<DeviceId>;
  /** Devices whose session has ended, and has not come back; or never came about when they had a seat. */
  readonly gone: Set<DeviceId>;
  /** Devices that have a seat, or would have one, and were not there when it was looked; empty while nobody is waited for. */
  awaited: ReadonlySet<DeviceId>;
  /** Devices with which sessions shall be kept, as it was said last. */
  kept: ReadonlySet<DeviceId>;
  /** How much each device may say about rounds. */
  readonly messages: MessageLimit;
  /** How often each device is told who has joined. */
  readonly asking: SourceBudget;
  /** How often each device is listened to when it names others. */
  readonly naming: SourceBudget;
  readonly runs: Map<RunId, KnownRun>;
  /** Results that came before their plan. */
  readonly early: Map<RunId, CommittedResult[]>;
  /** Blocks of results that are larger than a block, while parts of them are missing. */
  readonly incomplete: Map<BlockId, Block>;
  ledger: Ledger;
  /** Secrets of charged rounds, by "run/round". */
  readonly secrets: Map<string, Uint8Array<ArrayBuffer>>;
  /** Secrets that a failing disk has not taken; nobody has trained with them. */
  readonly unsaved: Map<string, Uint8Array<ArrayBuffer>>;
  /** Points that devices have lost, 0 to −100. */
  readonly reputation: Map<DeviceId, number>;
  /** Requests to the publisher and the disk under way. */
  readonly requests: Map<number, Request>;
  nextRequest: number;
  /** Vectors on their way for whoever verifies. */
  readonly fetches: Fetches;
}

/** What waits for the publisher or the disk. */
export type Request =
  | { readonly type: "start"; readonly replyTo: Ref<Outcome<RunId>> }
  | { readonly type: "stop"; readonly run: RunId; readonly replyTo: Ref<Outcome<RunId>> }
  | { readonly type: "result"; readonly run: RunId }
  | {
    readonly type: "join";
    readonly run: RunId;
    readonly joined: boolean;
    readonly fresh: boolean;
    readonly replyTo: Ref<Outcome<RunId>>;
  }
  | {
    readonly type: "charge";
    readonly charge: ChargeRequest;
    readonly ledger: Ledger;
    readonly key: string;
    readonly secret: Uint8Array<ArrayBuffer>;
  }
  | {
    readonly type: "budget";
    readonly ledger: Ledger;
    readonly replyTo: Ref<Outcome<BudgetSummary>>;
  };

/** Honest devices say how many they know at most once a second, when a session comes up, and after each round. */
const COMPANY_RATE = { perSecond: 1, burst: 32 };

/** The state before anything was read. */
export function emptyState(self: Ref<RoundsCommand>): RoundsState {
  return {
    self,
    loaded: false,
    registry: null,
    ends: [],
    up: new Set(),
    gone: new Set(),
    awaited: new Set(),
    kept: new Set(),
    messages: messageLimit(),
    asking: new SourceBudget(COMPANY_RATE),
    naming: new SourceBudget(COMPANY_RATE),
    runs: new Map(),
    early: new Map(),
    incomplete: new Map(),
    ledger: { limit: { epsilon: 10, delta: 1e-5 }, runs: [] },
    secrets: new Map(),
    unsaved: new Map(),
    reputation: new Map(),
    requests: new Map(),
    nextRequest: 1,
    fetches: { running: new Map(), handing: new Map(), next: 1 },
  };
}
