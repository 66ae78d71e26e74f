import assert from "node:assert/strict";
import type { z } from "@hono/zod-openapi";
import { bridgeSchema } from "../../gateway/bridge_schema.ts";
import * as schemas from "../../gateway/schemas.ts";
import { StoreError } from "../../store/store.ts";
import { OTHER, SELF } from "./fake_node.ts";
import { addText, type Fixture, withGateway } from "./gateway_fixture.ts";

/** The JSON of a response that must have this status and be exactly as its schema says. */
async function answer<Schema extends z.ZodType>(
  response: Response,
  status: number,
  schema: Schema,
): Promise<z.output<Schema>> {
  const value = await response.json();
  assert.equal(response.status, status, JSON.stringify(value));
  return schema.parse(value);
}

async function problem(response: Response, status: number, reason: string) {
  const value = await response.json();
  assert.equal(response.status, status, JSON.stringify(value));
  assert.equal(response.headers.get("Content-Type"), "application/problem+json");
  assert.equal(value.reason, reason);
  assert.equal(value.status, status);
  return schemas.problemSchema.parse(value);
}

const post = (json: unknown) => ({ method: "POST", json });

Deno.test("a text becomes a block that can be listed, read and found", () =>
  withGateway(async (fixture) => {
    const { request } = fixture;
    const id = await addText(fixture, "White clover feeds bees", { tags: ["b", "a", "b"] });
    const page = await answer(await request("/v1/blocks?limit=10"), 200, schemas.blockPageSchema);
    assert.equal(page.blocks[0]?.id, id);
    assert.equal(page.blocks[0]?.preview, "White clover feeds bees");
    assert.deepEqual(page.blocks[0]?.header.tags, ["a", "b"]);
    assert.equal(page.nextCursor, null);

    const view = await answer(await request(`/v1/blocks/${id}`), 200, schemas.blockViewSchema);
    assert.equal(view.block.header.mediaType, "text/plain");
    assert.equal(atob(view.block.payload ?? ""), "White clover feeds bees");

    const found = await request("/v1/search?text=clover");
    const hits = await answer(found, 200, schemas.searchPageSchema);
    assert.equal(hits.hits[0]?.snippet, "White \u0002clover\u0003 feeds bees");
  }));

Deno.test("pages of blocks continue where the last one ended and filters narrow them", () =>
  withGateway(async (fixture) => {
    const ids: string[] = [];
    for (let n = 0; n < 5; n++) {
      ids.push(await addText(fixture, `note ${n}`, { topic: n === 2 ? "garden" : "notes" }));
    }
    const seen: string[] = [];
    for (let cursor: string | null = ""; cursor !== null;) {
      const path = `/v1/blocks?limit=2${cursor === "" ? "" : `&cursor=${cursor}`}`;
      const page: z.output<typeof schemas.blockPageSchema> = await answer(
        await fixture.request(path),
        200,
        schemas.blockPageSchema,
      );
      seen.push(...page.blocks.map((block) => block.id));
      cursor = page.nextCursor;
    }
    assert.deepEqual(seen, ids.toReversed());
    const garden = await answer(
      await fixture.request("/v1/blocks?topic=garden&kinds=put,supersede&kinds=&currentOnly=true"),
      200,
      schemas.blockPageSchema,
    );
    assert.deepEqual(garden.blocks.map((block) => block.id), [ids[2]]);
    const tagged = await answer(
      await fixture.request("/v1/blocks?tag=nobody"),
      200,
      schemas.blockPageSchema,
    );
    assert.deepEqual(tagged.blocks, []);
  }));

Deno.test("up to a hundred drafts are added by one request", () =>
  withGateway(async ({ request }) => {
    const draft = (n: number) => ({ topic: "n", body: btoa(`${n}`), mediaType: "image/png" });
    const hundred = Array.from({ length: 100 }, (_, n) => draft(n));
    const added = await answer(
      await request("/v1/blocks", post({ blocks: hundred })),
      201,
      schemas.addedBlocksSchema,
    );
    assert.equal(added.blocks.at(-1)?.sequence, 100);
    const more = post({ blocks: [...hundred, draft(100)] });
    await problem(await request("/v1/blocks", more), 400, "invalid");
  }));

Deno.test("the same idempotency key gives the first answer again", () =>
  withGateway(async ({ request }) => {
    const send = () =>
      request("/v1/blocks", {
        ...post({ topic: "n", text: "once" }),
        headers: { "Idempotency-Key": "k-1" },
      });
    const first = await (await send()).text();
    assert.equal(await (await send()).text(), first);
    const status = await answer(await request("/v1/status"), 200, schemas.statusSchema);
    assert.equal(status.blocks, 1);
    const bad = await request("/v1/blocks", {
      ...post({ topic: "n", text: "x" }),
      headers: { "Idempotency-Key": "k".repeat(65) },
    });
    await problem(bad, 400, "invalid");
  }));

Deno.test("a raw upload is stored byte by byte under its media type", () =>
  withGateway(async ({ request }) => {
    const bytes = Uint8Array.from({ length: 5_000 }, (_, i) => i % 256);
    const upload = await request("/v1/blocks?topic=photos&tags=z&tags=a,b", {
      method: "POST",
      headers: { "Content-Type": "image/PNG" },
      body: bytes,
    });
    const { blocks } = await answer(upload, 201, schemas.addedBlocksSchema);
    const stored = await request(`/v1/blocks/${blocks[0]?.id}`);
    const { block } = await answer(stored, 200, schemas.blockViewSchema);
    assert.deepEqual(block.header.tags, ["a,b", "z"]);
    const body = await request(`/v1/blocks/${blocks[0]?.id}/body`);
    assert.equal(body.status, 200);
    assert.equal(body.headers.get("Content-Type"), "image/png");
    assert.deepEqual(await body.bytes(), bytes);
    const etag = body.headers.get("ETag")!;
    const again = await request(`/v1/blocks/${blocks[0]?.id}/body`, {
      headers: { "If-None-Match": etag },
    });
    assert.equal(again.status, 304);
  }));

Deno.test("an upload of JSON text with a topic is stored, not parsed", () =>
  withGateway(async ({ request }) => {
    const upload = await request("/v1/blocks?topic=data", {
      method: "POST",
      headers: { "Content-Type": "application/json; charset=utf-8" },
      body: '{"not": "a draft"}',
    });
    assert.equal(upload.status, 201);
  }));

Deno.test("drafts that are not as documented are refused with the field named", () =>
  withGateway(async ({ request }) => {
    const cases: readonly (readonly [json: unknown, field: string])[] = [
      [{ topic: "n", text: "x", topics: 1 }, "topics"],
      [{ text: "x" }, "topic"],
      [{ topic: "é".repeat(65), text: "x" }, "topic"],
      [{ topic: "n", text: "x\ud800" }, "text"],
      [{ topic: "n", body: "no base64!" }, "body"],
      [{ topic: "n", text: "x", kind: "founding" }, "kind"],
      [{ topic: "n", text: "x", tags: Array(33).fill("t") }, "tags"],
      [{ topic: "n", text: "x", kind: "supersede" }, "target"],
      [{ topic: "n", text: "x", mediaType: "html" }, "mediaType"],
      [{ blocks: [{ topic: "n", text: "x", extra: 1 }] }, "blocks.0.extra"],
    ];
    for (const [json, field] of cases) {
      const found = await problem(await request("/v1/blocks", post(json)), 400, "invalid");
      assert.ok(found.errors?.some((each) => each.field === field), JSON.stringify(found));
    }
    const both = await request("/v1/blocks", post({ topic: "n", text: "x", body: "eA==" }));
    await problem(both, 400, "invalid");
    const broken = { method: "POST", headers: { "Content-Type": "application/json" }, body: "{" };
    await problem(await request("/v1/blocks", broken), 400, "invalid");
    await problem(
      await request("/v1/blocks", { method: "POST", body: "text" }),
      415,
      "unsupportedMediaType",
    );
    await problem(
      await request("/v1/blocks?topic=n", {
        method: "POST",
        headers: { "Content-Type": "text/plain; charset=latin1" },
        body: "x",
      }),
      415,
      "unsupportedMediaType",
    );
    await problem(
      await request("/v1/blocks?topik=n", { method: "POST", body: "x" }),
      400,
      "invalid",
    );
  }));

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

Deno.test("peers are listed and addresses added", () =>
  withGateway(async ({ request }) => {
    const added = await request("/v1/peers", post({ address: "http://10.0.0.9:7464" }));
    assert.equal(added.status, 204);
    const { peers } = await answer(await request("/v1/peers"), 200, schemas.peersSchema);
    assert.ok(peers[0]?.addresses.includes("http://10.0.0.9:7464"));
    await problem(await request("/v1/peers", post({ address: "ftp:x" })), 400, "invalid");
    await problem(await request("/v1/peers", post({ adress: "x" })), 400, "invalid");
  }));

Deno.test("members are changed and revoked", () =>
  withGateway(async ({ request }) => {
    const { members } = await answer(await request("/v1/members"), 200, schemas.membersSchema);
    assert.equal(members.length, 2);
    const change = { method: "PATCH", json: { displayName: "shed", trust: "high" } };
    const changed = await answer(
      await request(`/v1/members/${OTHER}`, change),
      200,
      schemas.memberSchema,
    );
    assert.equal(changed.displayName, "shed");
    const revoke = await request(`/v1/members/${OTHER}/revoke`, { method: "POST" });
    assert.equal((await answer(revoke, 200, schemas.memberSchema)).revoked, true);
    const self = await request(`/v1/members/${SELF}/revoke`, { method: "POST" });
    await problem(self, 403, "notPermitted");
    const nothing = { method: "PATCH", json: {} };
    await problem(await request(`/v1/members/${OTHER}`, nothing), 400, "invalid");
    await problem(await request("/v1/members/x", change), 400, "invalid");
  }));

Deno.test("an invite tells its link and code once, and can be cancelled", () =>
  withGateway(async ({ request }) => {
    const made = await request("/v1/invites", post({ role: "guest", validMs: 60_000 }));
    const invite = await answer(made, 201, schemas.inviteSchema);
    assert.match(invite.link, /^kiana:/);
    const listed = await answer(await request("/v1/invites"), 200, schemas.invitesSchema);
    assert.deepEqual(listed.invites, [{ ...invite, link: "", code: "" }]);
    const cancelled = await request(`/v1/invites/${invite.inviteId}`, { method: "DELETE" });
    assert.equal(cancelled.status, 204);
    await problem(await request("/v1/invites/none", { method: "DELETE" }), 404, "notFound");
    const { invites } = await answer(await request("/v1/invites"), 200, schemas.invitesSchema);
    assert.equal(invites[0]?.state, "cancelled");
    const short = post({ role: "guest", validMs: 59_999 });
    await problem(await request("/v1/invites", short), 400, "invalid");
  }));

Deno.test("an invite is accepted and the words confirmed", () =>
  withGateway(async ({ request }) => {
    const accepted = await request("/v1/pairings", post({ linkOrCode: "4821-7730" }));
    const pairing = await answer(accepted, 201, schemas.pairingSchema);
    assert.equal(pairing.words.length, 4);
    const path = `/v1/pairings/${pairing.pairingId}/confirm`;
    const wrong = await problem(await request(path, post({ wordsMatch: "yes" })), 400, "invalid");
    assert.equal(wrong.errors?.[0]?.field, "wordsMatch");
    const confirmed = await request(path, post({ wordsMatch: true }));
    assert.equal((await answer(confirmed, 200, schemas.pairingSchema)).phase, "completed");
    const { pairings } = await answer(await request("/v1/pairings"), 200, schemas.pairingsSchema);
    assert.equal(pairings.length, 1);
    await problem(await request("/v1/pairings", post({ linkOrCode: "hm" })), 400, "invalid");
    const unknown = await request("/v1/pairings/none/confirm", post({ wordsMatch: true }));
    await problem(unknown, 404, "notFound");
  }));

Deno.test("interest is set, read and taken away again", () =>
  withGateway(async ({ request }) => {
    const put = (interest: unknown) =>
      request("/v1/interest", { method: "PUT", json: { interest } });
    const wanted = { topics: ["notes"], bodyBytesMax: 1_000 };
    const schema = schemas.interestAnswerSchema;
    assert.deepEqual((await answer(await put(wanted), 200, schema)).interest, wanted);
    assert.deepEqual((await answer(await request("/v1/interest"), 200, schema)).interest, wanted);
    assert.equal((await answer(await put(null), 200, schema)).interest, null);
    await problem(await put({ topics: [], bodyBytesMax: -1 }), 400, "invalid");
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
