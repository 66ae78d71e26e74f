/**
 * Which revocations count. They are taken one after another: first those that others knew of when they spoke (causality), among the rest
 * the one whose author is senior (nearest to the founder, then lowest device id). One that was taken stays; one whose author is
 * no longer entitled by then falls away. So of two that revoke each other at the same time, the senior one remains.
 */
import type { BlockId, DeviceId } from "../ids.ts";
import {
  type Admissions,
  authorityAt,
  type Cuts,
  mayState,
  type RegistryEntry,
} from "./admissions.ts";
import type { RevokeStatement } from "./statement.ts";

interface Revocation extends RegistryEntry {
  readonly statement: RevokeStatement;
}

/** Admissions and the ends of incarnations that go with them. */
export interface Resolution {
  readonly admissions: Admissions;
  readonly cuts: Cuts;
}

/**
 * Takes all revocations that count.
 *
 * @param entries every member block
 * @param admissionsUnder who is admitted when these cuts count
 */
export function resolveRevocations(
  entries: readonly RegistryEntry[],
  admissionsUnder: (cuts: Cuts) => Admissions,
): Resolution {
  const cuts = new Map<DeviceId, Map<number, number>>();
  let admissions = admissionsUnder(cuts);
  const open = new Set(
    entries.filter((entry): entry is Revocation => entry.statement.action === "revoke"),
  );
  if (open.size === 0) return { admissions, cuts };
  const known = knownBefore([...entries]);
  const spokenUpTo = lastSequences(entries);
  while (true) {
    const candidates = [...open].filter((one) => isEntitled(one, admissions, cuts));
    const ids = new Set(candidates.map((one) => one.block.id));
    // Ids are hashes, so "knew of" has no circles: some candidate knew of no other.
    const next = candidates.filter((one) => known.get(one.block.id)!.isDisjointFrom(ids))
      .sort((a, b) => seniority(a, b, admissions))[0];
    if (next === undefined) return { admissions, cuts };
    open.delete(next);
    const { device, incarnation } = next.statement;
    const end = lastValid(next);
    const ofDevice = cuts.get(device) ?? new Map<number, number>();
    cuts.set(device, ofDevice.set(incarnation, Math.min(end, ofDevice.get(incarnation) ?? end)));
    // Only when the device itself had something to say does its revocation change who else is admitted.
    if ((spokenUpTo.get(device) ?? 0) > end) admissions = admissionsUnder(cuts);
  }
}

/** A device that leaves says so within its own log: that block must stay valid itself. */
function lastValid({ block, statement }: Revocation): number {
  return statement.device === block.header.author
    ? Math.max(statement.validUpToSequence, block.header.sequence)
    : statement.validUpToSequence;
}

function isEntitled({ block, statement }: Revocation, admissions: Admissions, cuts: Cuts): boolean {
  const { author, sequence } = block.header;
  const held = authorityAt(admissions.get(author), cuts.get(author), sequence);
  return held !== undefined && mayState(statement, held, author);
}

function seniority(a: Revocation, b: Revocation, admissions: Admissions): number {
  const depthA = admissions.get(a.block.header.author)?.depth ?? Infinity;
  const depthB = admissions.get(b.block.header.author)?.depth ?? Infinity;
  if (depthA !== depthB) return depthA - depthB;
  if (a.block.header.author !== b.block.header.author) {
    return a.block.header.author < b.block.header.author ? -1 : 1;
  }
  return a.block.header.sequence - b.block.header.sequence || (a.block.id < b.block.id ? -1 : 1);
}

/** For each member block, the revocations that it builds on by parents or previous, through member blocks that are here. */
function knownBefore(entries: readonly RegistryEntry[]): ReadonlyMap<BlockId, Set<BlockId>> {
  const byId = new Map(entries.map((entry) => [entry.block.id, entry]));
  const known = new Map<BlockId, Set<BlockId>>();
  for (const entry of entries) {
    if (entry.statement.action !== "revoke") continue;
    const found = new Set<BlockId>();
    const seen = new Set<BlockId>();
    const stack = linksOf(entry);
    for (let id = stack.pop(); id !== undefined; id = stack.pop()) {
      const ancestor = byId.get(id);
      if (ancestor === undefined || seen.has(id)) continue;
      seen.add(id);
      if (ancestor.statement.action === "revoke") found.add(id);
      stack.push(...linksOf(ancestor));
    }
    known.set(entry.block.id, found);
  }
  return known;
}

function linksOf({ block }: RegistryEntry): BlockId[] {
  const { parents, previous } = block.header;
  return previous === null ? [...parents] : [...parents, previous];
}

function lastSequences(entries: readonly RegistryEntry[]): ReadonlyMap<DeviceId, number> {
  const last = new Map<DeviceId, number>();
  for (const { block } of entries) {
    const { author, sequence } = block.header;
    if (sequence > (last.get(author) ?? 0)) last.set(author, sequence);
  }
  return last;
}
