/** What the members actor answers: one place for its words. */
import { errorText } from "../../platform/error_text.ts";
import { invariant } from "../../platform/invariant.ts";
import type { Block } from "../../protocols/blocks/block.ts";
import { type MeshId, shortId } from "../../protocols/ids.ts";
import type { RegistryFold } from "../../protocols/registry/fold.ts";
import type { Refusal } from "../handle.ts";
import type { Context, Ref } from "../kernel/actor.ts";
import type { MembersCommand } from "./commands.ts";
import type { StatementRequest } from "./statements.ts";

/** A command that changes the registry and waits for its answer. */
export type Request =
  | Extract<MembersCommand, { type: "foundMesh" | "joinMesh" }>
  | StatementRequest;

/** Tells the asker that it is done; `fold` already holds the change. */
export function succeed(
  context: Context<MembersCommand>,
  fold: RegistryFold | null,
  request: Request,
): void {
  invariant(fold !== null, `request ${request.type} succeeded without a mesh`);
  switch (request.type) {
    case "foundMesh":
    case "joinMesh":
      return context.send(request.replyTo, { type: "done", value: fold.mesh });
    case "admit":
      return context.send(request.replyTo, { type: "done", value: registryBlocks(fold) });
    case "updateMember":
    case "revoke":
      return context.send(request.replyTo, { type: "done", value: null });
  }
}

/** Every registry block: the founding block, then by author and sequence. */
function registryBlocks(fold: RegistryFold): readonly Block[] {
  const statements = [...fold.entries.values()].map(({ block }) => block).sort((a, b) =>
    a.header.author === b.header.author
      ? a.header.sequence - b.header.sequence
      : a.header.author < b.header.author
      ? -1
      : 1
  );
  return fold.founding === null ? statements : [fold.founding.block, ...statements];
}

/** Tells the asker why not. */
export function answer(context: Context<MembersCommand>, request: Request, refusal: Refusal): void {
  context.send<Refusal>(request.replyTo as Ref<Refusal>, refusal);
}

/** A device belongs to one mesh. */
export function alreadyMember(mesh: MeshId): Refusal {
  const message = `This device already belongs to mesh ${shortId(mesh)}`;
  return { type: "refused", reason: "alreadyMember", message };
}

/** Disk or publisher did not do their part. */
export function unavailable(error: unknown): Refusal {
  const cause = errorText(error);
  const message = `Cannot change the registry: ${cause}. It may still have happened; look again`;
  return { type: "refused", reason: "unavailable", message };
}
