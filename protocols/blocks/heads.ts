/**
 * Which of several versions is the current one, the same on every device that knows the same blocks. Wall clocks play no part. Nothing is
 * lost: versions that do not win stay readable as conflicts until someone supersedes them.
 */
import type { BlockId } from "../ids.ts";
import type { BlockKind } from "./block.ts";

/** What the rule needs of a block. */
export interface Version {
  readonly id: BlockId;
  readonly kind: BlockKind;
  readonly target: BlockId | null;
}

export interface CurrentVersion {
  /** The version to show; null when it was removed, or when no versions were given. */
  readonly current: BlockId | null;
  /** Versions that nobody has replaced and that did not win, best first. Empty when all agree. */
  readonly conflicts: readonly BlockId[];
  /** True when nothing but removals is left. */
  readonly removed: boolean;
}

/**
 * Chooses among the versions of one document: a block and everything that supersedes or removes it, directly or not.
 *
 * A version is open when no other one targets it. Among the open ones an edit beats a removal made at the same time (an edit can be
 * removed again, a lost one cannot be brought back); among edits the one with the longer chain of edits behind it wins, then
 * the higher block id.
 */
export function chooseCurrent(versions: Iterable<Version>): CurrentVersion {
  const byId = new Map<BlockId, Version>();
  for (const version of versions) byId.set(version.id, version);
  const replaced = new Set<BlockId>();
  for (const version of byId.values()) if (version.target !== null) replaced.add(version.target);
  const open = [...byId.values()].filter((version) => !replaced.has(version.id));
  const edits = open.filter((version) => version.kind !== "tombstone");
  const depths = new Map(edits.map((version) => [version.id, chainLength(version, byId)]));
  edits.sort((a, b) => depths.get(b.id)! - depths.get(a.id)! || (a.id < b.id ? 1 : -1));
  return {
    current: edits[0]?.id ?? null,
    conflicts: edits.slice(1).map((version) => version.id),
    removed: open.length > 0 && edits.length === 0,
  };
}

/** Links from a version back to the first one that is known. Ids are hashes, so there are no circles. */
function chainLength(version: Version, byId: ReadonlyMap<BlockId, Version>): number {
  let length = 0;
  for (let at = version; at.target !== null; length++) {
    const next = byId.get(at.target);
    if (next === undefined) break;
    at = next;
  }
  return length;
}
