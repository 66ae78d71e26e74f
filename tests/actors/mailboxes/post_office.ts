/** Mailboxes of a few devices, joined by hand: tests decide who reaches whom, and may change, drop or repeat what passes. */
import { DEFAULT_MAIL_LIMITS, type MailLimits } from "../../../actors/mailboxes/limits.ts";
import { mailboxes } from "../../../actors/mailboxes/mailboxes.ts";
import type { MailboxesState } from "../../../actors/mailboxes/state.ts";
import type { MailboxesCommand } from "../../../actors/mailboxes/commands.ts";
import type { NodeEvent } from "../../../actors/events.ts";
import type { Outcome } from "../../../actors/handle.ts";
import {
  type RecordedEffect,
  type TestActor,
  testActor,
  testRef,
} from "../../../actors/kernel/testkit.ts";
import type { MessageView, NewMessage } from "../../../actors/mail_handle.ts";
import { membershipChanged } from "../../../actors/members/commands.ts";
import { peerSessions, type SessionsCommand } from "../../../actors/sessions/commands.ts";
import { type BlocksCommitted, blocksCommitted } from "../../../actors/storage/commands.ts";
import type { Broker, BrokerState, KeptMessage } from "../../../platform/broker.ts";
import { nodeSealer } from "../../../platform/identity_subkeys.ts";
import { nodeCrypto, nodeSigner } from "../../../platform/node_crypto.ts";
import { seededRandom } from "../../../platform/seeded_random.ts";
import type { Sealer, Signer } from "../../../platform/ports.ts";
import type { Block } from "../../../protocols/blocks/block.ts";
import { type DeviceId, deviceIdOf, type MeshId } from "../../../protocols/ids.ts";
import type { MailboxMessage } from "../../../protocols/mailbox/messages.ts";
import { decodeMailboxMessage } from "../../../protocols/mailbox/wire.ts";
import type { Member, Registry } from "../../../protocols/registry/registry.ts";
import { DEFAULT_PERMISSIONS, type Permission } from "../../../protocols/registry/roles.ts";
import { simulatedGroupCrypto } from "../../../simulation/simulated_group_crypto.ts";
import { MemoryDisk, openMemoryStore } from "../../../store/memory_store.ts";

export const crypto = nodeCrypto({ workersMax: 0 });
export const MESH = "ab".repeat(32) as MeshId;

/** What is missing is asked for soon, and states of groups are made anew soon. */
export const SOON = { rejoinMs: 1_000, resendMs: 20_000, missingMs: 10_000 };

/** One device. */
export interface Post {
  readonly name: string;
  readonly id: DeviceId;
  readonly signer: Signer;
  readonly sealer: Sealer;
  readonly disk: MemoryDisk;
  actor: TestActor<MailboxesCommand, MailboxesState>;
  readonly events: NodeEvent[];
  /** What it said about parcels, in order. */
  readonly said: { readonly to: DeviceId; readonly message: MailboxMessage }[];
  readonly strikes: string[];
  readonly connects: DeviceId[];
  readonly answers: Map<string, Outcome<unknown>>;
}

/** Sees everything that passes; what it returns arrives instead. */
export type Tap = (
  from: Post,
  to: Post,
  message: MailboxMessage,
) => readonly MailboxMessage[] | undefined;

/** A broker that keeps mail and does nothing else. Whoever looks at `kept` sees what a broker sees. */
export class MailBroker implements Pick<Broker, "state" | "keep" | "collect"> {
  readonly kept = new Map<string, { readonly subject: string; readonly bytes: Uint8Array }>();
  readonly rejected: string[] = [];
  readonly #receivers = new Map<string, (message: KeptMessage) => void>();
  durable = true;

  state(): BrokerState {
    const { durable } = this;
    return { type: "connected", server: "test", serverName: "test", roundTripMs: null, durable };
  }

  keep: Broker["keep"] = ({ subject, messageId, bytes }, onOutcome) => {
    this.kept.set(messageId, { subject, bytes });
    onOutcome({ type: "kept" });
    this.deliver(subject);
  };

  collect: Broker["collect"] = ({ subject }, onMessage) => {
    this.#receivers.set(subject, onMessage);
    return () => void this.#receivers.delete(subject);
  };

  /** Gives what is kept to whoever collects it, as a broker does when its receiver is there. */
  deliver(subject?: string): void {
    for (const [id, message] of [...this.kept]) {
      if (subject !== undefined && message.subject !== subject) continue;
      this.#receivers.get(message.subject)?.({
        ...message,
        delivery: 1,
        keptAtMs: 0,
        acknowledge: () => void this.kept.delete(id),
        reject: (reason) => {
          this.rejected.push(reason);
          this.kept.delete(id);
        },
      });
    }
  }
}

export class PostOffice {
  readonly posts: Post[] = [];
  readonly #limits: Partial<MailLimits>;
  readonly #links = new Set<string>();
  #permissions = new Map<DeviceId, readonly Permission[]>();
  #revoked = new Set<DeviceId>();
  readonly #readmitted = new Set<DeviceId>();
  readonly #published: BlocksCommitted["blocks"][number][] = [];
  #sequence = 0;
  #asks = 0;
  tap: Tap | null = null;

  constructor(
    names: readonly string[],
    limits: Partial<MailLimits> = {},
    readonly broker?: MailBroker,
  ) {
    this.#limits = limits;
    names.forEach((name, i) => {
      const seed = new Uint8Array(32).fill(i + 1);
      const signer = nodeSigner(seed);
      const id = deviceIdOf(signer.publicKey);
      const base = { name, id, signer, sealer: nodeSealer(seed), disk: new MemoryDisk() };
      const lists = { events: [], said: [], strikes: [], connects: [], answers: new Map() };
      const post: Post = { ...base, ...lists, actor: this.#start(base) };
      this.posts.push(post);
      this.#permissions.set(id, DEFAULT_PERMISSIONS.submind);
    });
  }

  post(name: string): Post {
    return this.posts.find((post) => post.name === name)!;
  }

  /** The device starts anew on its disk. Its mailboxes may have read their rows before they are told who is a member. */
  restart(post: Post, options: { readonly membersUntold?: boolean } = {}): void {
    post.actor = this.#start(post);
    // The keys of all are in its log; here they are told before it has read the rest of its disk.
    for (const blocks of this.#published) {
      post.actor.publish(blocksCommitted, { blocks: [blocks] });
    }
    if (options.membersUntold) return;
    post.actor.publish(membershipChanged, { registry: this.registry() });
  }

  /** Lets everybody know who belongs to the mesh and each other's keys. */
  async open(): Promise<void> {
    this.tellMembers();
    await this.settle();
  }

  /** All but those hear who belongs to the mesh. */
  tellMembers(untold: readonly Post[] = []): void {
    for (const post of this.posts) {
      if (untold.includes(post)) continue;
      const { actor } = post;
      this.#note(actor, actor.publish(membershipChanged, { registry: this.registry() }));
    }
  }

  allow(post: Post, permissions: readonly Permission[]): void {
    this.#permissions.set(post.id, permissions);
    this.tellMembers();
  }

  /** A device is sent away; those `untold` hear of it when members are told again. */
  revoke(post: Post, untold: readonly Post[] = []): void {
    this.#revoked.add(post.id);
    this.tellMembers(untold);
  }

  /** A device that was revoked is admitted once more. */
  readmit(post: Post): void {
    this.#revoked.delete(post.id);
    this.#readmitted.add(post.id);
    this.tellMembers();
  }

  registry(): Registry {
    const members = this.posts.map(({ id, name }): [DeviceId, Member] => [id, {
      deviceId: id,
      displayName: name,
      role: "submind",
      permissions: new Set(this.#permissions.get(id)),
      trust: "normal",
      revoked: this.#revoked.has(id),
      validUpToSequence: null,
      admittedBy: null,
      admittedAtMs: 0,
      incarnation: this.#readmitted.has(id) ? 2 : 1,
      version: 1,
      spans: [],
    }]);
    return { mesh: MESH, founder: members[0]![0], members: new Map(members), heads: [] };
  }

  connect(a: Post, b: Post): void {
    this.#links.add(linkName(a, b));
    for (const [one, other] of [[a, b], [b, a]] as const) {
      const event = { type: "up", deviceId: other.id, resumed: false } as const;
      this.#note(one.actor, one.actor.publish(peerSessions, event));
    }
  }

  disconnect(a: Post, b: Post): void {
    this.#links.delete(linkName(a, b));
    for (const [one, other] of [[a, b], [b, a]] as const) {
      const event = { type: "down", deviceId: other.id } as const;
      this.#note(one.actor, one.actor.publish(peerSessions, event));
    }
  }

  connectAll(): void {
    this.posts.forEach((a, i) => this.posts.slice(i + 1).forEach((b) => this.connect(a, b)));
  }

  /** A user sends, and hears how it went. */
  async send(from: Post, message: NewMessage, key?: string): Promise<Outcome<MessageView>> {
    return await this.ask<MessageView>(from, (replyTo) => ({
      type: "sendMessage",
      message,
      idempotencyKey: key ?? null,
      replyTo: replyTo as never,
    }));
  }

  /** As `send`, when nothing is wrong. */
  async write(from: Post, to: readonly Post[], text: string): Promise<MessageView> {
    const outcome = await this.send(from, { to: to.map(({ id }) => id), text });
    if (outcome.type === "refused") throw new Error(outcome.message);
    return outcome.value;
  }

  async ask<T>(
    post: Post,
    command: (replyTo: unknown) => MailboxesCommand,
  ): Promise<Outcome<T>> {
    const path = `asker-${++this.#asks}`;
    this.tell(post, command(testRef(path)));
    await this.settle();
    return post.answers.get(path) as Outcome<T>;
  }

  tell(post: Post, command: MailboxesCommand): void {
    this.#note(post.actor, post.actor.tell(command));
  }

  /** Runs tasks and passes messages on until nothing happens any more. */
  async settle(): Promise<void> {
    for (let busy = true; busy;) {
      busy = false;
      for (const { actor } of this.posts) {
        for (let effects = actor.runInlets(); effects.length > 0; effects = actor.runInlets()) {
          this.#note(actor, effects);
          busy = true;
        }
        while (actor.pendingTasks().length > 0) {
          this.#note(actor, await actor.runTask());
          busy = true;
        }
      }
    }
  }

  /** Time passes for everybody, with everything that it brings. */
  async pass(ms: number, stepMs = 2_000): Promise<void> {
    for (let passed = 0; passed < ms; passed += stepMs) {
      for (const { actor } of this.posts) this.#note(actor, actor.advance(stepMs));
      await this.settle();
    }
  }

  /** Texts that a device shows, in the order of its conversations. */
  texts(post: Post): readonly string[] {
    return [...post.disk.tables.mail.messages.values()].filter(({ own }) => own === 0)
      .sort((a, b) => a.clock - b.clock || a.number - b.number).map(({ text }) => text);
  }

  /** How far a message has come to somebody. */
  state(from: Post, message: MessageView, to: Post): string | undefined {
    return from.disk.tables.mail.deliveries.get(`${message.message}\n${to.id}`)?.state;
  }

  warnings(post: Post): readonly string[] {
    return post.actor.logged.filter(({ message }) => message === "mail refused")
      .map(({ fields }) => String(fields.reason));
  }

  #start(
    post: Pick<Post, "id" | "name" | "signer" | "sealer" | "disk">,
  ): TestActor<MailboxesCommand, MailboxesState> {
    const random = seededRandom(`${post.name} ${this.#asks}`);
    const actor = testActor(
      mailboxes({
        self: post.id,
        crypto,
        signer: post.signer,
        sealer: post.sealer,
        groupCrypto: simulatedGroupCrypto({
          deviceId: post.id,
          random: random.fork("groups"),
          clock: { wallMs: () => 1_700_000_000_000 },
          crypto,
        }),
        limits: { ...DEFAULT_MAIL_LIMITS, ...this.#limits },
        store: openMemoryStore({ disk: post.disk }),
        sessions: testRef<SessionsCommand>("sessions"),
        publisher: testRef("publisher"),
        brokerKey: new Uint8Array(32),
        ...(this.broker !== undefined && { broker: this.broker }),
      }),
      { random },
    );
    actor.takeEffects();
    return actor;
  }

  #note(
    actor: TestActor<MailboxesCommand, MailboxesState>,
    effects: readonly RecordedEffect[],
  ): void {
    const from = this.posts.find((post) => post.actor === actor);
    if (from === undefined) return;
    for (const effect of effects) {
      if (effect.type === "publish" && effect.topic === "nodeEvents") {
        from.events.push(effect.event as NodeEvent);
      } else if (effect.type === "send") this.#onSend(from, effect.to, effect.message);
    }
  }

  #onSend(from: Post, path: string, message: unknown): void {
    if (path.startsWith("asker-")) return void from.answers.set(path, message as Outcome<unknown>);
    if (path === "publisher") {
      return this.#publishKeys(from, message as { drafts: [{ body: Uint8Array }] });
    }
    if (path !== "sessions") return;
    const command = message as SessionsCommand;
    if (command.type === "strike") return void from.strikes.push(command.reason);
    if (command.type === "connectNow") return void from.connects.push(command.deviceId);
    if (command.type !== "sendToPeer") return;
    const decoded = decodeMailboxMessage(command.body);
    if (!decoded.ok) throw new Error(decoded.reason);
    from.said.push({ to: command.to, message: decoded.message });
    const to = this.posts.find(({ id }) => id === command.to)!;
    if (!this.#links.has(linkName(from, to))) return;
    const passing = this.tap?.(from, to, decoded.message) ?? [decoded.message];
    for (const one of passing) this.tell(to, { type: "peerMessage", from: from.id, message: one });
  }

  #publishKeys(from: Post, { drafts: [draft] }: { drafts: [{ body: Uint8Array }] }): void {
    const header = { kind: "keys", author: from.id, sequence: ++this.#sequence };
    const block = { header, payload: draft.body } as unknown as Block;
    const blocks = [{ block, receivedFrom: null, completed: false }];
    this.#published.push(...blocks);
    for (const { actor } of this.posts) {
      this.#note(actor, actor.publish(blocksCommitted, { blocks }));
    }
    this.#note(
      from.actor,
      from.actor.tell({ type: "keysPublished", outcome: { type: "done", value: [block] } }),
    );
  }
}

function linkName(a: Post, b: Post): string {
  return [a.name, b.name].sort().join("-");
}

/** Devices that do not reach each other yet; made as the class is. */
export async function opened(
  ...options: ConstructorParameters<typeof PostOffice>
): Promise<PostOffice> {
  const office = new PostOffice(...options);
  await office.open();
  return office;
}

/** Devices that all reach each other. */
export async function together(
  ...options: ConstructorParameters<typeof PostOffice>
): Promise<PostOffice> {
  const office = await opened(...options);
  office.connectAll();
  await office.settle();
  return office;
}
