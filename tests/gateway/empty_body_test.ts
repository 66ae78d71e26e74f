/** Requests without content over a real connection, where the server hands over an empty stream instead of no body. */
import assert from "node:assert/strict";
import { OTHER } from "./fake_node.ts";
import { withGateway } from "./gateway_fixture.ts";

const revoke = `/v1/members/${OTHER}/revoke`;

Deno.test("a POST whose length is 0 needs no media type", () =>
  withGateway(async ({ request }) => {
    const headers = { "Content-Length": "0" };
    const answer = await request(revoke, { method: "POST", body: new ReadableStream(), headers });
    assert.equal(answer.status, 200, await answer.text());
  }));

Deno.test("a POST that states no content at all needs no media type", () =>
  withGateway(async ({ request }) => {
    const answer = await request(revoke, { method: "POST", body: new Blob().stream() });
    assert.equal(answer.status, 200, await answer.text());
  }));

Deno.test("a POST with content of no media type is refused", () =>
  withGateway(async ({ request }) => {
    for (const headers of [{ "Content-Length": "1" }, { "Transfer-Encoding": "chunked" }]) {
      const body = new Blob(["x"]).stream();
      const answer = await request(revoke, { method: "POST", body, headers });
      assert.equal(answer.status, 415);
    }
  }));
