/** Where the parts of a node live: paths are fixed by the tree in `node.ts`, so refs exist before the actors do. */
import type { BridgeCommand } from "./bridge/commands.ts";
import type { DiscoveryCommand } from "./discovery/commands.ts";
import type { GossipCommand } from "./gossip/commands.ts";
import type { Ref } from "./kernel/actor.ts";
import { refAt } from "./kernel/address.ts";
import type { LivenessCommand } from "./liveness/commands.ts";
import type { MailboxesCommand } from "./mailboxes/commands.ts";
import type { MembersCommand } from "./members/commands.ts";
import type { PairingCommand } from "./pairing/commands.ts";
import type { PublisherCommand } from "./publisher/commands.ts";
import type { RoundsCommand } from "./rounds/commands.ts";
import type { SensorsCommand } from "./sensors/commands.ts";
import type { SessionsCommand } from "./sessions/commands.ts";
import type { StorageCommand } from "./storage/commands.ts";
import type { SyncCommand } from "./sync/commands.ts";

/** Refs to the long-lived actors of one node. */
export interface NodeRefs {
  readonly storage: Ref<StorageCommand>;
  readonly publisher: Ref<PublisherCommand>;
  readonly members: Ref<MembersCommand>;
  readonly discovery: Ref<DiscoveryCommand>;
  readonly sessions: Ref<SessionsCommand>;
  readonly pairing: Ref<PairingCommand>;
  readonly sync: Ref<SyncCommand>;
  readonly gossip: Ref<GossipCommand>;
  readonly liveness: Ref<LivenessCommand>;
  readonly bridge: Ref<BridgeCommand>;
  readonly mailboxes: Ref<MailboxesCommand>;
  readonly sensors: Ref<SensorsCommand>;
  readonly rounds: Ref<RoundsCommand>;
}

/** The refs of a node whose tree was spawned under `root`. */
export function nodeRefs(root = "node"): NodeRefs {
  return {
    storage: refAt(`${root}/storage`),
    publisher: refAt(`${root}/ledger/publisher`),
    members: refAt(`${root}/ledger/members`),
    discovery: refAt(`${root}/network/discovery`),
    sessions: refAt(`${root}/network/sessions`),
    pairing: refAt(`${root}/network/pairing`),
    sync: refAt(`${root}/replication/sync`),
    gossip: refAt(`${root}/replication/gossip`),
    liveness: refAt(`${root}/replication/liveness`),
    bridge: refAt(`${root}/network/bridge`),
    mailboxes: refAt(`${root}/mailboxes`),
    sensors: refAt(`${root}/sensors`),
    rounds: refAt(`${root}/rounds`),
  };
}
