/**
 * A device that does not take part, and is called all the same: whoever calls has not heard yet that it has left, or that an owner has taken its
 * permission. It says so at once, so that nobody waits for it until a deadline.
 */
import type { DeviceId } from "../../protocols/ids.ts";
import { may } from "../../protocols/registry/registry.ts";
import type { Decline, RoundsMessage } from "../../protocols/rounds/messages.ts";
import { encodeRoundsMessage } from "../../protocols/rounds/wire.ts";
import type { RoundsDependencies } from "./rounds.ts";
import type { RoundsContext, RoundsState } from "./state.ts";
import { attemptOf } from "./talking.ts";

/** Declines a call to a round that this device has no part in; false for whatever its runs are to answer. */
export function declinesCall(
  context: RoundsContext,
  state: RoundsState,
  deps: RoundsDependencies,
  from: DeviceId,
  message: RoundsMessage,
): boolean {
  // Before it has read its disk, it does not know what it takes part in.
  if (message.type !== "roundStart" || !state.loaded) return false;
  const reason = reasonToDecline(state, deps, state.runs.get(message.run)?.joined === true);
  if (reason === undefined) return false;
  const decline: Decline = { type: "decline", ...attemptOf(message), why: "optedOut", reason };
  const body = encodeRoundsMessage(decline);
  context.send(deps.sessions, { type: "sendToPeer", to: from, protocol: "rounds", body });
  return true;
}

function reasonToDecline(
  { registry }: RoundsState,
  { self }: RoundsDependencies,
  joined: boolean,
): string | undefined {
  if (!joined) return "this device has left the run, or never joined it";
  if (!may(registry, self, "learn.join")) return "this device may not take part in learning";
  return undefined;
}
