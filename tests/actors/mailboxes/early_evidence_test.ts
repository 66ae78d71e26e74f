/** Who leads a conversation is heard of before the news that whoever led it was sent away: both travel on ways of their own. */
import assert from "node:assert/strict";
import type { ConversationChange } from "../../../actors/mail_handle.ts";
import { seededRandom } from "../../../platform/seeded_random.ts";
import type { ConversationId } from "../../../protocols/mailbox/content.ts";
import { type Post, type PostOffice, together } from "./post_office.ts";

const NAMES = ["ada", "ben", "cleo", "dan"] as const;

/** A group of all four; ada has founded it, the others are given by rising ids. */
async function group(
  limits = {},
): Promise<{ office: PostOffice; founder: Post; rest: Post[]; conversation: ConversationId }> {
  const office = await together(NAMES, { missingMs: 10_000, resendMs: 20_000, ...limits });
  const founder = office.post("ada");
  const rest = office.posts.slice(1).sort((a, b) => a.id < b.id ? -1 : 1);
  const { conversation } = await office.write(founder, rest, "hello");
  return { office, founder, rest, conversation };
}

function rowOn(post: Post, conversation: ConversationId) {
  return post.disk.tables.mail.conversations.get(conversation)!;
}

async function change(
  office: PostOffice,
  by: Post,
  conversation: ConversationId,
  wanted: ConversationChange,
): Promise<void> {
  await office.ask(by, (ref) => ({
    type: "changeConversation",
    conversation,
    change: wanted,
    replyTo: ref as never,
  }));
}

function leave(office: PostOffice, founder: Post, untold: readonly Post[]): void {
  for (const post of office.posts) if (post !== founder) office.disconnect(founder, post);
  office.revoke(founder, untold);
}

/** All of them see the same leader, title, members and version. */
function assertOneView(posts: readonly Post[], conversation: ConversationId): void {
  const views = posts.map((post) => {
    const { leader, title, members, version } = rowOn(post, conversation);
    return JSON.stringify({ leader, title, members, version });
  });
  assert.equal(new Set(views).size, 1, views.join("\n"));
}

async function assertAllRead(office: PostOffice, posts: readonly Post[], id: ConversationId) {
  const texts = posts.map(({ name }) => `from ${name}`);
  for (const [i, post] of posts.entries()) {
    await office.send(post, { conversation: id, text: texts[i]! });
  }
  await office.pass(400_000, 5_000);
  for (const [i, post] of posts.entries()) {
    const others = texts.filter((_, j) => j !== i);
    assert.deepEqual(others.filter((text) => !office.texts(post).includes(text)), []);
  }
}

Deno.test("a successor is followed as soon as the news comes that its leader was sent away, without asking", async () => {
  const { office, founder, rest, conversation } = await group();
  const [successor, , late] = rest as [Post, Post, Post];
  // The last word of the founder reaches only the late one, which shows it to the successor: and may not show it again so soon.
  for (const post of rest) if (post !== late) office.disconnect(founder, post);
  await change(office, founder, conversation, { title: "Garden" });
  leave(office, founder, [late]);
  await office.settle();
  assert.equal(rowOn(successor, conversation).title, "Garden");
  // By what it knows, its founder leads.
  assert.equal(rowOn(late, conversation).leader, founder.id);
  office.tellMembers();
  await office.settle();
  assert.equal(rowOn(late, conversation).leader, successor.id);
  assertOneView(rest, conversation);
  await assertAllRead(office, rest, conversation);
});

Deno.test("who has shown its evidence shows newer evidence at once", async () => {
  const { office, founder, rest, conversation } = await group();
  const [successor, , late] = rest as [Post, Post, Post];
  for (const post of rest) if (post !== late) office.disconnect(founder, post);
  await change(office, founder, conversation, { title: "Garden" });
  office.revoke(founder, [founder, late]);
  await office.settle();
  assert.equal(rowOn(successor, conversation).title, "Garden");
  // Neither the founder nor the late one has heard of it.
  await change(office, founder, conversation, { title: "Kitchen" });
  assert.equal(rowOn(late, conversation).title, "Kitchen");
  office.tellMembers([founder]);
  await office.settle();
  assert.equal(rowOn(successor, conversation).title, "Kitchen");
  assertOneView(rest, conversation);
});

Deno.test("evidence that does not count yet is kept on disk", async () => {
  const { office, founder, rest, conversation } = await group();
  const [successor, other, late] = rest as [Post, Post, Post];
  leave(office, founder, [late]);
  await office.settle();
  assert.equal(rowOn(late, conversation).leader, founder.id);
  // Nobody can be asked any more; on its next start it is told of the revocation.
  for (const post of [successor, other]) office.disconnect(post, late);
  office.restart(late);
  await office.settle();
  assertOneView(rest, conversation);
  assert.equal(rowOn(late, conversation).leader, successor.id);
});

Deno.test("in whatever order revocations, changes and successors become known, the rest of a group agrees", async () => {
  const random = seededRandom("early evidence");
  for (let world = 0; world < 12; world++) {
    // Nobody repeats anything of its own accord while the world lasts.
    const { office, founder, rest, conversation } = await group({ rejoinMs: 3_600_000 });
    await office.pass(2_000);
    for (let i = random.below(3); i > 0; i--) {
      for (const post of rest) {
        if (random.below(2) === 0) office.disconnect(founder, post);
        else office.connect(founder, post);
      }
      await change(office, founder, conversation, { title: `Garden ${i}` });
    }
    const untold = rest.filter(() => random.below(2) === 0);
    leave(office, founder, untold);
    await office.settle();
    while (untold.length > 0) {
      if (random.below(2) === 0) {
        const by = rest[random.below(rest.length)]!;
        await change(office, by, conversation, { title: `Kitchen ${random.below(9)}` });
      }
      untold.splice(random.below(untold.length), 1);
      office.tellMembers(untold);
      await office.settle();
    }
    // What is queued is handed over: far less than until groups are looked at again.
    await office.pass(4_000);
    assertOneView(rest, conversation);
  }
});
