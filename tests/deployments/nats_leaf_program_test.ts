/** What a node looks for and writes before its broker starts: a program that is new enough, and a configuration that it accepts. */
import assert from "node:assert/strict";
import { createUser } from "@nats-io/nkeys";
import { startLeaf } from "../../deployments/nats/leaf.ts";
import { checkConfig } from "../../deployments/nats/leaf_process.ts";
import { leafConfig } from "../../deployments/nats/leaf_config.ts";
import { findNatsServer, isAtLeast } from "../../deployments/nats/program.ts";
import { systemClock } from "../../platform/system_clock.ts";
import { SERVER } from "../platform/nats_support.ts";
import { inFolder, SETTINGS, silent, TAG } from "./nats_leaf_support.ts";
import { skipped } from "../skipped.ts";

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
