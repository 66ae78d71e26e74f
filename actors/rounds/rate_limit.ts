/**
 * How many messages about rounds one device may make us read. Honest ones say a few in each phase of a round, and one per run when a session comes up; whoever
 * sends without end is read no further than this, whatever it signs, and costs nobody a round.
 */
import { SourceBudget } from "../../protocols/discovery/source_budget.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import type { RoundsMessage } from "../../protocols/rounds/messages.ts";
import { nodeEvents } from "../events.ts";
import { onRoundFaults } from "./faults.ts";
import type { RoundsDependencies } from "./rounds.ts";
import type { RoundsContext, RoundsState } from "./state.ts";

/** Room for a device that has joined a thousand runs and says so, with its rounds beside it, several times over. */
export const MESSAGE_RATE = { perSecond: 300, burst: 4_000 } as const;
/** A device that goes on sending too much is told of once in this time, ms. */
export const TELL_EVERY_MS = 60_000;
/** Devices that are remembered for having sent too much; the oldest are forgotten. */
const EXCESS_MAX = 1_024;

/** What one device sent beyond its rate. */
export interface Excess {
  /** Dropped unread, since this node started. */
  dropped: number;
  /** When a person was told, ms of the monotonic clock. */
  toldAtMs: number;
}

/** Buckets, and who has sent more than they hold. */
export interface MessageLimit {
  readonly budget: SourceBudget;
  readonly excess: Map<DeviceId, Excess>;
}

/** Full buckets for everybody. */
export function messageLimit(): MessageLimit {
  return { budget: new SourceBudget(MESSAGE_RATE), excess: new Map() };
}

/** True for a message that is to be dropped. Parts of vectors are not counted: they come because they were asked for, and others are dropped where they arrive. */
export function isTooMuch(
  context: RoundsContext,
  state: RoundsState,
  deps: RoundsDependencies,
  from: DeviceId,
  message: RoundsMessage,
): boolean {
  if (message.type === "vectorPart") return false;
  const { budget, excess } = state.messages;
  const nowMs = context.monotonicMs();
  if (budget.allows(from, nowMs)) return false;
  const known = excess.get(from);
  const entry = known ?? { dropped: 0, toldAtMs: -Infinity };
  entry.dropped++;
  if (nowMs - entry.toldAtMs < TELL_EVERY_MS) return true;
  entry.toldAtMs = nowMs;
  if (known === undefined && excess.size >= EXCESS_MAX) {
    const [oldest] = excess.keys();
    excess.delete(oldest!);
  }
  excess.set(from, entry);
  const round = (state.runs.get(message.run)?.round ?? 0) + 1;
  const faults = [{ device: from, fault: "rateLimited" }] as const;
  onRoundFaults(context, state, deps, { type: "roundFaults", run: message.run, round, faults });
  context.publish(nodeEvents, {
    type: "warning",
    source: "learning",
    message: `${
      from.slice(0, 8)
    } sends more messages about rounds than it may; ${entry.dropped} were not read so far`,
  });
  return true;
}
