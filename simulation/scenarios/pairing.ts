/** Devices join one after another as people do it: an invite, its code, words compared on both sides. */
import type { PairingView } from "../../actors/handle.ts";
import type { Cluster } from "../cluster.ts";
import type { SimulatedNode } from "../simulated_node.ts";
import { type Scenario, settleAndCheck } from "./scenario.ts";

const PHASE_MS = 60_000;

export const pairing: Scenario = {
  name: "pairing",
  purpose:
    "Strangers become members by link or typed code, over a network that loses and repeats requests.",
  nodes: 4,
  async play(cluster, nodes) {
    for (let i = 0; i < nodes; i++) await cluster.addNode();
    await cluster.world.advance(2_000);
    const [inviter, ...joiners] = cluster.nodes;
    // The first block founds the mesh.
    await cluster.world.wait(cluster.publish(inviter!));
    const problems: string[] = [];
    for (const joiner of joiners) {
      const problem = await pairPatiently(cluster, inviter!, joiner);
      if (problem !== undefined) problems.push(`${joiner.name}: ${problem}`);
      cluster.publishLater(joiner);
    }
    return problems.length > 0 ? problems : await settleAndCheck(cluster);
  },
};

/** A lost request may spoil an invite; people then make another one. */
async function pairPatiently(
  cluster: Cluster,
  inviter: SimulatedNode,
  joiner: SimulatedNode,
): Promise<string | undefined> {
  let problem: string | undefined;
  for (let attempt = 0; attempt < 4; attempt++) {
    problem = await pair(cluster, inviter, joiner);
    if (problem === undefined) return undefined;
  }
  return problem;
}

async function pair(
  cluster: Cluster,
  inviter: SimulatedNode,
  joiner: SimulatedNode,
): Promise<string | undefined> {
  const { world } = cluster;
  const invite = await world.wait(inviter.handle.createInvite({ role: "submind" }));
  if (invite.type === "refused") return invite.message;
  const text = cluster.random.below(2) === 0 ? invite.value.link : invite.value.code;
  const accepted = await world.wait(joiner.handle.acceptInvite(text));
  if (accepted.type === "refused") return accepted.message;
  const ours = await phaseReached(cluster, inviter, "confirming");
  const theirs = await phaseReached(cluster, joiner, "confirming");
  if (ours === undefined || theirs === undefined) return "never came to comparing words";
  if (ours.words.join() !== theirs.words.join()) return "words differ without an attacker";
  await world.wait(inviter.handle.confirmPairing(ours.pairingId, true));
  await world.wait(joiner.handle.confirmPairing(theirs.pairingId, true));
  const done = await phaseReached(cluster, joiner, "completed");
  return done === undefined ? "did not complete" : undefined;
}

/** The newest pairing of `node` once it has reached a phase; undefined when it ends otherwise or too late. */
async function phaseReached(
  cluster: Cluster,
  node: SimulatedNode,
  phase: PairingView["phase"],
): Promise<PairingView | undefined> {
  const untilMs = cluster.world.nowMs + PHASE_MS;
  while (cluster.world.nowMs < untilMs) {
    const views = await cluster.world.wait(node.handle.pairings());
    const view = views.findLast((one) => one.phase === phase);
    if (view !== undefined) return view;
    await cluster.world.advance(250);
  }
  return undefined;
}
