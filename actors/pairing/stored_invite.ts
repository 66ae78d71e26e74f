/** An invite as JSON in the settings of the store. Reading checks everything: the file may come from another version. */
import { z } from "zod";
import { ROLES } from "../../protocols/registry/roles.ts";
import type { Invite } from "./state.ts";

export const SETTINGS_PREFIX = "pairing/invite/";

/** The settings key of an invite. */
export function settingsKey(inviteId: string): string {
  return SETTINGS_PREFIX + inviteId;
}

const password = z.string().regex(/^[0-9a-f]{64}$/).nullable();
const schema = z.object({
  version: z.literal(1),
  inviteId: z.string().regex(/^[0-9a-f]{16}$/),
  hint: z.int().min(0).max(99),
  linkPassword: password,
  codePassword: password,
  role: z.enum(ROLES),
  displayName: z.string().max(63).nullable(),
  expiresAtMs: z.int().min(0),
  state: z.enum(["open", "used", "expired", "burned", "cancelled"]),
  closedAtMs: z.number().nullable(),
});

/** For `settings.set`. */
export function inviteToJson(invite: Invite): unknown {
  return {
    version: 1,
    ...invite,
    linkPassword: invite.linkPassword?.toHex() ?? null,
    codePassword: invite.codePassword?.toHex() ?? null,
  };
}

/** Undefined when it is no invite of this version. */
export function inviteFromJson(value: unknown): Invite | undefined {
  const parsed = schema.safeParse(value);
  if (!parsed.success) return undefined;
  const { version: _version, linkPassword, codePassword, ...rest } = parsed.data;
  return {
    ...rest,
    linkPassword: linkPassword === null ? null : Uint8Array.fromHex(linkPassword),
    codePassword: codePassword === null ? null : Uint8Array.fromHex(codePassword),
  };
}
