/** What members tell each other about brokers, over their sessions: where a device of this home runs one, so that the others need no settings. */

/** Leaf addresses in one message, at most. */
export const LEAF_ADDRESSES_MAX = 8;
/** Longest address, bytes. */
export const LEAF_ADDRESS_BYTES_MAX = 253;

/**
 * Sent when a session comes up, and when it changes: "I run a broker here." The receiver may connect to it as it would to one from
 * its settings; it does not trust it more for that. No addresses: not, or no longer.
 */
export interface LeafHere {
  readonly type: "leafHere";
  /** IP addresses or host names, best first, without port. */
  readonly addresses: readonly string[];
  /** TCP port for clients; 0 when there are no addresses. */
  readonly port: number;
}

export type BridgeMessage = LeafHere;
