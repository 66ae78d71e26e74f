/** What `submind relay init` writes: files that nats-server accepts, secrets that only their owner reads, nothing overwritten. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { checkConfig } from "../../deployments/nats/leaf_process.ts";
import { relayFiles } from "../../deployments/nats/relay/files.ts";
import { makeRelay, RelayError, writeRelay } from "../../deployments/nats/relay/make.ts";
import { containerHubs, RELAY_LIMITS } from "../../deployments/nats/relay/plan.ts";
import { systemRandom } from "../../platform/system_random.ts";
import { SERVER } from "../platform/nats_support.ts";
import { inFolder } from "./nats_leaf_support.ts";

const EXAMPLES = new URL("../../deployments/nats/examples/", import.meta.url);
const HUBS = ["a.example.org", "b.example.org", "c.example.org"];

/** Keys that stand in public: for the examples only. */
const EXAMPLE = relayFiles({
  hubs: containerHubs(HUBS),
  sites: [
    { name: "home", nkey: "UBRZ67M3WY6FMLJHRXELXGWFROFYWF3C562CEOIF2BO5R24R5GW3S5MV" },
    { name: "office", nkey: "UBNHPOCFE6DCVNP6GHCPXYQCGJXMG2MBYDCV6KSJLAKRURSF4LMJMY55" },
  ],
  devices: [],
  adminNkey: "UARWR76QRLUDDX2MEBOTQQH3CDRYGBS6HEGE6JQVVGHDZO57KKXECOSC",
  clusterPassword: "example-only-never-use",
  tls: true,
  ...RELAY_LIMITS,
}, {
  adminSeed: "EXAMPLE: submind relay init writes a seed here",
  siteSeeds: {
    home: "EXAMPLE: submind relay init writes a seed here",
    office: "EXAMPLE: submind relay init writes a seed here",
  },
});

Deno.test("the examples are what the generator writes", async () => {
  for (const { path, text } of EXAMPLE) {
    const file = new URL(path, EXAMPLES);
    if (Deno.env.get("SUBMIND_WRITE_GOLDEN") === "1") {
      await Deno.mkdir(new URL(".", file), { recursive: true });
      await Deno.writeTextFile(file, text);
    }
    assert.equal(await Deno.readTextFile(file), text, path);
  }
});

Deno.test({
  name: "nats-server accepts every generated configuration",
  ignore: !SERVER.ok,
  fn: () =>
    inFolder(async (folder) => {
      assert.ok(SERVER.ok);
      for (const hubs of [HUBS, HUBS.slice(0, 1)]) {
        for (const tls of [false, true]) {
          const files = makeRelay(
            { sites: ["home", "office"], hubs, devices: [], tls },
            systemRandom(),
          );
          const out = join(folder, `${hubs.length}-${tls}`);
          await writeRelay(out, files);
          if (tls) await certificates(folder);
          for (const { path, text } of files.filter(({ path }) => path.endsWith("nats.conf"))) {
            const local = text.replaceAll("/etc/nats/tls", folder).replaceAll("/data", out);
            await Deno.writeTextFile(join(out, path), local);
            assert.equal(await checkConfig(SERVER.path, join(out, path)), null, path);
          }
        }
      }
    }),
});

/** A certificate, for the check of paths only. */
async function certificates(folder: string): Promise<void> {
  const { success } = await new Deno.Command("openssl", {
    args: [
      ..."req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1".split(" "),
      ...[
        "-subj",
        "/CN=a.example.org",
        "-keyout",
        join(folder, "key.pem"),
        "-out",
        join(folder, "cert.pem"),
      ],
    ],
    stdout: "null",
    stderr: "null",
  }).output();
  assert.ok(success);
  await Deno.copyFile(join(folder, "cert.pem"), join(folder, "ca.pem"));
}

Deno.test("secrets are their owner's, and a folder in use is left as it is", () =>
  inFolder(async (folder) => {
    const request = { sites: ["home"], hubs: ["127.0.0.1"], devices: [], tls: false };
    const files = makeRelay(request, systemRandom());
    const out = join(folder, "relay");
    await writeRelay(out, files);
    for (const { path, secret } of files) {
      const mode = ((await Deno.stat(join(out, path))).mode ?? 0) & 0o777;
      if (Deno.build.os !== "windows" && secret) assert.equal(mode, 0o600, path);
    }
    const seed = await Deno.readTextFile(join(out, "sites/home/site.seed"));
    assert.match(seed, /^SU[A-Z2-7]{56}\n$/);
    // The seed stands in no other file.
    assert.equal(files.filter(({ text }) => text.includes(seed.trim())).length, 1);
    await assert.rejects(writeRelay(out, makeRelay(request, systemRandom())), RelayError);
    assert.equal(await Deno.readTextFile(join(out, "sites/home/site.seed")), seed);
  }));

Deno.test("a relay that makes no sense is refused with what was expected", () => {
  const good = { sites: ["home"], hubs: HUBS, devices: [], tls: true };
  for (
    const wrong of [
      { hubs: [] },
      { hubs: HUBS.slice(0, 2) },
      { hubs: ["a b"] },
      { hubs: ["a", "a", "b"] },
      { sites: [] },
      { sites: ["Home"] },
      { sites: ["home", "home"] },
      { sites: ["../x"] },
      { devices: ["UABC"] },
    ]
  ) {
    assert.throws(
      () => makeRelay({ ...good, ...wrong }, systemRandom()),
      RelayError,
      JSON.stringify(wrong),
    );
  }
});
