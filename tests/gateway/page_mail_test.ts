import assert from "node:assert/strict";
import { OTHER } from "./fake_node.ts";
import { withGateway } from "./gateway_fixture.ts";

const ATTACK = `<script>alert(1)</script><img src=x onerror=alert(1)>"'>`;

Deno.test("the page lists conversations, opens one by a plain link and shows how far messages came", () =>
  withGateway(async ({ request, node }) => {
    const sent = await node.mail.send({ to: [OTHER], text: "supper is ready" });
    assert(sent.type === "done");
    node.mail.deliver(sent.value.message, OTHER, "delivered");
    node.mail.arrive(OTHER, "coming", { name: "map.pdf", body: new Uint8Array(2_000) });
    const id = sent.value.conversation;
    const closed = await (await request("/")).text();
    assert.match(closed, new RegExp(`<a href="/\\?conversation=${id}#messages-title"`));
    assert.match(closed, /1 unread/);
    assert.match(closed, /<select name="to\[\]" required>[\s\S]*garden/);
    assert(!closed.includes('id="messages"'));

    const open = await (await request(`/?conversation=${id}`)).text();
    assert.match(open, /id="messages" data-query="\?conversation=[0-9a-f]{32}"/);
    assert.match(open, /supper is ready/);
    assert.match(open, /<span class="chip">delivered<\/span>/);
    assert.match(open, /\/attachments\/0">map\.pdf · 2 kB<\/a>/);
    assert.match(open, /data-read-up-to="[0-9a-f]{32}"/);
    assert.equal((await node.mail.status()).unread, 1, "looking changes nothing by itself");

    const german = await request(`/page/messages?conversation=${id}`, {
      headers: { "Accept-Language": "de" },
    });
    assert.match(await german.text(), /zugestellt/);
    assert.equal((await request("/page/messages")).status, 400);
    const unknown = await request(`/?conversation=${"f".repeat(32)}`);
    assert.equal(unknown.status, 200);
    assert(!(await unknown.text()).includes('id="messages"'));
  }));

Deno.test("nothing that others send becomes markup of the page", () =>
  withGateway(async ({ request, node }) => {
    node.mail.arrive(OTHER, ATTACK, { name: ATTACK, body: new Uint8Array(1) });
    const members = await node.members();
    node.members = () =>
      Promise.resolve(members.map((each) => ({ ...each, displayName: each.self ? "k" : ATTACK })));
    const [{ conversation } = { conversation: "" }] = await node.mail.conversations();
    for (const path of ["/", "/page/messages", "/page/conversations"]) {
      const page = await (await request(`${path}?conversation=${conversation}`)).text();
      assert(page.includes("&lt;script&gt;"), path);
      assert(!page.includes("<script>") && !/<img src=x/.test(page), path);
    }
  }));

Deno.test("every field of the section has a label, and what changes is announced", () =>
  withGateway(async ({ request, node }) => {
    node.mail.arrive(OTHER, "x");
    const [{ conversation } = { conversation: "" }] = await node.mail.conversations();
    const page = await (await request(`/?conversation=${conversation}`)).text();
    const section = /<section aria-labelledby="conversations-title">[\s\S]*?<\/section>/.exec(page);
    const text = section?.[0] ?? "";
    assert.match(text, /id="messages"[^>]*aria-live="polite"/);
    for (const [field] of text.matchAll(/<(?:select|textarea)[^>]*>/g)) {
      const before = text.slice(0, text.indexOf(field));
      assert(before.lastIndexOf("<label") > before.lastIndexOf("</label"), field);
    }
    const script = await (await request("/assets/page.js")).text();
    for (const type of ["messageReceived", "deliveryChanged", "conversationChanged"]) {
      assert(script.includes(`${type}:`), type);
    }
  }));
