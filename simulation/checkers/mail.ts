/** Whether every message that its sender was told to be safe was shown to each recipient exactly once, in order, and truly reported. */
import type { NodeEvent } from "../../actors/events.ts";
import type { MessageView } from "../../actors/mail_handle.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import type { ConversationId, MessageId } from "../../protocols/mailbox/content.ts";
import type { MessageRow } from "../../store/mail.ts";
import type { Cluster } from "../cluster.ts";
import type { SimulatedNode } from "../simulated_node.ts";

/** A message that a user was told to be safe. */
export interface SentMessage {
  readonly node: SimulatedNode;
  readonly message: MessageId;
  readonly conversation: ConversationId;
  readonly text: string;
  readonly to: readonly DeviceId[];
}

/** What was acknowledged to users, and what was shown to them. */
export class MailLedger {
  readonly sent: SentMessage[] = [];
  /** How often each message was announced as new: by device, by message. */
  readonly shown = new Map<DeviceId, Map<MessageId, number>>();
  readonly #cluster: Cluster;
  readonly #watched = new Map<SimulatedNode, number>();
  #texts = 0;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  /** The number of the next text: each is written once. */
  nextText(): number {
    return ++this.#texts;
  }

  /** Listens to what a node shows; again after every start. */
  watch(node: SimulatedNode): void {
    if (!node.isUp || this.#watched.get(node) === node.starts) return;
    this.#watched.set(node, node.starts);
    node.handle.subscribe((event: NodeEvent) => {
      if (event.type !== "messageReceived") return;
      const shown = this.shown.getOrInsertComputed(node.deviceId, () => new Map());
      shown.set(event.message, (shown.get(event.message) ?? 0) + 1);
    });
  }

  /** A user of `node` heard that this message is safe. */
  acknowledged(node: SimulatedNode, view: MessageView): void {
    const { message, conversation, text, deliveries } = view;
    const to = deliveries.map(({ deviceId }) => deviceId);
    this.sent.push({ node, message, conversation, text, to });
  }

  /** From here on only what is written later counts. */
  forget(): void {
    this.sent.length = 0;
    this.shown.clear();
  }

  /** The groups that a node knows and is in. */
  groupsOf(node: SimulatedNode): readonly ConversationId[] {
    return [...node.disk.tables.mail.conversations.values()]
      .filter(({ direct, members }) => direct === 0 && members.includes(node.deviceId))
      .map(({ conversation }) => conversation);
  }

  /** True when nothing is under way: every delivery has come to an end. */
  allArrived(): boolean {
    return this.sent.every((sent) =>
      sent.to.every((device) => !["queued", "carried"].includes(stateOf(sent, device)))
    ) && this.#cluster.nodes.every(({ disk }) => disk.tables.mail.waiting.size === 0);
  }
}

/** What is wrong, in words. Demand nothing after faults have ended and messages had time. */
export async function mailProblems(
  cluster: Cluster,
  ledger: MailLedger,
  options: {
    /** False where a disk was put back: its owner then writes numbers a second time. Default true. */
    readonly numbersOnce?: boolean;
  } = {},
): Promise<readonly string[]> {
  const byDevice = new Map(cluster.nodes.map((node) => [node.deviceId, node]));
  const problems: string[] = [];
  for (const sent of ledger.sent) {
    for (const device of sent.to) {
      const recipient = byDevice.get(device)!;
      problems.push(...await problemsOfDelivery(sent, recipient));
    }
  }
  for (const [device, shown] of ledger.shown) {
    const { name } = byDevice.get(device)!;
    for (const [message, times] of shown) {
      // Announcements follow commits that were heard of, and those are never taken back.
      if (times > 1) problems.push(`${name} announced message ${message} ${times} times`);
    }
  }
  for (const node of cluster.nodes) {
    if (options.numbersOnce ?? true) problems.push(...problemsOfOrder(node));
    problems.push(...problemsOfSecrecy(node, ledger));
  }
  return problems;
}

async function problemsOfDelivery(
  sent: SentMessage,
  recipient: SimulatedNode,
): Promise<readonly string[]> {
  const what = `message "${sent.text}" of ${sent.node.name} to ${recipient.name}`;
  const state = stateOf(sent, recipient.deviceId);
  const copies = rowsOf(recipient).filter((row) =>
    row.author === sent.node.deviceId && row.text === sent.text
  );
  if (copies.length > 1) return [`${what} is there ${copies.length} times`];
  const [copy] = copies;
  switch (state) {
    case "delivered":
    case "read":
      break;
    case "expired":
      return [];
    default:
      return [`${what} is ${state}, and ${copies.length === 1 ? "is there" : "never came"}`];
  }
  if (copy === undefined) return [`${what} is said to be ${state} and is not there`];
  if (copy.message !== sent.message) return [`${what} came under another id`];
  return await problemsOfAttachments(recipient, copy, what);
}

async function problemsOfAttachments(
  recipient: SimulatedNode,
  copy: MessageRow,
  what: string,
): Promise<readonly string[]> {
  if (copy.attachments === null) return [];
  const outcome = await recipient.handle.mail.attachment(copy.message, 0);
  return outcome.type === "done" ? [] : [`${what}: ${outcome.message}`];
}

/** Numbers of an author never repeat, and are shown in their order. */
function problemsOfOrder(node: SimulatedNode): readonly string[] {
  const problems: string[] = [];
  const byAuthor = new Map<string, MessageRow[]>();
  for (const row of rowsOf(node)) {
    byAuthor.getOrInsertComputed(`${row.conversation} ${row.author}`, () => []).push(row);
  }
  for (const rows of byAuthor.values()) {
    rows.sort((a, b) => a.clock - b.clock || a.number - b.number);
    rows.forEach((row, i) => {
      if (i > 0 && row.number <= rows[i - 1]!.number) {
        problems.push(`${node.name} shows message ${row.number} of an author out of order`);
      }
    });
  }
  return problems;
}

/** Nobody holds what was not written to it. */
function problemsOfSecrecy(node: SimulatedNode, ledger: MailLedger): readonly string[] {
  const problems: string[] = [];
  const own = ledger.sent.filter(({ node: author }) => author !== node);
  for (const sent of own) {
    if (sent.to.includes(node.deviceId)) continue;
    if (rowsOf(node).some(({ message }) => message === sent.message)) {
      problems.push(`${node.name} holds message "${sent.text}", which was not for it`);
    }
  }
  return problems;
}

function rowsOf(node: SimulatedNode): readonly MessageRow[] {
  return [...node.disk.tables.mail.messages.values()];
}

function stateOf(sent: SentMessage, device: DeviceId): string {
  const { deliveries } = sent.node.disk.tables.mail;
  return deliveries.get(`${sent.message}\n${device}`)?.state ?? "forgotten";
}
