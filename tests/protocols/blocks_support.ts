/** Makers of blocks for tests: real Ed25519 and SHA-256 from node:crypto, fixed keys, no chance. */
import { createHash, createPrivateKey, createPublicKey, sign, verify } from "node:crypto";
import type { BatchSigner, Crypto, Signer } from "../../platform/ports.ts";
import type { Block } from "../../protocols/blocks/block.ts";
import { createBlock, type NewBlock } from "../../protocols/blocks/encode.ts";
import type { BlockId, MeshId } from "../../protocols/ids.ts";

const PKCS8_ED25519 = Uint8Array.fromHex("302e020100300506032b657004220420");
const SPKI_ED25519 = Uint8Array.fromHex("302a300506032b6570032100");

/** A device whose secret is 32 times the byte `seed`. */
export function testSigner(seed: number): BatchSigner {
  const der = new Uint8Array(48);
  der.set(PKCS8_ED25519);
  der.fill(seed, 16);
  const key = createPrivateKey({ key: Buffer.from(der), format: "der", type: "pkcs8" });
  const spki = createPublicKey(key).export({ format: "der", type: "spki" });
  const signOne = (message: Uint8Array) => new Uint8Array(sign(null, message, key));
  return {
    publicKey: new Uint8Array(spki.subarray(spki.length - 32)),
    sign: signOne,
    signMany: (messages) => Promise.resolve(messages.map(signOne)),
  };
}

const verifyKeys = new Map<string, ReturnType<typeof createPublicKey>>();

/** The parts of `Crypto` that blocks need. */
export const testCrypto: Pick<Crypto, "sha256" | "sha256Hex" | "verify" | "verifyMany"> = {
  sha256(...parts: readonly Uint8Array[]) {
    const hash = createHash("sha256");
    for (const part of parts) hash.update(part);
    return new Uint8Array(hash.digest());
  },
  sha256Hex: (bytes) => createHash("sha256").update(bytes).digest("hex"),
  verify({ publicKey, message, signature }) {
    const hex = publicKey.toHex();
    let key = verifyKeys.get(hex);
    if (key === undefined) {
      const der = new Uint8Array([...SPKI_ED25519, ...publicKey]);
      try {
        key = createPublicKey({ key: Buffer.from(der), format: "der", type: "spki" });
      } catch {
        return false;
      }
      verifyKeys.set(hex, key);
    }
    return verify(null, message, key, signature);
  },
  verifyMany(signed) {
    return Promise.resolve(signed.map((one) => testCrypto.verify(one)));
  },
};

export const TEST_MESH = "11".repeat(32) as MeshId;

/** A small valid `put` block; anything can be replaced. */
export function testBlock(
  signer: Signer,
  fields: Partial<Omit<NewBlock, "signer" | "crypto">> = {},
): Block {
  const payload = fields.payload ?? new TextEncoder().encode("Tomatoes want sun.");
  const sequence = fields.sequence ?? 1;
  return createBlock({
    mesh: TEST_MESH,
    sequence,
    previous: sequence === 1 ? null : "22".repeat(32) as BlockId,
    parents: [],
    kind: "put",
    target: null,
    topic: "notes/garden",
    tags: ["sun", "tomato"],
    mediaType: "text/plain",
    timeMs: 1_790_000_000_000,
    bodyBytes: payload.length,
    ...fields,
    payload,
    signer,
    crypto: testCrypto,
  });
}
