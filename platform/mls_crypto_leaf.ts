/**
 * Who stands in a leaf of an MLS group. The leaf's signature key is fresh for every key package, because MLS signs with it what others
 * chose; the device's identity vouches for it: the credential (type `basic`) holds the identity's public key and its signature, under
 * the domain `groupLeaf`, over the leaf's signature key.
 */
import { type KeyObject, sign } from "node:crypto";
import {
  type AuthenticationService,
  type Capabilities,
  type CiphersuiteImpl,
  type CiphersuiteName,
  type ClientState,
  type Credential,
  decodeMlsMessage,
  encodeMlsMessage,
  getCiphersuiteFromName,
  getCiphersuiteImpl,
  type KeyPackage,
  type LeafNode,
  type RatchetTree,
} from "ts-mls";
import { verifyKeyPackage } from "ts-mls/keyPackage.js";
import { verifyLeafNodeSignatureKeyPackage } from "ts-mls/leafNode.js";
import { equalBytes } from "../protocols/codec.ts";
import { domainSeparated } from "../protocols/domains.ts";
import { type DeviceId, deviceIdOf } from "../protocols/ids.ts";
import { KEY_PACKAGE_BYTES_MAX } from "../protocols/keys/device_keys.ts";
import { privateKeyObject, rawPublicKey } from "./crypto_keys.ts";
import { KEY_PACKAGE_LIFE_MS, KEY_PACKAGE_SKEW_MS } from "./group_crypto.ts";
import { aead, hashing, kdf } from "./mls_crypto_primitives.ts";
import type { Crypto, Signer } from "./ports.ts";

/** The suite that RFC 9420 (section 17.1) obliges everybody to have. */
export const SUITE: CiphersuiteName = "MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519";

/** What our leaves can do: nothing that groups here do not use. Without the library's random values, so that packages stay small. */
export const CAPABILITIES: Capabilities = {
  versions: ["mls10"],
  ciphersuites: [SUITE],
  extensions: [],
  proposals: [],
  credentials: ["basic"],
};

const PUBLIC_KEY_BYTES = 32;
const CREDENTIAL_BYTES = PUBLIC_KEY_BYTES + 64;
// Later than the rounding to seconds can make it.
const LIFE_SECONDS_MAX = BigInt((KEY_PACKAGE_LIFE_MS + KEY_PACKAGE_SKEW_MS) / 1000 + 60);

/** Keys as they lie in states that are remembered, parsed: a state signs many messages with one. */
const parsedKeys = new WeakMap<Uint8Array, KeyObject>();

function parsedKey(signKey: Uint8Array): KeyObject {
  let key = parsedKeys.get(signKey);
  if (key === undefined) {
    key = privateKeyObject("ed25519", signKey);
    parsedKeys.set(signKey, key);
  }
  return key;
}

/** The suite: signatures under the acceptance rule of the whole program instead of the library's, and what is small without WebCrypto. */
export async function cipherSuite(crypto: Pick<Crypto, "verify">): Promise<CiphersuiteImpl> {
  const library = await getCiphersuiteImpl(getCiphersuiteFromName(SUITE));
  return {
    ...library,
    kdf,
    hash: hashing,
    hpke: { ...library.hpke, ...aead },
    signature: {
      sign: (signKey, message) =>
        Promise.resolve(new Uint8Array(sign(null, message, parsedKey(signKey)))),
      verify: (publicKey, message, signature) =>
        Promise.resolve(
          publicKey.length === PUBLIC_KEY_BYTES && signature.length === 64 &&
            crypto.verify({ publicKey, message, signature }),
        ),
      keygen() {
        const signKey = library.rng.randomBytes(32);
        return Promise.resolve({
          signKey,
          publicKey: rawPublicKey(privateKeyObject("ed25519", signKey)),
        });
      },
    },
  };
}

/** The credential by which the identity vouches for a leaf's signature key. */
export function credentialFor(signer: Signer, signaturePublicKey: Uint8Array): Credential {
  const identity = new Uint8Array(CREDENTIAL_BYTES);
  identity.set(signer.publicKey);
  identity.set(signer.sign(domainSeparated("groupLeaf", signaturePublicKey)), PUBLIC_KEY_BYTES);
  return { credentialType: "basic", identity };
}

/** Whose credential this is; undefined when no identity vouches for this signature key in it. */
export function vouchedDevice(
  credential: Credential,
  signaturePublicKey: Uint8Array,
  crypto: Pick<Crypto, "verify">,
): DeviceId | undefined {
  if (credential.credentialType !== "basic") return undefined;
  const { identity } = credential;
  if (identity.length !== CREDENTIAL_BYTES || signaturePublicKey.length !== PUBLIC_KEY_BYTES) {
    return undefined;
  }
  const publicKey = identity.slice(0, PUBLIC_KEY_BYTES);
  const message = domainSeparated("groupLeaf", signaturePublicKey);
  const signature = identity.slice(PUBLIC_KEY_BYTES);
  return crypto.verify({ publicKey, message, signature }) ? deviceIdOf(publicKey) : undefined;
}

/** The library asks it about every leaf that comes into a group's tree. */
export function authenticationService(crypto: Pick<Crypto, "verify">): AuthenticationService {
  return {
    validateCredential: (credential, signaturePublicKey) =>
      Promise.resolve(vouchedDevice(credential, signaturePublicKey, crypto) !== undefined),
  };
}

/** The device in a leaf that was validated when it came into the tree. */
export function deviceOfLeaf(leaf: LeafNode): DeviceId {
  const { credential } = leaf;
  if (credential.credentialType !== "basic" || credential.identity.length !== CREDENTIAL_BYTES) {
    throw new RangeError("Cannot name the device of a leaf: its credential is of another form");
  }
  return deviceIdOf(credential.identity.slice(0, PUBLIC_KEY_BYTES));
}

/** The device of each leaf of a tree by leaf index; undefined for blank ones. */
export function devicesOfTree(tree: RatchetTree): readonly (DeviceId | undefined)[] {
  // Leaves stand at even places (RFC 9420, appendix C).
  return Array.from({ length: Math.ceil(tree.length / 2) }, (_, leafIndex) => {
    const node = tree[leafIndex * 2];
    return node?.nodeType === "leaf" ? deviceOfLeaf(node.leaf) : undefined;
  });
}

/** True when two leaves are of one device. */
export function holdsTwice(devices: readonly (DeviceId | undefined)[]): boolean {
  const present = devices.filter((device) => device !== undefined);
  return new Set(present).size !== present.length;
}

/** The devices of a group, ascending. */
export function membersOf(group: ClientState): readonly string[] {
  return devicesOfTree(group.ratchetTree).filter((device) => device !== undefined).sort();
}

/** A key package as it is published. */
export function encodePackage(keyPackage: KeyPackage): Uint8Array {
  return encodeMlsMessage({ version: "mls10", wireformat: "mls_key_package", keyPackage });
}

/** Reads a published package without judging it; undefined when it is none, or not in its only encoding. */
export function decodePackage(bytes: Uint8Array): KeyPackage | undefined {
  if (bytes.length > KEY_PACKAGE_BYTES_MAX) return undefined;
  try {
    const [message] = decodeMlsMessage(bytes, 0) ?? [];
    if (message?.wireformat !== "mls_key_package" || message.version !== "mls10") return undefined;
    return equalBytes(encodePackage(message.keyPackage), bytes) ? message.keyPackage : undefined;
  } catch {
    return undefined;
  }
}

/** A package that may be used at this time, with its device; undefined when anything about it is wrong. */
export async function validPackage(
  bytes: Uint8Array,
  wallMs: number,
  suite: CiphersuiteImpl,
  crypto: Pick<Crypto, "verify">,
): Promise<{ readonly deviceId: DeviceId; readonly keyPackage: KeyPackage } | undefined> {
  const keyPackage = decodePackage(bytes);
  if (keyPackage === undefined) return undefined;
  const { leafNode: leaf, initKey } = keyPackage;
  if (keyPackage.version !== "mls10" || keyPackage.cipherSuite !== SUITE) return undefined;
  if (keyPackage.extensions.length > 0 || leaf.extensions.length > 0) return undefined;
  if (leaf.leafNodeSource !== "key_package" || equalBytes(initKey, leaf.hpkePublicKey)) return;
  if (!supportsSuite(leaf)) return undefined;
  const { notBefore, notAfter } = leaf.lifetime;
  const nowSeconds = BigInt(Math.floor(wallMs / 1000));
  if (nowSeconds < notBefore || nowSeconds > notAfter) return undefined;
  if (notAfter - notBefore > LIFE_SECONDS_MAX) return undefined;
  try {
    if (!await verifyLeafNodeSignatureKeyPackage(leaf, suite.signature)) return undefined;
    if (!await verifyKeyPackage(keyPackage, suite.signature)) return undefined;
    // A key of low order would only fail in the middle of a commit, and take the others' change with it.
    for (const key of [initKey, leaf.hpkePublicKey]) await canBeSealedFor(key, suite);
  } catch {
    return undefined;
  }
  const deviceId = vouchedDevice(leaf.credential, leaf.signaturePublicKey, crypto);
  return deviceId === undefined ? undefined : { deviceId, keyPackage };
}

/** True when the tree holds the leaf's encryption key already: nobody could join with it there twice. */
export function standsInTree(tree: RatchetTree, leaf: LeafNode): boolean {
  return tree.some((node) => {
    if (node === undefined) return false;
    const { hpkePublicKey } = node.nodeType === "leaf" ? node.leaf : node.parent;
    return equalBytes(hpkePublicKey, leaf.hpkePublicKey);
  });
}

/** True when this leaf's device says that it can take part in our groups. */
export function supportsSuite({ capabilities }: LeafNode): boolean {
  const { versions, ciphersuites, credentials } = capabilities;
  return versions.includes("mls10") && ciphersuites.includes(SUITE) &&
    credentials.includes("basic");
}

/** Rejects for a key of low order, to which nothing can be encrypted. */
export async function canBeSealedFor(publicKey: Uint8Array, suite: CiphersuiteImpl): Promise<void> {
  const nothing = new Uint8Array(0);
  await suite.hpke.seal(await suite.hpke.importPublicKey(publicKey), nothing, nothing, nothing);
}
