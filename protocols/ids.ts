/** Branded identifiers and their parsers. A string becomes an id here or nowhere. */
import { base32nopad } from "@scure/base";

/** Lower-case base32 (RFC 4648, no padding) of the Ed25519 public key: 52 characters. Names a device everywhere. */
export type DeviceId = string & { readonly __brand: "DeviceId" };
/** Lower-case hex of the SHA-256 of a block header: 64 characters. */
export type BlockId = string & { readonly __brand: "BlockId" };
/** The block id of the founding block: names the mesh. */
export type MeshId = BlockId & { readonly __mesh: "MeshId" };
/** Lower-case hex of the SHA-256 of a chunk or payload: 64 characters. */
export type ContentHash = string & { readonly __brand: "ContentHash" };

const DEVICE_ID = /^[a-z2-7]{52}$/;
const HASH = /^[0-9a-f]{64}$/;

// Authors are few and their ids are needed for every block: the conversions are remembered, up to this many.
const CACHED_DEVICES_MAX = 65_536;
const deviceIdByHex = new Map<string, DeviceId>();
const publicKeyByDeviceId = new Map<DeviceId, Uint8Array<ArrayBuffer>>();

function remember(hex: string, id: DeviceId, publicKey: Uint8Array): void {
  if (deviceIdByHex.size >= CACHED_DEVICES_MAX) {
    deviceIdByHex.clear();
    publicKeyByDeviceId.clear();
  }
  deviceIdByHex.set(hex, id);
  publicKeyByDeviceId.set(id, publicKey.slice());
}

/** The id of the device that owns this Ed25519 public key (32 bytes). */
export function deviceIdOf(publicKey: Uint8Array): DeviceId {
  if (publicKey.length !== 32) {
    throw new RangeError(
      `Cannot derive a device id: public key has ${publicKey.length} bytes, expected 32`,
    );
  }
  const hex = publicKey.toHex();
  const known = deviceIdByHex.get(hex);
  if (known !== undefined) return known;
  const id = base32nopad.encode(publicKey).toLowerCase() as DeviceId;
  remember(hex, id, publicKey);
  return id;
}

/** The Ed25519 public key (32 bytes) that a device id stands for. Do not modify the result. */
export function publicKeyOf(id: DeviceId): Uint8Array<ArrayBuffer> {
  const known = publicKeyByDeviceId.get(id);
  if (known !== undefined) return known;
  const publicKey = new Uint8Array(base32nopad.decode(id.toUpperCase()));
  remember(publicKey.toHex(), id, publicKey);
  return publicKey;
}

/** Parses a device id; undefined when the text is none (wrong length, alphabet, or set trailing bits). */
export function parseDeviceId(text: string): DeviceId | undefined {
  if (!DEVICE_ID.test(text)) return undefined;
  // 52 characters carry 260 bits, a key has 256: the last four must be zero, else two texts would name one device.
  return "aq".includes(text.charAt(51)) ? text as DeviceId : undefined;
}

/** Parses 64 lower-case hex digits; undefined when the text is anything else. */
export function parseBlockId(text: string): BlockId | undefined {
  return HASH.test(text) ? text as BlockId : undefined;
}

/** Parses the id of a mesh; the same form as a block id. */
export function parseMeshId(text: string): MeshId | undefined {
  return HASH.test(text) ? text as MeshId : undefined;
}

/** The block id for a 32-byte SHA-256. */
export function blockIdOf(hash: Uint8Array): BlockId {
  return hash.toHex() as BlockId;
}

/** What people are shown of an id: its first 8 characters. */
export function shortId(id: DeviceId | BlockId | ContentHash): string {
  return id.slice(0, 8);
}
