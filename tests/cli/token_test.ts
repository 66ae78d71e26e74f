import assert from "node:assert/strict";
import { join } from "node:path";
import { openTokens } from "../../gateway/tokens.ts";
import { systemClock } from "../../platform/system_clock.ts";
import { systemRandom } from "../../platform/system_random.ts";
import { run } from "./fake_world.ts";

async function withData(test: (data: string) => Promise<void>): Promise<void> {
  const data = await Deno.makeTempDir();
  try {
    await test(data);
  } finally {
    await Deno.remove(data, { recursive: true });
  }
}

Deno.test("a token on standard output is one that the node accepts, with the scope that was named", () =>
  withData(async (data) => {
    const { out, err, exitCode } = await run(["token", "grafana", "--data", data]);
    assert.equal(exitCode, 0, err);
    assert.match(out, /^[\w.-]+\n$/, "nothing but the token");
    assert.match(err, /grafana.*read/);
    const shared = { directory: data, clock: systemClock(), random: systemRandom() };
    const verdict = await (await openTokens(shared)).verify(out.trim());
    assert(verdict.type === "valid");
    assert.deepEqual(verdict.principal, { subject: "grafana", scope: "read" });
    const days = (verdict.expiresAtMs - systemClock().wallMs()) / 86_400_000;
    assert(days > 29.9 && days < 30.1, `${days} days`);
    const full = JSON.parse(
      (await run(["token", "ci", "--scope", "full", "--days", "1", "--json", "--data", data])).out,
    );
    assert.equal(full.scope, "full");
    assert.equal((await (await openTokens(shared)).verify(full.token)).type, "valid");
  }));

Deno.test("no token is made for a folder that is not there, and no secret either", () =>
  withData(async (data) => {
    const missing = join(data, "typo");
    const { exitCode, err } = await run(["token", "x", "--data", missing]);
    assert.equal(exitCode, 4);
    assert(err.includes(missing), err);
    await assert.rejects(Deno.stat(missing), Deno.errors.NotFound);
  }));

Deno.test("certificate and key can be set one after the other, and config says what is missing between", () =>
  withData(async (data) => {
    const set = (key: string, value: string) => run(["config", "set", key, value, "--data", data]);
    const first = await set("gateway.tlsCertificate", "/a.pem");
    assert.equal(first.exitCode, 0, first.err);
    assert.match(first.err, /Not complete yet.*gateway\.tlsKey/);
    assert.equal((await run(["up", "--data", data])).exitCode, 2);
    const second = await set("gateway.tlsKey", "/a.key");
    assert.deepEqual([second.exitCode, second.err], [0, ""]);
    assert.equal((await set("gateway.host", "0.0.0.0")).exitCode, 0);
    assert.equal((await set("gateway.allowedHosts", "mesh.example.org")).exitCode, 0);
    assert.equal((await set("gateway.allowedHosts", "https://mesh.example.org")).exitCode, 2);
  }));

Deno.test("wrong arguments are explained in German to those who speak it", async () => {
  const german = async (...args: string[]) => (await run([...args, "--lang", "de"])).err;
  assert.match(await german("frobnicate"), /Unbekannte Option .*"frobnicate"/);
  assert.match(await german("search", "-n", "0", "x"), /Erwartet mindestens 1, angegeben ist "0"/);
  assert.match(await german("get"), /`BLOCK` fehlt/);
  assert.match(await german("pair", "--role", "boss"), /eines von "owner".* und "relay"/);
});
