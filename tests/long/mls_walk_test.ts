/** Larger groups and longer lives than the default run has time for. */
import { mlsGroupCrypto } from "../../platform/mls_crypto.ts";
import { nodeCrypto } from "../../platform/node_crypto.ts";
import { nodeSigner } from "../../platform/node_signer.ts";
import { deviceIdOf } from "../../protocols/ids.ts";
import type { GroupCryptoSubject } from "../contracts/group_crypto_contract.ts";
import { walkGroup } from "../contracts/group_crypto_walk.ts";

const crypto = nodeCrypto({ workersMax: 0 });
const MLS: GroupCryptoSubject = {
  name: "MLS",
  device: (number, nowMs) => {
    const signer = nodeSigner(new Uint8Array(32).fill(number + 1));
    return {
      deviceId: deviceIdOf(signer.publicKey),
      crypto: mlsGroupCrypto({ signer, crypto, clock: { wallMs: nowMs } }),
    };
  },
};

for (let seed = 100; seed < 110; seed++) {
  Deno.test(`MLS: a group of up to 12 lives through 60 random steps (seed ${seed})`, async () => {
    await walkGroup(MLS, { devices: 12, steps: 60, seed });
  });
}

Deno.test("MLS: a group of up to 64 lives through 40 random steps", async () => {
  await walkGroup(MLS, { devices: 64, steps: 40, seed: 1 });
});
