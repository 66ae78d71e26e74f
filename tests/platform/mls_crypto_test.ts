/** MLS keeps the promises of every GroupCrypto, also when it is restarted before every call, and writes states as its library does. */
import assert from "node:assert/strict";
import { defaultClientConfig } from "ts-mls/clientConfig.js";
import { encodeGroupStateWithoutTree } from "ts-mls/clientState.js";
import { encode } from "ts-mls/codec/tlsEncoder.js";
import { ratchetTreeEncoder } from "ts-mls/ratchetTree.js";
import { decodeState, forgetStates } from "../../platform/mls_crypto_state.ts";
import { decodeCanonical } from "../../protocols/codec.ts";
import { groupCryptoContract } from "../contracts/group_crypto_contract.ts";
import type { GroupCryptoSubject } from "../contracts/group_crypto_support.ts";
import { walkGroup } from "../contracts/group_crypto_walk.ts";
import { MLS } from "./mls_support.ts";

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

/** The same devices; every state they give is compared with what the library writes when it writes everything anew. */
const COMPARED: GroupCryptoSubject = {
  name: "MLS, compared with the library's own encoding",
  device: (number, nowMs) => {
    const { deviceId, crypto } = MLS.device(number, nowMs);
    const compared = Object.entries(crypto).map(([name, call]) => [
      name,
      async (...args: unknown[]) => {
        const result = await (call as (...args: unknown[]) => Promise<unknown>)(...args);
        if (name === "create" || name === "join") compareWithLibrary(result);
        else compareWithLibrary((result as { readonly state?: unknown } | undefined)?.state);
        return result;
      },
    ]);
    return { deviceId, crypto: Object.fromEntries(compared) };
  },
};

function compareWithLibrary(state: unknown): void {
  if (!(state instanceof Uint8Array)) return;
  const { group } = decodeState(state, defaultClientConfig);
  const outer = decodeCanonical(state, { bytesMax: 2 ** 24 });
  assert.ok(outer.ok && Array.isArray(outer.value));
  const [, core, tree] = outer.value;
  const withoutPast = { ...group, historicalReceiverData: new Map() };
  assert.deepEqual(core, encodeGroupStateWithoutTree(withoutPast));
  assert.deepEqual(tree, encode(ratchetTreeEncoder)(group.ratchetTree));
}

for (const [seed, subject] of [[1, MLS], [2, MLS], [3, RESTARTED], [4, COMPARED]] as const) {
  Deno.test(
    `${subject.name}: a group of up to 10 lives through 25 random steps (seed ${seed})`,
    async () => {
      await walkGroup(subject, { devices: 10, steps: 25, seed });
    },
  );
}
