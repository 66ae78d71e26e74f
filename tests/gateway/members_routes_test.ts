/** Devices over HTTP: peers, members, invites, pairings and what this device wants. */
import assert from "node:assert/strict";
import * as schemas from "../../gateway/schemas.ts";
import { answer, post, problem } from "./answers.ts";
import { OTHER, SELF } from "./fake_node.ts";
import { withGateway } from "./gateway_fixture.ts";

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
