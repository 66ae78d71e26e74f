/** What a carrier keeps is handed over, whatever came in between. */
import assert from "node:assert/strict";
import type { MailboxMessage } from "../../../protocols/mailbox/messages.ts";
import { type Post, together } from "./post_office.ts";

Deno.test("a copy that was called back and handed over again in one go still reaches its recipient", async () => {
  const office = await together(["ada", "ben", "cleo"]);
  const [sender, recipient, carrier] = office.posts as [Post, Post, Post];
  office.disconnect(sender, recipient);
  office.disconnect(carrier, recipient);
  const deposits: Extract<MailboxMessage, { type: "deposit" }>[] = [];
  office.tap = (from, to, message) => {
    if (from === sender && to === carrier && message.type === "deposit") deposits.push(message);
    return undefined;
  };
  for (const text of ["first", "second"]) await office.write(sender, [recipient], text);
  await office.pass(8_000);
  const { carried } = carrier.disk.tables.mail;
  const ids = [...carried.values()].map(({ id }) => id);
  assert.equal(ids.length, 2);
  office.disconnect(sender, carrier);
  // The first word is a step of its own; what comes while it is under way is the next one.
  const say = (message: MailboxMessage) =>
    office.tell(carrier, { type: "peerMessage", from: sender.id, message });
  say({ type: "discard", ids: ids.slice(0, 1) });
  for (const id of ids) say({ type: "discard", ids: [id] });
  for (const deposit of deposits) say(deposit);
  await office.settle();
  assert.equal(carried.size, 2);
  office.connect(carrier, recipient);
  await office.pass(4_000);
  assert.deepEqual(office.texts(recipient), ["first", "second"]);
  assert.equal(carried.size, 0);
});
