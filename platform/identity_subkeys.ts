/**
 * The keys that follow from the identity: one file to keep, one file to back up. Each is HKDF-SHA-256 (RFC 5869) of the identity's 32-byte
 * seed, without salt, with a label of its own, so that none tells anything about another or about the identity. `docs/protocols/keys.md`.
 */
import { hkdfSync, sign } from "node:crypto";
import { sealer } from "./box_crypto.ts";
import { nobleSecretbox, type Secretbox } from "./box_crypto_library.ts";
import { privateKeyObject, rawPublicKey } from "./crypto_keys.ts";
import { type NodeSigner, nodeSigner } from "./node_signer.ts";
import type { BrokerLogin, Sealer } from "./ports.ts";

/** What each subkey is for. */
const LABELS = {
  /** X25519 private key of the `Sealer`. */
  box: "kiana box key v1",
  /** Ed25519 seed of the `BrokerLogin`. */
  broker: "kiana broker key v1",
} as const;

/** All that a device signs and opens with. The private halves never leave the adapter. */
export interface Identity extends NodeSigner {
  readonly sealer: Sealer;
  readonly broker: BrokerLogin;
}

/** A subkey of a 32-byte seed, 32 bytes. */
export function subkey(seed: Uint8Array, purpose: keyof typeof LABELS): Uint8Array {
  if (seed.length !== 32) {
    throw new RangeError(`Cannot derive subkey: seed has ${seed.length} bytes, expected 32`);
  }
  return new Uint8Array(hkdfSync("sha256", seed, new Uint8Array(0), LABELS[purpose], 32));
}

/** The subkeys of a seed, as ports. */
export function subkeysOf(
  seed: Uint8Array,
  secretbox: Secretbox,
): Pick<Identity, "sealer" | "broker"> {
  const brokerKey = privateKeyObject("ed25519", subkey(seed, "broker"));
  return {
    sealer: sealer({ secret: subkey(seed, "box"), secretbox }),
    broker: {
      publicKey: rawPublicKey(brokerKey),
      sign: (nonce) => new Uint8Array(sign(null, nonce, brokerKey)),
    },
  };
}

/** An identity from a seed, there at once: for simulated worlds and tests. Real nodes open theirs from disk (`openIdentity`). */
export function nodeIdentity(seed: Uint8Array): Identity {
  return { ...nodeSigner(seed), ...subkeysOf(seed, nobleSecretbox) };
}

/** The Sealer of `nodeIdentity` alone. */
export function nodeSealer(seed: Uint8Array): Sealer {
  return sealer({ secret: subkey(seed, "box"), secretbox: nobleSecretbox });
}
