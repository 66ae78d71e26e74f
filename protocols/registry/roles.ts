/** Roles and permissions of members. A role is a name for a default set; the registry stores the set itself. */

export const PERMISSIONS = [
  "blocks.share",
  "blocks.read",
  "chain.seal",
  "learn.coordinate",
  "learn.join",
  "messages.send",
  "members.add",
  "members.administer",
  "relay",
] as const;
/** One thing a member may do. */
export type Permission = typeof PERMISSIONS[number];

export const ROLES = ["owner", "submind", "guest", "sensor", "relay"] as const;
export type Role = typeof ROLES[number];

/** What a new member of a role may do unless its admitter says otherwise. */
export const DEFAULT_PERMISSIONS: Readonly<Record<Role, readonly Permission[]>> = {
  owner: [...PERMISSIONS],
  submind: [
    "blocks.share",
    "blocks.read",
    "chain.seal",
    "learn.coordinate",
    "learn.join",
    "messages.send",
    "relay",
  ],
  guest: ["blocks.read", "messages.send"],
  sensor: ["blocks.share"],
  relay: ["relay"],
};

/** How much others rely on a device; set by owners, shown to people, raised or lowered by hand. */
export const TRUST_LEVELS = ["low", "normal", "high"] as const;
export type TrustLevel = typeof TRUST_LEVELS[number];
