/** How many messages share a commit: those of a crowd do, and whoever writes alone waits for nobody. */
import assert from "node:assert/strict";
import { testRef } from "../../../actors/kernel/testkit.ts";
import { opened, type Post, type PostOffice } from "./post_office.ts";

/** Longer than messages of a crowd wait for each other, ms. */
const WAIT_MS = 25;

/** Two devices that have written to each other. */
async function pair(): Promise<{ office: PostOffice; ada: Post; ben: Post }> {
  const office = await opened(["ada", "ben"]);
  office.connectAll();
  const [ada, ben] = [office.post("ada"), office.post("ben")];
  await office.write(ada, [ben], "first");
  await office.pass(4_000);
  return { office, ada, ben };
}

/** Users ask for messages to be sent; nothing is worked off yet. */
function ask(office: PostOffice, from: Post, to: Post, texts: readonly string[]): void {
  for (const text of texts) {
    office.tell(from, {
      type: "sendMessage",
      message: { to: [to.id], text },
      idempotencyKey: null,
      replyTo: testRef(`asker-${text}`),
    });
  }
}

const numbered = (name: string, count: number) =>
  Array.from({ length: count }, (_, index) => `${name} ${index}`);

function answered(post: Post, texts: readonly string[]): number {
  return texts.filter((text) => post.answers.get(`asker-${text}`)?.type === "done").length;
}

/** A crowd that fills two steps: one message, because nobody else was there yet, and all others. */
async function crowded(): Promise<{ office: PostOffice; ada: Post; ben: Post }> {
  const { office, ada, ben } = await pair();
  const texts = numbered("crowd", 21);
  ask(office, ada, ben, texts);
  await office.settle();
  assert.equal(answered(ada, texts), 21);
  return { office, ada, ben };
}

Deno.test("whoever writes alone never waits for others", async () => {
  const { office, ada, ben } = await pair();
  for (const text of numbered("alone", 20)) {
    ask(office, ada, ben, [text]);
    assert.equal(ada.actor.pendingTasks().length, 1);
    await office.settle();
    assert.equal(answered(ada, [text]), 1);
    await office.pass(4_000);
  }
  assert.equal(office.texts(ben).length, 21);
});

Deno.test("of a crowd the first waits for the others, and all go in one deposit", async () => {
  const { office, ada, ben } = await crowded();
  const texts = numbered("again", 7);
  ada.said.length = 0;
  ask(office, ada, ben, texts);
  assert.deepEqual(ada.actor.pendingTasks(), []);
  await office.pass(WAIT_MS, WAIT_MS);
  assert.equal(answered(ada, texts), 7);
  const deposits = ada.said.flatMap(({ message }) => message.type === "deposit" ? [message] : []);
  assert.deepEqual(deposits.map(({ parcels }) => parcels.length), [7]);
});

Deno.test("nobody waits any more when as many have come as before", async () => {
  const { office, ada, ben } = await crowded();
  ask(office, ada, ben, numbered("again", 21));
  assert.equal(ada.actor.pendingTasks().length, 1);
});

Deno.test("messages that keep coming do not hold up the first for ever", async () => {
  const { office, ada, ben } = await crowded();
  for (const text of numbered("slowly", 6)) {
    ask(office, ada, ben, [text]);
    ada.actor.advance(4);
  }
  assert.equal(ada.actor.pendingTasks().length, 1);
  await office.settle();
});

Deno.test("a crowd that does not come again holds a message up for a moment, and after a few messages not at all", async () => {
  const { office, ada, ben } = await crowded();
  ask(office, ada, ben, ["late"]);
  await office.settle();
  assert.equal(answered(ada, ["late"]), 0);
  await office.pass(WAIT_MS, WAIT_MS);
  assert.equal(answered(ada, ["late"]), 1);
  for (const text of numbered("later", 10)) {
    ask(office, ada, ben, [text]);
    await office.pass(WAIT_MS, WAIT_MS);
  }
  ask(office, ada, ben, ["alone again"]);
  assert.equal(ada.actor.pendingTasks().length, 1);
  await office.settle();
  await office.pass(4_000);
  assert.equal(office.texts(ben).at(-1), "alone again");
});

Deno.test("a change of a conversation is not held up by a crowd", async () => {
  const { office, ada } = await crowded();
  const { conversation } = [...ada.disk.tables.mail.conversations.values()][0]!;
  office.tell(ada, {
    type: "changeConversation",
    conversation,
    change: { title: "ours" },
    replyTo: testRef("asker-change"),
  });
  assert.equal(ada.actor.pendingTasks().length, 1);
  await office.settle();
  assert.ok(ada.answers.has("asker-change"));
});
