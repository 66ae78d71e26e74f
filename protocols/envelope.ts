/** What a session carries: one message of one protocol. */

/** The protocols between nodes. */
export const PROTOCOLS = ["sync", "gossip"] as const;
export type ProtocolName = typeof PROTOCOLS[number];

/** Largest envelope, bytes: one chunk and its frame around it, with room. */
export const ENVELOPE_BYTES_MAX = 512 * 1024;
