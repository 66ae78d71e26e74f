/** Commands of the discovery actor: who is near. */
import type { Sighting } from "../../platform/discovery.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import type { Topic } from "../kernel/actor.ts";
import { topic } from "../kernel/bus.ts";
import type { DiscoveryEvent } from "../../platform/discovery.ts";
import type { MembershipChanged } from "../members/commands.ts";

export type DiscoveryCommand =
  /** Private: the adapter heard something. */
  | { readonly type: "heard"; readonly event: DiscoveryEvent }
  /** Private: our own announcement names the mesh. */
  | { readonly type: "membershipChanged"; readonly event: MembershipChanged }
  /** Ask the network again now. */
  | { readonly type: "refresh" };

/** Devices near us, members or not. */
export type PeerPresence =
  | { readonly type: "sighted"; readonly deviceId: DeviceId; readonly sighting: Sighting }
  | { readonly type: "gone"; readonly deviceId: DeviceId };
export const peerPresence: Topic<PeerPresence> = topic<PeerPresence>("peerPresence");
