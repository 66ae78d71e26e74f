/** What an application needs to embed a node. */
export { startNode } from "./deployments/node.ts";
export type { RunningNode } from "./deployments/node.ts";
export { loadConfig } from "./deployments/config.ts";
export type { Config, ConfigOutcome, ConfigSources } from "./deployments/config.ts";
export type {
  AddedBlock,
  BlockView,
  Interest,
  InviteOptions,
  InviteView,
  MemberView,
  NodeHandle,
  NodeStatus,
  Outcome,
  PairingView,
  PeerView,
  Refusal,
} from "./actors/handle.ts";
export type { NodeEvent } from "./actors/events.ts";
export type { Block, BlockDraft, BlockHeader, BlockKind } from "./protocols/blocks/block.ts";
export type { BlockId, DeviceId, MeshId } from "./protocols/ids.ts";
