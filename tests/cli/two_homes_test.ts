/** `submind demo --two-homes` as a person runs it, from the program's own process. */
import assert from "node:assert/strict";
import { dirname } from "node:path";
import { whyNoNatWorld } from "../lab/nat_world.ts";
import { natsServer } from "../lab/nats_server.ts";
import { skipped } from "../skipped.ts";
import { run } from "./real_program.ts";

const server = await natsServer();
const withoutServer = skipped("demo --two-homes", server.ok ? null : server.reason);
const withoutRouters = skipped("demo --two-homes behind routers", await whyNoNatWorld());

const summaryOf = (out: string) => JSON.parse(out.trim().split("\n").at(-1) ?? "");
const path = (server.ok ? `${dirname(server.path)}:` : "") + (Deno.env.get("PATH") ?? "");

const demo = (env: Readonly<Record<string, string>>) =>
  run(["demo", "--two-homes", "--once", "--json"], env);

async function namespaces(): Promise<readonly string[]> {
  const { stdout } = await new Deno.Command("ip", { args: ["netns"], stderr: "null" }).output();
  return new TextDecoder().decode(stdout).split("\n").filter((line) => /^sn[0-9a-f]{6}/.test(line));
}

Deno.test({
  name:
    "two homes behind routers lose no message while ways are cut and healed, and leave nothing behind",
  ignore: withoutRouters,
  async fn() {
    const before = new Set(await namespaces());
    const { code, out, err } = await demo({ PATH: path });
    assert.equal(code, 0, out + err);
    const { ok, world, paths, messages, lost, duplicated, failover_ms } = summaryOf(out);
    assert.deepEqual({ ok, world, lost, duplicated }, {
      ok: true,
      world: "routers",
      lost: 0,
      duplicated: 0,
    });
    assert.ok(
      paths.includes("direct") && paths.some((way: string) => way !== "direct"),
      `${paths}`,
    );
    assert.ok(messages > 100 && failover_ms > 0);
    assert.deepEqual((await namespaces()).filter((name) => !before.has(name)), []);
  },
});

Deno.test({
  name: "without routers the demo shows two nodes that have only brokers between them, and says so",
  ignore: withoutServer,
  async fn() {
    // A folder with nothing but nats-server in it: no coturn, no ip.
    const folder = await Deno.makeTempDir({ prefix: "two-homes-" });
    try {
      if (server.ok) await Deno.symlink(server.path, `${folder}/nats-server`);
      for (const tool of ["setpriv", "openssl"]) {
        const found = ["/usr/bin", "/bin"].map((at) => `${at}/${tool}`);
        const present = found.find((file) => {
          try {
            return Deno.statSync(file).isFile;
          } catch {
            return false;
          }
        });
        if (present !== undefined) await Deno.symlink(present, `${folder}/${tool}`);
      }
      const { code, out, err } = await demo({ PATH: folder });
      assert.equal(code, 0, out + err);
      const { ok, world, paths, lost, duplicated } = summaryOf(out);
      const expected = { ok: true, world: "loopback", paths: ["nats"], lost: 0, duplicated: 0 };
      assert.deepEqual({ ok, world, paths, lost, duplicated }, expected);
      assert.match(out, /there are no routers/);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

Deno.test("without nats-server the demo says what to install", async () => {
  const folder = await Deno.makeTempDir({ prefix: "two-homes-" });
  try {
    const { code, out } = await demo({ PATH: folder });
    assert.equal(code, 1);
    assert.match(out, /nats-server \d+\.\d+\.\d+ or newer is not installed/);
  } finally {
    await Deno.remove(folder);
  }
});
