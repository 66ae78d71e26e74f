/** A real node with its own nats-server, and sensors that speak MQTT to it with a real client: what was acknowledged comes into the node, once. */
import assert from "node:assert/strict";
import { connectAsync, type IClientOptions } from "mqtt";
import { benchContext } from "../../bench/network/bench_nodes.ts";
import { type ChildNode, startChild } from "../../cli/demo/child_node.ts";
import { runSimulatedSensor } from "../../deployments/sensors/simulated_esp32.ts";
import { seededRandom } from "../../platform/seeded_random.ts";
import { systemClock } from "../../platform/system_clock.ts";
import { SERVER, until } from "../platform/nats_support.ts";
import { freePort } from "./nats_leaf_support.ts";

/** One attempt: also a broker that hangs up without a word, as in the middle of a change of its settings, is a refusal. */
const connectOnce = (url: string, options: IClientOptions) => connectAsync(url, options, false);

async function readingsOf(node: ChildNode, sensor: string): Promise<number> {
  return (await node.client.sensors.list()).find((one) => one.sensor === sensor)?.readings ?? 0;
}

Deno.test({
  name:
    "sensors publish over MQTT into the node, repetitions count once, strangers are heard nowhere",
  ignore: !SERVER.ok,
  async fn() {
    const directory = await Deno.makeTempDir({ prefix: "submind-sensors-" });
    const mqttPort = freePort();
    const path = SERVER.ok ? SERVER.path : "";
    await Deno.writeTextFile(
      `${directory}/config.toml`,
      `[portMapping]\nenabled = false\n[bridge]\nenabled = "true"\nhost = "127.0.0.1"\n` +
        `natsServer = "${path}"\nmqttPort = ${mqttPort}\n`,
    );
    await Deno.chmod(directory, 0o700);
    const node = await startChild(benchContext(), {
      name: "hub",
      directory,
      multicast: false,
      rendezvousPort: 0,
    });
    try {
      const draft = {
        kind: "put",
        topic: "notes",
        tags: [],
        mediaType: "text/plain",
        body: new TextEncoder().encode("a mesh"),
      } as const;
      await node.client.addBlocks([draft], "first");
      await until("the broker runs and keeps what it is given", async () => {
        const { state, durable } = await node.client.bridge();
        return state === "connected" && durable;
      });
      const attic = await node.client.sensors.add("attic", "Attic");
      const shed = await node.client.sensors.add("shed", "");
      assert.match(attic.mqttTopic, /^kiana\/[0-9a-f]{16}\/sensor\/attic$/);
      const url = attic.mqttUrl;
      assert.ok(url.endsWith(`:${mqttPort}`), url);
      const login = { protocolVersion: 4, username: "attic", reconnectPeriod: 0 } as const;
      await assert.rejects(connectOnce(url, { ...login, password: "wrong" }));
      await assert.rejects(connectOnce(url, { protocolVersion: 4, reconnectPeriod: 0 }));

      // Every message three times, as when acknowledgements are lost.
      const parts = { intervalMs: 5, clock: systemClock(), random: seededRandom(7) };
      const sent = await runSimulatedSensor({
        ...parts,
        url,
        user: attic.user,
        password: attic.password,
        topic: attic.mqttTopic,
        count: 20,
        copies: 3,
      });
      assert.equal(sent, 60);
      await until(
        "every measurement is here once",
        async () => await readingsOf(node, "attic") === 40,
      );

      // Garbage, and a sensor that speaks for another: refused, and the next good message arrives.
      const client = await connectOnce(url, {
        ...login,
        username: "shed",
        password: shed.password,
      });
      const options = { qos: 1 } as const;
      await client.publishAsync(`${shed.mqttTopic}/t`, "warm", options);
      await client.publishAsync(shed.mqttTopic, "x".repeat(70_000), options);
      await client.publishAsync(`${attic.mqttTopic}/t`, "99", options);
      await client.publishAsync(`${shed.mqttTopic}/t`, "4.5", options);
      await until("the good one is here", async () => await readingsOf(node, "shed") === 1);
      assert.equal(await readingsOf(node, "attic"), 40);
      await client.endAsync();

      await node.client.sensors.revoke("shed");
      await until(
        "a revoked sensor is turned away",
        () =>
          connectOnce(url, { ...login, username: "shed", password: shed.password })
            .then((again) => again.endAsync().then(() => false), () => true),
      );
      const points = await node.client.sensors.series({
        sensor: "attic",
        metric: "temperature_c",
        fromMs: 0,
        toMs: 2 ** 47,
        bucketMs: 0,
        limit: 100,
      });
      assert.equal(points.length, 20);
      assert.ok(points.every(({ value }) => value > 10 && value < 30));
    } finally {
      await node.stop();
      await Deno.remove(directory, { recursive: true });
    }
  },
});
