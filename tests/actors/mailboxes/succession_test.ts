/** Who leads a conversation after its founder has left, also when the founder had not told everybody of it. */
import assert from "node:assert/strict";
import type { ConversationId } from "../../../protocols/mailbox/content.ts";
import { type Post, PostOffice } from "./post_office.ts";

/** A group whose founder leaves before it has reached the member that leads after it. */
async function orphaned(): Promise<{ office: PostOffice; knower: Post; successor: Post }> {
  const office = new PostOffice(["ada", "ben", "cleo"], {
    missingMs: 10_000,
    resendMs: 20_000,
    rejoinMs: 1_000,
  });
  await office.open();
  office.connectAll();
  await office.settle();
  const founder = office.post("ada");
  const [successor, knower] = [office.post("ben"), office.post("cleo")]
    .sort((a, b) => a.id < b.id ? -1 : 1) as [Post, Post];
  office.disconnect(founder, successor);
  await office.write(founder, [knower, successor], "hello");
  assert.deepEqual([office.texts(knower), office.texts(successor)], [["hello"], []]);
  office.disconnect(founder, knower);
  office.revoke(founder);
  await office.settle();
  return { office, knower, successor };
}

function groupOf(post: Post): ConversationId {
  const rows = [...post.disk.tables.mail.conversations.values()];
  return rows.find(({ direct }) => direct === 0)!.conversation;
}

Deno.test("a successor that never heard of the conversation is told by a member, and takes the lead", async () => {
  const { office, knower, successor } = await orphaned();
  const conversation = groupOf(knower);
  const sent = await office.send(knower, { conversation, text: "is anybody there?" });
  assert.ok(sent.type === "done");
  await office.pass(120_000);
  assert.deepEqual(office.texts(successor), ["is anybody there?"]);
  assert.equal(office.state(knower, sent.value, successor), "delivered");
  for (const { disk } of [knower, successor]) {
    const row = disk.tables.mail.conversations.get(conversation)!;
    assert.equal(row.leader, successor.id);
    assert.deepEqual(JSON.parse(row.members), [successor.id, knower.id]);
  }
  const answer = await office.send(successor, { conversation, text: "yes" });
  assert.ok(answer.type === "done" && answer.value.protection === "mls");
  await office.pass(2_000);
  assert.deepEqual(office.texts(knower), ["hello", "yes"]);
});

Deno.test("a wish to change a conversation makes its successor take the lead as well", async () => {
  const { office, knower, successor } = await orphaned();
  const conversation = groupOf(knower);
  await office.ask(knower, (ref) => ({
    type: "changeConversation",
    conversation,
    change: { title: "Garden" },
    replyTo: ref as never,
  }));
  assert.equal(successor.disk.tables.mail.conversations.get(conversation)?.title, "Garden");
  assert.equal(knower.disk.tables.mail.conversations.get(conversation)?.title, "Garden");
});
