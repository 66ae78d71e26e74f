/** The node handle: every view's way in. Asks actors for what they know and reads the store for what it holds. */
import { errorText } from "../platform/error_text.ts";
import type { Block, BlockDraft } from "../protocols/blocks/block.ts";
import type { DeviceId, MeshId } from "../protocols/ids.ts";
import { isAdmitted, type Registry } from "../protocols/registry/registry.ts";
import { brokerTagOf } from "../protocols/bridge/subjects.ts";
import type { Clock, Crypto, Random } from "../platform/ports.ts";
import type { Damage, Store } from "../store/store.ts";
import { readBlock, readBody } from "./block_views.ts";
import { type NodeEvent, nodeEvents } from "./events.ts";
import type {
  AddedBlock,
  Interest,
  InviteView,
  MemberView,
  NodeHandle,
  NodeStatus,
  Outcome,
  PairingView,
  PeerView,
} from "./handle.ts";
import type { BridgeCommand, BridgeView } from "./bridge/commands.ts";
import type { Ref } from "./kernel/actor.ts";
import type { ActorSystem } from "./kernel/system.ts";
import type { NodeRefs } from "./refs.ts";
import { learningOfNode, type LearningOfNodeOptions } from "./learning_of_node.ts";
import { mailOfNode } from "./mail_of_node.ts";
import type { MailboxesCommand } from "./mailboxes/commands.ts";
import type { LivenessCommand, LivenessView } from "./liveness/commands.ts";
import type { MembersCommand } from "./members/commands.ts";
import { memberView } from "./member_views.ts";
import type { PairingCommand } from "./pairing/commands.ts";
import type { PublisherCommand } from "./publisher/commands.ts";
import type { RoundsCommand } from "./rounds/commands.ts";
import type { SensorsCommand } from "./sensors/commands.ts";
import { sensorsOfNode, type SensorsOfNodeOptions } from "./sensors_of_node.ts";
import type { SessionsCommand, SessionSummary } from "./sessions/commands.ts";
import type { SyncCommand } from "./sync/commands.ts";
import { refused } from "./outcomes.ts";

/** How long a view waits for an actor, ms. After it the outcome is unknown, and the refusal says so. */
const ASK_TIMEOUT_MS = 10_000;
/** Saying farewell must not keep a node from stopping, ms. */
const LEAVE_TIMEOUT_MS = 1_000;
/** Publishing waits for the disk and may carry a lot. */
const PUBLISH_TIMEOUT_MS = 60_000;

export interface HandleOptions {
  readonly system: ActorSystem;
  readonly refs: NodeRefs;
  readonly store: Store;
  readonly clock: Clock;
  readonly crypto: Crypto;
  /** For seeds of runs. */
  readonly random: Random;
  readonly self: DeviceId;
  readonly displayName: string;
  readonly version: string;
  readonly rendezvousAddresses: () => readonly string[];
  /** How sensors reach this device, and how their passwords are checked. */
  readonly sensorAccess: Pick<SensorsOfNodeOptions, "checkPassword" | "mqttUrl" | "httpUrl">;
  /** What this device can learn from, and where versions are. */
  readonly learning: Pick<LearningOfNodeOptions, "tasks" | "source" | "vectors" | "masks">;
  /** What was found damaged when the store was opened. */
  readonly damage: readonly Damage[];
  /** Ends everything the node holds; called once, by the first `stop`. */
  readonly onStop: () => Promise<void>;
}

/** Makes the handle of a running node. */
export function nodeHandle(options: HandleOptions): NodeHandle {
  const { system, refs, store, clock, self } = options;
  const startedAtMs = clock.monotonicMs();
  const seen = watchCondition(system, options.damage);
  let stopping: Promise<void> | undefined;

  async function ask<M, R>(
    to: Ref<M>,
    toMessage: (replyTo: Ref<R>) => M,
    timeoutMs = ASK_TIMEOUT_MS,
  ): Promise<R> {
    const outcome = await system.ask<M, R>(to, toMessage as never, timeoutMs);
    if (outcome.type === "answered") return outcome.value;
    throw new NodeUnavailableError(
      `The node gave no answer (${outcome.reason}); whether it acted is unknown. Try again`,
    );
  }

  function livenessNow(): Promise<LivenessView> {
    return ask<LivenessCommand, LivenessView>(
      refs.liveness,
      (replyTo) => ({ type: "getLiveness", replyTo }),
    );
  }

  /** Tells the others that we go. Whether that worked makes no difference: they would find out. */
  async function leave(): Promise<void> {
    await system.ask<LivenessCommand, null>(
      refs.liveness,
      (replyTo) => ({ type: "leave", replyTo }),
      LEAVE_TIMEOUT_MS,
    );
  }

  /** An ask whose answer may be a refusal: no answer is one too. */
  async function request<M, T>(
    to: Ref<M>,
    toMessage: (replyTo: Ref<Outcome<T>>) => M,
    timeoutMs = ASK_TIMEOUT_MS,
  ): Promise<Outcome<T>> {
    try {
      return await ask<M, Outcome<T>>(to, toMessage, timeoutMs);
    } catch (error) {
      if (!(error instanceof NodeUnavailableError)) throw error;
      return { type: "refused", reason: "unavailable", message: error.message };
    }
  }

  const registryNow = () =>
    ask<never, Registry | null>(
      refs.members as Ref<never>,
      (replyTo) => ({ type: "getRegistry", replyTo }) as never,
    );
  const sessionsNow = () =>
    ask<never, readonly SessionSummary[]>(
      refs.sessions as Ref<never>,
      (replyTo) => ({ type: "listPeers", replyTo }) as never,
    );

  async function memberOutcome(id: DeviceId, outcome: Outcome<null>): Promise<Outcome<MemberView>> {
    if (outcome.type === "refused") return outcome;
    const member = (await registryNow())?.members.get(id);
    if (member === undefined) return refused("notFound", `Cannot find member "${id}"`);
    return { type: "done", value: memberView(member, self) };
  }

  return {
    deviceId: self,
    sensors: sensorsOfNode({
      ...options.sensorAccess,
      self,
      readings: store.readings,
      async meshTag() {
        const registry = await registryNow();
        return registry === null ? null : brokerTagOf(options.crypto, registry.mesh);
      },
      request: (toMessage) => request<SensorsCommand, never>(refs.sensors, toMessage as never),
      ask: (toMessage) => ask<SensorsCommand, never>(refs.sensors, toMessage as never),
    }),

    learning: learningOfNode({
      ...options,
      ...options.learning,
      settings: store.settings,
      registry: registryNow,
      request: (toMessage, timeoutMs) =>
        request<RoundsCommand, never>(refs.rounds, toMessage as never, timeoutMs),
      ask: (toMessage) => ask<RoundsCommand, never>(refs.rounds, toMessage as never),
    }),

    mail: mailOfNode({
      mail: store.mail,
      crypto: options.crypto,
      request: (toMessage, timeoutMs) =>
        request<MailboxesCommand, never>(refs.mailboxes, toMessage as never, timeoutMs),
      ask: (toMessage) => ask<MailboxesCommand, never>(refs.mailboxes, toMessage as never),
    }),

    async status(): Promise<NodeStatus> {
      const [registry, sessions, blocks, chunks] = await Promise.all([
        registryNow(),
        sessionsNow(),
        store.blocks.stats(),
        store.chunks.stats(),
      ]);
      const member = registry?.members.get(self);
      return {
        deviceId: self,
        displayName: member?.displayName ?? options.displayName,
        mesh: registry?.mesh ?? null,
        role: member?.role ?? null,
        version: options.version,
        uptimeMs: Math.round(clock.monotonicMs() - startedAtMs),
        blocks: blocks.blocks,
        blockBytes: blocks.bytes,
        blocksWithoutPayload: blocks.withoutPayload,
        chunks: chunks.chunks,
        chunkBytes: chunks.bytes,
        members: registry === null
          ? 0
          : [...registry.members.keys()].filter((id) => isAdmitted(registry, id)).length,
        peersConnected: sessions.filter(({ state }) => state === "up").length,
        peersSighted: sessions.filter(({ sighted }) => sighted).length,
        multicast: seen.multicast,
        rendezvousAddresses: options.rendezvousAddresses(),
        damage: seen.damage,
      };
    },

    async addBlocks(
      drafts: readonly BlockDraft[],
      idempotencyKey?: string,
    ): Promise<Outcome<readonly AddedBlock[]>> {
      if (idempotencyKey !== undefined && idempotencyKey.length > 64) {
        return refused(
          "invalid",
          `idempotencyKey has ${idempotencyKey.length} characters, expected at most 64`,
        );
      }
      if (await registryNow() === null) {
        const founded = await request<MembersCommand, MeshId>(
          refs.members,
          (replyTo) => ({ type: "foundMesh", replyTo }),
        );
        if (founded.type === "refused") return founded;
      }
      const outcome = await request<PublisherCommand, readonly Block[]>(
        refs.publisher,
        (replyTo) => ({ type: "publish", drafts, idempotencyKey: idempotencyKey ?? null, replyTo }),
        PUBLISH_TIMEOUT_MS,
      );
      if (outcome.type === "refused") return outcome;
      return {
        type: "done",
        value: outcome.value.map(({ id, header }) => ({ id, sequence: header.sequence })),
      };
    },

    block: (id) => readBlock(store, id),
    body: (id) => readBody(store, id),
    blocks: (query) => store.blocks.list(query),
    search: (query) => store.search.search(query),

    async peers(): Promise<readonly PeerView[]> {
      const [registry, sessions, inSync, { members }] = await Promise.all([
        registryNow(),
        sessionsNow(),
        ask<never, ReadonlySet<DeviceId>>(
          refs.sync as Ref<never>,
          (replyTo) => ({ type: "listInSync", replyTo }) as never,
        ),
        livenessNow(),
      ]);
      const states = new Map(members.map(({ deviceId, state }) => [deviceId, state]));
      return sessions.map((session) => {
        const member = registry?.members.get(session.deviceId);
        return {
          ...session,
          displayName: member?.displayName ?? session.displayName,
          role: member?.role ?? null,
          member: isAdmitted(registry, session.deviceId),
          inSync: inSync.has(session.deviceId),
          liveness: states.get(session.deviceId) ?? "unknown",
        };
      });
    },

    bridge: () =>
      ask<BridgeCommand, BridgeView>(refs.bridge, (replyTo) => ({ type: "getBridge", replyTo })),

    liveness: livenessNow,

    async addStaticPeer(address) {
      return await request<SessionsCommand, null>(
        refs.sessions,
        (replyTo) => ({ type: "addStaticPeer", address, replyTo }),
      );
    },

    async members() {
      const registry = await registryNow();
      return [...registry?.members.values() ?? []].map((member) => memberView(member, self));
    },

    async updateMember(id, change) {
      return memberOutcome(
        id,
        await request<MembersCommand, null>(
          refs.members,
          (replyTo) => ({ type: "updateMember", deviceId: id, change, replyTo }),
        ),
      );
    },

    async revokeMember(id) {
      return memberOutcome(
        id,
        await request<MembersCommand, null>(
          refs.members,
          (replyTo) => ({ type: "revoke", deviceId: id, replyTo }),
        ),
      );
    },

    createInvite: (invite) =>
      request<PairingCommand, InviteView>(
        refs.pairing,
        (replyTo) => ({ type: "createInvite", options: invite, replyTo }),
      ),
    invites: () =>
      ask<PairingCommand, readonly InviteView[]>(
        refs.pairing,
        (replyTo) => ({ type: "listInvites", replyTo }),
      ),
    cancelInvite: (inviteId) =>
      request<PairingCommand, null>(
        refs.pairing,
        (replyTo) => ({ type: "cancelInvite", inviteId, replyTo }),
      ),
    acceptInvite: (linkOrCode) =>
      request<PairingCommand, PairingView>(
        refs.pairing,
        (replyTo) => ({ type: "acceptInvite", linkOrCode, replyTo }),
      ),
    pairings: () =>
      ask<PairingCommand, readonly PairingView[]>(
        refs.pairing,
        (replyTo) => ({ type: "listPairings", replyTo }),
      ),
    confirmPairing: (pairingId, wordsMatch) =>
      request<PairingCommand, PairingView>(
        refs.pairing,
        (replyTo) => ({ type: "confirmPairing", pairingId, wordsMatch, replyTo }),
      ),

    async setInterest(interest) {
      return {
        type: "done",
        value: await ask<SyncCommand, Interest | null>(
          refs.sync,
          (replyTo) => ({ type: "setInterest", interest, replyTo }),
        ),
      };
    },
    interest: () =>
      ask<SyncCommand, Interest | null>(refs.sync, (replyTo) => ({ type: "getInterest", replyTo })),

    async verifyStore(onProgress) {
      const damage = await store.verify({
        deep: true,
        ...(onProgress === undefined ? {} : { onProgress }),
      });
      // What was found before and is not repaired is found again.
      const names = new Set(damage.map(nameOf));
      seen.damage = [...seen.damage.filter((one) => !names.has(nameOf(one))), ...damage];
      if (damage.length > 0) system.tell(refs.sync, { type: "repairDue" });
      return damage;
    },

    async backup(directory, onProgress) {
      try {
        await store.backup(directory, onProgress);
        return { type: "done", value: null };
      } catch (error) {
        return refused("unavailable", errorText(error));
      }
    },

    subscribe: (listener) => system.subscribe(nodeEvents, listener),
    counters: () => system.counters(),
    stop: () => stopping ??= leave().then(() => options.onStop()),
  };
}

/** The node is stopping or too busy to answer a question that cannot be refused. */
export class NodeUnavailableError extends Error {
  override readonly name = "NodeUnavailableError";
}

/** What status tells that no actor keeps: heard from events. */
function watchCondition(system: ActorSystem, damage: readonly Damage[]) {
  const seen = { multicast: false, damage: [...damage] };
  system.subscribe(nodeEvents, (event: NodeEvent) => {
    if (event.type === "discoveryAvailability") seen.multicast = event.multicast;
    if (event.type === "damageFound") {
      seen.damage.push({
        table: event.table as Damage["table"],
        key: event.key,
        problem: event.problem,
      });
    }
    if (event.type === "damageRepaired") {
      seen.damage = seen.damage.filter(({ key }) => key !== event.key);
    }
  });
  return seen;
}

function nameOf({ table, key }: Damage): string {
  return `${table} ${key}`;
}
