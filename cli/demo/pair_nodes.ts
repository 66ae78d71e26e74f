/** Pairs two nodes as two people would: one invites, the other accepts, the words are compared, both confirm. */
import type { PairingView } from "../../actors/handle.ts";
import type { CommandContext } from "../command.ts";
import type { ChildNode } from "./child_node.ts";
import { DemoError, waitFor } from "./wait_for.ts";

const TIMEOUT_MS = 30_000;
const EVERY_MS = 50;

/** Brings `joiner` into the mesh of `inviter`. Gives the words that were equal on both. */
export async function pairNodes(
  context: CommandContext,
  inviter: ChildNode,
  joiner: ChildNode,
): Promise<readonly string[]> {
  const texts = context.texts.demo;
  const invite = await inviter.client.createInvite({ role: "owner" });
  const started = await joiner.client.acceptInvite(invite.link);
  const confirming = (node: ChildNode, remote: string) =>
    waitFor(
      context,
      { what: texts.events.words, timeoutMs: TIMEOUT_MS, everyMs: EVERY_MS },
      async () => {
        const views = await node.client.pairings();
        const view = views.find((candidate) =>
          candidate.remoteDeviceId === remote && candidate.words.length > 0
        );
        failWhenOver(context, views.find((candidate) => candidate.pairingId === started.pairingId));
        return view ?? null;
      },
    );
  const there = await confirming(joiner, inviter.ready.deviceId);
  const here = await confirming(inviter, joiner.ready.deviceId);
  const match = here.words.join(" ") === there.words.join(" ");
  await Promise.all([
    inviter.client.confirmPairing(here.pairingId, match),
    joiner.client.confirmPairing(there.pairingId, match),
  ]);
  if (!match) throw new DemoError(context, texts.wordsDiffer);
  await Promise.all([
    completed(context, inviter, here.pairingId),
    completed(context, joiner, there.pairingId),
  ]);
  return here.words;
}

function completed(context: CommandContext, node: ChildNode, pairingId: string): Promise<true> {
  const what = context.texts.demo.events.pairing;
  return waitFor(context, { what, timeoutMs: TIMEOUT_MS, everyMs: EVERY_MS }, async () => {
    const view = (await node.client.pairings()).find((item) => item.pairingId === pairingId);
    failWhenOver(context, view);
    return view?.phase === "completed" ? true : null;
  });
}

function failWhenOver(context: CommandContext, view: PairingView | undefined): void {
  if (view?.phase === "failed" || view?.phase === "refused") {
    throw new DemoError(context, context.texts.pair.failed(view.problem ?? view.phase));
  }
}
