/** Paths whose other end is not known yet: a bounded number of handshakes, and then a session or nothing. */
import type { Crypto, Signer } from "../../platform/ports.ts";
import type { Path } from "../../platform/transport.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import { isAdmitted } from "../../protocols/registry/registry.ts";
import {
  beginAsInitiator,
  beginAsResponder,
  continueHandshake,
  HANDSHAKE_REFUSAL,
  type HandshakeOptions,
} from "../../protocols/session/handshake.ts";
import { holdPath } from "./held_path.ts";
import type { Of, Peer, SessionsContext, SessionsState, Stranger } from "./sessions_state.ts";

/** Handshakes with unknown devices at once; further paths are closed. */
export const STRANGERS_MAX = 32;
/** A handshake must be done by then, ms. */
const STRANGER_MS = 5_000;

interface Identity {
  readonly crypto: Crypto;
  readonly signer: Signer;
}

/** Somebody has opened a path to us. */
export function onPathAccepted(context: SessionsContext, state: SessionsState, path: Path): void {
  if (state.registry === null || state.strangers.size >= STRANGERS_MAX) {
    return path.close(HANDSHAKE_REFUSAL);
  }
  welcome(context, state, path, {
    role: "responder",
    address: null,
    handshake: beginAsResponder(),
  });
}

/** We have reached an address without knowing who is there. */
export function greet(
  context: SessionsContext,
  state: SessionsState,
  path: Path,
  address: string,
  identity: Identity,
): void {
  const options = handshakeOptions(context, state, path, identity);
  if (options === null) return path.close(HANDSHAKE_REFUSAL);
  const begun = beginAsInitiator(options);
  welcome(context, state, path, { role: "initiator", address, handshake: begun.state });
  path.send(begun.send);
}

function welcome(
  context: SessionsContext,
  state: SessionsState,
  path: Path,
  stranger: Omit<Stranger, "path">,
): void {
  const id = state.nextId++;
  const held = holdPath(path);
  state.strangers.set(id, { ...stranger, path: held });
  held.listen(context.inlet((event) => ({ type: "strangerEvent", stranger: id, event })));
  context.startTimer(`stranger/${id}`, STRANGER_MS, { type: "strangerDue", stranger: id });
}

export function onStrangerDue(context: SessionsContext, state: SessionsState, id: number): void {
  state.strangers.get(id)?.path.close(HANDSHAKE_REFUSAL);
  forget(context, state, id);
}

/** Something on a stranger's path. `adopt` finds the session of a device that has proved to be a member. */
export function onStrangerEvent(
  context: SessionsContext,
  state: SessionsState,
  command: Of<"strangerEvent">,
  identity: Identity,
  adopt: (device: DeviceId, address: string | null) => Peer["child"],
): void {
  const stranger = state.strangers.get(command.stranger);
  const { event } = command;
  if (stranger === undefined || event.type === "drained") return;
  if (event.type === "closed") return forget(context, state, command.stranger);
  const refuse = (reason: string): void => {
    context.log.write("debug", "stranger turned away", { reason });
    stranger.path.close(HANDSHAKE_REFUSAL);
    forget(context, state, command.stranger);
  };
  const options = handshakeOptions(context, state, stranger.path, identity);
  if (options === null) return refuse("we belong to no mesh");
  const step = continueHandshake(stranger.handshake, event.frame, options);
  switch (step.type) {
    case "failed":
      return refuse(step.reason);
    case "continue":
      stranger.handshake = step.state;
      stranger.path.send(step.send);
      return;
    case "established": {
      // What comes from now on is for the session; nothing came since, because it is our turn to speak.
      stranger.path.hold();
      const child = adopt(step.established.remote, stranger.address);
      if (child === null) return refuse("no session for it");
      if (step.send !== null) stranger.path.send(step.send);
      const known = stranger.address === null ? undefined : state.statics.get(stranger.address);
      if (known !== undefined) known.deviceId = step.established.remote;
      context.send(child.ref, {
        type: "adopt",
        path: stranger.path,
        role: stranger.role,
        channel: step.established.channel,
      });
      return forget(context, state, command.stranger);
    }
  }
}

/** The actor ends: nobody is left to finish these. */
export function endStrangers(state: SessionsState): void {
  for (const stranger of state.strangers.values()) stranger.path.close(HANDSHAKE_REFUSAL);
  state.strangers.clear();
}

function forget(context: SessionsContext, state: SessionsState, id: number): void {
  state.strangers.delete(id);
  context.cancelTimer(`stranger/${id}`);
}

function handshakeOptions(
  context: SessionsContext,
  state: SessionsState,
  path: Path,
  identity: Identity,
): HandshakeOptions | null {
  const { registry } = state;
  if (registry === null) return null;
  return {
    crypto: identity.crypto,
    signer: identity.signer,
    random: context.random,
    mesh: registry.mesh,
    binding: path.binding,
    isAdmitted: (device) => isAdmitted(registry, device),
    expected: null,
  };
}
