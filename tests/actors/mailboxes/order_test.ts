/** Messages of one author are announced in the order in which they stand in their conversation, whatever holds one of them up. */
import assert from "node:assert/strict";
import type { MailboxMessage } from "../../../protocols/mailbox/messages.ts";
import { type Post, PostOffice, together } from "./post_office.ts";

const LIMITS = { missingMs: 20_000, resendMs: 3_600_000, rejoinMs: 3_600_000 };

/** Texts in the order in which a device announced them. */
function announced(post: Post): readonly (string | undefined)[] {
  const rows = [...post.disk.tables.mail.messages.values()];
  return post.events.filter((event) => event.type === "messageReceived")
    .map(({ message }) => rows.find((row) => row.message === message)?.text);
}

Deno.test("what was written before its recipient's keys were known is announced in the order in which it was written", async () => {
  const office = new PostOffice(["ada", "ben"]);
  const [ada, ben] = [office.post("ada"), office.post("ben")];
  office.tellMembers();
  const texts = Array.from({ length: 12 }, (_, i) => `message ${i}`);
  for (const text of texts) {
    office.tell(ada, {
      type: "sendMessage",
      message: { to: [ben.id], text },
      idempotencyKey: null,
      replyTo: { path: "asker-0" } as never,
    });
  }
  await office.settle();
  office.connectAll();
  await office.settle();
  assert.deepEqual(announced(ben), texts);
});

/** Ben lacks the commit of his group in which ada's first message is; her second comes by the box alone. */
async function heldUp(): Promise<{ office: PostOffice; commits: MailboxMessage[] }> {
  const office = await together(["lea", "ada", "ben"], LIMITS);
  const [lea, ada, ben] = office.posts as [Post, Post, Post];
  const { conversation } = await office.write(lea, [ada, ben], "hello");
  const commits: MailboxMessage[] = [];
  office.tap = (from, to, message) => {
    if (from !== lea || to !== ben || message.type !== "deposit") return undefined;
    commits.push(message);
    return [];
  };
  lea.disk.tables.mail.groups.set(conversation, {
    ...lea.disk.tables.mail.groups.get(conversation)!,
    messages: 100_000,
  });
  await office.send(lea, { conversation, text: "with a new epoch" });
  const sent = await office.send(ada, { conversation, text: "first" });
  assert.ok(sent.type === "done" && sent.value.protection === "mls");
  ada.disk.tables.mail.groups.clear();
  const second = await office.send(ada, { conversation, text: "second" });
  assert.ok(second.type === "done" && second.value.protection === "box");
  office.tap = (from, to, message) =>
    from === lea && to === ben && message.type === "deposit" ? [] : undefined;
  return { office, commits };
}

Deno.test("a message that can be read waits for an earlier one that lacks its epoch", async () => {
  const { office, commits } = await heldUp();
  const [lea, ada, ben] = office.posts as [Post, Post, Post];
  const ofAda = () => announced(ben).filter((text) => text === "first" || text === "second");
  assert.deepEqual(ofAda(), []);
  assert.equal(ben.disk.tables.mail.waiting.size, 2);
  for (const message of commits) office.tell(ben, { type: "peerMessage", from: lea.id, message });
  await office.settle();
  assert.deepEqual(ofAda(), ["first", "second"]);
  assert.equal(ben.disk.tables.mail.waiting.size, 0);
  assert.deepEqual(ada.strikes, []);
});

Deno.test("a message that is given up holds up those behind it no longer", async () => {
  const { office } = await heldUp();
  const ben = office.post("ben");
  await office.pass(90_000);
  assert.deepEqual(announced(ben).at(-1), "second");
  assert.ok(office.warnings(ben).includes("waitedInVain"));
  assert.equal(ben.disk.tables.mail.waiting.size, 0);
});
