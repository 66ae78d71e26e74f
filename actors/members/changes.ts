/** What watchers are told when one registry follows another. Pure. */
import type { Member, Registry } from "../../protocols/registry/registry.ts";
import type { NodeEvent } from "../events.ts";

/** One event per member that is new, changed or revoked, ascending by device. */
export function memberChanges(
  before: Registry | null,
  after: Registry | null,
): readonly NodeEvent[] {
  const events: NodeEvent[] = [];
  for (const member of after?.members.values() ?? []) {
    const change = changeOf(before?.members.get(member.deviceId), member);
    if (change !== undefined) {
      events.push({ type: "memberChanged", deviceId: member.deviceId, change });
    }
  }
  return events;
}

function changeOf(
  before: Member | undefined,
  after: Member,
): "added" | "updated" | "revoked" | undefined {
  if (before === after) return undefined;
  if (before === undefined) return after.revoked ? undefined : "added";
  if (before.revoked !== after.revoked) return after.revoked ? "revoked" : "added";
  return describe(before) === describe(after) ? undefined : "updated";
}

function describe(member: Member): string {
  const { displayName, role, trust, incarnation, version, validUpToSequence } = member;
  const permissions = [...member.permissions].sort();
  return JSON.stringify([
    displayName,
    role,
    trust,
    incarnation,
    version,
    validUpToSequence,
    permissions,
  ]);
}
