import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHmac } from "node:crypto";
import { base64url, SignJWT } from "jose";
import { openTokens } from "../../gateway/tokens.ts";
import { random, withGateway } from "./gateway_fixture.ts";

async function secretIn(directory: string): Promise<Uint8Array> {
  return await Deno.readFile(`${directory}/keys/token.secret`);
}

function encoded(value: unknown): string {
  return base64url.encode(JSON.stringify(value));
}

Deno.test("everything but health, login and assets needs a token", () =>
  withGateway(async ({ request, gateway }) => {
    const open = new Set(["/healthz", "/login", "/assets/page.css", "/assets/page.js"]);
    for (const path of open) {
      assert.notEqual((await request(path, { token: null })).status, 401, path);
    }
    const paths = new Set(gateway.app.routes.map(({ method, path }) => `${method} ${path}`));
    let refused = 0;
    for (const route of paths) {
      const [method = "", path = ""] = route.split(" ");
      if (method === "ALL" || open.has(path) || path.startsWith("/assets/")) continue;
      const response = await request(path.replace(/:\w+(\{.*?\})?/g, "x"), { method, token: null });
      assert.equal(response.status, 401, route);
      refused++;
    }
    assert.ok(refused > 25, `only ${refused} routes were tried`);
    const bare = await request("/v1/status", { token: null });
    assert.match(bare.headers.get("WWW-Authenticate") ?? "", /^Bearer/);
  }));

Deno.test("tokens that choose another algorithm, key, audience or time are refused", () =>
  withGateway(async ({ request, directory, clock, mint }) => {
    const key = await secretIn(directory);
    const good = await mint("owner", "full");
    const [header = "", payload = "", signature = ""] = good.split(".");
    const kid = JSON.parse(atob(header)).kid;
    const nowS = Math.floor(clock.wallMs() / 1_000);
    const claims = {
      sub: "owner",
      scope: "full",
      iss: "submind",
      aud: "submind gateway",
      exp: nowS + 60,
    };
    const sign = (change: object, alg = "HS256", keyId = kid) =>
      new SignJWT({ ...claims, ...change }).setProtectedHeader({ alg, kid: keyId }).sign(key);
    const none = `${encoded({ alg: "none", kid })}.${payload}.`;
    const sha512 = `${encoded({ alg: "HS512", kid })}.${payload}`;
    const cases: Readonly<Record<string, string>> = {
      "alg none": none,
      "alg none with signature": none + signature,
      "alg None": `${encoded({ alg: "None", kid })}.${payload}.`,
      "HS512 with our key": `${sha512}.${
        createHmac("sha512", Buffer.from(key)).update(sha512).digest("base64url")
      }`,
      "wrong key": await new SignJWT(claims).setProtectedHeader({ alg: "HS256", kid })
        .sign(new Uint8Array(32)),
      "wrong audience": await sign({ aud: "elsewhere" }),
      "wrong issuer": await sign({ iss: "elsewhere" }),
      "no audience": await sign({ aud: undefined }),
      "expired": await sign({ exp: nowS - 1 }),
      "no expiry": await sign({ exp: undefined }),
      "not yet valid": await sign({ nbf: nowS + 60 }),
      "unknown scope": await sign({ scope: "root" }),
      "no subject": await sign({ sub: undefined }),
      "unknown kid": await sign({}, "HS256", "0123456789abcdef"),
      "changed payload": `${header}.${encoded({ ...claims, sub: "x" })}.${signature}`,
      "too long": "a".repeat(3_000),
      "empty": "",
    };
    for (const [name, token] of Object.entries(cases)) {
      const response = await request("/v1/status", { token });
      assert.equal(response.status, 401, name);
    }
    // The same way of making tokens is accepted when nothing is wrong: the cases above fail for their own reason.
    assert.equal((await request("/v1/status", { token: await sign({}) })).status, 200);
    const basic = await request("/v1/status", { headers: { Authorization: `Basic ${good}` } });
    assert.equal(basic.status, 401);
  }));

Deno.test("a token ends when its time is over and when the secret is rotated", () =>
  withGateway(async ({ request, clock, tokens, mint, directory }) => {
    const token = await mint("phone", "full");
    assert.equal((await request("/v1/status", { token })).status, 200);
    clock.advance(3_600_000);
    assert.equal((await request("/v1/status", { token })).status, 401);

    const second = await mint("phone", "full");
    assert.equal((await request("/v1/status", { token: second })).status, 200, "and remembered");
    // Another process rotates: this one notices.
    const elsewhere = await openTokens({ directory, clock, random });
    await elsewhere.rotate();
    clock.advance(1_000);
    assert.equal((await request("/v1/status", { token: second })).status, 401);
    const third = await elsewhere.mint({ subject: "phone", scope: "full", validMs: 1_000 });
    assert.equal((await tokens.verify(third)).type, "valid");
  }));

Deno.test("a reading token changes nothing and cannot make logins", () =>
  withGateway(async ({ request, mint }) => {
    const token = await mint("prometheus", "read");
    assert.equal((await request("/metrics", { token })).status, 200);
    const json = { topic: "n", text: "x" };
    assert.equal((await request("/v1/blocks", { method: "POST", token, json })).status, 403);
    const app = await mint("app", "full");
    const login = await request("/v1/login-codes", { method: "POST", token: app });
    assert.equal(login.status, 403);
  }));

Deno.test("the secret is made once, closed to others, and refused when damaged", () =>
  withGateway(async ({ directory, clock, mint }) => {
    const path = `${directory}/keys/token.secret`;
    assert.equal((await Deno.stat(path)).mode! & 0o777, 0o600);
    await Deno.chmod(path, 0o644);
    const again = await openTokens({ directory, clock, random });
    assert.equal((await Deno.stat(path)).mode! & 0o777, 0o600);
    assert.equal((await again.verify(await mint("a", "full"))).type, "valid");
    assert.deepEqual([...Deno.readDirSync(`${directory}/keys`)].map((f) => f.name), [
      "token.secret",
    ]);
    await Deno.writeFile(path, new Uint8Array(5));
    await assert.rejects(openTokens({ directory, clock, random }), /has 5 bytes, expected 32/);
  }));

Deno.test("a login code lets one browser in, once and briefly", () =>
  withGateway(async ({ request, gateway, clock }) => {
    const made = await request("/v1/login-codes", { method: "POST" });
    const { path } = await made.json();
    const looked = await request(path, { method: "HEAD", token: null });
    assert.equal(looked.headers.get("Set-Cookie"), null, "a look at the link is no login");
    const response = await request(path, { token: null });
    assert.equal(response.status, 200);
    assert.equal(response.headers.get("Refresh"), "0; url=/");
    const cookie = response.headers.get("Set-Cookie") ?? "";
    for (const part of ["HttpOnly", "SameSite=Strict", "Path=/"]) {
      assert.ok(cookie.includes(part), cookie);
    }
    const headers = { Cookie: cookie.split(";")[0]! };
    assert.equal((await request("/v1/status", { token: null, headers })).status, 200);
    assert.equal((await request("/", { token: null, headers })).status, 200);

    assert.equal((await request(path, { token: null })).status, 403, "used");
    const late = gateway.logins.create();
    clock.advance(300_000);
    assert.equal((await request(`/login?code=${late}`, { token: null })).status, 403, "late");
    assert.equal((await request("/login?code=1", { token: null })).status, 403, "guessed");
    assert.equal((await request("/", { token: null })).status, 401);
  }));

Deno.test("a browser's change is only taken from a page of this gateway", () =>
  withGateway(async ({ request, tokens }) => {
    const token = await tokens.mint({ subject: "owner", scope: "full", validMs: 60_000 });
    const Cookie = `submind=${token}`;
    const send = async (headers: Record<string, string>) => {
      const init = { method: "POST", token: null, json: { topic: "n", text: "x" }, headers };
      return (await request("/v1/blocks", init)).status;
    };
    assert.equal(await send({ Cookie, Origin: "http://localhost" }), 201);
    assert.equal(await send({ Cookie, "Sec-Fetch-Site": "same-origin" }), 201);
    assert.equal(await send({ Cookie, Origin: "http://localhost:3000" }), 403, "another port");
    assert.equal(await send({ Cookie, Origin: "http://evil.example" }), 403);
    assert.equal(await send({ Cookie, Origin: "null" }), 403, "sandboxed frame");
    assert.equal(await send({ Cookie, "Sec-Fetch-Site": "cross-site" }), 403);
    assert.equal(await send({ Cookie, "Sec-Fetch-Site": "same-site" }), 403);
    assert.equal(await send({ Cookie }), 403, "says nothing");
    assert.equal(await send({ Authorization: `Bearer ${token}` }), 201, "a program");
    const foreign = { Authorization: `Bearer ${token}`, Origin: "http://evil.example" };
    assert.equal(await send(foreign), 403);
    // A form of another page cannot send JSON without asking first; what it can send is refused.
    const form = await request("/v1/invites", {
      method: "POST",
      token: null,
      headers: { Cookie, Origin: "http://localhost", "Content-Type": "text/plain" },
      body: '{"role":"owner"}',
    });
    assert.equal(form.status, 415);
  }));

Deno.test("requests for other host names are refused", () =>
  withGateway(async ({ request }) => {
    const status = async (Host: string) =>
      (await request("/healthz", { headers: { Host } })).status;
    for (const host of ["localhost", "LOCALHOST:7463", "127.0.0.1:7463", "[::1]:7463"]) {
      assert.equal(await status(host), 200, host);
    }
    for (
      const host of [
        "evil.example",
        "localhost.evil.example",
        "localhost@evil.example",
        "192.168.1.7",
        "localhost:x",
        "",
        "[::1",
      ]
    ) assert.equal(await status(host), 421, host);
  }));

Deno.test("requests above the limit are refused until the minute is over", () =>
  withGateway(async ({ request, mint, clock }) => {
    const token = await mint("app", "full");
    for (let n = 4; n >= 0; n--) {
      const response = await request("/v1/interest", { token });
      assert.equal(response.status, 200);
      assert.equal(response.headers.get("RateLimit-Limit"), "5");
      assert.equal(response.headers.get("RateLimit-Remaining"), String(n));
    }
    const refused = await request("/v1/interest", { token });
    assert.equal(refused.status, 429);
    assert.equal(refused.headers.get("Retry-After"), "60");
    assert.equal((await refused.json()).reason, "rateLimited");
    // Others have limits of their own.
    assert.equal((await request("/v1/interest")).status, 200);
    assert.equal((await request("/v1/interest", { token: await mint("b", "full") })).status, 200);
    clock.advance(60_000);
    assert.equal((await request("/v1/interest", { token })).status, 200);

    const verify = () => request("/v1/verify", { method: "POST" });
    assert.equal((await verify()).status, 200);
    const second = await verify();
    assert.equal(second.status, 429, "the action has a limit of its own");
    assert.equal(second.headers.get("RateLimit-Limit"), "1");
  }, { limits: { requestsPerMinute: 5, actionsPerMinute: { "POST /v1/verify": 1 } } }));

Deno.test("strangers who guess are slowed down by their address", () =>
  withGateway(async ({ request }) => {
    const guess = () => request("/login?code=00", { token: null });
    for (let n = 0; n < 3; n++) assert.equal((await guess()).status, 403);
    assert.equal((await guess()).status, 429);
  }, { limits: { strangerRequestsPerMinute: 3 } }));

Deno.test("every response carries the security headers", () =>
  withGateway(async ({ request }) => {
    for (const [path, token] of [["/", null], ["/v1/status", undefined], ["/x", null]] as const) {
      const { headers } = await request(path, token === null ? { token } : {});
      const policy = headers.get("Content-Security-Policy") ?? "";
      assert.match(policy, /default-src 'none'; script-src 'self'/);
      assert.doesNotMatch(policy, /unsafe|https?:/);
      assert.equal(headers.get("X-Content-Type-Options"), "nosniff");
      assert.equal(headers.get("X-Frame-Options"), "DENY");
      assert.equal(headers.get("Cache-Control"), "no-store");
      assert.equal(headers.get("Access-Control-Allow-Origin"), null);
    }
  }));
