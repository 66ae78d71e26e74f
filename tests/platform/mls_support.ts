/** Devices with real MLS, for the suites of GroupCrypto. */
import { mlsGroupCrypto } from "../../platform/mls_crypto.ts";
import { nodeCrypto } from "../../platform/node_crypto.ts";
import { nodeSigner } from "../../platform/node_signer.ts";
import { deviceIdOf } from "../../protocols/ids.ts";
import type { GroupCryptoSubject } from "../contracts/group_crypto_support.ts";

const crypto = nodeCrypto({ workersMax: 0 });

/** MLS as nodes use it; the key of a device follows from its number. */
export const MLS: GroupCryptoSubject = {
  name: "MLS",
  device: (number, nowMs) => {
    const signer = nodeSigner(new Uint8Array(32).fill(number + 1));
    return {
      deviceId: deviceIdOf(signer.publicKey),
      crypto: mlsGroupCrypto({ signer, crypto, clock: { wallMs: nowMs } }),
    };
  },
};
