/**
 * Tells the node who is near, and the neighbours that we are here.
 *
 * Invariants:
 * - `gone` is published only for a device that was published as `sighted` in this life of the actor.
 * - The announcement names the mesh by a tag of eight digits that members can compute and strangers cannot turn back.
 */
import type {
  Announcement,
  Discovery,
  DiscoveryEvent,
  DiscoverySession,
  Sighting,
} from "../../platform/discovery.ts";
import type { Crypto } from "../../platform/ports.ts";
import { type DeviceId, type MeshId, parseDeviceId } from "../../protocols/ids.ts";
import { nodeEvents } from "../events.ts";
import type { Behaviour, Context } from "../kernel/actor.ts";
import { type MembershipChanged, membershipChanged } from "../members/commands.ts";
import { type DiscoveryCommand, peerPresence } from "./commands.ts";

/** Devices near us that are remembered at most; more are not told of. */
const PEERS_MAX = 4_096;

export interface DiscoveryDependencies {
  readonly discovery: Discovery;
  readonly crypto: Pick<Crypto, "sha256">;
  /** What we say of ourselves; the mesh tag and, for a member, the role come from the registry. */
  readonly self: () => Announcement;
}

export interface DiscoveryState {
  readonly session: DiscoverySession;
  announced: Announcement;
  readonly peers: Set<DeviceId>;
}

/** The first 8 hex digits of SHA-256("kiana mesh tag" ‖ the 32 bytes of the mesh id); empty without a mesh. */
export function meshTagOf(crypto: Pick<Crypto, "sha256">, mesh: MeshId | null): string {
  if (mesh === null) return "";
  const label = new TextEncoder().encode("kiana mesh tag");
  return crypto.sha256(label, Uint8Array.fromHex(mesh)).toHex().slice(0, 8);
}

/** The discovery actor. */
export function discovery(
  deps: DiscoveryDependencies,
): Behaviour<DiscoveryCommand, DiscoveryState> {
  return {
    name: "discovery",
    init(context) {
      context.subscribe(membershipChanged, (event) => ({ type: "membershipChanged", event }));
      const announced = { ...deps.self(), meshTag: "" };
      const heard = context.inlet((event: DiscoveryEvent) => ({ type: "heard", event }));
      return { session: deps.discovery.start(announced, heard), announced, peers: new Set() };
    },
    receive(context, state, command) {
      switch (command.type) {
        case "heard":
          return onHeard(context, state, command.event);
        case "membershipChanged":
          return onMembershipChanged(state, command.event, deps);
        case "refresh":
          return state.session.refresh();
        default:
          command satisfies never;
      }
    },
    release(state) {
      // An actor cannot wait. Whoever made the adapter waits for its goodbye and its sockets.
      state.session.stop().catch(() => {});
    },
  };
}

function onHeard(
  context: Context<DiscoveryCommand>,
  state: DiscoveryState,
  event: DiscoveryEvent,
): void {
  switch (event.type) {
    case "sighted":
      return onSighted(context, state, event.sighting);
    case "gone": {
      const deviceId = parseDeviceId(event.deviceId);
      if (deviceId === undefined || !state.peers.delete(deviceId)) return;
      context.publish(peerPresence, { type: "gone", deviceId });
      context.publish(nodeEvents, { type: "peerGone", deviceId, reason: event.reason });
      return;
    }
    case "availability": {
      const { multicast, interfaces, reason } = event;
      context.log.write(multicast ? "info" : "warning", "multicast discovery", {
        multicast,
        interfaces,
        reason,
      });
      context.publish(nodeEvents, { type: "discoveryAvailability", multicast, reason });
      return;
    }
    default:
      event satisfies never;
  }
}

function onSighted(
  context: Context<DiscoveryCommand>,
  state: DiscoveryState,
  sighting: Sighting,
): void {
  const deviceId = parseDeviceId(sighting.deviceId);
  if (deviceId === undefined || deviceId === state.announced.deviceId) return;
  if (!state.peers.has(deviceId) && state.peers.size >= PEERS_MAX) return;
  state.peers.add(deviceId);
  const { displayName, addresses } = sighting;
  context.publish(peerPresence, { type: "sighted", deviceId, sighting });
  context.publish(nodeEvents, { type: "peerSighted", deviceId, displayName, addresses });
}

function onMembershipChanged(
  state: DiscoveryState,
  event: MembershipChanged,
  deps: DiscoveryDependencies,
): void {
  const self = deps.self();
  const deviceId = parseDeviceId(self.deviceId);
  const member = deviceId === undefined ? undefined : event.registry?.members.get(deviceId);
  // A device that is no longer a member does not go on naming the mesh.
  const mesh = member === undefined || member.revoked ? null : event.registry?.mesh ?? null;
  const announced = {
    ...self,
    role: member?.role ?? self.role,
    meshTag: meshTagOf(deps.crypto, mesh),
  };
  if (JSON.stringify(announced) === JSON.stringify(state.announced)) return;
  state.announced = announced;
  state.session.update(announced);
}
