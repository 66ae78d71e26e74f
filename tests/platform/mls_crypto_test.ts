import { nodeCrypto } from "../../platform/node_crypto.ts";
import { mlsGroupCrypto } from "../../platform/mls_crypto.ts";
import { nodeSigner } from "../../platform/node_signer.ts";
import { deviceIdOf } from "../../protocols/ids.ts";
import { groupCryptoContract } from "../contracts/group_crypto_contract.ts";

const crypto = nodeCrypto({ workersMax: 0 });

groupCryptoContract({
  name: "MLS",
  device: (number, nowMs) => {
    const signer = nodeSigner(new Uint8Array(32).fill(number + 1));
    return {
      deviceId: deviceIdOf(signer.publicKey),
      crypto: mlsGroupCrypto({ signer, crypto, clock: { wallMs: nowMs } }),
    };
  },
});
