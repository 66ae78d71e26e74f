/**
 * Invites: made, shown once, stored as hashes of their secrets, closed once. A closed invite stays for a day so that people see what
 * became of it, without anything that could be used.
 */
import { nodeEvents } from "../events.ts";
import type { InviteOptions, InviteView, Outcome } from "../handle.ts";
import type { Ref } from "../kernel/actor.ts";
import { may } from "../../protocols/registry/registry.ts";
import { ROLES } from "../../protocols/registry/roles.ts";
import {
  codeTicket,
  drawCode,
  formatCode,
  formatLink,
  HINTS_MAX,
  linkTicket,
} from "../../protocols/pairing/invite.ts";
import type { AfterSave } from "./commands.ts";
import { replyOnce } from "../kernel/reply_once.ts";
import { inviteFromJson, inviteToJson, settingsKey } from "./stored_invite.ts";
import { done, refused } from "../outcomes.ts";
import {
  type Invite,
  LIMITS,
  type PairingContext,
  type PairingDependencies,
  type PairingState,
} from "./state.ts";

type CreateReply = Ref<Outcome<InviteView>>;

/** Makes an invite, founding a mesh when there is none. */
export function onCreateInvite(
  context: PairingContext,
  state: PairingState,
  command: { readonly options: InviteOptions; readonly replyTo: CreateReply },
  deps: PairingDependencies,
): void {
  const { options, replyTo } = command;
  const problem = problemOf(options);
  if (problem !== undefined) return context.send(replyTo, refused("invalid", problem));
  if (state.registry !== null) {
    if (!may(state.registry, deps.self, "members.add")) {
      const message = "Cannot invite: this device may not add members; ask an owner of the mesh";
      return context.send(replyTo, refused("notPermitted", message));
    }
  }
  if (state.registry !== null || state.mesh !== null) {
    return makeInvite(context, state, command, deps);
  }
  const reply = context.spawn(
    `reply-${++state.replies}`,
    replyOnce(context.self, (outcome: Outcome<NonNullable<PairingState["mesh"]>>) => ({
      type: "meshFounded" as const,
      outcome,
      options,
      replyTo,
    })),
    { restart: "temporary" },
  );
  context.send(deps.members, { type: "foundMesh", replyTo: reply });
}

/** Makes the invite and answers once it is durable. */
export function makeInvite(
  context: PairingContext,
  state: PairingState,
  command: { readonly options: InviteOptions; readonly replyTo: CreateReply },
  deps: PairingDependencies,
): void {
  const { options, replyTo } = command;
  sweep(context, state, deps);
  const open = [...state.invites.values()].filter((invite) => invite.state === "open");
  if (open.length >= LIMITS.invitesOpen) {
    const message =
      `Cannot invite: ${open.length} invites are open, expected fewer than ${LIMITS.invitesOpen}; cancel one`;
    return context.send(replyTo, refused("busy", message));
  }
  const forgotten = makeRoom(state);
  const hints = new Set(open.map((invite) => invite.hint));
  let hint = context.random.below(HINTS_MAX);
  while (hints.has(hint)) hint = (hint + 1) % HINTS_MAX;
  const id = context.random.bytes(8);
  const secret = context.random.bytes(16);
  const digits = drawCode(hint, context.random);
  const expiresAtMs = Math.ceil(
    (context.wallMs() + (options.validMs ?? LIMITS.validMsDefault)) / 1_000,
  ) * 1_000;
  const invite: Invite = {
    inviteId: id.toHex(),
    hint,
    linkPassword: linkTicket(deps.crypto, id, secret).password,
    codePassword: codeTicket(deps.crypto, digits).password,
    role: options.role,
    displayName: options.displayName ?? null,
    expiresAtMs,
    state: "open",
    closedAtMs: null,
  };
  state.invites.set(invite.inviteId, invite);
  const inviter = deps.self;
  const link = formatLink({
    inviteId: id,
    inviter,
    addresses: deps.rendezvousAddresses(),
    secret,
    expiresAtMs,
  });
  const view = { ...inviteView(invite), link, code: formatCode(digits) };
  save(context, [invite], { type: "showInvite", view, replyTo }, deps, forgotten);
}

/** Forgets the invites that closed first, so that one more can be kept: whoever burns codes must not keep people from inviting. */
function makeRoom(state: PairingState): readonly string[] {
  const excess = state.invites.size - LIMITS.invites + 1;
  if (excess <= 0) return [];
  const closed = [...state.invites.values()].filter((invite) => invite.closedAtMs !== null)
    .sort((a, b) => a.closedAtMs! - b.closedAtMs!);
  const forgotten = closed.slice(0, excess).map(({ inviteId }) => inviteId);
  for (const inviteId of forgotten) state.invites.delete(inviteId);
  return forgotten;
}

/** Closes an open invite. */
export function onCancelInvite(
  context: PairingContext,
  state: PairingState,
  command: { readonly inviteId: string; readonly replyTo: Ref<Outcome<null>> },
  deps: PairingDependencies,
): void {
  sweep(context, state, deps);
  const invite = state.invites.get(command.inviteId);
  if (invite === undefined) {
    const message = `Cannot cancel invite "${
      command.inviteId.slice(0, 32)
    }": there is none with this id`;
    return context.send(command.replyTo, refused("notFound", message));
  }
  if (invite.state === "cancelled") return context.send(command.replyTo, done(null));
  if (invite.state !== "open") {
    const message = `Cannot cancel invite "${invite.inviteId}": it is ${invite.state} already`;
    return context.send(command.replyTo, refused("invalid", message));
  }
  close(context, state, invite, "cancelled");
  const closed = state.invites.get(invite.inviteId) as Invite;
  save(context, [closed], { type: "confirmCancel", replyTo: command.replyTo }, deps);
}

/** Takes up what was stored. Rows that cannot be read are left alone and named in the log. */
export function takeUpInvites(
  context: PairingContext,
  state: PairingState,
  entries: readonly (readonly [string, unknown])[],
): void {
  for (const [key, value] of entries) {
    const invite = inviteFromJson(value);
    if (invite === undefined) {
      context.log.write("warning", "stored invite cannot be read and is ignored", { key });
    } else state.invites.set(invite.inviteId, invite);
  }
}

/** The open invite that a stranger's selector names. Expiry is by this device's clock. */
export function findOpen(
  context: PairingContext,
  state: PairingState,
  fits: (invite: Invite) => boolean,
): Invite | undefined {
  for (const invite of state.invites.values()) {
    if (invite.state === "open" && invite.expiresAtMs > context.wallMs() && fits(invite)) {
      return invite;
    }
  }
  return undefined;
}

/** Marks an invite closed, drops its secrets and ends the runs that used it. Call `save` with it afterwards. */
export function close(
  context: PairingContext,
  state: PairingState,
  invite: Invite,
  to: Exclude<InviteView["state"], "open">,
): Invite {
  const closed: Invite = {
    ...invite,
    state: to,
    linkPassword: null,
    codePassword: null,
    closedAtMs: context.wallMs(),
  };
  state.invites.set(invite.inviteId, closed);
  for (const run of state.runs.values()) {
    if (run.inviteId === invite.inviteId) run.machine = null;
  }
  return closed;
}

/** Closes what has expired and forgets what closed long ago. */
export function sweep(
  context: PairingContext,
  state: PairingState,
  deps: PairingDependencies,
): void {
  const now = context.wallMs();
  const changed: Invite[] = [];
  const forgotten: string[] = [];
  for (const invite of state.invites.values()) {
    if (invite.state === "open" && invite.expiresAtMs <= now) {
      changed.push(close(context, state, invite, "expired"));
    } else if (invite.closedAtMs !== null && now - invite.closedAtMs > LIMITS.closedInviteKeptMs) {
      state.invites.delete(invite.inviteId);
      forgotten.push(invite.inviteId);
    }
  }
  for (const [runId, run] of state.runs) {
    if (context.monotonicMs() - run.startedMs > LIMITS.runMs) state.runs.delete(runId);
  }
  if (changed.length + forgotten.length > 0) {
    save(context, changed, { type: "nothing" }, deps, forgotten);
  }
}

/** Makes changes durable, then `then` happens. */
export function save(
  context: PairingContext,
  invites: readonly Invite[],
  then: AfterSave,
  deps: PairingDependencies,
  forgotten: readonly string[] = [],
): void {
  const changes: Record<string, unknown> = {};
  for (const invite of invites) changes[settingsKey(invite.inviteId)] = inviteToJson(invite);
  for (const inviteId of forgotten) changes[settingsKey(inviteId)] = undefined;
  context.perform(
    () => deps.store.settings.set(changes),
    (outcome) => ({ type: "invitesSaved", outcome, then }),
  );
}

/** Burns an invite after a wrong code and tells people. */
export function burn(
  context: PairingContext,
  state: PairingState,
  invite: Invite,
  from: string,
): Invite {
  context.publish(nodeEvents, {
    type: "warning",
    source: "pairing",
    message: `Somebody at ${
      from.slice(0, 64)
    } tried a wrong code. The invite is burned: make a new one.`,
  });
  return close(context, state, invite, "burned");
}

/** What people see of an invite afterwards: the link and the code are shown once only. */
export function inviteView(invite: Invite): InviteView {
  const { inviteId, role, expiresAtMs, state } = invite;
  return { inviteId, link: "", code: "", role, expiresAtMs, state };
}

function problemOf(options: InviteOptions): string | undefined {
  if (!ROLES.includes(options.role)) {
    return `Cannot invite: role is "${options.role}", expected ${ROLES.join(", ")}`;
  }
  const validMs = options.validMs ?? LIMITS.validMsDefault;
  if (!Number.isInteger(validMs) || validMs < LIMITS.validMsMin || validMs > LIMITS.validMsMax) {
    return `Cannot invite: validMs is ${validMs}, expected ${LIMITS.validMsMin} to ${LIMITS.validMsMax}`;
  }
  if (options.displayName !== undefined && options.displayName.length > 63) {
    return `Cannot invite: displayName has ${options.displayName.length} characters, expected at most 63`;
  }
  return undefined;
}
