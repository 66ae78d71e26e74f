/** Waits for one answer of the publisher and passes it on with the request it belongs to. */
import type { Block } from "../../protocols/blocks/block.ts";
import type { Outcome } from "../handle.ts";
import type { Behaviour, Ref } from "../kernel/actor.ts";
import type { MembersCommand } from "./commands.ts";

/** A child of the members actor; ends after the answer. */
export function publishReply(
  members: Ref<MembersCommand>,
  operationId: number,
): Behaviour<Outcome<readonly Block[]>, null> {
  return {
    name: "publishReply",
    mailbox: { capacity: 1, overflow: "reject" },
    init: () => null,
    receive(context, _state, outcome) {
      context.send(members, { type: "published", operationId, outcome });
      context.stopSelf();
    },
  };
}
