/** Boxes by all three libraries, and the keys that follow from an identity. */
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { join } from "node:path";
import nacl from "tweetnacl";
import { sealer } from "../../platform/box_crypto.ts";
import {
  libsodiumWrappers,
  loadSecretbox,
  nobleSecretbox,
  type Secretbox,
  sodiumNative,
} from "../../platform/box_crypto_library.ts";
import { openIdentity } from "../../platform/identity.ts";
import { nodeIdentity, nodeSealer, subkey } from "../../platform/identity_subkeys.ts";
import { nodeCrypto } from "../../platform/node_crypto.ts";
import { seededRandom } from "../../platform/seeded_random.ts";
import { sealerContract } from "../contracts/sealer_contract.ts";

const libraries: Record<string, () => Promise<Secretbox>> = {
  "sodium-native": sodiumNative,
  "libsodium-wrappers": libsodiumWrappers,
  "noble": () => Promise.resolve(nobleSecretbox),
};
for (const [name, load] of Object.entries(libraries)) {
  sealerContract({
    name: `sealer on ${name}`,
    make: async (secret, keysMax) =>
      sealer({
        secret,
        secretbox: await load(),
        ...(keysMax === undefined ? {} : { keysMax }),
      }),
  });
}

Deno.test("the addon is what a node uses where it loads", async () => {
  assert.equal((await loadSecretbox()).name, "sodium-native");
});

/** HKDF-SHA-256 by its definition (RFC 5869) for one block: an oracle that shares no code with the adapter. */
function hkdfOneBlock(secret: Uint8Array, info: string): Uint8Array {
  const key = createHmac("sha256", new Uint8Array(32)).update(secret).digest();
  return new Uint8Array(createHmac("sha256", key).update(info + "\x01").digest());
}

Deno.test("subkeys are HKDF of the seed under their labels", () => {
  const seed = seededRandom("seed").bytes(32);
  assert.deepEqual(subkey(seed, "box"), hkdfOneBlock(seed, "kiana box key v1"));
  assert.deepEqual(subkey(seed, "broker"), hkdfOneBlock(seed, "kiana broker key v1"));
  assert.throws(() => subkey(seed.subarray(1), "box"), RangeError);
});

Deno.test("the keys of a device do not change from release to release", () => {
  const { publicKey, sealer, broker } = nodeIdentity(new Uint8Array(32).fill(7));
  assert.deepEqual(
    [publicKey.toHex(), sealer.publicKey.toHex(), broker.publicKey.toHex()],
    [
      nacl.sign.keyPair.fromSeed(new Uint8Array(32).fill(7)).publicKey.toHex(),
      "81270e2bbf12cd5a779e3886a5e1ff63cb4a091a1a08c31f1071fec549806e27",
      "4d4a684fb15c55d14bee50825b53e988946a714fee22d9c6a197a14a6e3b2cab",
    ],
  );
});

Deno.test("an identity from disk has the keys of its seed, and signs for brokers with another key", async () => {
  const directory = join(await Deno.makeTempDir(), "keys");
  const seed = new Uint8Array(32).fill(9);
  const random = { ...seededRandom(0), bytes: () => seed.slice() };
  const identity = await openIdentity({ directory, random, signing: { worker: false } });
  const expected = nodeIdentity(seed);
  assert.deepEqual(identity.publicKey, expected.publicKey);
  assert.deepEqual(identity.sealer.publicKey, nodeSealer(seed).publicKey);
  assert.deepEqual(identity.broker.publicKey, expected.broker.publicKey);
  const nonce = new TextEncoder().encode("what the broker says");
  const { publicKey } = identity.broker;
  const signature = identity.broker.sign(nonce);
  assert.ok(nodeCrypto({ workersMax: 0 }).verify({ publicKey, message: nonce, signature }));
  assert.ok(nacl.sign.detached.verify(nonce, signature, publicKey));
  const names = [...Deno.readDirSync(directory)].map((entry) => entry.name);
  assert.deepEqual(names, ["identity.pem"], "no other file");
  await Deno.remove(join(directory, ".."), { recursive: true });
});
