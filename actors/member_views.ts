/** Members as views want them. */
import type { DeviceId } from "../protocols/ids.ts";
import type { Member } from "../protocols/registry/registry.ts";
import type { MemberView } from "./handle.ts";

/** A member, as the device `self` shows it. */
export function memberView(member: Member, self: DeviceId): MemberView {
  return {
    deviceId: member.deviceId,
    displayName: member.displayName,
    role: member.role,
    permissions: [...member.permissions],
    trust: member.trust,
    revoked: member.revoked,
    admittedBy: member.admittedBy,
    admittedAtMs: member.admittedAtMs,
    self: member.deviceId === self,
  };
}
