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
  /** 1 for the first admission, higher after each re-admission. */
  readonly incarnation: number;
  /** Of the statement that counts for this incarnation: 1 for the admission, higher for updates. */
  readonly version: number;
  /** What the device may do in which part of its log, ascending, without overlaps. Where no span is, nothing. */
  readonly spans: readonly MemberSpan[];
}

/** Permissions of an author for its blocks fromSequence ≤ s ≤ toSequence. */
export interface MemberSpan {
  readonly fromSequence: number;
  /** Null: without end. */
  readonly toSequence: number | null;
  readonly permissions: ReadonlySet<Permission>;
}

/** Who belongs to a mesh, after all statements known so far. */
export interface Registry {
  readonly mesh: MeshId;
  readonly founder: DeviceId;
  /** Revoked ones included. */
  readonly members: ReadonlyMap<DeviceId, Member>;
  /** The accepted registry blocks that no other such block has as parent: parents of the next statement, ascending. */
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

/** What the device may (or might) do with the block of this sequence; undefined where it is no member. */
export function permissionsAt(
  registry: Registry,
  device: DeviceId,
  sequence: number,
): ReadonlySet<Permission> | undefined {
  return registry.members.get(device)?.spans.find((span) =>
    span.fromSequence <= sequence && (span.toSequence === null || sequence <= span.toSequence)
  )?.permissions;
}

/** The last sequence of this author that is valid: Infinity for admitted members, 0 for strangers. */
export function lastValidSequence(registry: Registry, device: DeviceId): number {
  const last = registry.members.get(device)?.spans.at(-1);
  return last === undefined ? 0 : last.toSequence ?? Infinity;
}
