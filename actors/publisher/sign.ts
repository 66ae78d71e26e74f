/** Drafts become blocks that continue our log, all but their signatures: a pure function. */
import type { Frontier } from "../../protocols/blocks/block.ts";
import { draftBlock, type UnsignedBlock } from "../../protocols/blocks/encode.ts";
import { REQUIRED_PERMISSION } from "../../protocols/blocks/validate.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import { isAdmitted, may, type Registry } from "../../protocols/registry/registry.ts";
import type { Crypto } from "../../platform/ports.ts";
import type { Refusal } from "../handle.ts";
import type { PreparedDraft } from "./prepare.ts";

export interface PlaceOptions {
  readonly self: DeviceId;
  readonly crypto: Crypto;
  /** Null before this device belongs to a mesh: only a founding block can be made then. */
  readonly registry: Registry | null;
  /** The end of our log; null when it is empty. */
  readonly head: Frontier | null;
  readonly nowMs: number;
}

/** Gives drafts their places in our log, in order; all of them or none. */
export function placeDrafts(
  drafts: readonly PreparedDraft[],
  options: PlaceOptions,
): { readonly type: "placed"; readonly blocks: readonly UnsignedBlock[] } | Refusal {
  for (const { draft } of drafts) {
    const refusal = refuse(draft, options);
    if (refusal !== null) return refusal;
  }
  const blocks: UnsignedBlock[] = [];
  let sequence = options.head?.sequence ?? 0;
  let previous = options.head?.head ?? null;
  for (const { draft, payload, payloadHash, bodyBytes } of drafts) {
    const block = draftBlock({
      mesh: draft.kind === "founding" ? null : options.registry?.mesh ?? null,
      author: options.self,
      sequence: ++sequence,
      previous,
      parents: draft.parents ?? [],
      kind: draft.kind,
      target: draft.target ?? null,
      topic: draft.topic,
      tags: draft.tags,
      mediaType: draft.mediaType,
      timeMs: options.nowMs,
      bodyBytes,
      payload,
      payloadHash,
      crypto: options.crypto,
    });
    blocks.push(block);
    previous = block.id;
  }
  return { type: "placed", blocks };
}

/** Why the draft has no place in our log now. Its form was judged when it came. */
function refuse(draft: PreparedDraft["draft"], options: PlaceOptions): Refusal | null {
  if (draft.kind === "founding") {
    if (options.registry === null && options.head === null) return null;
    const message = "Cannot found a mesh: this device has already written to one";
    return { type: "refused", reason: "alreadyMember", message };
  }
  const { registry, self } = options;
  if (registry === null || !isAdmitted(registry, self)) {
    const message =
      "Cannot publish block: this device belongs to no mesh; found one by adding something, or pair it with another";
    return { type: "refused", reason: "noMesh", message };
  }
  // What a member statement needs depends on the statement: the members actor has checked it.
  if (draft.kind === "member") return null;
  const required = REQUIRED_PERMISSION[draft.kind];
  if (required !== null && !may(registry, self, required)) {
    const message =
      `Cannot publish block: this device lacks the permission ${required}; an owner can grant it`;
    return { type: "refused", reason: "notPermitted", message };
  }
  return null;
}
