import assert from "node:assert/strict";
import type { MemberView } from "../../actors/handle.ts";
import { renderSVG } from "uqr";
import { type Fixture, withGateway } from "./gateway_fixture.ts";

async function part(request: Fixture["request"], path: string): Promise<string> {
  const response = await request(path);
  assert.equal(response.status, 200, path);
  return await response.text();
}

Deno.test("the page shows the QR code, link and code of the invite that it makes", () =>
  withGateway(async ({ request, node }) => {
    const create = node.createInvite;
    const links: string[] = [];
    const codes: string[] = [];
    node.createInvite = async (options) => {
      assert.deepEqual(options, { role: "submind" });
      const outcome = await create(options);
      if (outcome.type === "done") {
        links.push(outcome.value.link);
        codes.push(outcome.value.code);
      }
      return outcome;
    };
    const made = await request("/page/invites", { method: "POST" });
    assert.equal(made.status, 201);
    const card = await made.text();
    assert.ok(card.includes(renderSVG(links[0]!, { ecc: "M", border: 2 })), "the QR code");
    assert.ok(card.includes(`value="${links[0]!.replaceAll("&", "&amp;")}"`), "the link");
    assert.ok(card.includes(codes[0]!), "the code");
    assert.match(card, /data-made-invite="invite-1"\s+data-expires-in-ms="600000"/);
    assert.match(card, /data-method="DELETE" data-url="\/v1\/invites\/invite-1"/);
    assert.doesNotMatch(card, / style=|<style|<script/, "the page's policy allows none of these");
  }));

Deno.test("open invites are listed without their secret until they end", () =>
  withGateway(async ({ request, clock }) => {
    for (const validMs of [60_000, 120_000]) {
      await request("/v1/invites", { method: "POST", json: { role: "submind", validMs } });
    }
    const both = await part(request, "/page/pairing");
    for (const id of ["invite-1", "invite-2"]) {
      assert.ok(both.includes(`data-invite="${id}"`), id);
      assert.ok(both.includes(`data-method="DELETE" data-url="/v1/invites/${id}"`), id);
    }
    assert.doesNotMatch(both, /kiana:|482\d-7730/);
    clock.advance(60_000);
    assert.doesNotMatch(await part(request, "/page/pairing"), /invite-1/, "expired");
    await request("/v1/invites/invite-2", { method: "DELETE" });
    assert.doesNotMatch(await part(request, "/page/pairing"), /data-invite/, "cancelled");
  }));

Deno.test("a refused invite says why, and readers cannot make one", () =>
  withGateway(async ({ request, node, mint }) => {
    const token = await mint("reader", "read");
    assert.equal((await request("/page/invites", { method: "POST", token })).status, 403);
    node.createInvite = () =>
      Promise.resolve({ type: "refused", reason: "notPermitted", message: "ask the owner" });
    const refused = await request("/page/invites", { method: "POST" });
    assert.equal(refused.status, 403);
    assert.equal((await refused.json()).detail, "ask the owner");
  }));

Deno.test("a device that may not add members is told so instead of being offered an invite", () =>
  withGateway(async ({ request, node }) => {
    const members = await node.members();
    const status = await node.status();
    const hold = (permissions: MemberView["permissions"]) => {
      node.members = () =>
        Promise.resolve(members.map((each) => each.self ? { ...each, permissions } : each));
    };
    assert.match(await part(request, "/page/pairing"), /data-url="\/page\/invites"/);
    hold([]);
    const without = await part(request, "/page/pairing");
    assert.doesNotMatch(without, /data-url="\/page\/invites"/);
    assert.match(without, /may not add members/);
    // The first invite of a device in no mesh founds one.
    node.status = () => Promise.resolve({ ...status, mesh: null, role: null });
    node.members = () => Promise.resolve([]);
    assert.match(await part(request, "/page/pairing"), /data-url="\/page\/invites"/);
  }));

Deno.test("every form that changes something has its own place for what became of it", () =>
  withGateway(async ({ request }) => {
    await request("/v1/invites", { method: "POST", json: { role: "submind" } });
    await request("/v1/pairings", { method: "POST", json: { linkOrCode: "4821-7730" } });
    const page = await part(request, "/");
    const forms = [...page.matchAll(/<form[^>]*data-url[^]*?<\/form>/g)].map(([form]) => form);
    assert.equal(forms.length, 7, "message, note, two answers, cancel, invite, join");
    for (const form of forms) {
      assert.equal(form.match(/<p class="said" role="status" aria-live="polite">/g)?.length, 1);
    }
  }));

Deno.test("a healthy device shows no old problem", () =>
  withGateway(async ({ request, node }) => {
    const [peer] = await node.peers();
    const show = (state: "up" | "waiting") => {
      node.peers = () => Promise.resolve([{ ...peer!, state, lastProblem: "no route" }]);
      return part(request, "/page/devices");
    };
    assert.doesNotMatch(await show("up"), /no route/);
    assert.match(await show("waiting"), /no route/);
  }));

Deno.test("whoever is not logged in learns how to get a link", () =>
  withGateway(async ({ request }) => {
    for (const [path, status] of [["/", 401], ["/login?code=old", 403]] as const) {
      const response = await request(path, { token: null });
      assert.equal(response.status, status);
      assert.match(await response.text(), /submind open/);
    }
  }));

Deno.test("a picture is shown under its file name, other binary bodies are only named", () =>
  withGateway(async ({ request }) => {
    const upload = async (type: string, name: string) => {
      const query = new URLSearchParams({ topic: "photos", tags: `source:trip/${name}` });
      const init = { method: "POST", headers: { "Content-Type": type }, body: "\0bytes" };
      const response = await request(`/v1/blocks?${query}`, init);
      assert.equal(response.status, 201);
      return (await response.json()).blocks[0].id as string;
    };
    const photo = await upload("image/jpeg", "clover <1>.jpg");
    const drawing = await upload("image/svg+xml", "plan.svg");
    const page = await part(request, "/page/blocks");
    assert.match(page, /<h3 class="title">clover &lt;1&gt;\.jpg<\/h3>/);
    assert.match(page, /<h3 class="title">plan\.svg<\/h3>/);
    assert.match(page, new RegExp(`<img[^>]*src="/v1/blocks/${photo}/body"`));
    assert.doesNotMatch(page, new RegExp(`<img[^>]*src="/v1/blocks/${drawing}/body"`));
    const policy = (await request("/")).headers.get("Content-Security-Policy");
    assert.match(policy ?? "", /img-src 'self'/);
  }));
