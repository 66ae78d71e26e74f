/** Sensors and members at one broker: a real server that keeps them apart. */
import assert from "node:assert/strict";
import { hashPassword } from "../../platform/password_hash.ts";
import { systemRandom } from "../../platform/system_random.ts";
import { brokerAt, SERVER, until } from "../platform/nats_support.ts";
import { skipped } from "../skipped.ts";
import {
  device,
  freePort,
  inFolder,
  isUp,
  keep,
  settle,
  TAG,
  utf8,
  withLeaf,
  withTwoMembers,
} from "./nats_leaf_support.ts";

const ignore = !SERVER.ok;

Deno.test({
  name:
    "what sensors say is for the device that they log in at: no other member speaks for them, hears them or takes it away",
  ignore,
  fn: () =>
    withTwoMembers(async ({ a, b }) => {
      const subject = `kiana.${TAG}.sensor.attic`;
      const [heard, stolen]: [string[], string[]] = [[], []];
      a.collect({ subject: `kiana.${TAG}.sensor.>`, name: "sensors-alice" }, (message) => {
        heard.push(new TextDecoder().decode(message.bytes));
        message.acknowledge();
      });
      b.subscribe(`kiana.${TAG}.sensor.>`, () => stolen.push("heard"));
      for (const name of ["sensors-alice", "sensors-bob"]) {
        b.collect({ subject: `kiana.${TAG}.sensor.>`, name }, (message) => {
          stolen.push(name);
          message.acknowledge();
        });
      }
      await settle(b);
      await until(
        "the stream is there",
        async () => (await keep(a, subject, "21.5")).type === "kept",
      );
      b.publish(subject, utf8.encode("99"));
      await settle(b);
      assert.equal((await keep(a, subject, "21.6")).type, "kept");
      await until("alice has both", () => heard.includes("21.6"));
      assert.deepEqual([heard, stolen], [["21.5", "21.6"], []]);
    }),
});

Deno.test({
  name:
    "sensors publish their own subject over MQTT; a wrong password, a foreign subject and garbage get nowhere",
  ignore: ignore || skipped("sensors over MQTT", await whyNoMosquitto()),
  fn: () =>
    inFolder(async (folder) => {
      const alice = device("alice");
      const mqttPort = freePort();
      const sensors = [{
        name: "kitchen",
        passwordHash: hashPassword("correct horse", systemRandom()),
      }];
      await withLeaf({
        access: { tag: TAG, members: [alice], sensors },
        settings: { mqttPort },
        folder,
      }, async (leaf) => {
        const a = brokerAt(() => leaf.servers(), { login: alice.login });
        await until("alice is in", () => isUp(a));
        const heard: string[] = [];
        const kept: string[] = [];
        a.subscribe(
          `kiana.${TAG}.sensor.>`,
          (message) => heard.push(`${message.subject} ${new TextDecoder().decode(message.bytes)}`),
        );
        a.collect({ subject: `kiana.${TAG}.sensor.>`, name: "sensors" }, (message) => {
          kept.push(new TextDecoder().decode(message.bytes));
          message.acknowledge();
        });
        await settle(a);
        await until(
          "the stream is there",
          async () => (await keep(a, `kiana.${TAG}.sensor.x.y`, "probe")).type === "kept",
        );
        const publish = (topic: string, text: string, password = "correct horse", qos = "1") =>
          mosquitto([
            "-p",
            `${mqttPort}`,
            "-u",
            "kitchen",
            "-P",
            password,
            "-i",
            "k1",
            "-t",
            topic,
            "-m",
            text,
            "-q",
            qos,
          ]);
        assert.equal(await publish(`kiana/${TAG}/sensor/kitchen/temperature_c`, "21.5"), 0);
        await until(
          "it is heard",
          () => heard.includes(`kiana.${TAG}.sensor.kitchen.temperature_c 21.5`),
        );
        await until("it is kept", () => kept.includes("21.5"));
        const second: string[] = [];
        a.collect({ subject: `kiana.${TAG}.sensor.>`, name: "another" }, (message) => {
          second.push(new TextDecoder().decode(message.bytes));
          message.acknowledge();
        });
        await until("another receiver has it too", () => second.includes("21.5"));
        assert.notEqual(await publish(`kiana/${TAG}/sensor/kitchen/t`, "1", "wrong"), 0);
        await publish(`kiana/${TAG}/sensor/cellar/t`, "denied");
        await publish(`kiana/${TAG}/node/alice/in`, "denied");
        for (
          const garbage of [
            new Uint8Array(4_096).fill(0xff),
            utf8.encode("GET / HTTP/1.1\r\n\r\n"),
            Uint8Array.of(0x10, 0xff, 0xff, 0xff, 0x7f, 0, 4, 77, 81, 84, 84),
          ]
        ) {
          const connection = await Deno.connect({ port: mqttPort });
          await connection.write(garbage).catch(() => {});
          await connection.closeWrite().catch(() => {});
          connection.close();
        }
        assert.equal(await publish(`kiana/${TAG}/sensor/kitchen/temperature_c`, "22"), 0);
        await until(
          "it is heard",
          () => heard.includes(`kiana.${TAG}.sensor.kitchen.temperature_c 22`),
        );
        assert.ok(heard.every((line) => !line.includes("denied")));
        assert.equal(leaf.view().restarts, 0);
        await a.close();
      });
    }),
});

async function whyNoMosquitto(): Promise<string | null> {
  try {
    await new Deno.Command("mosquitto_pub", { args: ["--help"], stdout: "null", stderr: "null" })
      .output();
    return null;
  } catch {
    return "no mosquitto_pub to play a sensor";
  }
}

async function mosquitto(args: string[]): Promise<number> {
  const command = new Deno.Command("mosquitto_pub", {
    args: ["-h", "127.0.0.1", ...args],
    stdout: "null",
    stderr: "null",
  });
  return (await command.output()).code;
}
