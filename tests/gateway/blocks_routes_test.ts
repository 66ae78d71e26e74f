/** Blocks over HTTP: texts, drafts and uploads come in, are listed, read and found, or refused with the field named. */
import assert from "node:assert/strict";
import type { z } from "@hono/zod-openapi";
import * as schemas from "../../gateway/schemas.ts";
import { answer, post, problem } from "./answers.ts";
import { addText, withGateway } from "./gateway_fixture.ts";

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
