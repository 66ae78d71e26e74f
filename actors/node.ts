/** The supervision tree of a node, as data. The same in production and in the simulator. */
import type { Announcement, Discovery } from "../platform/discovery.ts";
import type { BatchSigner, Crypto } from "../platform/ports.ts";
import type { Rendezvous, Transport } from "../platform/transport.ts";
import { type DeviceId, deviceIdOf } from "../protocols/ids.ts";
import type { decodeBlock } from "../protocols/blocks/decode.ts";
import { decodeBridgeMessage } from "../protocols/bridge/wire.ts";
import { decodeGossipMessage } from "../protocols/gossip/wire.ts";
import { decodeMailboxMessage } from "../protocols/mailbox/wire.ts";
import { decodeLivenessMessage } from "../protocols/liveness/wire.ts";
import { decodeRoundsMessage } from "../protocols/rounds/wire.ts";
import { decodeSyncMessage } from "../protocols/sync/wire.ts";
import type { Store } from "../store/store.ts";
import { bridge, type BridgeParts } from "./bridge/bridge.ts";
import { discovery } from "./discovery/discovery.ts";
import { gossip } from "./gossip/gossip.ts";
import type { Behaviour } from "./kernel/actor.ts";
import { supervisor, type SupervisorSpec } from "./kernel/supervisor.ts";
import { liveness } from "./liveness/liveness.ts";
import { DEFAULT_MAIL_LIMITS, type MailLimits } from "./mailboxes/limits.ts";
import { mailboxes } from "./mailboxes/mailboxes.ts";
import type { MailboxesDependencies } from "./mailboxes/state.ts";
import { members } from "./members/members.ts";
import { pairing } from "./pairing/pairing.ts";
import { publisher } from "./publisher/publisher.ts";
import { type NodeRefs, nodeRefs } from "./refs.ts";
import { choosePeers } from "./sessions/peer_choice.ts";
import { examplesFor } from "../learning/runs/examples.ts";
import type { ExampleSource } from "../learning/task.ts";
import { rounds, type RoundsDependencies } from "./rounds/rounds.ts";
import { sensors, type SensorsDependencies } from "./sensors/sensors.ts";
import { sessions } from "./sessions/sessions.ts";
import { storage } from "./storage/storage.ts";
import { sync } from "./sync/sync.ts";

/** The path of a node's tree in its actor system. */
export const NODE_KEY = "node";

/** Everything a node is given. Adapters in production, the world in the simulator. */
export interface NodeDependencies {
  readonly crypto: Crypto;
  readonly signer: BatchSigner;
  readonly store: Store;
  readonly discovery: Discovery;
  /** Best first. */
  readonly transports: readonly Transport[];
  readonly rendezvous: Rendezvous;
  /** What this device says of itself on the network; mesh tag and role are filled in from the registry. */
  readonly announcement: () => Announcement;
  /** Where others reach our rendezvous, best first. */
  readonly rendezvousAddresses: () => readonly string[];
  /** Calls back whenever this device's own network addresses change. Default: they never do. */
  readonly watchNetwork?: (onChange: () => void) => () => void;
  /** Addresses to try where multicast does not reach. */
  readonly staticPeers: readonly string[];
  /** How messages are sealed, and where else they may wait; bounds that are not stated have their defaults. */
  readonly mail: Pick<MailboxesDependencies, "sealer" | "groupCrypto" | "brokerKey" | "broker"> & {
    readonly limits?: Partial<MailLimits>;
  };
  /** The connection to a broker, where one is configured; its transport, rendezvous and discovery are among the others. */
  readonly bridge?: BridgeParts;
  /** How sensors are let in; see `SensorsDependencies`. */
  readonly sensors: Pick<
    SensorsDependencies,
    "broker" | "sensorSubject" | "hashPassword" | "onSensorsChanged" | "batchMs"
  >;
  /** What learning needs: tasks, where training runs, where large vectors are kept, where examples come from. */
  readonly learning:
    & Pick<
      RoundsDependencies,
      "masks" | "maskWork" | "paillier" | "vectors" | "tasks" | "trainer" | "epsilonMax"
    >
    & { readonly source: ExampleSource };
  /** See `SyncDependencies`. */
  readonly decodeBlock?: typeof decodeBlock;
}

/**
 * The tree. Order is dependency order: when a part crashes beyond what its own restart can mend, it and everything after
 * it starts anew. Sightings are told once, so the network's parts restart together.
 */
export function nodeTree(deps: NodeDependencies): Behaviour<never, SupervisorSpec> {
  const refs = nodeRefs(NODE_KEY);
  const self = deviceIdOf(deps.signer.publicKey);
  const { displayName } = deps.announcement();
  const common = { ...deps, self, displayName, storage: refs.storage, publisher: refs.publisher };
  return supervisor({
    name: "node",
    strategy: "restForOne",
    intensity: { restartsMax: 3, withinMs: 60_000 },
    children: [
      { key: "storage", behaviour: storage(common) },
      { key: "ledger", behaviour: ledger(common) },
      { key: "network", behaviour: network(deps, refs, self) },
      { key: "replication", behaviour: replication(deps, refs, self) },
      {
        key: "mailboxes",
        behaviour: mailboxes({
          ...common,
          ...deps.mail,
          sessions: refs.sessions,
          limits: { ...DEFAULT_MAIL_LIMITS, ...deps.mail.limits },
        }),
      },
      { key: "sensors", behaviour: sensors({ ...common, ...deps.sensors }) },
      {
        key: "rounds",
        behaviour: rounds({
          ...common,
          ...deps.learning,
          sessions: refs.sessions,
          examplesOf: (plan) => examplesFor(plan, { ...deps.learning, self }),
        }),
      },
    ],
  });
}

function ledger(
  deps: Parameters<typeof publisher>[0] & Parameters<typeof members>[0],
): Behaviour<never, SupervisorSpec> {
  return supervisor({
    name: "ledger",
    strategy: "restForOne",
    children: [
      { key: "publisher", behaviour: publisher(deps) },
      { key: "members", behaviour: members(deps) },
    ],
  });
}

function network(
  deps: NodeDependencies,
  refs: NodeRefs,
  self: DeviceId,
): Behaviour<never, SupervisorSpec> {
  return supervisor({
    name: "network",
    strategy: "oneForAll",
    children: [
      { key: "discovery", behaviour: discovery({ ...deps, self: deps.announcement }) },
      {
        key: "sessions",
        behaviour: sessions({
          ...deps,
          self,
          routes: [
            { protocol: "sync", decode: decodeSyncMessage, to: refs.sync },
            { protocol: "gossip", decode: decodeGossipMessage, to: refs.gossip },
            { protocol: "mailbox", decode: decodeMailboxMessage, to: refs.mailboxes },
            { protocol: "liveness", decode: decodeLivenessMessage, to: refs.liveness },
            { protocol: "bridge", decode: decodeBridgeMessage, to: refs.bridge },
            { protocol: "rounds", decode: decodeRoundsMessage, to: refs.rounds },
          ],
        }),
      },
      {
        key: "bridge",
        behaviour: bridge({ bridge: deps.bridge ?? null, sessions: refs.sessions }),
      },
      {
        key: "pairing",
        behaviour: pairing({ ...deps, self, members: refs.members, sessions: refs.sessions }),
      },
    ],
  });
}

function replication(
  deps: NodeDependencies,
  refs: NodeRefs,
  self: DeviceId,
): Behaviour<never, SupervisorSpec> {
  return supervisor({
    name: "replication",
    strategy: "restForOne",
    children: [
      {
        key: "sync",
        behaviour: sync({ ...deps, self, storage: refs.storage, sessions: refs.sessions }),
      },
      { key: "gossip", behaviour: gossip({ sessions: refs.sessions, sync: refs.sync }) },
      {
        key: "liveness",
        behaviour: liveness({ self, sessions: refs.sessions, partnersOf: choosePeers }),
      },
    ],
  });
}
