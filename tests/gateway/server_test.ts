import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { isLoopback, startGateway } from "../../gateway/server.ts";
import { systemClock } from "../../platform/system_clock.ts";
import { openTokens } from "../../gateway/tokens.ts";
import { fakeNode } from "./fake_node.ts";
import { random, silent } from "./gateway_fixture.ts";
import { skipped } from "../skipped.ts";

/** Real time: these tests talk over real sockets on loopback. */
const clock = systemClock();

async function withOptions(
  test: (
    options: Parameters<typeof startGateway>[0],
    token: string,
  ) => Promise<void>,
): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "submind-gateway-" });
  try {
    const tokens = await openTokens({ directory, clock, random });
    const node = fakeNode();
    const token = await tokens.mint({ subject: "owner", scope: "full", validMs: 60_000 });
    await test({ node, tokens, clock, random, log: silent, port: 0 }, token);
    assert.equal(node.watchers(), 0);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

Deno.test("the gateway answers on loopback, streams, and ends its streams when it stops", () =>
  withOptions(async (options, token) => {
    const server = startGateway(options);
    assert.match(server.address, /^http:\/\/127\.0\.0\.1:\d+$/);
    const headers = { Authorization: `Bearer ${token}` };
    const health = await fetch(`${server.address}/healthz`);
    assert.deepEqual(await health.json(), { status: "ok" });

    const upload = await fetch(`${server.address}/v1/blocks?topic=n`, {
      method: "POST",
      headers: { ...headers, "Content-Type": "text/plain" },
      body: "over a socket",
    });
    assert.equal(upload.status, 201);
    const { blocks } = await upload.json();
    const body = await fetch(`${server.address}/v1/blocks/${blocks[0].id}/body`, { headers });
    assert.equal(await body.text(), "over a socket");
    assert.equal(body.headers.get("Content-Length"), "13");

    // As a program would send them, without body and type: a server gives a POST an empty body all the same.
    const verified = await fetch(`${server.address}/v1/verify`, { method: "POST", headers });
    assert.equal(verified.status, 200);
    assert.match(await verified.text(), /"type":"done"/);
    const unknown = `${server.address}/v1/invites/none`;
    const cancelled = await fetch(unknown, { method: "DELETE", headers });
    assert.equal((await cancelled.json()).reason, "notFound");
    const form = { ...headers, "Content-Type": "text/plain" };
    const posted = await fetch(`${server.address}/v1/invites`, {
      method: "POST",
      headers: form,
      body: "{}",
    });
    assert.equal((await posted.json()).reason, "unsupportedMediaType");

    const events = await fetch(`${server.address}/v1/events`, { headers });
    const reader = events.body!.getReader();
    assert.equal((await reader.read()).done, false);

    const login = await fetch(server.loginUrl());
    assert.equal(login.status, 200);
    await login.body?.cancel();

    await Promise.all([server.stop(), server.stop()]);
    while (!(await reader.read()).done);
    await assert.rejects(fetch(`${server.address}/healthz`));
  }));

Deno.test("a port that is taken is named with what to do", () =>
  withOptions(async (options) => {
    const first = startGateway(options);
    const port = Number(new URL(first.address).port);
    assert.throws(
      () => startGateway({ ...options, port }),
      /Cannot listen on 127\.0\.0\.1:\d+: another program has this port\. .*gateway\.port/,
    );
    await first.stop();
  }));

Deno.test("the gateway does not leave loopback without TLS", () =>
  withOptions(async (options) => {
    for (const host of ["0.0.0.0", "::", "192.168.1.7", "example.org"]) {
      assert.throws(() => startGateway({ ...options, host }), /tlsCertificate and gateway\.tlsKey/);
    }
    for (const host of ["127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost", "LOCALHOST"]) {
      assert.ok(isLoopback(host), host);
    }
    for (const host of ["127.0.0.1.example.org", "1.127.0.0.1", "0.0.0.0", "::ffff:7f00:1"]) {
      assert.ok(!isLoopback(host), host);
    }
    assert.throws(
      () => startGateway({ ...options, host: "0.0.0.0", tls: { certificate: "x", key: "y" } }),
      /Cannot listen on 0\.0\.0\.0:0/,
    );
    await Promise.resolve();
  }));

async function selfSigned(): Promise<{ certificate: string; key: string } | undefined> {
  const directory = await Deno.makeTempDir({ prefix: "submind-tls-" });
  try {
    const { success } = await new Deno.Command("openssl", {
      args: ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        .concat(["-keyout", `${directory}/key`, "-out", `${directory}/cert`, "-days", "2"])
        .concat([
          "-subj",
          "/CN=localhost",
          "-addext",
          "subjectAltName=DNS:localhost",
          "-addext",
          "basicConstraints=critical,CA:FALSE",
        ]),
      stdout: "null",
      stderr: "null",
    }).output();
    if (!success) return undefined;
    return {
      certificate: await Deno.readTextFile(`${directory}/cert`),
      key: await Deno.readTextFile(`${directory}/key`),
    };
  } catch {
    return undefined;
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

const tls = await selfSigned();

Deno.test({
  name: "with TLS the gateway listens everywhere and its cookie is only sent over TLS",
  ignore: skipped(
    "the gateway with TLS",
    tls === undefined ? "no openssl program to make a certificate" : null,
  ),
  fn: () =>
    withOptions(async (options) => {
      assert.ok(tls !== undefined && new X509Certificate(tls.certificate).subject);
      const server = startGateway({ ...options, host: "0.0.0.0", tls });
      assert.match(server.address, /^https:\/\/localhost:\d+$/);
      const client = Deno.createHttpClient({ caCerts: [tls.certificate] });
      const login = await fetch(server.loginUrl(), { client });
      assert.match(login.headers.get("Set-Cookie") ?? "", /; Secure/);
      assert.ok(login.headers.get("Strict-Transport-Security"));
      await login.body?.cancel();
      client.close();
      await server.stop();
    }),
});
