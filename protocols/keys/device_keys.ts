/**
 * What a device publishes about itself in a `keys` block: the keys that others need to reach it while it is away. The block's
 * signature binds them to the device. The newest readable `keys` block of an author's log counts. Format: `docs/protocols/keys.md`.
 */
import { z } from "zod";
import { encodeCanonical } from "../codec.ts";
import { KEYS_BODY_BYTES_MAX } from "../blocks/limits.ts";
import { bytes, bytes32, decodeAs, type Decoded } from "../wire_schema.ts";

/** Where `keys` blocks stand. */
export const KEYS_TOPIC = "submind/keys";
export const KEYS_MEDIA_TYPE = "application/vnd.kiana.keys+cbor";
/** Key packages in one block, at most. */
export const KEY_PACKAGES_MAX = 4;
/** Largest key package, bytes. */
export const KEY_PACKAGE_BYTES_MAX = 1_536;

export interface DeviceKeys {
  readonly version: 1;
  /** X25519 public key of the device's `Sealer`, 32 bytes: boxes for it are made with this. */
  readonly boxKey: Uint8Array;
  /** Ed25519 public key, 32 bytes, by which it logs in to brokers; another one than its identity, because brokers choose what is signed with it. */
  readonly brokerKey: Uint8Array;
  /** MLS key packages (RFC 9420, section 10) by which it can be added to conversations; the last one may be used again. */
  readonly keyPackages: readonly Uint8Array[];
}

const key = bytes32;
const schema = z.strictObject({
  version: z.literal(1),
  boxKey: key,
  brokerKey: key,
  keyPackages: z.array(bytes(KEY_PACKAGE_BYTES_MAX)).max(KEY_PACKAGES_MAX),
});

/** The body of a `keys` block. */
export function encodeDeviceKeys(keys: DeviceKeys): Uint8Array<ArrayBuffer> {
  return encodeCanonical(keys);
}

/** Reads the body of a `keys` block; strict, bounded, never throws. */
export function decodeDeviceKeys(body: Uint8Array): Decoded<DeviceKeys> {
  return decodeAs(schema, body, { bytesMax: KEYS_BODY_BYTES_MAX, itemsMax: 16 });
}
