/** A device goes on with an old copy of its disk and nobody tells it: numbers and keys that it used come again. */
import type { Outcome } from "../../actors/handle.ts";
import type { MessageView } from "../../actors/mail_handle.ts";
import { type MailLedger, mailProblems } from "../checkers/mail.ts";
import type { Cluster } from "../cluster.ts";
import { Faults } from "../faults.ts";
import type { SimulatedNode } from "../simulated_node.ts";
import { startMailMesh } from "./messages.ts";
import type { Scenario } from "./scenario.ts";

const MESSAGES = 12;
const ARRIVAL_MS = 60 * 60_000;

export const messagesOldDisk: Scenario = {
  name: "messages_old_disk",
  purpose:
    "After a device's disk was put back, what is written from then on still arrives everywhere, once.",
  nodes: 3,
  async play(cluster, nodes) {
    const ledger = await startMailMesh(cluster, nodes);
    const { world, random } = cluster;
    await writeSome(cluster, ledger);
    await world.until(() => ledger.allArrived(), ARRIVAL_MS, 1_000);
    const unlucky = cluster.nodes[random.below(nodes)]!;
    await unlucky.keepOldDisk();
    await writeSome(cluster, ledger);
    await world.until(() => ledger.allArrived(), ARRIVAL_MS, 1_000);
    await new Faults(cluster).equivocate(unlucky);
    // What only the newer disk held is gone, and what it showed may be shown again.
    ledger.forget();
    ledger.watch(unlucky);
    await writeSome(cluster, ledger);
    if (!await world.until(() => ledger.allArrived(), ARRIVAL_MS, 1_000)) {
      return [
        "messages are still under way",
        ...await mailProblems(cluster, ledger, { numbersOnce: false }),
      ];
    }
    return await mailProblems(cluster, ledger, { numbersOnce: false });
  },
};

async function writeSome(cluster: Cluster, ledger: MailLedger): Promise<void> {
  const { random, nodes, world } = cluster;
  for (let i = 0; i < MESSAGES; i++) {
    const node = nodes[random.below(nodes.length)]!;
    const others = nodes.filter((other) => other !== node);
    const groups = ledger.groupsOf(node);
    const to = random.below(3) === 0 ? others : [others[random.below(others.length)]!];
    const target = groups.length > 0 && random.below(2) === 0
      ? { conversation: groups[0]! }
      : { to: to.map(({ deviceId }) => deviceId), ...(to.length > 1 && { title: "Garden" }) };
    await written(
      ledger,
      node,
      world.wait(
        node.handle.mail.send({ ...target, text: ledger.nextText() }),
      ),
    );
    await world.advance(random.float() * 1_000);
  }
}

async function written(
  ledger: MailLedger,
  node: SimulatedNode,
  answer: Promise<Outcome<MessageView>>,
): Promise<void> {
  const outcome = await answer;
  if (outcome.type === "done") ledger.acknowledged(node, outcome.value);
}
