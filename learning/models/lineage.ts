/** How versions of a run hang together: the way from a version back to the beginning, the newest ones, and where two parted. */
import { equalNetworks, type ModelId, type ModelVersion } from "./version.ts";

/** Versions by their id. Ids are taken as checked: whoever fills the map has computed them. */
export type Versions = ReadonlyMap<ModelId, ModelVersion>;

/** The way back from a version. */
export type Lineage =
  /** Newest first, down to round 0. */
  | { readonly type: "complete"; readonly versions: readonly ModelId[] }
  /** `missing` is not held: fetch it and ask again. */
  | {
    readonly type: "incomplete";
    readonly versions: readonly ModelId[];
    readonly missing: ModelId;
  }
  /** The chain contradicts itself at `at`. */
  | { readonly type: "broken"; readonly at: ModelId; readonly reason: string };

/** From `head` back to round 0. Ends on any input: rounds must fall on the way. */
export function lineageOf(versions: Versions, head: ModelId): Lineage {
  const way: ModelId[] = [];
  let at = head;
  let child: ModelVersion | null = null;
  for (;;) {
    const version = versions.get(at);
    if (version === undefined) return { type: "incomplete", versions: way, missing: at };
    const reason = child === null ? undefined : problemBetween(version, child);
    if (reason !== undefined) return { type: "broken", at: way.at(-1)!, reason };
    if (version.restores !== null) {
      const restored = versions.get(version.restores);
      if (restored !== undefined && restored.parameters !== version.parameters) {
        return {
          type: "broken",
          at,
          reason: `it says that it restores ${version.restores}, but has other parameters`,
        };
      }
    }
    way.push(at);
    if (version.parent === null) return { type: "complete", versions: way };
    child = version;
    at = version.parent;
  }
}

/** Versions that no other one comes from, highest round first, then by id. More than one means that coordinators did not know of each other. */
export function headsOf(versions: Versions): readonly ModelId[] {
  const parents = new Set([...versions.values()].map(({ parent }) => parent));
  return [...versions.keys()].filter((id) => !parents.has(id)).sort((a, b) =>
    versions.get(b)!.round - versions.get(a)!.round || (a < b ? -1 : 1)
  );
}

/** The newest version both come from (or that one of them is); undefined when the chains do not meet in what is held. */
export function commonAncestor(versions: Versions, a: ModelId, b: ModelId): ModelId | undefined {
  const seen = new Set(wayOf(versions, a));
  return wayOf(versions, b).find((id) => seen.has(id));
}

function wayOf(versions: Versions, head: ModelId): readonly ModelId[] {
  const lineage = lineageOf(versions, head);
  return lineage.type === "broken" ? [] : lineage.versions;
}

function problemBetween(parent: ModelVersion, child: ModelVersion): string | undefined {
  if (parent.run !== child.run) return "its parent is of another run";
  if (parent.round !== child.round - 1) {
    return `it is of round ${child.round}, its parent of round ${parent.round}`;
  }
  if (!equalNetworks(parent.network, child.network)) return "its parent has another network";
  return undefined;
}
