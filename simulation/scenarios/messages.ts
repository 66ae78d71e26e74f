/** People write to each other while devices crash, fall apart, cheat and leave; groups are founded and changed meanwhile. */
import type { NewMessage } from "../../actors/mail_handle.ts";
import type { MailLimits } from "../../actors/mailboxes/limits.ts";
import { conversationProblems } from "../checkers/conversations.ts";
import { clearTexts, MailLedger, mailProblems } from "../checkers/mail.ts";
import type { Cluster } from "../cluster.ts";
import type { FaultKind } from "../faults.ts";
import { SimulatedBrokers } from "../simulated_broker.ts";
import type { SimulatedNode } from "../simulated_node.ts";
import { MailFaults } from "./messages_faults.ts";
import type { Scenario } from "./scenario.ts";

const ROUNDS = 12;
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
/** Clocks differ by at most this in both directions, ms. */
const SKEW_MS = 5 * 60_000;
/** Messages that arrive within this after the last fault count as delivered, virtual ms: the waits between tries grow to an hour. */
const ARRIVAL_MS = 2 * 60 * 60_000;
/** What is written in peace arrives within this, virtual ms. */
const PEACE_MS = 5 * 60_000;
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
    "Every message that a sender was told to be safe is shown to each recipient exactly once, over crashes, partitions, lies and carriers.",
  nodes: 4,
  async play(cluster, nodes) {
    const { random, world } = cluster;
    const brokers = random.below(4) === 0 ? new SimulatedBrokers(cluster.network) : undefined;
    const ledger = await startMailMesh(cluster, nodes, brokers);
    const faults = new MailFaults(cluster, ledger, { kinds: KINDS, brokers });
    for (const node of cluster.nodes) {
      node.device.wallSkewMs = Math.floor((random.float() - 0.5) * 2 * SKEW_MS);
    }
    const problems: string[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      for (let i = random.below(4); i > 0; i--) writeSomething(cluster, ledger);
      if (random.below(4) === 0) changeSomeGroup(cluster, ledger);
      if (random.below(4) === 0) readSomething(cluster, ledger);
      ledger.askAgain();
      faults.inject();
      await world.advance(random.float() * 4_000);
      await faults.endSome();
      for (const node of cluster.nodes) problems.push(...clearTexts(node));
    }
    await faults.end();
    ledger.askAgain();
    await world.until(() => ledger.allArrived(), ARRIVAL_MS, 1_000);
    await liveInPeace(cluster, ledger);
    problems.push(...await mailProblems(cluster, ledger), ...conversationProblems(ledger.bound()));
    return problems.length === 0
      ? []
      : [...problems, ...faults.history().map((line) => `fault: ${line}`)];
  },
};

/** A mesh whose devices have told each other their keys. */
export async function startMailMesh(
  cluster: Cluster,
  nodes: number,
  brokers?: SimulatedBrokers,
): Promise<MailLedger> {
  const server = brokers?.addServer({ name: "broker", segment: "home" });
  for (let i = 0; i < nodes; i++) {
    await cluster.addNode({
      mailLimits: SHORT_WAITS,
      ...(brokers !== undefined && { brokers: { all: brokers, servers: [server!] } }),
    });
  }
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
  const node = honestNodeUp(cluster, ledger);
  if (node === undefined) return;
  const text = ledger.nextText();
  const message: NewMessage = {
    ...targetOf(cluster, ledger, node),
    text,
    ...(random.below(8) === 0 && { validMs: 5_000 + random.below(20_000) }),
    ...(random.below(12) === 0 && {
      attachments: [{
        name: "photo.bin",
        mediaType: "application/octet-stream",
        // Mostly one part; few have several, because their encryption is most of what a world costs.
        body: new TextEncoder().encode(text.repeat(random.below(16) === 0 ? 12_000 : 80)),
      }],
    }),
  };
  ledger.write(node, message, random.below(2) === 0 ? text : undefined);
}

/** An existing group, a new one, or one other device. */
function targetOf(
  cluster: Cluster,
  ledger: MailLedger,
  node: SimulatedNode,
): Pick<NewMessage, "conversation" | "to" | "title"> {
  const { random } = cluster;
  const others = cluster.nodes.filter((other) =>
    other !== node && !ledger.liars.has(other.deviceId)
  );
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

/** Somebody renames a group, or takes a member out or in. */
function changeSomeGroup(cluster: Cluster, ledger: MailLedger): void {
  const { random, world } = cluster;
  const node = honestNodeUp(cluster, ledger);
  if (node === undefined) return;
  const groups = ledger.groupsOf(node);
  const conversation = groups[random.below(Math.max(1, groups.length))];
  if (conversation === undefined) return;
  const { mail } = node.handle;
  const other = cluster.nodes[random.below(cluster.nodes.length)]!;
  if (other === node || ledger.liars.has(other.deviceId) || random.below(3) === 0) {
    const title = `Garden ${random.below(100)}`;
    mail.changeConversation(conversation, { title }).catch(() => {});
    return;
  }
  const place = `${conversation} ${other.deviceId}`;
  const { members } = node.disk.tables.mail.conversations.get(conversation)!;
  if (members.includes(other.deviceId)) {
    ledger.everRemoved.add(place);
    mail.changeConversation(conversation, { remove: [other.deviceId] }).then((outcome) => {
      // A member that does not lead asks the leader, and hears of it later.
      if (outcome.type === "done" && !outcome.value.members.includes(other.deviceId)) {
        ledger.removed.set(place, { by: node, atMs: world.nowMs });
      }
    }, () => {});
  } else {
    for (const key of [...ledger.removed.keys()]) if (key === place) ledger.removed.delete(key);
    mail.changeConversation(conversation, { add: [other.deviceId] }).catch(() => {});
  }
}

/** Somebody looks at a conversation. */
function readSomething(cluster: Cluster, ledger: MailLedger): void {
  const { random } = cluster;
  const node = honestNodeUp(cluster, ledger);
  const rows = node === undefined ? [] : [...node.disk.tables.mail.messages.values()];
  if (rows.length === 0) return;
  const { conversation, message } = rows[random.below(rows.length)]!;
  node!.handle.mail.markRead(conversation, message).catch(() => {});
}

/** When all is well, what is written arrives soon, also with little time; whoever was taken out hears nothing of it. */
async function liveInPeace(cluster: Cluster, ledger: MailLedger): Promise<void> {
  const { world } = cluster;
  ledger.inPeace = true;
  const bound = ledger.bound();
  for (const [i, node] of bound.entries()) {
    for (const conversation of ledger.groupsOf(node)) {
      ledger.write(node, { conversation, text: ledger.nextText() });
    }
    const other = bound[(i + 1) % bound.length]!;
    if (other === node) continue;
    for (const validMs of [180_000, 120_000]) {
      ledger.write(node, { to: [other.deviceId], text: ledger.nextText(), validMs });
    }
    readSomething(cluster, ledger);
  }
  await world.advance(1_000);
  await world.until(() => ledger.allArrived(), PEACE_MS, 1_000);
}

function honestNodeUp(cluster: Cluster, ledger: MailLedger): SimulatedNode | undefined {
  const node = cluster.anyNodeUp();
  return node === undefined || ledger.liars.has(node.deviceId) ? undefined : node;
}
