/** Brings nodes together as people would: tells where they are; one invites, the other accepts, the words are compared, both confirm. */
import type { PairingView } from "../../actors/handle.ts";
import type { CommandContext } from "../command.ts";
import type { ChildNode } from "./child_node.ts";
import { DemoError, waitFor } from "./wait_for.ts";

/** A step of a pairing that takes longer has failed: nobody here has to read the words, ms. */
const TIMEOUT_MS = 30_000;
/** Between two looks at a node, ms. */
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
  if (!match) throw new DemoError(texts.wordsDiffer, texts.failedHint);
  await Promise.all([
    completed(context, inviter, here.pairingId),
    completed(context, joiner, there.pairingId),
  ]);
  return here.words;
}

/** Tells each node where the others are, for where multicast does not reach. */
export async function tellAddresses(nodes: readonly ChildNode[]): Promise<void> {
  for (const node of nodes) {
    for (const other of nodes) {
      if (other === node) continue;
      await node.client.addPeer(`http://127.0.0.1:${other.rendezvousPort}`);
    }
  }
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
    const { pair, demo } = context.texts;
    throw new DemoError(pair.failed(view.problem ?? view.phase), demo.failedHint);
  }
}
