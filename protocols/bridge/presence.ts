/**
 * Presence over a broker: what a member says of itself to the members of its mesh, signed by it, under the mesh's veil. Format:
 * `docs/protocols/presence.md`.
 */
import { z } from "zod";
import type { Announcement } from "../../platform/discovery.ts";
import type { Crypto, Signer } from "../../platform/ports.ts";
import { encodeCanonical } from "../codec.ts";
import { domainSeparated } from "../domains.ts";
import { type DeviceId, deviceIdOf, publicKeyOf } from "../ids.ts";
import { bytes, bytes32, decodeAs, type Decoded, signature, text } from "../wire_schema.ts";
import type { BrokerTag } from "./subjects.ts";

/** Direct addresses in one presence, at most. */
export const PRESENCE_ADDRESSES_MAX = 8;
/** Longest address, bytes. */
export const PRESENCE_ADDRESS_BYTES_MAX = 256;
/** Largest presence, bytes, without the veil. */
export const PRESENCE_BYTES_MAX = 4 * 1024;

export interface Presence {
  /** `here`: I am here. `goodbye`: I am leaving now. */
  readonly kind: "here" | "goodbye";
  /** Asks everybody to say in turn that they are here; sent by who has just come. */
  readonly asks: boolean;
  /** Grows with every presence of this device, over restarts too: wall clock in ms, or one more than the last. Older ones are not believed. */
  readonly sequence: number;
  /** The mesh in which it is said. */
  readonly tag: BrokerTag;
  /** What it says of itself, as in `Announcement`; `deviceId` is the signer's. */
  readonly self: Announcement;
  /** Rendezvous addresses where it may be reached without the broker. */
  readonly addresses: readonly string[];
}

const word = z.string().regex(/^[a-z0-9-]{1,32}$/);
const address = text(PRESENCE_ADDRESS_BYTES_MAX).refine(
  (value) => /^http:\/\/[^\s\p{C}]+$/u.test(value),
  "expected an address that starts with http://",
);
const name = text(63).refine(
  (value) => !/[\p{Cc}\p{Cf}]/u.test(value),
  "expected no control characters",
);
const signedSchema = z.tuple([
  bytes(PRESENCE_BYTES_MAX),
  signature,
]);
const bodySchema = z.strictObject({
  version: z.literal(1),
  kind: z.enum(["here", "goodbye"]),
  asks: z.boolean(),
  sequence: z.int().min(1).max(Number.MAX_SAFE_INTEGER),
  tag: z.string().regex(/^[0-9a-f]{16}$/),
  device: bytes32,
  displayName: name,
  role: z.union([word, z.literal("")]),
  capabilities: z.array(word).max(16),
  meshTag: z.string().regex(/^(?:[0-9a-f]{8})?$/),
  protocolVersion: z.int().min(1).max(99_999),
  port: z.int().min(0).max(65_535),
  addresses: z.array(address).max(PRESENCE_ADDRESSES_MAX),
});

/** The bytes of a presence, signed. `self.deviceId` must be the signer's; surplus addresses and capabilities stay away. */
export function encodePresence(presence: Presence, signer: Signer): Uint8Array<ArrayBuffer> {
  const { self } = presence;
  const body = encodeCanonical({
    version: 1,
    kind: presence.kind,
    asks: presence.asks,
    sequence: presence.sequence,
    tag: presence.tag,
    device: publicKeyOf(self.deviceId as DeviceId),
    displayName: self.displayName,
    role: self.role,
    capabilities: self.capabilities.slice(0, 16),
    meshTag: self.meshTag,
    protocolVersion: self.protocolVersion,
    port: self.port,
    addresses: presence.addresses.slice(0, PRESENCE_ADDRESSES_MAX),
  });
  return encodeCanonical([body, signer.sign(domainSeparated("presence", body))]);
}

/** Reads a presence; strict, bounded, never throws. The signature is not looked at yet. */
export function decodePresence(
  bytes: Uint8Array,
): Decoded<{ readonly presence: Presence; verify(crypto: Pick<Crypto, "verify">): boolean }> {
  const outer = decodeAs(signedSchema, bytes, { bytesMax: PRESENCE_BYTES_MAX, itemsMax: 4 });
  if (!outer.ok) return outer;
  const [body, signature] = outer.message;
  const inner = decodeAs(bodySchema, body, { bytesMax: PRESENCE_BYTES_MAX, itemsMax: 64 });
  if (!inner.ok) return inner;
  const { kind, asks, sequence, tag, device, addresses, version: _, ...rest } = inner.message;
  const self = { ...rest, deviceId: deviceIdOf(device) };
  return {
    ok: true,
    message: {
      presence: { kind, asks, sequence, tag: tag as BrokerTag, self, addresses },
      verify: (crypto) =>
        crypto.verify({
          publicKey: device,
          message: domainSeparated("presence", body),
          signature,
        }),
    },
  };
}
