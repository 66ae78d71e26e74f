/** What users wrote, what they were told, and what was shown to them: noted while a world goes on, judged at its end by `mail.ts`. */
import type { NodeEvent } from "../../actors/events.ts";
import type { MessageView, NewMessage } from "../../actors/mail_handle.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import type { ConversationId, MessageId } from "../../protocols/mailbox/content.ts";
import { keyOfRow } from "../../store/mail_rows.ts";
import type { MessageRow } from "../../store/mail.ts";
import { PARCEL_LIFE_MS_MAX } from "../../protocols/mailbox/parcel.ts";
import type { Cluster } from "../cluster.ts";
import type { SimulatedNode } from "../simulated_node.ts";

import { AnnouncedOrder } from "./mail_order.ts";

/** What every text of these worlds begins with, so that it is found wherever it lies in clear. */
export const TEXT_MARK = "Message for few eyes ";

/** From a step's look at the clock until what it did is told, at most, ms: its tasks wait for a slow disk. */
const COMMIT_MS_MAX = 2_000;

/** A message that a user was told to be safe. */
export interface SentMessage {
  readonly node: SimulatedNode;
  readonly message: MessageId;
  readonly conversation: ConversationId;
  readonly text: string;
  readonly to: readonly DeviceId[];
  /** How long it may take, ms; null: longer than any world. */
  readonly validMs: number | null;
  /** World time when its user was told, ms. */
  readonly atMs: number;
  /** World time when its user asked, ms. */
  readonly askedAtMs: number;
  /** Written when everything was well, so nothing excuses its expiry. */
  readonly inPeace: boolean;
}

/** A message that a user asked for with a key: asked again when the node lost power before it answered. */
interface Asked {
  readonly node: SimulatedNode;
  readonly message: NewMessage;
  readonly key: string;
  readonly starts: number;
  answered(): boolean;
}

/** What was acknowledged to users, and what was shown to them. */
export class MailLedger {
  readonly sent: SentMessage[] = [];
  /** How often each message was announced as new: by device, by message. */
  readonly shown = new Map<DeviceId, Map<MessageId, number>>();
  /** What was wrong at the moment when it happened, in words. */
  readonly seen: string[] = [];
  /** What was announced in another order than its author wrote it, in words: of what was written in peace, when nothing excuses it. */
  readonly disorder: string[] = [];
  /** The same of everything, with what excuses it under faults. */
  readonly order: AnnouncedOrder;
  /** Devices whose owners cheat: nothing is demanded for them. */
  readonly liars = new Set<DeviceId>();
  /** Devices that some owner heard to be revoked, with the world time of that, ms, and the owner. */
  readonly revoked = new Map<
    DeviceId,
    { readonly by: SimulatedNode; readonly atMs: number }
  >();
  /** "conversation device" of everybody whose removal was asked for at any time. */
  readonly everRemoved = new Set<string>();
  /** "conversation device" whose removal is done, with who did it and the world time, ms; not once somebody asked to add it again. */
  readonly removed = new Map<string, { readonly by: SimulatedNode; readonly atMs: number }>();
  /** Set while no fault is at work and all devices are in touch. */
  inPeace = false;
  /** False once a clock has jumped: from then on nobody can say what a clock showed a while ago. */
  clocksSteady = true;
  readonly #cluster: Cluster;
  readonly #watched = new Map<SimulatedNode, number>();
  readonly #lastNumbers = new Map<string, number>();
  readonly #asked: Asked[] = [];
  readonly #peaceful = new Set<string>();
  /** By text: when it was first asked for, by world time and by its author's clock, ms, and for how long. */
  readonly #wishes = new Map<
    string,
    { readonly atMs: number; readonly wallMs: number; readonly lifeMs: number }
  >();
  #texts = 0;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    this.order = new AnnouncedOrder(cluster.world);
  }

  /** The next text: each is written once. */
  nextText(): string {
    return `${TEXT_MARK}${++this.#texts}`;
  }

  /** A user of `node` writes; nobody waits for the answer. With a key it can be asked again by `askAgain`. */
  write(node: SimulatedNode, message: NewMessage, key?: string): void {
    const { starts } = node;
    const askedAtMs = this.#cluster.world.nowMs;
    const { inPeace } = this;
    if (inPeace) this.#peaceful.add(message.text);
    this.#wishes.getOrInsertComputed(message.text, () => ({
      atMs: askedAtMs,
      wallMs: node.device.wallMs(),
      lifeMs: message.validMs ?? PARCEL_LIFE_MS_MAX,
    }));
    let answered = false;
    node.handle.mail.send(message, key).then((outcome) => {
      answered = true;
      if (outcome.type !== "done") return;
      this.acknowledged(node, outcome.value, { askedAtMs, inPeace, validMs: message.validMs });
    }, () => {});
    if (key !== undefined) {
      this.#asked.push({ node, message, key, starts, answered: () => answered });
    }
  }

  /** Users whose node lost power before it answered ask again, with the same key. */
  askAgain(): void {
    for (const asked of this.#asked.splice(0)) {
      const { node, message, key, starts } = asked;
      if (asked.answered()) continue;
      if (node.isUp && node.starts > starts) this.write(node, message, key);
      else this.#asked.push(asked);
    }
  }

  /** Listens to what a node shows; again after every start. */
  watch(node: SimulatedNode): void {
    if (!node.isUp || this.#watched.get(node) === node.starts) return;
    this.#watched.set(node, node.starts);
    node.handle.subscribe((event: NodeEvent) => {
      if (event.type === "messageReceived") this.#onShown(node, event);
      if (event.type === "deliveryChanged") this.#onDelivery(node, event);
    });
  }

  /** A user of `node` heard that this message is safe. */
  acknowledged(
    node: SimulatedNode,
    view: MessageView,
    options: {
      readonly askedAtMs?: number;
      readonly inPeace?: boolean;
      readonly validMs?: number | undefined;
    } = {},
  ): void {
    const { message, conversation, text, deliveries } = view;
    const atMs = this.#cluster.world.nowMs;
    this.#checkTime(node, view, this.#wishes.get(text)?.wallMs ?? view.timeMs);
    this.sent.push({
      node,
      message,
      conversation,
      text,
      to: deliveries.map(({ deviceId }) => deviceId),
      validMs: options.validMs ?? null,
      atMs,
      askedAtMs: options.askedAtMs ?? atMs,
      inPeace: options.inPeace ?? false,
    });
  }

  /** From here on only what is written later counts. */
  forget(): void {
    this.sent.length = 0;
    this.#asked.length = 0;
    this.shown.clear();
    this.disorder.length = 0;
    this.order.forget();
    this.#lastNumbers.clear();
  }

  /** What was announced out of order without a reason. */
  announcedLate(): readonly string[] {
    return this.order.problems(this.bound(), (text) => this.#wishes.get(text)?.atMs);
  }

  /** The groups that a node knows and is in. */
  groupsOf(node: SimulatedNode): readonly ConversationId[] {
    return [...node.disk.tables.mail.conversations.values()]
      .filter(({ direct, members }) => direct === 0 && members.includes(node.deviceId))
      .map(({ conversation }) => conversation);
  }

  /** Devices of which everything is demanded: honest, and members of the mesh. */
  bound(): readonly SimulatedNode[] {
    return this.#cluster.nodes.filter(({ deviceId }) =>
      !this.liars.has(deviceId) && !this.revoked.has(deviceId)
    );
  }

  /** True when nothing is under way: every delivery has come to an end, and nobody keeps anything for anybody. */
  allArrived(): boolean {
    const bound = this.bound();
    return this.sent.every((sent) =>
      !bound.includes(sent.node) ||
      sent.to.every((device) => !["queued", "carried"].includes(stateOf(sent, device)))
    ) && bound.every(({ disk: { tables: { mail } } }) =>
      mail.waiting.size === 0 && mail.outgoing.size === 0 && mail.carried.size === 0
    );
  }

  /** A time that a device notes is that of its clock: neither before something has begun nor after it was told. */
  #checkTime(
    node: SimulatedNode,
    { text, timeMs }: { readonly text: string; readonly timeMs: number },
    notBeforeMs: number,
  ): void {
    if (!this.clocksSteady || (timeMs >= notBeforeMs && timeMs <= node.device.wallMs())) return;
    this.seen.push(
      `${node.name} notes ${timeMs} as the time of "${text}", between ${notBeforeMs} and ${node.device.wallMs()}`,
    );
  }

  #onShown(
    node: SimulatedNode,
    { message, from }: Extract<NodeEvent, { type: "messageReceived" }>,
  ): void {
    const shown = this.shown.getOrInsertComputed(node.deviceId, () => new Map());
    shown.set(message, (shown.get(message) ?? 0) + 1);
    const row = messageOn(node, from, message);
    if (row === undefined) {
      this.seen.push(`${node.name} announced message ${message}, which is not on its disk`);
      return;
    }
    const { text, receivedAtMs } = row;
    this.#checkTime(node, { text, timeMs: receivedAtMs }, node.device.wallMs() - COMMIT_MS_MAX);
    this.order.announced(node, row);
    const stream = `${node.deviceId} ${row.conversation} ${from}`;
    const last = this.#lastNumbers.get(stream) ?? 0;
    if (row.number <= last && this.#peaceful.has(row.text)) {
      this.disorder.push(
        `${node.name} announced "${row.text}", number ${row.number} of its author, after number ${last}`,
      );
    }
    this.#lastNumbers.set(stream, Math.max(last, row.number));
  }

  /** What a sender is told of a recipient is true when it is told. */
  #onDelivery(
    node: SimulatedNode,
    { message, to, state }: Extract<NodeEvent, { type: "deliveryChanged" }>,
  ): void {
    if (state === "expired" || state === "failed") this.order.givenUp(message, to);
    const recipient = this.#cluster.nodes.find(({ deviceId }) => deviceId === to);
    if (recipient === undefined || this.liars.has(to)) return;
    if (state === "expired") return this.#onExpired(node, recipient, message);
    if (state !== "delivered" && state !== "read") return;
    const row = messageOn(recipient, node.deviceId, message);
    if (row === undefined) {
      this.seen.push(
        `${node.name} was told "${state}" of message ${message}, which is not on ${recipient.name}`,
      );
    } else if (state === "read" && row.read === 0) {
      this.seen.push(
        `${node.name} was told "read" of "${row.text}", which nobody on ${recipient.name} has seen`,
      );
    }
  }

  /** A message expires when its time is over by its author's clock or by its recipient's, not earlier. */
  #onExpired(node: SimulatedNode, recipient: SimulatedNode, message: MessageId): void {
    const row = messageOn(node, node.deviceId, message);
    const wish = row && this.#wishes.get(row.text);
    if (wish === undefined) return;
    // No clock jumps that far.
    if (!this.clocksSteady && wish.lifeMs < PARCEL_LIFE_MS_MAX) return;
    const leftMs = row!.timeMs + wish.lifeMs -
      Math.max(node.device.wallMs(), recipient.device.wallMs());
    if (leftMs <= 0) return;
    this.seen.push(
      `${node.name} was told "expired" of "${row!.text}" ${leftMs} ms too early by all clocks`,
    );
  }
}

/** How far the sender believes a message to have come. */
export function stateOf(sent: Pick<SentMessage, "node" | "message">, device: DeviceId): string {
  const { deliveries } = sent.node.disk.tables.mail;
  return deliveries.get(`${sent.message}\n${device}`)?.state ?? "forgotten";
}

/** A message as it lies on a disk. */
export function messageOn(
  node: SimulatedNode,
  author: DeviceId,
  message: MessageId,
): MessageRow | undefined {
  return node.disk.tables.mail.messages.get(keyOfRow("messages", { author, message }));
}

/** All messages on a disk. */
export function rowsOf(node: SimulatedNode): readonly MessageRow[] {
  return [...node.disk.tables.mail.messages.values()];
}
