/**
 * Who is admitted, given which revocations count. Works in rounds from the founder outwards: in each round the statements are judged by
 * what earlier rounds admitted, so the order in which statements came does not matter.
 */
import type { Block } from "../blocks/block.ts";
import type { BlockId, DeviceId } from "../ids.ts";
import type { MemberRecord, MemberStatement } from "./statement.ts";
import { type Permission, PERMISSIONS } from "./roles.ts";

/** A member block that was read. */
export interface RegistryEntry {
  readonly block: Block;
  readonly statement: MemberStatement;
}

/** A statement about one incarnation that counts. */
export interface AcceptedRecord {
  readonly id: BlockId;
  readonly record: MemberRecord;
  readonly version: number;
  /** It holds for blocks after this sequence. */
  readonly afterSequence: number;
  /** Null in the founder's own record. */
  readonly by: DeviceId | null;
  readonly atMs: number;
}

/** One stay of a device in the mesh. */
export interface Incarnation {
  readonly number: number;
  readonly records: AcceptedRecord[];
}

/** A device that was ever admitted. */
export interface Admitted {
  /** Statements between the founder (0) and the first admission of this device. */
  readonly depth: number;
  /** Ascending by number. */
  readonly incarnations: Incarnation[];
}

/** Ends of incarnations: the last valid sequence, by device and incarnation. */
export type Cuts = ReadonlyMap<DeviceId, ReadonlyMap<number, number>>;

export type Admissions = ReadonlyMap<DeviceId, Admitted>;

/** These are never taken away by an update: only revocation ends them, so that the fold cannot run in circles. */
const STICKY_BITS = bitsOf(["members.add", "members.administer"]);

/** All statements of `entries` (adds and updates) that count, from the founder's own record outwards. */
export function foldAdmissions(
  founder: { readonly device: DeviceId; readonly record: AcceptedRecord },
  entries: readonly RegistryEntry[],
  cuts: Cuts,
): Admissions {
  const admitted = new Map<DeviceId, Admitted>();
  admitted.set(founder.device, {
    depth: 0,
    incarnations: [{ number: 1, records: [founder.record] }],
  });
  let open = entries.filter((entry) => entry.statement.action !== "revoke");
  for (let depth = 1; open.length > 0; depth++) {
    const accepted = open.filter((entry) => isAuthorised(entry, admitted, cuts));
    if (accepted.length === 0) break;
    for (const entry of accepted) accept(admitted, entry, depth);
    const done = new Set(accepted);
    open = open.filter((entry) => !done.has(entry));
  }
  return admitted;
}

/** What an author might do at this place in its log; undefined when it was no member there. */
export function authorityAt(
  admitted: Admitted | undefined,
  cuts: ReadonlyMap<number, number> | undefined,
  sequence: number,
): ReadonlySet<Permission> | undefined {
  for (const { number, records } of admitted?.incarnations ?? []) {
    if (sequence > (cuts?.get(number) ?? Infinity)) continue;
    return permissionsOf(records, sequence);
  }
  return undefined;
}

/** The record that counts at this place in the log: highest version, then highest block id. */
export function recordAt(
  records: readonly AcceptedRecord[],
  sequence: number,
): AcceptedRecord | undefined {
  let best: AcceptedRecord | undefined;
  for (const candidate of records) {
    if (candidate.afterSequence >= sequence) continue;
    if (
      best === undefined || candidate.version > best.version ||
      (candidate.version === best.version && candidate.id > best.id)
    ) best = candidate;
  }
  return best;
}

function permissionsOf(
  records: readonly AcceptedRecord[],
  sequence: number,
): ReadonlySet<Permission> | undefined {
  const record = recordAt(records, sequence)?.record;
  if (record === undefined) return undefined;
  let bits = bitsOf(record.permissions);
  for (const earlier of records) {
    if (earlier.afterSequence < sequence) bits |= bitsOf(earlier.record.permissions) & STICKY_BITS;
  }
  return setOf(bits);
}

function bitsOf(permissions: readonly Permission[]): number {
  return permissions.reduce((bits, one) => bits | 1 << PERMISSIONS.indexOf(one), 0);
}

/** One set for each combination: a mesh of thousands has few of them, and equal sets are one object. */
function setOf(bits: number): ReadonlySet<Permission> {
  let set = sets.get(bits);
  if (set === undefined) {
    set = new Set(PERMISSIONS.filter((_, i) => (bits & 1 << i) !== 0));
    sets.set(bits, set);
  }
  return set;
}

const sets = new Map<number, ReadonlySet<Permission>>();

function isAuthorised(
  { block, statement }: RegistryEntry,
  admitted: ReadonlyMap<DeviceId, Admitted>,
  cuts: Cuts,
): boolean {
  const { author, sequence } = block.header;
  const held = authorityAt(admitted.get(author), cuts.get(author), sequence);
  return held !== undefined && mayState(statement, held, author);
}

/** True when permissions `held` by `author` suffice for this statement. The one rule for writing, validating and folding. */
export function mayState(
  statement: MemberStatement,
  held: ReadonlySet<Permission>,
  author: DeviceId,
): boolean {
  const administers = held.has("members.administer");
  switch (statement.action) {
    case "revoke":
      // Leaving is everyone's right.
      return administers || statement.device === author;
    case "update":
      return administers;
    case "add":
      if (administers) return true;
      return held.has("members.add") && statement.incarnation === 1 && statement.role !== "owner" &&
        statement.permissions.every((permission) => held.has(permission));
  }
}

function accept(admitted: Map<DeviceId, Admitted>, entry: RegistryEntry, depth: number): void {
  const { block, statement } = entry;
  if (statement.action === "revoke") return;
  let device = admitted.get(statement.device);
  if (device === undefined) {
    device = { depth, incarnations: [] };
    admitted.set(statement.device, device);
  }
  let incarnation = device.incarnations.find((one) => one.number === statement.incarnation);
  if (incarnation === undefined) {
    incarnation = { number: statement.incarnation, records: [] };
    device.incarnations.push(incarnation);
    device.incarnations.sort((a, b) => a.number - b.number);
  }
  incarnation.records.push({
    id: block.id,
    record: statement,
    version: statement.action === "add" ? 1 : statement.version,
    afterSequence: statement.action === "add" ? 0 : statement.afterSequence,
    by: block.header.author,
    atMs: block.header.timeMs,
  });
}

/** What the founder holds: everything. */
export const FOUNDER_PERMISSIONS: readonly Permission[] = PERMISSIONS;
