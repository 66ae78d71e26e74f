/** Raw 32-byte keys as `node:crypto` key objects, by the fixed DER prefixes of RFC 8410. */
import { createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";
import { Buffer } from "node:buffer";

type Curve = "ed25519" | "x25519";

const PKCS8_PREFIX = {
  ed25519: Buffer.from("302e020100300506032b657004220420", "hex"),
  x25519: Buffer.from("302e020100300506032b656e04220420", "hex"),
} as const;
const SPKI_PREFIX = {
  ed25519: Buffer.from("302a300506032b6570032100", "hex"),
  x25519: Buffer.from("302a300506032b656e032100", "hex"),
} as const;

/** A key object for a 32-byte private key (for Ed25519 the seed of RFC 8032). */
export function privateKeyObject(curve: Curve, secret: Uint8Array): KeyObject {
  requireLength(curve, secret);
  const key = Buffer.concat([PKCS8_PREFIX[curve], secret]);
  return createPrivateKey({ key, format: "der", type: "pkcs8" });
}

/** A key object for a 32-byte public key. Throws when the runtime finds the bytes to be no point of the curve. */
export function publicKeyObject(curve: Curve, publicKey: Uint8Array): KeyObject {
  requireLength(curve, publicKey);
  const key = Buffer.concat([SPKI_PREFIX[curve], publicKey]);
  return createPublicKey({ key, format: "der", type: "spki" });
}

/** The 32 raw bytes of the public half of a key object. */
export function rawPublicKey(privateKey: KeyObject): Uint8Array<ArrayBuffer> {
  const der = createPublicKey(privateKey).export({ format: "der", type: "spki" });
  return new Uint8Array(der.subarray(der.length - 32));
}

function requireLength(curve: Curve, bytes: Uint8Array): void {
  if (bytes.length !== 32) {
    throw new RangeError(`Cannot use ${curve} key: it has ${bytes.length} bytes, expected 32`);
  }
}

/** Key objects by public key, so that a key is parsed once. Holds at most `entriesMax`, then forgets the oldest. */
export class PublicKeyCache {
  readonly #objects = new Map<string, KeyObject>();
  readonly #entriesMax: number;

  constructor(entriesMax: number) {
    this.#entriesMax = entriesMax;
  }

  /** The Ed25519 key object for 32 bytes; undefined when they are no point of the curve. */
  ed25519(publicKey: Uint8Array): KeyObject | undefined {
    const name = publicKey.toHex();
    const known = this.#objects.get(name);
    if (known !== undefined) return known;
    let made: KeyObject;
    try {
      made = publicKeyObject("ed25519", publicKey);
    } catch {
      return undefined;
    }
    if (this.#objects.size >= this.#entriesMax) {
      for (const oldest of this.#objects.keys()) {
        this.#objects.delete(oldest);
        break;
      }
    }
    this.#objects.set(name, made);
    return made;
  }
}
