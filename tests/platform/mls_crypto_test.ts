import { nodeCrypto } from "../../platform/node_crypto.ts";
import { mlsGroupCrypto } from "../../platform/mls_crypto.ts";
import { nodeSigner } from "../../platform/node_signer.ts";
import { deviceIdOf } from "../../protocols/ids.ts";
import {
  groupCryptoContract,
  type GroupCryptoSubject,
} from "../contracts/group_crypto_contract.ts";
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
groupCryptoContract(MLS);

for (const seed of [1, 2, 3]) {
  Deno.test(`MLS: a group of up to 10 lives through 25 random steps (seed ${seed})`, async () => {
    await walkGroup(MLS, { devices: 10, steps: 25, seed });
  });
}
