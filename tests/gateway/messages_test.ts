/** Messages over HTTP: sent, listed, delivered, read, and refused with the field named. */
import assert from "node:assert/strict";
import type { z } from "@hono/zod-openapi";
import { safeFileName } from "../../gateway/body_headers.ts";
import * as schemas from "../../gateway/mail_schemas.ts";
import { answer, post } from "./answers.ts";
import { OTHER, SELF } from "./fake_node.ts";
import { withGateway } from "./gateway_fixture.ts";

async function refused(response: Response, status: number, field?: string): Promise<void> {
  const value = await response.json();
  assert.equal(response.status, status, JSON.stringify(value));
  if (field === undefined) return;
  const fields = (value.errors ?? []).map((each: { field: string }) => each.field);
  assert(fields.includes(field), JSON.stringify(value));
}

Deno.test("a message is sent, listed, delivered and read", () =>
  withGateway(async ({ request, node }) => {
    const sent = await answer(
      await request("/v1/messages", post({ to: [OTHER], text: "supper is ready" })),
      201,
      schemas.messageSchema,
    );
    assert.equal(sent.own, true);
    assert.deepEqual(sent.deliveries.map(({ state }) => state), ["queued"]);
    node.mail.deliver(sent.message as never, OTHER, "read");
    const now = await answer(
      await request(`/v1/messages/${sent.message}`),
      200,
      schemas.messageSchema,
    );
    assert.deepEqual(now.deliveries.map(({ state }) => state), ["read"]);

    node.mail.arrive(OTHER, "coming");
    const list = await answer(
      await request("/v1/conversations"),
      200,
      schemas.conversationsSchema,
    );
    assert.deepEqual(list.conversations.map(({ unread, messages }) => [unread, messages]), [[
      1,
      2,
    ]]);
    const unread = await answer(
      await request("/v1/messages?unread=true"),
      200,
      schemas.messagesSchema,
    );
    assert.deepEqual(unread.messages.map(({ text }) => text), ["coming"]);
    const id = sent.conversation;
    const read = await answer(
      await request(`/v1/conversations/${id}/read`, post({ upTo: unread.messages[0]?.message })),
      200,
      schemas.conversationSchema,
    );
    assert.equal(read.unread, 0);
    assert.equal(read.last?.text, "coming");
  }));

Deno.test("the same idempotency key sends a message once", () =>
  withGateway(async ({ request, node }) => {
    const send = () =>
      request("/v1/messages", {
        ...post({ to: [OTHER], text: "once" }),
        headers: { "Idempotency-Key": "k" },
      });
    const first = await (await send()).text();
    assert.equal(await (await send()).text(), first);
    assert.equal((await node.mail.conversations())[0]?.messages, 1);
  }));

Deno.test("pages of a conversation lead from the newest message to the first", () =>
  withGateway(async ({ request, node }) => {
    for (let n = 1; n <= 5; n++) node.mail.arrive(OTHER, `message ${n}`);
    const [{ conversation } = { conversation: "" }] = await node.mail.conversations();
    const seen: string[][] = [];
    let cursor: string | null = "";
    while (cursor !== null) {
      const query: string = cursor === "" ? "" : `&cursor=${cursor}`;
      const page: z.output<typeof schemas.messagePageSchema> = await answer(
        await request(`/v1/conversations/${conversation}/messages?limit=2${query}`),
        200,
        schemas.messagePageSchema,
      );
      seen.push(page.messages.map(({ text }) => text));
      cursor = page.nextCursor;
    }
    assert.deepEqual(seen, [["message 4", "message 5"], ["message 2", "message 3"], ["message 1"]]);
  }));

Deno.test("the largest attachment fits, with what stands around it", () =>
  withGateway(async ({ request }) => {
    const formWith = (bytes: number) => {
      const form = new FormData();
      form.append("to", OTHER);
      form.append("text", "x".repeat(65_536));
      form.append("attachment", new File([new Uint8Array(bytes)], "largest.bin"));
      return { method: "POST", body: form };
    };
    const taken = await request("/v1/messages", formWith(300_000));
    const sent = await answer(taken, 201, schemas.messageSchema);
    assert.deepEqual(sent.attachments.map(({ bytes }) => bytes), [300_000]);
    await refused(await request("/v1/messages", formWith(500_000)), 413);
  }, { limits: { bodyBytesMax: 300_000 } }));

Deno.test("a form with files is a message with attachments, byte by byte", () =>
  withGateway(async ({ request }) => {
    const bytes = Uint8Array.from({ length: 3_000 }, (_, i) => i % 256);
    const form = new FormData();
    form.append("to", OTHER);
    form.append("text", "look\r\nhere");
    form.append("validMs", "60000");
    form.append("attachment", new File([bytes], "../été.png", { type: "image/PNG" }));
    const sent = await answer(
      await request("/v1/messages", { method: "POST", body: form }),
      201,
      schemas.messageSchema,
    );
    assert.equal(sent.text, "look\nhere");
    const got = await request(`/v1/messages/${sent.message}/attachments/0`);
    assert.equal(got.status, 200);
    assert.deepEqual(await got.bytes(), bytes);
    assert.equal(got.headers.get("Content-Type"), "image/png");
    assert.match(got.headers.get("Content-Security-Policy") ?? "", /^sandbox/);
    const disposition = got.headers.get("Content-Disposition") ?? "";
    assert.match(disposition, /^inline; filename="[0-9a-f]{8}-0\.png"; filename\*=UTF-8''/);
    assert(!disposition.includes("%2F"), disposition);
    const part = await request(`/v1/messages/${sent.message}/attachments/0`, {
      headers: { Range: "bytes=10-19" },
    });
    assert.equal(part.status, 206);
    assert.deepEqual(await part.bytes(), bytes.slice(10, 20));
    await refused(await request(`/v1/messages/${sent.message}/attachments/1`), 404);
    await refused(await request(`/v1/messages/${sent.message}/attachments/16`), 400);
  }));

Deno.test("what comes as HTML is downloaded and never shown", () =>
  withGateway(async ({ request }) => {
    const page = { name: "a.html", mediaType: "text/html", body: btoa("<script>1</script>") };
    const sent = await answer(
      await request("/v1/messages", post({ to: [OTHER], text: "", attachments: [page] })),
      201,
      schemas.messageSchema,
    );
    const got = await request(`/v1/messages/${sent.message}/attachments/0`);
    assert.match(got.headers.get("Content-Disposition") ?? "", /^attachment; /);
    assert.equal(got.headers.get("X-Content-Type-Options"), "nosniff");
    await got.body?.cancel();
  }));

Deno.test("messages that are not as documented are refused with the field named", () =>
  withGateway(async ({ request }) => {
    const cases: readonly (readonly [json: unknown, field: string])[] = [
      [{ text: "x" }, "to"],
      [{ to: [OTHER], conversation: "0".repeat(32), text: "x" }, "to"],
      [{ to: [], text: "x" }, "to"],
      [{ to: ["me"], text: "x" }, "to.0"],
      [{ to: [OTHER], text: "" }, "text"],
      [{ to: [OTHER], text: "x\ud800" }, "text"],
      [{ to: [OTHER], text: "x".repeat(65_537) }, "text"],
      [{ to: [OTHER], text: "x", validMs: 999 }, "validMs"],
      [{ to: [OTHER], text: "x", title: "é".repeat(65) }, "title"],
      [{ to: [OTHER], text: "x", texts: 1 }, "texts"],
      [{ conversation: "X".repeat(32), text: "x" }, "conversation"],
    ];
    for (const [json, field] of cases) {
      await refused(await request("/v1/messages", post(json)), 400, field);
    }
    const form = new FormData();
    form.append("to", OTHER);
    await refused(await request("/v1/messages", { method: "POST", body: form }), 400, "text");
    const typed = { headers: { "Content-Type": "text/plain" }, method: "POST", body: "x" };
    await refused(await request("/v1/messages", typed), 415);
    await refused(await request("/v1/messages"), 400, "query.unread");
    const unknown = post({ conversation: "0".repeat(32), text: "x" });
    await refused(await request("/v1/messages", unknown), 404);
  }));

Deno.test("a group changes its title and its members", () =>
  withGateway(async ({ request, node }) => {
    const group = await answer(
      await request("/v1/messages", post({ to: [OTHER, SELF, OTHER], title: "t", text: "x" })),
      201,
      schemas.messageSchema,
    );
    const path = `/v1/conversations/${group.conversation}`;
    const change = (json: unknown) => request(path, { method: "PATCH", json });
    await refused(await change({ title: "garden" }), 400);
    await refused(await change({}), 400);
    await refused(await change({ add: ["x"] }), 400, "add.0");
    await refused(await request(`/v1/conversations/${"f".repeat(32)}`), 404);
    const one = await answer(await request(path), 200, schemas.conversationSchema);
    assert.equal(one.direct, true);
    assert.equal((await node.mail.conversations()).length, 1);
  }));

Deno.test("a token that only reads sends and marks nothing", () =>
  withGateway(async ({ request, mint }) => {
    const token = await mint("grafana", "read");
    const response = await request("/v1/messages", { ...post({ to: [OTHER], text: "x" }), token });
    await refused(response, 403);
    assert.equal((await request("/v1/conversations", { token })).status, 200);
  }));

Deno.test("status and metrics tell what waits and what has arrived", () =>
  withGateway(async ({ request, node }) => {
    const sent = await answer(
      await request("/v1/messages", post({ to: [OTHER], text: "x" })),
      201,
      schemas.messageSchema,
    );
    const status = await answer(
      await request("/v1/mail/status"),
      200,
      schemas.mailStatusSchema,
    );
    assert.equal(status.queued, 1);
    node.mail.deliver(sent.message as never, OTHER, "carried");
    node.mail.deliver(sent.message as never, OTHER, "delivered");
    node.mail.arrive(OTHER, "y");
    const text = await (await request("/metrics")).text();
    for (
      const line of [
        "submind_messages_queued 0",
        "submind_messages_carried 3",
        "submind_messages_unread 1",
        "submind_messages_received_total 1",
        'submind_message_deliveries_total{state="carried"} 1',
        'submind_message_deliveries_total{state="delivered"} 1',
      ]
    ) assert(text.includes(`${line}\n`), line);
  }));

Deno.test("the name of a download leads nowhere and hides nothing", () => {
  const cases: readonly (readonly [name: string, safe: string])[] = [
    ["photo.jpg", "photo.jpg"],
    ["../../etc/passwd", "passwd"],
    ["C:\\Windows\\system.ini", "system.ini"],
    [".bashrc", "bashrc"],
    ["..", "attachment"],
    ["", "attachment"],
    ["a\u202Egnp.exe", "a_gnp.exe"],
    ['x\n"y"', "x__y_"],
    ["Übersicht.pdf", "Übersicht.pdf"],
  ];
  for (const [name, safe] of cases) assert.equal(safeFileName(name), safe);
});
