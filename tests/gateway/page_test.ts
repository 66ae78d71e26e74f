import assert from "node:assert/strict";
import { markedSnippet } from "../../gateway/page/fragments.ts";
import { textsFor } from "../../gateway/page/texts.ts";
import { addText, withGateway } from "./gateway_fixture.ts";

const ATTACK = `<script>alert(1)</script><img src=x onerror=alert(1)>"'><svg/onload=alert(1)>`;

/** Element and attribute names of a page, so that what is text is told from what is markup. */
function markup(page: string): string {
  return [...page.matchAll(/<[^>]*>/g)].map(([tag]) => tag.replace(/"[^"]*"|'[^']*'/g, "")).join(
    "\n",
  );
}

Deno.test("nothing that others write becomes markup of the page", () =>
  withGateway(async (fixture) => {
    const { request, node } = fixture;
    await addText(fixture, ATTACK, { topic: ATTACK.slice(0, 100), tags: ["<b>"] });
    const [peer] = await node.peers();
    node.peers = () =>
      Promise.resolve([{
        ...peer!,
        displayName: ATTACK,
        pathDescription: ATTACK,
        lastProblem: ATTACK,
      }]);
    const pairing = {
      pairingId: `"onx=1`,
      side: "joiner",
      phase: "confirming",
      words: [ATTACK],
      remoteDeviceId: null,
      remoteDisplayName: ATTACK,
      problem: ATTACK,
    } as const;
    node.pairings = () => Promise.resolve([pairing]);
    const question = encodeURIComponent("<script>");
    const paths = [
      `/?q=${question}`,
      `/page/search?q=${question}`,
      "/page/blocks",
      "/page/devices",
    ];
    for (const path of [...paths, "/page/pairing"]) {
      const response = await request(path);
      assert.equal(response.status, 200);
      const page = await response.text();
      assert.ok(page.includes("&lt;script&gt;"), `${path} shows it as text`);
      const tags = markup(page);
      assert.doesNotMatch(tags, /onerror|onload|onx|<svg|<b>/, path);
      const scripts = [...page.matchAll(/<script[^>]*>/g)].map(([tag]) => tag);
      const own = [`<script src="/assets/page.js" type="module">`];
      assert.deepEqual(scripts, path.startsWith("/?") ? own : []);
    }
  }));

Deno.test("stored HTML is downloaded from a sandbox and never a page of ours", () =>
  withGateway(async ({ request, node }) => {
    const upload = async (mediaType: string) => {
      const headers = { "Content-Type": mediaType };
      const init = { method: "POST", headers, body: ATTACK };
      const response = await request("/v1/blocks?topic=n", init);
      const { blocks } = await response.json();
      return await request(`/v1/blocks/${blocks[0].id}/body`);
    };
    for (const type of ["text/html", "image/svg+xml", "application/xhtml+xml", "application/pdf"]) {
      const { headers } = await upload(type);
      assert.match(headers.get("Content-Disposition") ?? "", /^attachment; filename="[0-9a-f]{8}/);
      assert.match(headers.get("Content-Security-Policy") ?? "", /^sandbox; default-src 'none'/);
      assert.equal(headers.get("X-Content-Type-Options"), "nosniff");
    }
    const plain = await upload("text/plain");
    assert.match(plain.headers.get("Content-Disposition") ?? "", /^inline; filename="\w{8}\.txt"$/);
    assert.equal(plain.headers.get("Content-Type"), "text/plain; charset=utf-8");

    // A block of another device may say anything.
    const id = await upload("text/plain").then((r) => r.headers.get("ETag")!.slice(1, -1));
    const found = await node.block(id as never);
    assert.equal(found.type, "done");
    const strange = found.type === "done" ? found.value : assert.fail();
    const mediaType = "text/html\r\nSet-Cookie: a=b";
    node.block = () =>
      Promise.resolve({
        type: "done",
        value: {
          ...strange,
          block: { ...strange.block, header: { ...strange.block.header, mediaType } },
        },
      });
    const response = await request(`/v1/blocks/${id}/body`);
    assert.equal(response.headers.get("Content-Type"), "application/octet-stream");
    assert.equal(response.headers.get("Set-Cookie"), null);
  }));

Deno.test("hits are marked and a snippet's own text is escaped", async () => {
  const html = await markedSnippet("<i>a \u0002b<u>\u0003 c\u0002");
  assert.equal(String(html), "&lt;i&gt;a <mark>b&lt;u&gt;</mark> c\u0002");
});

Deno.test("the page speaks the language that is wanted most", () => {
  const cases = { "de-AT,en;q=0.8": "de", "en,de;q=0.9": "en", "fr, de;q=0.1": "de", "": "en" };
  for (const [header, language] of Object.entries(cases)) {
    assert.equal(textsFor(header).language, language, header);
  }
  assert.equal(textsFor(undefined).language, "en");
  assert.equal(textsFor("de;q=0, en;q=0").language, "en");
});

Deno.test("both languages have every text, and no text is the same by oversight", () => {
  const [en, de] = [textsFor("en"), textsFor("de")];
  assert.deepEqual(Object.keys(en), Object.keys(de));
  const same = Object.keys(en).filter((key) => {
    const name = key as keyof typeof en;
    return typeof en[name] === "string" && en[name] === de[name];
  });
  assert.deepEqual(same, ["title", "code", "link", "noteText", "live", "api"]);
});

Deno.test("the first page is whole: labelled fields, one main part, its own files only", () =>
  withGateway(async ({ request }) => {
    await request("/v1/invites", { method: "POST", json: { role: "submind" } });
    await request("/v1/pairings", { method: "POST", json: { linkOrCode: "4821-7730" } });
    const response = await request("/", { headers: { "Accept-Language": "de" } });
    const page = await response.text();
    assert.match(page, /<html lang="de">/);
    assert.equal(page.match(/<main/g)?.length, 1);
    assert.equal(page.match(/<h1/g)?.length, 1);
    for (const [, attributes = ""] of page.matchAll(/<(?:input|textarea)([^>]*)>/g)) {
      const before = page.slice(0, page.indexOf(attributes));
      const inLabel = before.lastIndexOf("<label") > before.lastIndexOf("</label");
      const id = /id="([^"]+)"/.exec(attributes)?.[1];
      assert.ok(inLabel || page.includes(`for="${id}"`), `a label for ${attributes}`);
    }
    const links = [...page.matchAll(/(?:src|href|action)="([^"]*)"/g)].map((match) => match[1]!);
    for (const link of links) assert.match(link, /^[/#](?!\/)/, "own files only");
    for (const asset of links.filter((link) => link.startsWith("/assets/"))) {
      assert.equal((await request(asset, { token: null })).status, 200, asset);
    }
    assert.match(page, /amber/);
    assert.match(page, /Offene Einladung/);
  }));
