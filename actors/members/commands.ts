/** Commands of the members actor: keeps the registry, admits and revokes. */
import type { BlockId, DeviceId, MeshId } from "../../protocols/ids.ts";
import type { Registry } from "../../protocols/registry/registry.ts";
import type { Permission, Role, TrustLevel } from "../../protocols/registry/roles.ts";
import type { Outcome } from "../handle.ts";
import type { Ref, TaskOutcome, Topic } from "../kernel/actor.ts";
import { topic } from "../kernel/bus.ts";
import type { Block } from "../../protocols/blocks/block.ts";
import type { BlocksCommitted } from "../storage/commands.ts";
import type { CopyChanges } from "./load.ts";

export type MembersCommand =
  /** Founds a mesh with this device as owner unless there is one. */
  | { readonly type: "foundMesh"; readonly replyTo: Ref<Outcome<MeshId>> }
  /** After pairing as joiner: adopts a mesh from its registry blocks (founding block first), verified here before anything is stored. */
  | {
    readonly type: "joinMesh";
    readonly mesh: MeshId;
    readonly blocks: readonly Block[];
    readonly replyTo: Ref<Outcome<MeshId>>;
  }
  /** After pairing as inviter: publishes the statement that admits a device. Answers with every registry block, founding block first. */
  | {
    readonly type: "admit";
    readonly deviceId: DeviceId;
    readonly displayName: string;
    readonly role: Role;
    readonly replyTo: Ref<Outcome<readonly Block[]>>;
  }
  | {
    readonly type: "updateMember";
    readonly deviceId: DeviceId;
    readonly change: {
      readonly displayName?: string;
      readonly role?: Role;
      readonly permissions?: readonly Permission[];
      readonly trust?: TrustLevel;
    };
    readonly replyTo: Ref<Outcome<null>>;
  }
  | { readonly type: "revoke"; readonly deviceId: DeviceId; readonly replyTo: Ref<Outcome<null>> }
  | { readonly type: "getRegistry"; readonly replyTo: Ref<Registry | null> }
  /** Private: what the store holds of the registry. */
  | { readonly type: "loaded"; readonly outcome: TaskOutcome<LoadedRegistry> }
  /** Private: how far the log of the device in question is known. */
  | {
    readonly type: "logRead";
    readonly operationId: number;
    readonly outcome: TaskOutcome<number>;
  }
  /** Private: the publisher has answered. */
  | {
    readonly type: "published";
    readonly operationId: number;
    readonly outcome: Outcome<readonly Block[]>;
  }
  /** Private: the publisher has not answered for long. */
  | { readonly type: "publishDue"; readonly operationId: number }
  /** Private: registry blocks given to `joinMesh` were checked and, if right, made durable. */
  | {
    readonly type: "joinSettled";
    readonly operationId: number;
    readonly outcome: TaskOutcome<Outcome<MeshId>>;
  }
  /** Private: the name of the mesh we founded is durable. */
  | {
    readonly type: "meshSaved";
    readonly operationId: number;
    readonly outcome: TaskOutcome<void>;
  }
  | { readonly type: "blocksCommitted"; readonly event: BlocksCommitted }
  /** Private: copies of registry blocks beside the store were made and dropped. */
  | {
    readonly type: "copiesChanged";
    readonly changes: CopyChanges;
    readonly outcome: TaskOutcome<void>;
  }
  /** Private: copies that could not be made are tried again. */
  | { readonly type: "copiesDue" };

/** The registry as it was left: the mesh this device belongs to and all registry blocks at hand. */
export interface LoadedRegistry {
  readonly mesh: MeshId | null;
  readonly blocks: readonly Block[];
  /** Blocks of which there is a copy beside the store, see `load.ts`. */
  readonly copies: readonly BlockId[];
  /** Those of them that the store does not have. */
  readonly onlyCopies: readonly BlockId[];
}

/** The registry as it is now; published after every change and once after start. Null before this device belongs to a mesh. */
export interface MembershipChanged {
  readonly registry: Registry | null;
}
export const membershipChanged: Topic<MembershipChanged> = topic<MembershipChanged>(
  "membershipChanged",
  { retained: true },
);
