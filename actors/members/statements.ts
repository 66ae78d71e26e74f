/** What an administrator asks for becomes statements, or a refusal: pure, judged by the registry as it is now. */
import type { BlockDraft } from "../../protocols/blocks/block.ts";
import { PARENTS_MAX } from "../../protocols/blocks/limits.ts";
import { type DeviceId, shortId } from "../../protocols/ids.ts";
import { mayState } from "../../protocols/registry/admissions.ts";
import { isAdmitted, type Member, type Registry } from "../../protocols/registry/registry.ts";
import { DEFAULT_PERMISSIONS, type Permission } from "../../protocols/registry/roles.ts";
import {
  encodeFounding,
  encodeStatement,
  FOUNDING_MEDIA_TYPE,
  MEMBER_MEDIA_TYPE,
  type MemberRecord,
  type MemberStatement,
  problemOfDisplayName,
  REGISTRY_TOPIC,
} from "../../protocols/registry/statement.ts";
import type { Refusal } from "../handle.ts";
import type { MembersCommand } from "./commands.ts";
import { refused } from "../outcomes.ts";

/** A request that ends in member statements. */
export type StatementRequest = Extract<
  MembersCommand,
  { type: "admit" | "updateMember" | "revoke" }
>;

export type StatementPlan =
  | { readonly type: "publish"; readonly statements: readonly MemberStatement[] }
  /** It is so already. */
  | { readonly type: "nothing" }
  | Refusal;

/** The draft of a founding block. `salt`: 16 random bytes. */
export function foundingDraft(displayName: string, salt: Uint8Array): BlockDraft {
  return {
    kind: "founding",
    topic: REGISTRY_TOPIC,
    tags: [],
    mediaType: FOUNDING_MEDIA_TYPE,
    body: encodeFounding({ displayName, salt }),
  };
}

/** The draft of a member block that builds on everything the registry knows. */
export function memberDraft(statement: MemberStatement, registry: Registry): BlockDraft {
  return {
    kind: "member",
    topic: REGISTRY_TOPIC,
    tags: [],
    mediaType: MEMBER_MEDIA_TYPE,
    body: encodeStatement(statement),
    // More heads than a block can name are named by the statements after it.
    parents: registry.heads.slice(0, PARENTS_MAX),
  };
}

/**
 * Plans the statements for a request.
 *
 * @param known the highest sequence of the device in question that this device has; 0 for none
 */
export function planStatements(
  request: StatementRequest,
  registry: Registry,
  self: DeviceId,
  known: number,
): StatementPlan {
  const plan = request.type === "admit"
    ? planAdmission(request, registry)
    : request.type === "updateMember"
    ? planUpdate(request, registry, self, known)
    : planRevocation(request, registry, known);
  if (plan.type !== "publish") return plan;
  const held = isAdmitted(registry, self) ? registry.members.get(self)?.permissions : undefined;
  const denied = plan.statements.find((one) => held === undefined || !mayState(one, held, self));
  if (denied === undefined) return plan;
  return refused(
    "notPermitted",
    `Cannot ${denied.action} device ${
      shortId(request.deviceId)
    }: this device may not; ask an owner`,
  );
}

function planAdmission(
  request: Extract<StatementRequest, { type: "admit" }>,
  registry: Registry,
): StatementPlan {
  const { deviceId, displayName, role } = request;
  const problem = problemOfDisplayName(displayName);
  if (problem !== undefined) return refused("invalid", `Cannot admit device: ${problem}`);
  if (isAdmitted(registry, deviceId)) return { type: "nothing" };
  const incarnation = (registry.members.get(deviceId)?.incarnation ?? 0) + 1;
  const permissions = DEFAULT_PERMISSIONS[role];
  return {
    type: "publish",
    statements: [
      {
        action: "add",
        device: deviceId,
        incarnation,
        displayName,
        role,
        permissions,
        trust: "normal",
      },
    ],
  };
}

function planUpdate(
  request: Extract<StatementRequest, { type: "updateMember" }>,
  registry: Registry,
  self: DeviceId,
  known: number,
): StatementPlan {
  const { deviceId, change } = request;
  const member = registry.members.get(deviceId);
  if (member === undefined || member.revoked) return unknownDevice(deviceId);
  const role = change.role ?? member.role;
  const record: MemberRecord = {
    displayName: change.displayName ?? member.displayName,
    role,
    permissions: change.permissions ??
      (role === member.role ? [...member.permissions] : DEFAULT_PERMISSIONS[role]),
    trust: change.trust ?? member.trust,
  };
  const problem = problemOfDisplayName(record.displayName);
  if (problem !== undefined) return refused("invalid", `Cannot update device: ${problem}`);
  if (isSame(member, record)) return { type: "nothing" };
  const { incarnation } = member;
  if (!losesRegistryPower(member, record)) {
    const update = { action: "update", device: deviceId, incarnation } as const;
    const version = member.version + 1;
    return {
      type: "publish",
      statements: [{ ...update, version, afterSequence: known, ...record }],
    };
  }
  if (deviceId === self) {
    return refused(
      "notPermitted",
      "Cannot take members.add or members.administer from this device itself: another owner must do it",
    );
  }
  // Updates never take these two away (docs/protocols/registry.md): the stay ends, and a new one begins with less.
  return {
    type: "publish",
    statements: [
      { action: "revoke", device: deviceId, incarnation, validUpToSequence: known },
      { action: "add", device: deviceId, incarnation: incarnation + 1, ...record },
    ],
  };
}

function planRevocation(
  request: Extract<StatementRequest, { type: "revoke" }>,
  registry: Registry,
  known: number,
): StatementPlan {
  const { deviceId } = request;
  const member = registry.members.get(deviceId);
  if (member === undefined) return unknownDevice(deviceId);
  if (member.revoked) return { type: "nothing" };
  const others = [...registry.members.values()].filter((other) =>
    other.deviceId !== deviceId && !other.revoked && other.permissions.has("members.administer")
  );
  if (others.length === 0) {
    return refused(
      "invalid",
      `Cannot revoke device ${
        shortId(deviceId)
      }: it is the last owner; make another device owner first`,
    );
  }
  return {
    type: "publish",
    statements: [
      {
        action: "revoke",
        device: deviceId,
        incarnation: member.incarnation,
        validUpToSequence: known,
      },
    ],
  };
}

function losesRegistryPower(member: Member, record: MemberRecord): boolean {
  const powers: readonly Permission[] = ["members.add", "members.administer"];
  return powers.some((power) =>
    member.permissions.has(power) && !record.permissions.includes(power)
  );
}

function isSame(member: Member, record: MemberRecord): boolean {
  return member.displayName === record.displayName && member.role === record.role &&
    member.trust === record.trust &&
    member.permissions.symmetricDifference(new Set(record.permissions)).size === 0;
}

function unknownDevice(deviceId: DeviceId): Refusal {
  return refused("notFound", `Device ${shortId(deviceId)} is no member of this mesh`);
}
