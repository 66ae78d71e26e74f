/** Larger groups and longer lives than the default run has time for. */
import { walkGroup } from "../contracts/group_crypto_walk.ts";
import { MLS } from "../platform/mls_support.ts";

for (let seed = 100; seed < 110; seed++) {
  Deno.test(`MLS: a group of up to 12 lives through 60 random steps (seed ${seed})`, async () => {
    await walkGroup(MLS, { devices: 12, steps: 60, seed });
  });
}

Deno.test("MLS: a group of up to 64 lives through 40 random steps", async () => {
  await walkGroup(MLS, { devices: 64, steps: 40, seed: 1 });
});
