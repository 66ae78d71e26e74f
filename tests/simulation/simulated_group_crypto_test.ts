/** The simulator's group crypto keeps the promises of every GroupCrypto, and gives equal bytes for equal seeds. */
import assert from "node:assert/strict";
import { nodeCrypto } from "../../platform/node_crypto.ts";
import { seededRandom } from "../../platform/seeded_random.ts";
import { simulatedGroupCrypto } from "../../simulation/simulated_group_crypto.ts";
import { groupCryptoContract } from "../contracts/group_crypto_contract.ts";
import type { GroupCryptoSubject } from "../contracts/group_crypto_support.ts";
import { walkGroup } from "../contracts/group_crypto_walk.ts";

const crypto = nodeCrypto({ workersMax: 0 });
let made = 0;

const SIMULATED: GroupCryptoSubject = {
  name: "simulated group crypto",
  device: (number, nowMs) => {
    const deviceId = `device ${number}`;
    const random = seededRandom(`${number} ${made++}`);
    return {
      deviceId,
      crypto: simulatedGroupCrypto({ deviceId, random, crypto, clock: { wallMs: nowMs } }),
    };
  },
};
groupCryptoContract(SIMULATED);

Deno.test("simulated group crypto: a group of up to 20 lives through 100 random steps", async () => {
  await walkGroup(SIMULATED, { devices: 20, steps: 100, seed: 1 });
});

Deno.test("simulated group crypto gives the same bytes for the same seed", async () => {
  const run = async () => {
    const clock = { wallMs: () => 1_000 };
    const group = simulatedGroupCrypto({
      deviceId: "one",
      random: seededRandom(5),
      crypto,
      clock,
    });
    const state = await group.create(new Uint8Array(16), await group.keyPackage("one"));
    const { state: next } = await group.change(state, { add: [], remove: [] });
    return (await group.encrypt(next, new Uint8Array(3))).message.toHex();
  };
  assert.equal(await run(), await run());
});
