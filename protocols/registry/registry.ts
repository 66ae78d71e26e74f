/** The registry of members: a pure, order-free fold over `founding` and `member` blocks. */
import type { BlockId, DeviceId, MeshId } from "../ids.ts";
import type { Permission, Role, TrustLevel } from "./roles.ts";

/** One device as the registry knows it. */
export interface Member {
  readonly deviceId: DeviceId;
  readonly displayName: string;
  readonly role: Role;
  readonly permissions: ReadonlySet<Permission>;
  readonly trust: TrustLevel;
  readonly revoked: boolean;
  /** When revoked: its blocks up to this sequence stay valid, later ones are refused. */
  readonly validUpToSequence: number | null;
  /** Null for the founder. */
  readonly admittedBy: DeviceId | null;
  readonly admittedAtMs: number;
}

/** Who belongs to a mesh, after all statements known so far. */
export interface Registry {
  readonly mesh: MeshId;
  readonly founder: DeviceId;
  /** Revoked ones included. */
  readonly members: ReadonlyMap<DeviceId, Member>;
  /** The registry blocks that no other registry block has as parent: parents of the next statement, ascending. */
  readonly heads: readonly BlockId[];
}

/** True when the device is a member and not revoked. */
export function isAdmitted(registry: Registry | null, device: DeviceId): boolean {
  const member = registry?.members.get(device);
  return member !== undefined && !member.revoked;
}

/** True when the device is an admitted member with this permission. */
export function may(registry: Registry | null, device: DeviceId, permission: Permission): boolean {
  const member = registry?.members.get(device);
  return member !== undefined && !member.revoked && member.permissions.has(permission);
}
