/** What holds for every route, and the routes that tell how the node is. */
import assert from "node:assert/strict";
import { bridgeSchema } from "../../gateway/bridge_schema.ts";
import * as schemas from "../../gateway/schemas.ts";
import { StoreError } from "../../store/store.ts";
import { answer, post, problem } from "./answers.ts";
import { addText, type Fixture, withGateway } from "./gateway_fixture.ts";

Deno.test("queries that are out of bounds or unknown are refused with the field named", () =>
  withGateway(async ({ request }) => {
    for (
      const [path, field] of [
        ["/v1/blocks?limit=0", "query.limit"],
        ["/v1/blocks?limit=501", "query.limit"],
        ["/v1/blocks?sort=asc", "query.sort"],
        ["/v1/blocks?author=me", "query.author"],
        ["/v1/blocks?cursor=newest", "query.cursor"],
        ["/v1/blocks?kinds=put,putt", "query.kinds.1"],
        ["/v1/blocks?limit=1&limit=2", "query.limit"],
        ["/v1/search", "query.text"],
        [`/v1/search?text=${"x".repeat(513)}`, "query.text"],
        ["/v1/search?text=x&offset=10001", "query.offset"],
        ["/v1/blocks/abc", "param.id"],
        ["/v1/events?lastEventId=x", "query.lastEventId"],
      ] as const
    ) {
      const found = await problem(await request(path), 400, "invalid");
      assert.equal(found.errors?.[0]?.field, field);
    }
    await problem(await request(`/v1/blocks/${"0".repeat(64)}`), 404, "notFound");
    await problem(await request(`/v1/blocks/${"0".repeat(64)}/body`), 404, "notFound");
    await problem(await request("/v1/nothing"), 404, "notFound");
  }));

Deno.test("a method that a path does not know is refused with those it knows", () =>
  withGateway(async ({ request }) => {
    for (
      const [method, path, allow] of [
        ["DELETE", "/v1/blocks", "HEAD, GET, POST"],
        ["PUT", `/v1/blocks/${"0".repeat(64)}`, "HEAD, GET"],
        ["GET", "/v1/verify", "POST"],
        ["OPTIONS", "/v1/status", "HEAD, GET"],
        ["POST", "/login", "HEAD, GET"],
      ] as const
    ) {
      const response = await request(path, { method });
      assert.equal(response.headers.get("Allow"), allow, `${method} ${path}`);
      await problem(response, 405, "methodNotAllowed");
    }
    await problem(await request("/v1/nothing", { method: "PUT" }), 404, "notFound");
  }));

Deno.test("bodies above the limit are refused, with and without a stated length", () =>
  withGateway(async ({ request }) => {
    const large = new Uint8Array(2_000);
    const init = { method: "POST", headers: { "Content-Type": "text/plain" } };
    const stated = { ...init, headers: { ...init.headers, "Content-Length": "2000" } };
    await problem(
      await request("/v1/blocks?topic=n", { ...stated, body: large }),
      413,
      "tooLarge",
    );
    const stream = new Blob([large]).stream();
    await problem(
      await request("/v1/blocks?topic=n", { ...init, body: stream }),
      413,
      "tooLarge",
    );
  }, { limits: { bodyBytesMax: 1_999 } }));

Deno.test("only blocks and messages may bring much", () =>
  withGateway(async ({ request }) => {
    const text = "x".repeat(70_000);
    assert.equal((await request("/v1/blocks", post({ topic: "n", text }))).status, 201);
    await problem(await request("/v1/peers", post({ address: text })), 413, "tooLarge");
  }));

Deno.test("liveness is told with the times that are in force", () =>
  withGateway(async ({ request }) => {
    const told = await answer(await request("/v1/liveness"), 200, schemas.livenessSchema);
    assert.deepEqual(told.members.map(({ state }) => state), ["alive", "alive"]);
    assert.deepEqual(told.suspicionMs, { least: 1_500, most: 9_000 });
  }));

Deno.test("the bridge is told with its server and its traffic", () =>
  withGateway(async ({ request }) => {
    const told = await answer(await request("/v1/bridge"), 200, bridgeSchema);
    assert.equal(told.server, "nats://192.168.1.7:4222");
    assert.deepEqual([told.present, told.bytesReceived], [1, 2_000]);
  }));

async function lines(response: Response) {
  assert.equal(response.headers.get("Content-Type"), "application/x-ndjson");
  return (await response.text()).trim().split("\n").map((line) => JSON.parse(line));
}

Deno.test("verify and backup stream progress and end with their result", () =>
  withGateway(async (fixture) => {
    for (let n = 0; n < 3; n++) await addText(fixture, `note ${n}`);
    const { request, node } = fixture;
    const verified = await lines(await request("/v1/verify", { method: "POST" }));
    assert.equal(verified[0].type, "progress");
    assert.deepEqual(verified.at(-1), { type: "done", damage: [] });
    const backup = () => request("/v1/backup", post({ directory: "/tmp/copy" }));
    assert.deepEqual((await lines(await backup())).at(-1), { type: "done" });
    assert.deepEqual(node.backups, ["/tmp/copy"]);
    await problem(await backup(), 400, "invalid");
    await problem(await request("/v1/backup", post({ directory: "copy" })), 400, "invalid");
  }));

Deno.test("only one verification runs at a time and a failing one says so", () =>
  withGateway(async ({ request, node, log }) => {
    let finish = (_: readonly never[]) => {};
    node.verifyStore = (onProgress) => {
      onProgress?.(1, 2);
      return new Promise((resolve) => finish = resolve);
    };
    const first = await request("/v1/verify", { method: "POST" });
    await problem(await request("/v1/verify", { method: "POST" }), 409, "conflict");
    finish([]);
    assert.equal((await lines(first)).at(-1).type, "done");
    node.verifyStore = (onProgress) => {
      onProgress?.(1, 2);
      return Promise.reject(new Error("secret detail"));
    };
    const failed = await lines(await request("/v1/verify", { method: "POST" }));
    assert.deepEqual(failed.at(-1), { type: "failed", message: "see the log of the node" });
    assert.match(log.join(), /secret detail/);
  }));

Deno.test("metrics name the node's numbers and the requests by their route", () =>
  withGateway(async (fixture) => {
    const id = await addText(fixture, "x");
    await fixture.request(`/v1/blocks/${id}`);
    await fixture.request("/v1/made/up");
    const response = await fixture.request("/metrics");
    assert.match(response.headers.get("Content-Type") ?? "", /^text\/plain; version=0\.0\.4/);
    const text = await response.text();
    for (
      const line of [
        "submind_peers_connected 1",
        'submind_members_by_liveness{state="alive"} 2',
        "submind_local_health 0",
        "submind_bridge_connected 1",
        'submind_bridge_bytes_total{direction="received"} 2000',
        "submind_blocks 1",
        'submind_sessions{state="up"} 1',
        'submind_actor_handled_total{actor="storage"} 20',
        'submind_actor_restarts_total{actor="storage"} 2',
        'submind_http_requests_total{method="GET",route="/v1/blocks/{id}",status="200"} 1'
          .replace("{id}", ":id"),
        'submind_http_requests_total{method="GET",route="unknown",status="404"} 1',
      ]
    ) assert.ok(text.includes(line + "\n"), `${line}\n${text}`);
    assert.match(text, /submind_http_request_duration_seconds_bucket\{le="0.001"/);
  }));

async function statusAfter({ node, request }: Fixture, error: Error): Promise<Response> {
  node.failWith(error);
  return await request("/v1/status");
}

Deno.test("a failing store is a problem with advice, a failing program one without details", () =>
  withGateway(async (fixture) => {
    const full = new StoreError("Cannot write", "full", "Free some space.");
    const found = await problem(await statusAfter(fixture, full), 507, "storageFull");
    assert.equal(found.detail, "Cannot write. Free some space.");
    const locked = new StoreError("Cannot open", "locked", "Wait.");
    await problem(await statusAfter(fixture, locked), 503, "busy");
    const bug = await problem(await statusAfter(fixture, new Error("/home/me")), 500, "internal");
    assert.doesNotMatch(JSON.stringify(bug), /home/);
    assert.match(fixture.log.join(), /\/home\/me/);
  }));
