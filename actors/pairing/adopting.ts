/** Hands the registry of the mesh that invited us to the members actor. */
import type { Block } from "../../protocols/blocks/block.ts";
import type { MeshId } from "../../protocols/ids.ts";
import type { Outcome } from "../handle.ts";
import { replyOnce } from "../kernel/reply_once.ts";
import type { PairingContext, PairingDependencies, PairingState } from "./state.ts";

/** The outcome comes back as `meshJoined`. Signatures and links are the members actor's to check. */
export function adopt(
  context: PairingContext,
  state: PairingState,
  pairingId: string,
  adopted: { readonly mesh: MeshId; readonly blocks: readonly Block[] },
  deps: PairingDependencies,
): void {
  const replyTo = context.spawn(
    `reply-${++state.replies}`,
    replyOnce(context.self, (outcome: Outcome<MeshId>) => ({
      type: "meshJoined" as const,
      pairingId,
      outcome,
    })),
    { restart: "temporary" },
  );
  context.send(deps.members, { type: "joinMesh", ...adopted, replyTo });
}
