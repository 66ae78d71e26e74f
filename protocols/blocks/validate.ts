/**
 * Whether a block may be stored: a pure function of the block and of what is known. Structure, limits, id and payload hash are already
 * right in every `Block` that was decoded; the signature is checked apart (`signedMessageOf`), many at once.
 */
import type { BlockId } from "../ids.ts";
import { mayState } from "../registry/admissions.ts";
import { lastValidSequence, permissionsAt, type Registry } from "../registry/registry.ts";
import type { Permission } from "../registry/roles.ts";
import { decodeFounding, statementOf } from "../registry/statement.ts";
import type { Block, BlockKind } from "./block.ts";

/** What is known where the block arrives. */
export interface ValidationView {
  /** Null before this device belongs to a mesh: then nothing is valid. */
  readonly registry: Registry | null;
  /** Blocks that are stored, or valid and about to be; asked for previous, parents and target. */
  readonly find: (id: BlockId) => Pick<Block, "header"> | undefined;
}

export type RejectionReason =
  /** It belongs to another mesh, or this device to none. */
  | "otherMesh"
  /** The author was never admitted. */
  | "notMember"
  /** The author was revoked, and this block comes after the last valid one. */
  | "revoked"
  | "notPermitted"
  /** `previous` is not the author's block before this one. */
  | "wrongPrevious"
  /** What it supersedes or removes is nothing that can be. */
  | "wrongTarget"
  /** A registry block whose body is missing or cannot be read. */
  | "badStatement";

export type Verdict =
  | { readonly type: "valid" }
  /** `message` is for people and logs. What is rejected may become valid when the registry changes, except for `otherMesh`, `wrongPrevious` and `badStatement`. */
  | { readonly type: "rejected"; readonly reason: RejectionReason; readonly message: string }
  /** It builds on blocks that are not here: ask for them, then validate again. */
  | { readonly type: "waiting"; readonly missing: readonly BlockId[] };

/** What an author needs to write a block of each kind, null: to be a member; `member` depends on its statement, see `mayState`. */
export const REQUIRED_PERMISSION: Readonly<
  Record<Exclude<BlockKind, "founding" | "member">, Permission | null>
> = {
  keys: null,
  put: "blocks.share",
  supersede: "blocks.share",
  tombstone: "blocks.share",
  crdt: "blocks.share",
  checkpoint: "chain.seal",
  model: "learn.coordinate",
};

const REPLACEABLE: ReadonlySet<BlockKind> = new Set(["put", "supersede", "crdt", "model"]);

/** Judges one block. Links first: while something is missing nothing else can be said for sure. */
export function validateBlock(block: Block, view: ValidationView): Verdict {
  const { header } = block;
  const { registry } = view;
  const mesh = header.kind === "founding" ? block.id : header.mesh;
  if (registry === null || mesh !== registry.mesh) {
    return rejected("otherMesh", `block ${block.id} belongs to mesh ${mesh}`);
  }
  return problemOfLinks(block, view) ?? problemOfAuthor(block, registry, view) ?? { type: "valid" };
}

/** What the block may do, by the permissions its author had at this place in its log. */
function problemOfAuthor(
  block: Block,
  registry: Registry,
  view: ValidationView,
): Verdict | undefined {
  const { author, sequence, kind } = block.header;
  if (kind === "founding") {
    return block.payload !== null && decodeFounding(block.payload).ok
      ? undefined
      : rejected("badStatement", `founding block ${block.id} has no readable body`);
  }
  const held = permissionsAt(registry, author, sequence);
  if (held === undefined) {
    if (!registry.members.has(author)) {
      return rejected("notMember", `author ${author} was not admitted`);
    }
    return rejected(
      "revoked",
      `sequence of ${author} is ${sequence}, valid up to ${lastValidSequence(registry, author)}`,
    );
  }
  if (kind === "member") return problemOfStatement(block, held);
  const required = REQUIRED_PERMISSION[kind];
  if (required !== null && !held.has(required)) {
    return rejected(
      "notPermitted",
      `author ${author} lacks ${required} for a block of kind ${kind}`,
    );
  }
  return problemOfTarget(block, held, view);
}

function problemOfStatement(block: Block, held: ReadonlySet<Permission>): Verdict | undefined {
  const decoded = statementOf(block);
  if (!decoded.ok) {
    return rejected("badStatement", `member block ${block.id}: ${decoded.reason}`);
  }
  return mayState(decoded.statement, held, block.header.author)
    ? undefined
    : rejected("notPermitted", `author ${block.header.author} may not ${decoded.statement.action}`);
}

function problemOfLinks(block: Block, view: ValidationView): Verdict | undefined {
  const { previous, parents, target, author, sequence } = block.header;
  const missing: BlockId[] = [];
  if (previous !== null) {
    const before = view.find(previous);
    if (before === undefined) missing.push(previous);
    else if (before.header.author !== author || before.header.sequence !== sequence - 1) {
      return rejected(
        "wrongPrevious",
        `previous of block ${block.id} is another block than ${sequence - 1}`,
      );
    }
  }
  for (const parent of parents) if (view.find(parent) === undefined) missing.push(parent);
  if (target !== null && view.find(target) === undefined) missing.push(target);
  return missing.length > 0 ? { type: "waiting", missing: [...new Set(missing)] } : undefined;
}

/** Everyone who shares may supersede; removing is for the author of the target and for administrators. */
function problemOfTarget(
  block: Block,
  held: ReadonlySet<Permission>,
  view: ValidationView,
): Verdict | undefined {
  const { target, kind, author } = block.header;
  const aim = target === null ? undefined : view.find(target)?.header;
  if (aim === undefined) return undefined;
  if (!REPLACEABLE.has(aim.kind)) {
    return rejected("wrongTarget", `a block of kind ${aim.kind} cannot be replaced or removed`);
  }
  if (kind === "tombstone" && aim.author !== author && !held.has("members.administer")) {
    return rejected("notPermitted", `${author} may not remove a block of ${aim.author}`);
  }
  return undefined;
}

function rejected(reason: RejectionReason, message: string): Verdict {
  return { type: "rejected", reason, message };
}
