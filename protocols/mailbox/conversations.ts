/** Rules of conversations that every device applies alike: their names, the order of their messages, who leads them. */
import type { Crypto } from "../../platform/ports.ts";
import { type DeviceId, type MeshId, publicKeyOf } from "../ids.ts";
import type { ConversationContent, ConversationId } from "./content.ts";

const DIRECT = new TextEncoder().encode("kiana direct conversation v1\0");

/** The one direct conversation of two devices: both compute it, whoever writes first. First 16 bytes of a SHA-256. */
export function directConversation(
  crypto: Pick<Crypto, "sha256">,
  mesh: MeshId,
  a: DeviceId,
  b: DeviceId,
): ConversationId {
  const [low, high] = a < b ? [a, b] : [b, a];
  const hash = crypto.sha256(
    DIRECT,
    Uint8Array.fromHex(mesh),
    publicKeyOf(low),
    publicKeyOf(high),
  );
  return hash.subarray(0, 16).toHex() as ConversationId;
}

/** How far ahead of what is known here another's clock may be: beyond, one liar could use up the numbers. */
export const CLOCK_LEAP_MAX = 2 ** 32;

/** The clock of the next own message: one more than the largest seen (0 when none was). */
export function nextClock(largestSeen: number): number {
  return largestSeen + 1;
}

/** Our view of a conversation's clock after a message: never past `CLOCK_LEAP_MAX` at once, so that it stays a safe integer. */
export function clockAfter(largestSeen: number, received: number): number {
  return Math.max(largestSeen, Math.min(received, largestSeen + CLOCK_LEAP_MAX));
}

/**
 * Who commits to the conversation's group now: its leader as long as that device is admitted to the mesh, then the admitted member
 * with the lowest id. Undefined when nobody is left. All devices with the same registry name the same one.
 */
export function leaderOf(
  conversation: Pick<ConversationContent, "members" | "leader">,
  isAdmitted: (device: DeviceId) => boolean,
): DeviceId | undefined {
  const { members, leader } = conversation;
  if (members.includes(leader) && isAdmitted(leader)) return leader;
  return members.filter(isAdmitted).reduce<DeviceId | undefined>(
    (lowest, id) => lowest === undefined || id < lowest ? id : lowest,
    undefined,
  );
}

/** A direct conversation as every one of its two devices would state it: led by the lower id. It never changes. */
export function directConversationContent(
  crypto: Pick<Crypto, "sha256">,
  mesh: MeshId,
  a: DeviceId,
  b: DeviceId,
): ConversationContent {
  const members = a < b ? [a, b] : [b, a];
  return {
    type: "conversation",
    conversation: directConversation(crypto, mesh, a, b),
    version: 1,
    title: "",
    members,
    leader: members[0]!,
  };
}

/**
 * True when a member hands the lead of a conversation over to us, who have never heard of it: its founder has left before we were told, and
 * by the rule of succession nobody but us can tell the others who is in it.
 */
export function isHandedOver(
  next: ConversationContent,
  from: DeviceId,
  self: DeviceId,
  isAdmitted: (device: DeviceId) => boolean,
): boolean {
  return next.members.includes(from) && !isAdmitted(next.leader) &&
    leaderOf(next, isAdmitted) === self;
}

/**
 * Why a device must not believe what `from` says of a conversation; undefined when it may. The first word about a conversation comes from
 * the leader it names; later ones from whoever leads by what is known here, with a higher version. A successor that takes the lead counts on
 * from what it knew: its first word holds with any version.
 */
export function problemOfConversation(
  known: ConversationContent | null,
  next: ConversationContent,
  from: DeviceId,
  isAdmitted: (device: DeviceId) => boolean,
): string | undefined {
  if (known === null) {
    return from === next.leader ? undefined : "a conversation is founded by the leader it names";
  }
  const leads = from === leaderOf(known, isAdmitted);
  const succeeds = leads && from !== known.leader && from === next.leader;
  if (next.version <= known.version && !succeeds) {
    return `version is ${next.version}, expected more than ${known.version}`;
  }
  return leads ? undefined : "only the leader changes a conversation";
}
