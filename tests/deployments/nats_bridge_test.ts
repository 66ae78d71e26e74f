/** The bridge of a node: what it tells of its leaf, and that it starts without nats-server too. */
import assert from "node:assert/strict";
import { startNatsBridge } from "../../deployments/nats/bridge.ts";
import { nodeCrypto } from "../../platform/node_crypto.ts";
import { nodeIdentity } from "../../platform/identity_subkeys.ts";
import { systemClock } from "../../platform/system_clock.ts";
import { systemRandom } from "../../platform/system_random.ts";
import { deviceIdOf } from "../../protocols/ids.ts";
import { SERVER, until } from "../platform/nats_support.ts";
import { freePort, inFolder, SETTINGS, silent } from "./nats_leaf_support.ts";

const identity = nodeIdentity(new Uint8Array(32).fill(7));
const crypto = nodeCrypto();
const blocks = { ofKinds: () => Promise.resolve([]) };

function start(folder: string, settings: Partial<typeof SETTINGS>) {
  return startNatsBridge({
    settings: { ...SETTINGS, servers: [], monitoring: [], certificateAuthority: "", ...settings },
    dataDirectory: folder,
    environment: {},
    self: deviceIdOf(identity.publicKey),
    login: identity.broker,
    store: { blocks } as unknown as Parameters<typeof startNatsBridge>[0]["store"],
    crypto,
    clock: systemClock(),
    random: systemRandom(),
    log: silent,
  });
}

Deno.test({
  name: "a bridge connects to its own leaf and tells where sensors and devices of the home find it",
  ignore: !SERVER.ok,
  fn: () =>
    inFolder(async (folder) => {
      const mqttPort = freePort();
      const bridge = await start(folder, { mqttPort });
      assert.ok(bridge !== null);
      await until("it is connected", () => bridge.broker.state().type === "connected");
      assert.equal(bridge.mqttUrl(), `mqtt://127.0.0.1:${mqttPort}`);
      // It listens on loopback alone here: nobody else is told.
      assert.equal(bridge.leafPort(), null);
      assert.equal((await bridge.relays())[0]?.server, "leaf");
      await bridge.stop();
      assert.equal(bridge.leaf()?.state, "stopped");
    }),
});

Deno.test("without nats-server a bridge still uses the brokers that others tell of", () =>
  inFolder(async (folder) => {
    const bridge = await start(folder, { natsServer: `${folder}/nats-server` });
    assert.ok(bridge !== null);
    assert.equal(bridge.leaf(), null);
    assert.match(bridge.problem, /cannot be used/);
    assert.deepEqual([bridge.mqttUrl(), bridge.leafPort()], ["", null]);
    assert.equal(bridge.broker.state().type, "disconnected");
    await bridge.stop();
    assert.equal(await start(folder, { enabled: "false" }), null);
  }));
