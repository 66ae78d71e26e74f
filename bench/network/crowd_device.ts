/**
 * One device of a crowd that learns: the actor of a run above the actor of the sessions above a path over a NATS server, each as a node has it, on a real clock; only the connection to the server is one for all devices of a process. Between sessions and
 * run stands what a node's rounds actor would do: it says who is there, allows every charge, and makes results durable. Registry, ledger, blocks and disk are missing.
 */
import { peerPresence } from "../../actors/discovery/commands.ts";
import { nodeEvents } from "../../actors/events.ts";
import type { Behaviour, Context, Ref } from "../../actors/kernel/actor.ts";
import { ActorSystem } from "../../actors/kernel/system.ts";
import { membershipChanged } from "../../actors/members/commands.ts";
import type { CommittedResult, RoundsCommand, RunCommand } from "../../actors/rounds/commands.ts";
import { run as runBehaviour } from "../../actors/rounds/run.ts";
import type { RunActorState, RunDependencies } from "../../actors/rounds/run_state.ts";
import { type PeerSessionEvent, peerSessions } from "../../actors/sessions/commands.ts";
import { sessions } from "../../actors/sessions/sessions.ts";
import type { Broker } from "../../platform/broker.ts";
import { brokerMesh } from "../../platform/broker_mesh.ts";
import { BROKER_ADDRESS_PREFIX, brokerTransport } from "../../platform/broker_transport.ts";
import { natsBroker } from "../../platform/nats_broker.ts";
import { nodeSigner } from "../../platform/node_crypto.ts";
import type { LogLevel, Signer } from "../../platform/ports.ts";
import { seededRandom } from "../../platform/seeded_random.ts";
import { systemClock } from "../../platform/system_clock.ts";
import { systemRandom } from "../../platform/system_random.ts";
import { type DeviceId, deviceIdOf, type MeshId } from "../../protocols/ids.ts";
import { decodeRoundsMessage } from "../../protocols/rounds/wire.ts";
import type { Store } from "../../store/store.ts";
import {
  allowed,
  committed,
  type DeviceParts,
  isEndOfSharing,
  runDependencies,
} from "../micro/rounds_parts.ts";
import type { Turns } from "./crowd_turns.ts";

/** The mesh of the crowd. */
export const CROWD_MESH = "ab".repeat(32) as MeshId;
/** A nearer server is looked for this often, ms: there is only one. */
const RECONSIDER_MS = 24 * 60 * 60_000;

/** Who is in the crowd: the same in every process. The first coordinates. */
export function crowdOf(count: number): readonly { id: DeviceId; signer: Signer }[] {
  const random = seededRandom("learning crowd");
  return Array.from({ length: count }, () => nodeSigner(random.bytes(32)))
    .map((signer) => ({ id: deviceIdOf(signer.publicKey), signer }));
}

/** What a device of the crowd is made of. */
export interface CrowdDeviceOptions extends DeviceParts {
  /** The connection to a NATS server, which the devices of a process share. */
  readonly broker: Broker;
  /** Whom it has sessions with. */
  readonly peers: readonly DeviceId[];
  /** It falls away with its keys shared and nothing submitted: silently, as when its battery is empty. */
  readonly dropsOut: boolean;
  readonly onEvent: (event: CrowdEvent) => void;
  /** Turns of the runs of a process that stands for many devices; null for a device that has its process for itself. */
  readonly turns: Turns | null;
}

/** What happens to a device that the bench wants to know. */
export type CrowdEvent =
  | PeerSessionEvent
  /** What its run does now as a coordinator. */
  | { readonly type: "phase"; readonly phase: string }
  | { readonly type: "published"; readonly body: Uint8Array }
  | { readonly type: "advanced" }
  | { readonly type: "gone" }
  /** A session has lost its path. */
  | { readonly type: "lost"; readonly reason: string }
  | { readonly type: "log"; readonly level: LogLevel; readonly text: string };

/** A device at work. */
export interface CrowdDevice {
  readonly id: DeviceId;
  /** From now on its run knows who is there. */
  begin(): void;
  /** A result has come as a block. */
  hear(body: Uint8Array, author: DeviceId): void;
  /** Bytes handed to the server, and taken from it. */
  traffic(): { readonly sent: number; readonly received: number };
  vector(hash: string): Promise<Uint8Array | undefined>;
  close(): Promise<void>;
}

type HubCommand =
  | RoundsCommand
  | { readonly type: "begin" }
  /** Word of a peer whose turn has come. */
  | { readonly type: "turn"; readonly said: Extract<RunCommand, { type: "peerMessage" }> }
  | { readonly type: "heard"; readonly result: CommittedResult };

interface HubState {
  readonly run: Ref<RunCommand>;
  readonly up: Set<DeviceId>;
  hasBegun: boolean;
  isGone: boolean;
}

/** Connects a process to the server. */
export async function connect(url: string): Promise<Broker> {
  const broker = natsBroker({
    clock: systemClock(),
    random: systemRandom(),
    servers: () => [url],
    login: null,
    name: "crowd",
    reconsiderMs: RECONSIDER_MS,
  });
  await connected(broker);
  return broker;
}

/** Starts a device. */
export function startDevice(options: CrowdDeviceOptions): CrowdDevice {
  const { self, crypto, signer, registry } = options;
  const clock = systemClock();
  const random = systemRandom();
  let isSilent = false;
  const broker: Broker = {
    state: () => options.broker.state(),
    watch: (listener) => options.broker.watch(listener),
    bufferedBytes: () => options.broker.bufferedBytes(),
    // What is handed over by a device without power is lost.
    publish: (...message) => isSilent || options.broker.publish(...message),
    subscribe: (subject, onMessage) =>
      options.broker.subscribe(subject, (message) => {
        options.turns?.heard();
        if (!isSilent) onMessage(message);
      }),
    request: (request, onReply) => options.broker.request(request, onReply),
    keep: (mail, onOutcome) => options.broker.keep(mail, onOutcome),
    collect: (collecting, onMessage) => options.broker.collect(collecting, onMessage),
    close: () => Promise.resolve(),
  };
  const mesh = brokerMesh({ broker, crypto, random, self });
  mesh.setMesh(CROWD_MESH);
  const isAdmitted = (device: DeviceId) => registry.members.has(device);
  const transport = brokerTransport({ mesh, clock, random, isAdmitted });
  const system = new ActorSystem({
    clock,
    random,
    log: {
      write(level, message, fields) {
        const text = fields === undefined ? message : `${message} ${JSON.stringify(fields)}`;
        options.onEvent({ type: "log", level, text });
      },
    },
  });
  system.subscribe(nodeEvents, (event) => {
    if (event.type === "sessionDown") options.onEvent({ type: "lost", reason: event.reason });
  });
  const deps = runDependencies(options);
  const rounds: Ref<HubCommand> = { path: deps.rounds.path };
  const close = async () => {
    // So that nobody is told.
    isSilent = true;
    await system.stop();
    await transport.close();
  };
  system.spawn(
    deps.sessions.path,
    sessions({
      self,
      store: { settings: deps.store.settings as Store["settings"] },
      transports: [transport],
      routes: [{ protocol: "rounds", decode: decodeRoundsMessage, to: rounds }],
      crypto,
      signer,
    }),
  );
  const ends: Ends = {
    fallAway: () => void close(),
    later(said) {
      const act = () => system.tell(rounds, { type: "turn", said });
      if (options.turns === null) act();
      else options.turns.take(act);
    },
  };
  system.spawn(rounds.path, hub(options, deps, ends));
  return {
    id: self,
    begin: () => system.tell(rounds, { type: "begin" }),
    hear: (body, author) => system.tell(rounds, { type: "heard", result: committed(body, author) }),
    traffic() {
      const { bytesSent, bytesReceived } = mesh.traffic();
      return { sent: bytesSent, received: bytesReceived };
    },
    vector: (hash) => deps.vectors.get(hash as Parameters<typeof deps.vectors.get>[0]),
    close,
  };
}

interface Ends {
  /** Ends the device. */
  readonly fallAway: () => void;
  /** Says it again when the device's turn has come. */
  readonly later: (said: Extract<RunCommand, { type: "peerMessage" }>) => void;
}

/** What stands where a node's rounds actor would. */
function hub(
  options: CrowdDeviceOptions,
  deps: RunDependencies,
  { fallAway, later }: Ends,
): Behaviour<HubCommand, HubState> {
  const { index, self, startedBy, peers, registry, onEvent } = options;
  return {
    name: "hub",
    init(context) {
      context.subscribe(peerSessions, (event) => ({ type: "sessionChanged", event }));
      context.publish(membershipChanged, { registry });
      context.send(deps.sessions, {
        type: "keepSessions",
        devices: peers,
        most: peers.length,
      });
      // The coordinator is called; it need not know where others are.
      if (self !== startedBy) context.publish(peerPresence, sightingOf(startedBy));
      const run = context.spawn("run", withPhases(deps, onEvent));
      return { run, up: new Set(), hasBegun: false, isGone: false };
    },
    receive(context, state, command) {
      switch (command.type) {
        case "peerMessage":
          if (state.isGone) return;
          if (options.dropsOut && isEndOfSharing(command.message)) {
            state.isGone = true;
            onEvent({ type: "gone" });
            return fallAway();
          }
          return later(command as Extract<RunCommand, { type: "peerMessage" }>);
        case "turn":
          return context.send(state.run, command.said);
        case "sessionChanged": {
          const { event } = command;
          if (event.type === "up") state.up.add(event.deviceId);
          else state.up.delete(event.deviceId);
          onEvent(event);
          return tellPeers(context, state, options);
        }
        case "begin":
          state.hasBegun = true;
          return tellPeers(context, state, options);
        case "charge":
          return context.send(state.run, allowed(index, command.charge));
        case "publishResult":
          onEvent({ type: "published", body: command.body });
          return context.send(state.run, {
            type: "resultCommitted",
            committed: committed(command.body, self),
          });
        case "heard":
          return context.send(state.run, { type: "resultCommitted", committed: command.result });
        case "runAdvanced":
          return onEvent({ type: "advanced" });
        default:
          return;
      }
    },
  };
}

function tellPeers(
  context: Context<HubCommand>,
  { run, up, hasBegun }: HubState,
  { peers, registry, startedBy }: CrowdDeviceOptions,
): void {
  if (!hasBegun) return;
  context.send(run, {
    type: "peersChanged",
    registry,
    peers: peers.map((deviceId) => ({
      deviceId,
      up: up.has(deviceId),
      coordinates: deviceId === startedBy,
      round: 0,
      trusted: true,
    })),
  });
}

/** The run itself, and word of where it stands while it coordinates. */
function withPhases(
  deps: RunDependencies,
  onEvent: CrowdDeviceOptions["onEvent"],
): Behaviour<RunCommand, RunActorState> {
  const inner = runBehaviour(deps);
  let last = "";
  return {
    ...inner,
    receive(context, state, command) {
      inner.receive(context, state, command);
      const phase = state.lead?.phase ?? last;
      if (phase === last) return;
      last = phase;
      onEvent({ type: "phase", phase });
    },
  };
}

function sightingOf(deviceId: DeviceId) {
  const sighting = {
    deviceId,
    displayName: "coordinator",
    role: "submind",
    capabilities: [],
    meshTag: CROWD_MESH.slice(0, 8),
    protocolVersion: 1,
    port: 1,
    addresses: [`${BROKER_ADDRESS_PREFIX}${deviceId}`],
  };
  return { type: "sighted" as const, deviceId, sighting };
}

function connected(broker: Broker): Promise<void> {
  return new Promise((resolve) => {
    const stop = broker.watch(({ type }) => {
      if (type !== "connected") return;
      stop();
      resolve();
    });
  });
}
