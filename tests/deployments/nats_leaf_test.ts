/** The node's own broker: real servers that are started, denied, killed, revoked and linked. */
import assert from "node:assert/strict";
import { createUser } from "@nats-io/nkeys";
import { Registry } from "prom-client";
import { startLeaf } from "../../deployments/nats/leaf.ts";
import { checkConfig } from "../../deployments/nats/leaf_process.ts";
import { leafConfig } from "../../deployments/nats/leaf_config.ts";
import { findNatsServer, isAtLeast } from "../../deployments/nats/program.ts";
import { relaySampler, secondsOf } from "../../deployments/nats/samples.ts";
import { relayMetrics } from "../../gateway/relay_metrics.ts";
import { hashPassword } from "../../platform/password_hash.ts";
import { systemRandom } from "../../platform/system_random.ts";
import { systemClock } from "../../platform/system_clock.ts";
import { brokerAt, SERVER, until } from "../platform/nats_support.ts";
import {
  device,
  freePort,
  inFolder,
  isUp,
  keep,
  SETTINGS,
  settle,
  silent,
  TAG,
  utf8,
  withLeaf,
} from "./nats_leaf_support.ts";
import { skipped } from "../skipped.ts";

const ignore = !SERVER.ok;
Deno.test("versions are compared by their numbers", () => {
  for (
    const [version, minimum, expected] of [
      ["2.11.0", "2.11.0", true],
      ["2.9.10", "2.11.0", false],
      ["2.10.99", "2.11.0", false],
      ["3.0.0-beta.1", "2.11.0", true],
      ["2.11.0-RC.2", "2.11.0", true],
    ] as const
  ) assert.equal(isAtLeast(version, minimum), expected, version);
});

Deno.test({
  name: "an old nats-server, something else under its name and none at all are told apart",
  ignore: skipped(
    "telling programs apart",
    Deno.build.os === "windows" ? "needs a shell script" : null,
  ),
  fn: () =>
    inFolder(async (folder) => {
      const path = `${folder}/nats-server`;
      const write = (line: string) =>
        Deno.writeTextFile(path, `#!/bin/sh\n${line}\n`, { mode: 0o755 });
      const environment = { PATH: folder };
      assert.deepEqual(await findNatsServer({ configured: "", environment }), { type: "missing" });
      await write('echo "nats-server: v2.9.10"');
      assert.deepEqual(await findNatsServer({ configured: "", environment }), {
        type: "tooOld",
        path,
        version: "2.9.10",
      });
      await write("echo hello");
      assert.equal((await findNatsServer({ configured: path, environment: {} })).type, "unusable");
      assert.equal(
        (await findNatsServer({ configured: `${folder}/no`, environment: {} })).type,
        "unusable",
      );
      await write('echo "nats-server: v2.11.4"');
      assert.equal((await findNatsServer({ configured: "", environment })).type, "found");
      await write('echo "nats-server: v2.9.10"');
      const outcome = await startLeaf({
        self: "alice",
        settings: { ...SETTINGS, natsServer: path },
        dataDirectory: folder,
        environment: {},
        access: { tag: null, members: [], sensors: [] },
        clock: systemClock(),
        log: silent,
      });
      assert.ok(outcome.type === "unavailable");
      assert.match(outcome.problem, /has version 2\.9\.10, expected 2\.11\.0 or newer/);
    }),
});

Deno.test({
  name: "the generated configuration is what it was, and nats-server accepts it",
  fn: () =>
    inFolder(async (folder) => {
      const plan = {
        folder: "/var/lib/submind/nats",
        device: "alice",
        serverName: "leaf-test",
        host: "0.0.0.0",
        port: 4222,
        mqttPort: 1883,
        websocketPort: 8080,
        tag: TAG,
        members: [
          {
            device: "alice",
            nkey: "UAVK3STJKQ62VCGHRTTKAR5GU5X4HRCLE4IPVBXLJPHRCG4QVOXNU3YP",
          },
          { device: "bob", nkey: "UABJ2B5NKOMEG7BHZCSXDGZVTMXJR6P3MYFBXJNX5ZHWW5JYCZ5XH7YD" },
        ],
        sensors: [{
          name: "kitchen",
          passwordHash: "$2a$06$................................................",
        }],
        hubs: {
          urls: ["tls://a.example.org:7422", "tls://b.example.org:7422"],
          seed: "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY",
          caFile: "",
        },
        storeBytesMax: 1_000_000_000,
      };
      const text = leafConfig(plan);
      const golden = new URL("../fixtures/nats/leaf.json", import.meta.url);
      if (Deno.env.get("SUBMIND_WRITE_GOLDEN") === "1") await Deno.writeTextFile(golden, text);
      assert.equal(text, await Deno.readTextFile(golden));
      if (!SERVER.ok) return;
      for (
        const variant of [plan, { ...plan, hubs: null, tag: null, mqttPort: 0, websocketPort: 0 }]
      ) {
        const path = `${folder}/nats.conf`;
        const config = leafConfig({
          ...variant,
          folder,
          members: [{ device: "alice", nkey: createUser().getPublicKey() }],
          hubs: variant.hubs === null
            ? null
            : { ...variant.hubs, seed: new TextDecoder().decode(createUser().getSeed()) },
        });
        await Deno.writeTextFile(path, config);
        assert.equal(await checkConfig(SERVER.path, path), null);
      }
      await Deno.writeTextFile(`${folder}/bad.conf`, "port: x\n");
      assert.notEqual(await checkConfig(SERVER.path, `${folder}/bad.conf`), null);
    }),
});

Deno.test({
  name: "a leaf lets members in, keeps their mail and comes back when it is killed",
  ignore,
  fn: () =>
    inFolder(async (folder) => {
      const [alice, bob] = [device("alice"), device("bob")];
      const access = { tag: TAG, members: [alice, bob], sensors: [] };
      await withLeaf({ access, folder }, async (leaf) => {
        const [a, b] = [alice, bob].map(({ login }) => brokerAt(() => leaf.servers(), { login }));
        assert.ok(a !== undefined && b !== undefined);
        await until("both are in", () => isUp(a) && isUp(b));
        const got: string[] = [];
        b.collect({ subject: `kiana.${TAG}.mail.bob`, name: "bob" }, (message) => {
          got.push(new TextDecoder().decode(message.bytes));
          message.acknowledge();
        });
        assert.deepEqual(await keep(a, `kiana.${TAG}.mail.bob`, "one"), { type: "kept" });
        await until("it came", () => got.includes("one"));
        const before = leaf.view();
        Deno.kill(before.pid ?? 0, "SIGKILL");
        await until("it was started again", () =>
          leaf.view().restarts === 1 && leaf.view().state === "running");
        assert.notEqual(leaf.view().pid, before.pid);
        await until("both are in again", () =>
          isUp(a) && isUp(b));
        assert.deepEqual(await keep(a, `kiana.${TAG}.mail.bob`, "two"), { type: "kept" });
        await until("it came", () => got.includes("two"));
        await a.close();
        await b.close();
        // A second server on the same files would destroy them.
        const second = await startLeaf({
          self: "alice",
          settings: SETTINGS,
          dataDirectory: folder,
          environment: {},
          access,
          clock: systemClock(),
          log: silent,
        });
        assert.ok(second.type === "started");
        await until("it says why not", () => second.leaf.view().problem !== null);
        assert.match(second.leaf.view().problem ?? "", /uses its folder/);
        await second.leaf.stop();
      });
    }),
});

Deno.test({
  name: "a revoked member is put out at once and cannot log in again; the others stay",
  ignore,
  fn: () =>
    inFolder(async (folder) => {
      const [alice, bob] = [device("alice"), device("bob")];
      const access = { tag: TAG, members: [alice, bob], sensors: [] };
      await withLeaf({ access, folder }, async (leaf) => {
        const a = brokerAt(() => leaf.servers(), { login: alice.login });
        const b = brokerAt(() => leaf.servers(), { login: bob.login });
        await until("both are in", () => isUp(a) && isUp(b));
        const { pid } = leaf.view();
        let changes = 0;
        a.watch(() => changes += 1);
        leaf.setAccess({ ...access, members: [alice] });
        await leaf.settled();
        await until("bob is out", () => !isUp(b));
        await until("bob is refused", () => {
          const state = b.state();
          return state.type === "disconnected" && /authorization/i.test(state.reason);
        });
        assert.deepEqual([changes, leaf.view().pid], [0, pid]);
        leaf.setAccess(access);
        await leaf.settled();
        await until("bob is in again", () => isUp(b));
        await a.close();
        await b.close();
      });
    }),
});

Deno.test({
  name: "a member hears what is meant for it and nothing else",
  ignore,
  fn: () =>
    inFolder(async (folder) => {
      const [alice, bob] = [device("alice"), device("bob")];
      await withLeaf(
        { access: { tag: TAG, members: [alice, bob], sensors: [] }, folder },
        async (leaf) => {
          const a = brokerAt(() => leaf.servers(), { login: alice.login });
          const b = brokerAt(() => leaf.servers(), { login: bob.login });
          await until("both are in", () => isUp(a) && isUp(b));
          const heard: string[] = [];
          for (
            const subject of [
              `kiana.${TAG}.node.alice.in`,
              `kiana.${TAG}.mail.alice`,
              "kiana.>",
              "$SYS.>",
              "_INBOX.>",
              `kiana.${TAG}.node.bob.in`,
            ]
          ) b.subscribe(subject, (message) => heard.push(message.subject));
          b.collect(
            { subject: `kiana.${TAG}.mail.alice`, name: "thief" },
            () => heard.push("mail"),
          );
          await settle(b);
          for (const to of ["alice", "bob"]) {
            a.publish(`kiana.${TAG}.node.${to}.in`, utf8.encode("x"));
          }
          assert.equal((await keep(a, `kiana.${TAG}.mail.alice`, "secret")).type, "kept");
          a.publish("kiana.ffffffffffffffff.node.bob.in", utf8.encode("another mesh"));
          await settle(a);
          await until("bob's own came", () => heard.length > 0);
          await settle(b);
          assert.deepEqual(heard, [`kiana.${TAG}.node.bob.in`]);
          await a.close();
          await b.close();
        },
      );
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

Deno.test({
  name: "nats-server ends with a node that is killed",
  ignore: ignore || skipped(
    "a broker that ends with its node",
    Deno.build.os === "linux" ? null : "needs Linux",
  ),
  fn: () =>
    inFolder(async (folder) => {
      const program = new URL("./nats_orphan_program.ts", import.meta.url).pathname;
      const child = new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", "--no-check", program, folder],
        stdin: "null",
        stdout: "piped",
        stderr: "inherit",
      }).spawn();
      const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
      const { value } = await reader.read();
      const pid = Number((value ?? "").trim());
      assert.ok(pid > 0);
      child.kill("SIGKILL");
      await child.status;
      await reader.cancel();
      await until("it is gone", async () => !await isRunning(pid));
    }),
});

async function isRunning(pid: number): Promise<boolean> {
  try {
    return (await Deno.readTextFile(`/proc/${pid}/cmdline`)).includes("nats-server");
  } catch {
    return false;
  }
}
