/** What users ask while the mailboxes start: it waits until they know who is a member. */
import assert from "node:assert/strict";
import type { MessageView } from "../../../actors/mail_handle.ts";
import { membershipChanged } from "../../../actors/members/commands.ts";
import { type Post, PostOffice, together } from "./post_office.ts";

/** A device that has just started, and a message that it got before. */
async function starting(): Promise<
  { office: PostOffice; sent: MessageView; ada: Post; ben: Post }
> {
  const office = await together(["ada", "ben"]);
  const [ada, ben] = [office.post("ada"), office.post("ben")];
  const sent = await office.write(ada, [ben], "hello");
  office.disconnect(ada, ben);
  office.restart(ben, { membersUntold: true });
  await office.settle();
  return { office, sent, ada, ben };
}

Deno.test("the author hears that a message was read while the reader's device started", async () => {
  const { office, sent, ada, ben } = await starting();
  const { conversation, message: upTo } = sent;
  const early = await office.ask(ben, (ref) => ({
    type: "markRead",
    conversation,
    upTo,
    replyTo: ref as never,
  }));
  assert.equal(early, undefined);
  office.tellMembers();
  office.connect(ada, ben);
  await office.settle();
  await office.pass(4_000);
  assert.equal(office.state(ada, sent, ben), "read");
});

Deno.test("a message written while a device starts is sent, not refused for want of a mesh", async () => {
  const { office, sent, ada, ben } = await starting();
  const { conversation } = sent;
  assert.equal(await office.send(ben, { conversation, text: "at once" }), undefined);
  office.tellMembers();
  office.connect(ada, ben);
  await office.settle();
  await office.pass(4_000);
  assert.deepEqual(office.texts(ada), ["at once"]);
});

Deno.test("a device that belongs to no mesh says so as soon as it knows", async () => {
  const office = new PostOffice(["ada"]);
  const ada = office.post("ada");
  await office.settle();
  ada.actor.publish(membershipChanged, { registry: null });
  const outcome = await office.send(ada, { to: [ada.id], text: "anybody?" });
  assert.equal(outcome.type === "refused" && outcome.reason, "noMesh");
});
