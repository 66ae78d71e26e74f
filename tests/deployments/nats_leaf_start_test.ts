/** What changes while a leaf starts: it is neither lost nor done twice at once. */
import assert from "node:assert/strict";
import { startLeaf } from "../../deployments/nats/leaf.ts";
import { systemClock } from "../../platform/system_clock.ts";
import { brokerAt, SERVER, until } from "../platform/nats_support.ts";
import { skipped } from "../skipped.ts";
import { device, inFolder, isUp, SETTINGS, silent, TAG } from "./nats_leaf_support.ts";

const ignore = skipped("a leaf that starts", SERVER.ok ? null : SERVER.reason);

/** Moments between the start of the process and its first sign of health, ms. */
const MOMENTS_MS = [0, 20, 40, 60, 80, 120];

Deno.test({
  name: "a member that is admitted while the leaf starts can log in, whatever the moment",
  ignore,
  fn: () =>
    inFolder(async (folder) => {
      const clock = systemClock();
      for (const momentMs of MOMENTS_MS) {
        const [alice, ben] = [device("alice"), device("ben")];
        const outcome = await startLeaf({
          self: "alice",
          settings: SETTINGS,
          dataDirectory: `${folder}/${momentMs}`,
          environment: {},
          access: { tag: null, members: [alice], sensors: [] },
          clock,
          log: silent,
        });
        assert.ok(outcome.type === "started");
        const { leaf } = outcome;
        try {
          await new Promise<void>((resolve) => clock.schedule(momentMs, resolve));
          leaf.setAccess({ tag: TAG, members: [alice, ben], sensors: [] });
          await leaf.settled();
          await until("the leaf runs", () => leaf.view().state === "running");
          const broker = brokerAt(() => leaf.servers(), { login: ben.login });
          try {
            await until(`ben is let in (${momentMs} ms)`, () => isUp(broker));
          } finally {
            await broker.close();
          }
        } finally {
          await leaf.stop();
        }
      }
    }),
});
