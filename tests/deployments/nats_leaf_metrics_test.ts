/** What the broker's monitoring says, read and shown as metrics. */
import assert from "node:assert/strict";
import { Registry } from "prom-client";
import { relaySampler, secondsOf } from "../../deployments/nats/samples.ts";
import { relayMetrics } from "../../gateway/relay_metrics.ts";
import { systemClock } from "../../platform/system_clock.ts";
import { brokerAt, SERVER, until } from "../platform/nats_support.ts";
import { device, inFolder, isUp, settle, TAG, withLeaf } from "./nats_leaf_support.ts";

const ignore = !SERVER.ok;

Deno.test("durations of monitoring are read", () => {
  assert.equal(secondsOf("1.5ms"), 0.0015);
  assert.equal(secondsOf("87µs"), 87e-6);
  assert.equal(secondsOf("1m2s"), 62);
  for (const wrong of ["", "1", "ms", "-1s", "1 s", "1sx"]) {
    assert.equal(secondsOf(wrong), undefined);
  }
});

Deno.test({
  name: "metrics show the leaf and say when a hub does not answer",
  ignore,
  fn: () =>
    inFolder(async (folder) => {
      const alice = device("alice");
      await withLeaf(
        { access: { tag: TAG, members: [alice], sensors: [] }, folder },
        async (leaf) => {
          const a = brokerAt(() => leaf.servers(), { login: alice.login });
          await until("alice is in", () => isUp(a));
          await settle(a);
          const registry = new Registry();
          const refresh = relayMetrics(
            relaySampler(() => [
              { server: "leaf", monitoringUrl: leaf.view().monitoringUrl ?? "" },
              { server: "hub", monitoringUrl: "http://127.0.0.1:1" },
            ], systemClock()),
            registry,
          );
          await refresh();
          const text = await registry.metrics();
          assert.match(text, /submind_relay_healthy\{server="leaf"\} 1/);
          assert.match(text, /submind_relay_healthy\{server="hub"\} 0/);
          assert.match(text, /submind_relay_peers\{server="leaf"\} 1/);
          assert.match(text, /submind_relay_federation_links\{server="leaf"\} 0/);
          await a.close();
        },
      );
    }),
});
