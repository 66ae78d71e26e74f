/** People write to each other while devices crash, fall apart and come back; groups are founded and changed meanwhile. */
import type { Outcome } from "../../actors/handle.ts";
import type { MessageView, NewMessage } from "../../actors/mail_handle.ts";
import type { MailLimits } from "../../actors/mailboxes/limits.ts";
import { MailLedger, mailProblems } from "../checkers/mail.ts";
import type { Cluster } from "../cluster.ts";
import { type FaultKind, Faults } from "../faults.ts";
import type { SimulatedNode } from "../simulated_node.ts";
import type { Scenario } from "./scenario.ts";

const ROUNDS = 14;
/** What can go wrong here; damaged blocks have a scenario of their own. */
const KINDS: readonly FaultKind[] = [
  "crash",
  "crash",
  "partition",
  "cut",
  "slowDisk",
  "fullDisk",
  "corruptFrames",
];
/** Clocks differ by at most this in both directions, ms: more than `PARCEL_SKEW_MS` makes parcels wait for the clock. */
const SKEW_MS = 5 * 60_000;
/** Messages that arrive within this after the last fault count as delivered, virtual ms. */
const ARRIVAL_MS = 30 * 60_000;
/** Waits are shorter than in real meshes, so that every one of them happens in a short world. */
export const SHORT_WAITS: Partial<MailLimits> = {
  carryAfterMs: 2_000,
  answerMs: 8_000,
  gapMs: 40_000,
  missingMs: 20_000,
  resendMs: 30_000,
  rejoinMs: 10_000,
  renewMessages: 4,
  windowParcels: 8,
};

export const messages: Scenario = {
  name: "messages",
  purpose:
    "Every message that a sender was told to be safe is shown to each recipient exactly once, over crashes, partitions and carriers.",
  nodes: 4,
  async play(cluster, nodes) {
    const ledger = await startMailMesh(cluster, nodes);
    const { random, world } = cluster;
    const faults = new Faults(cluster);
    for (const node of cluster.nodes) {
      node.device.wallSkewMs = Math.floor((random.float() - 0.5) * 2 * SKEW_MS);
    }
    for (let round = 0; round < ROUNDS; round++) {
      for (let i = random.below(4); i > 0; i--) writeSomething(cluster, ledger);
      if (random.below(6) === 0) changeSomeGroup(cluster, ledger);
      if (random.below(3) === 0) faults.inject(KINDS);
      if (random.below(6) === 0) faults.heal();
      await world.advance(random.float() * 4_000);
      await faults.restartSome(0.25);
    }
    await faults.end();
    for (const node of cluster.nodes) ledger.watch(node);
    await world.until(() => ledger.allArrived(), ARRIVAL_MS, 1_000);
    const problems = await mailProblems(cluster, ledger);
    return problems.length === 0
      ? []
      : [...problems, ...faults.history.map((line) => `fault: ${line}`)];
  },
};

/** A mesh whose devices have told each other their keys. */
export async function startMailMesh(cluster: Cluster, nodes: number): Promise<MailLedger> {
  for (let i = 0; i < nodes; i++) await cluster.addNode({ mailLimits: SHORT_WAITS });
  await cluster.world.advance(500);
  await cluster.formMesh();
  const ledger = new MailLedger(cluster);
  for (const node of cluster.nodes) ledger.watch(node);
  // Some write before everybody's keys are known: those messages wait for them.
  await cluster.world.advance(cluster.random.float() * 4_000);
  return ledger;
}

/** A user somewhere writes to somebody; nobody waits for the answer. */
function writeSomething(cluster: Cluster, ledger: MailLedger): void {
  const { random } = cluster;
  const node = cluster.anyNodeUp();
  if (node === undefined) return;
  ledger.watch(node);
  const message: NewMessage = {
    ...targetOf(cluster, ledger, node),
    text: `Message ${ledger.nextText()}`,
    ...(random.below(10) === 0 && { validMs: 20_000 }),
    ...(random.below(12) === 0 && {
      attachments: [{
        name: "photo.bin",
        mediaType: "application/octet-stream",
        // Mostly one part; few have several, because their encryption is most of what a world costs.
        body: new Uint8Array(random.below(12) === 0 ? 300_000 : 2_000).fill(random.below(256)),
      }],
    }),
  };
  send(ledger, node, message);
}

/** An existing group, a new one, or one other device. */
function targetOf(
  cluster: Cluster,
  ledger: MailLedger,
  node: SimulatedNode,
): Pick<NewMessage, "conversation" | "to" | "title"> {
  const { random } = cluster;
  const others = cluster.nodes.filter((other) => other !== node);
  const groups = ledger.groupsOf(node);
  const kind = random.below(5);
  if (kind < 2 && groups.length > 0) return { conversation: groups[random.below(groups.length)]! };
  if (kind === 2 && groups.length < 2) {
    const members = others.filter(() => random.below(3) > 0);
    const to = members.length > 1 ? members : others;
    return { to: to.map(({ deviceId }) => deviceId), title: "Garden" };
  }
  return { to: [others[random.below(others.length)]!.deviceId] };
}

function send(ledger: MailLedger, node: SimulatedNode, message: NewMessage): void {
  const { mail } = node.handle;
  mail.send(message).then(
    (outcome: Outcome<MessageView>) => {
      if (outcome.type === "done") ledger.acknowledged(node, outcome.value);
    },
    () => {},
  );
}

/** Somebody renames a group, or takes a member out and in again. */
function changeSomeGroup(cluster: Cluster, ledger: MailLedger): void {
  const { random } = cluster;
  const node = cluster.anyNodeUp();
  if (node === undefined) return;
  const groups = ledger.groupsOf(node);
  const conversation = groups[random.below(Math.max(1, groups.length))];
  if (conversation === undefined) return;
  const title = `Garden ${random.below(100)}`;
  node.handle.mail.changeConversation(conversation, { title }).catch(() => {});
}
