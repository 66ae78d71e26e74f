/** A reply address inside an actor: a child that hands one answer to its parent, wrapped as a command, and ends. */
import type { Behaviour, Ref } from "./actor.ts";

/** A behaviour for `spawn` whose ref is given away as `replyTo`. */
export function replyOnce<Reply, Command>(
  parent: Ref<Command>,
  toCommand: (reply: Reply) => Command,
): Behaviour<Reply, null> {
  return {
    name: "reply",
    mailbox: { capacity: 1, overflow: "reject" },
    init: () => null,
    receive(context, _state, reply) {
      context.send(parent, toCommand(reply));
      context.stopSelf();
    },
  };
}
