import { nodeCrypto } from "../../platform/node_crypto.ts";
import { mlsGroupCrypto } from "../../platform/mls_crypto.ts";
import { forgetStates } from "../../platform/mls_crypto_state.ts";
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

/** The same devices, restarted before every call: nothing is remembered but the bytes of a state. */
const RESTARTED: GroupCryptoSubject = {
  name: "MLS, restarted before every call",
  device: (number, nowMs) => {
    const { deviceId, crypto } = MLS.device(number, nowMs);
    const restarted = Object.entries(crypto).map(([name, call]) => [
      name,
      (...args: unknown[]) => {
        forgetStates();
        return (call as (...args: unknown[]) => unknown)(...args);
      },
    ]);
    return { deviceId, crypto: Object.fromEntries(restarted) };
  },
};
groupCryptoContract(RESTARTED);

for (const [seed, subject] of [[1, MLS], [2, MLS], [3, RESTARTED]] as const) {
  Deno.test(
    `${subject.name}: a group of up to 10 lives through 25 random steps (seed ${seed})`,
    async () => {
      await walkGroup(subject, { devices: 10, steps: 25, seed });
    },
  );
}
