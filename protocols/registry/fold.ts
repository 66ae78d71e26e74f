/**
 * The registry from its blocks: a pure function of the set of founding and member blocks, so the order and the groups in which they came
 * change nothing. The rules are in `docs/protocols/registry.md`.
 *
 * The blocks must be verified (hashes, signatures). Blocks that state what their author may not are kept and have no effect:
 * a later block may make them count.
 */
import type { Block } from "../blocks/block.ts";
import { type BlockId, type DeviceId, type MeshId } from "../ids.ts";
import {
  type AcceptedRecord,
  type Admitted,
  authorityAt,
  foldAdmissions,
  FOUNDER_PERMISSIONS,
  mayState,
  recordAt,
  type RegistryEntry,
} from "./admissions.ts";
import type { Member, MemberSpan, Registry } from "./registry.ts";
import { resolveRevocations } from "./revocations.ts";
import { decodeFounding, type FoundingStatement, statementOf } from "./statement.ts";

/** Registry blocks of one mesh, read; made by `emptyFold`, grown by `extendFold`. A value: never changed in place. */
export interface RegistryFold {
  readonly mesh: MeshId;
  readonly founding: { readonly block: Block; readonly statement: FoundingStatement } | null;
  readonly entries: ReadonlyMap<BlockId, RegistryEntry>;
}

/** A fold that knows nothing but the name of the mesh. */
export function emptyFold(mesh: MeshId): RegistryFold {
  return { mesh, founding: null, entries: new Map() };
}

/** The fold with these blocks too. Blocks of other meshes or kinds, without payload or with an unreadable body change nothing. */
export function extendFold(fold: RegistryFold, blocks: Iterable<Block>): RegistryFold {
  let founding = fold.founding;
  const entries = new Map(fold.entries);
  for (const block of blocks) {
    if (block.payload === null) continue;
    if (block.header.kind === "founding" && block.id === fold.mesh) {
      const decoded = decodeFounding(block.payload);
      if (decoded.ok) founding = { block, statement: decoded.statement };
    } else if (block.header.kind === "member" && block.header.mesh === fold.mesh) {
      const decoded = statementOf(block);
      if (decoded.ok) entries.set(block.id, { block, statement: decoded.statement });
    }
  }
  return { mesh: fold.mesh, founding, entries };
}

/**
 * The registry after all blocks of the fold; null while the founding block is missing.
 *
 * @param before a registry of the same mesh: members that are equal in it are taken from there, so that who compares by
 * identity sees what has changed
 */
export function registryOf(fold: RegistryFold, before: Registry | null = null): Registry | null {
  if (fold.founding === null) return null;
  const { block, statement } = fold.founding;
  const founder = { device: block.header.author, record: founderRecord(block, statement) };
  // A fixed order, so that equal sets take equal paths.
  const entries = [...fold.entries.values()].sort((a, b) => a.block.id < b.block.id ? -1 : 1);
  const { admissions, cuts } = resolveRevocations(
    entries,
    (cuts) => foldAdmissions(founder, entries, cuts),
  );
  const members = new Map<DeviceId, Member>();
  for (const device of [...admissions.keys()].sort()) {
    const member = memberOf(device, admissions.get(device)!, cuts.get(device) ?? NO_CUTS);
    const known = before?.members.get(device);
    members.set(device, known !== undefined && sameMember(known, member) ? known : member);
  }
  return { mesh: fold.mesh, founder: founder.device, members, heads: headsOf(fold, members) };
}

/** `registryOf` for blocks at hand. */
export function foldRegistry(mesh: MeshId, blocks: Iterable<Block>): Registry | null {
  return registryOf(extendFold(emptyFold(mesh), blocks));
}

function founderRecord(block: Block, statement: FoundingStatement): AcceptedRecord {
  return {
    id: block.id,
    record: {
      displayName: statement.displayName,
      role: "owner",
      permissions: FOUNDER_PERMISSIONS,
      trust: "high",
    },
    version: 1,
    afterSequence: 0,
    by: null,
    atMs: block.header.timeMs,
  };
}

function memberOf(
  deviceId: DeviceId,
  admitted: Admitted,
  cuts: ReadonlyMap<number, number>,
): Member {
  const { incarnations } = admitted;
  // The stay that goes on, else the last one there was. A re-admission waits while the stay before it has not ended.
  const current = incarnations.find((one) => !cuts.has(one.number)) ?? incarnations.at(-1)!;
  const revoked = cuts.has(current.number);
  const counting = recordAt(current.records, Infinity)!;
  const first = current.records.reduce((a, b) =>
    b.version < a.version || (b.version === a.version && b.id > a.id) ? b : a
  );
  const spans = spansOf(admitted, cuts);
  return {
    deviceId,
    displayName: counting.record.displayName,
    role: counting.record.role,
    permissions: authorityAt(
      admitted,
      revoked ? withoutCut(cuts, current.number) : cuts,
      Infinity,
    )!,
    trust: counting.record.trust,
    revoked,
    validUpToSequence: revoked ? spans.at(-1)?.toSequence ?? 0 : null,
    admittedBy: first.by,
    admittedAtMs: first.atMs,
    incarnation: current.number,
    version: counting.version,
    spans,
  };
}

const NO_CUTS: ReadonlyMap<number, number> = new Map();

function sameMember(a: Member, b: Member): boolean {
  return a.displayName === b.displayName && a.role === b.role && a.trust === b.trust &&
    a.permissions === b.permissions && a.revoked === b.revoked &&
    a.validUpToSequence === b.validUpToSequence && a.admittedBy === b.admittedBy &&
    a.admittedAtMs === b.admittedAtMs && a.incarnation === b.incarnation &&
    a.version === b.version && a.spans.length === b.spans.length &&
    a.spans.every((span, i) => {
      const other = b.spans[i]!;
      return span.fromSequence === other.fromSequence && span.toSequence === other.toSequence &&
        span.permissions === other.permissions;
    });
}

function withoutCut(cuts: ReadonlyMap<number, number>, number: number): Map<number, number> {
  const others = new Map(cuts);
  others.delete(number);
  return others;
}

/** Where permissions can change: after each cut and at the start of each record. Between such places they are constant. */
function spansOf(admitted: Admitted, cuts: ReadonlyMap<number, number>): readonly MemberSpan[] {
  const ends = new Set<number>(cuts.values());
  for (const { records } of admitted.incarnations) {
    for (const record of records) ends.add(record.afterSequence);
  }
  ends.delete(0);
  const places = [...ends].sort((a, b) => a - b);
  const spans: MemberSpan[] = [];
  let fromSequence = 1;
  for (const end of [...places, Infinity]) {
    const permissions = authorityAt(admitted, cuts, end);
    if (permissions !== undefined) {
      spans.push({ fromSequence, toSequence: end === Infinity ? null : end, permissions });
    }
    fromSequence = end + 1;
  }
  return spans;
}

/**
 * What the next statement builds on: only statements that everyone accepts. One that an author wrote after its revocation may be here,
 * stored before we heard of that; whoever heard earlier refuses it, and would wait for ever for a parent like that.
 */
function headsOf(fold: RegistryFold, members: ReadonlyMap<DeviceId, Member>): readonly BlockId[] {
  const heads = new Set<BlockId>();
  if (fold.founding !== null) heads.add(fold.founding.block.id);
  const accepted = [...fold.entries.values()].filter((entry) => isAccepted(entry, members));
  for (const { block } of accepted) heads.add(block.id);
  for (const { block } of accepted) for (const parent of block.header.parents) heads.delete(parent);
  return [...heads].sort();
}

function isAccepted(
  { block, statement }: RegistryEntry,
  members: ReadonlyMap<DeviceId, Member>,
): boolean {
  const { author, sequence } = block.header;
  const held = members.get(author)?.spans.find(({ fromSequence, toSequence }) =>
    fromSequence <= sequence && sequence <= (toSequence ?? Infinity)
  )?.permissions;
  return held !== undefined && mayState(statement, held, author);
}
