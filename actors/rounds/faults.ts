/** What coordinators find devices to have done wrong: proved faults cost reputation, and whoever has none left is not asked again. */
import { reputationDeltas, type RoundFault } from "../../learning/screening/reputation_effects.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import { nodeEvents } from "../events.ts";
import { tellChild } from "./joined.ts";
import type { RoundsDependencies } from "./rounds.ts";
import type { Lead, RunActorState, RunContext, RunDependencies } from "./run_state.ts";
import type { Of, RoundsContext, RoundsState } from "./state.ts";

/** Settings: points that a device has lost. */
export const REPUTATION_PREFIX = "learning/reputation/";
/** Points everybody begins with. */
const POINTS = 100;

/** True while a device has points left. */
export function isTrusted(state: Pick<RoundsState, "reputation">, device: DeviceId): boolean {
  return (state.reputation.get(device) ?? 0) > -POINTS;
}

/** Remembers a fault until the attempt is over; the same once more says nothing new. */
export function noteFault(lead: Lead, device: DeviceId, fault: RoundFault): void {
  const isKnown = lead.faults.some((one) => one.device === device && one.fault === fault);
  if (!isKnown) lead.faults.push({ device, fault });
}

/** The coordinator's findings of an attempt go to the parent, once. */
export function reportFaults(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
): void {
  const { lead } = state;
  if (lead?.key == null || lead.faults.length === 0) return;
  const faults = lead.faults.splice(0);
  context.send(deps.rounds, { type: "roundFaults", run: deps.run, round: lead.key.round, faults });
}

/** Takes points off where a signature proves the fault, and says so. */
export function onRoundFaults(
  context: RoundsContext,
  state: RoundsState,
  deps: RoundsDependencies,
  { run: id, round, faults }: Of<"roundFaults">,
): void {
  for (const { device, fault } of faults) {
    context.log.write("warning", "a device was at fault in a round", { device, fault, round });
  }
  const changed: Record<string, number> = {};
  for (const [name, delta] of reputationDeltas(faults)) {
    const device = name as DeviceId;
    const points = Math.max(-POINTS, (state.reputation.get(device) ?? 0) + delta);
    state.reputation.set(device, points);
    changed[`${REPUTATION_PREFIX}${device}`] = points;
    context.publish(nodeEvents, {
      type: "warning",
      source: "learning",
      message: `${
        device.slice(0, 8)
      } sent something in round ${round} that proves a fault; it has ${
        POINTS + points
      } of ${POINTS} points left`,
    });
  }
  if (Object.keys(changed).length === 0) return;
  const run = state.runs.get(id);
  if (run !== undefined) tellChild(context, state, run);
  context.perform(
    () => deps.store.settings.set(changed),
    (outcome) => ({ type: "saved", request: 0, outcome }),
  );
}
