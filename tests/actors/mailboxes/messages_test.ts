/** Messages between devices that behave: sent, received once, in order, acknowledged; and what is done when somebody is away. */
import assert from "node:assert/strict";
import type { ConversationView, MailStatus, MessageView } from "../../../actors/mail_handle.ts";
import type { MailboxMessage } from "../../../protocols/mailbox/messages.ts";
import { RESTORED_SETTING } from "../../../store/store.ts";
import { MailBroker, opened, PostOffice, SOON, together } from "./post_office.ts";

const DAY_MS = 24 * 60 * 60_000;

Deno.test("a message is shown at the other end, and the sender sees delivered, then read", async () => {
  const office = await opened(["ada", "ben"]);
  const [ada, ben] = office.posts as [typeof office.posts[0], typeof office.posts[0]];
  office.connectAll();
  const message = await office.write(ada, [ben], "Tomatoes are ripe");
  assert.deepEqual(office.texts(ben), ["Tomatoes are ripe"]);
  assert.equal(office.state(ada, message, ben), "delivered");
  const { conversation } = message;
  const upTo = message.message;
  const replyTo = (ref: unknown) => ref as never;
  const outcome = await office.ask(
    ben,
    (ref) => ({ type: "markRead", conversation, upTo, replyTo: replyTo(ref) }),
  );
  assert.equal(outcome.type, "done");
  assert.equal(office.state(ada, message, ben), "read");
});

Deno.test("nothing leaves before it is durable, and the user hears nothing before either", async () => {
  const office = await together(["ada", "ben"]);
  const [ada, ben] = [office.post("ada"), office.post("ben")];
  ada.said.length = 0;
  ada.disk.faults = { full: true };
  const refused = await office.send(ada, { to: [ben.id], text: "lost?" });
  assert.ok(refused.type === "refused" && refused.reason === "unavailable");
  assert.deepEqual(ada.said, []);
  assert.equal(ada.disk.tables.mail.messages.size, 0);
  ada.disk.faults = {};
  await office.pass(60_000);
  assert.deepEqual(office.texts(ben), []);
});

Deno.test("what comes twice, or again after a restart, is shown and announced once", async () => {
  const office = await opened(["ada", "ben"]);
  const [ada, ben] = [office.post("ada"), office.post("ben")];
  const deposits: MailboxMessage[] = [];
  office.tap = (from, _to, message) => {
    if (message.type !== "deposit" || from !== ada) return undefined;
    deposits.push(message);
    return [message, message];
  };
  office.connectAll();
  await office.write(ada, [ben], "once");
  office.restart(ben);
  await office.settle();
  office.connect(ada, ben);
  for (const message of deposits) office.tell(ben, { type: "peerMessage", from: ada.id, message });
  await office.settle();
  assert.deepEqual(office.texts(ben), ["once"]);
  assert.equal(ben.events.filter(({ type }) => type === "messageReceived").length, 1);
  assert.equal(ben.said.at(-1)?.message.type, "taken");
});

Deno.test("a lost acknowledgement only makes the parcel come again", async () => {
  const office = await opened(["ada", "ben"], { answerMs: 5_000 });
  const [ada, ben] = [office.post("ada"), office.post("ben")];
  let lose = true;
  office.tap = (_from, _to, message) => lose && message.type === "taken" ? [] : undefined;
  office.connectAll();
  await office.write(ada, [ben], "hello");
  lose = false;
  await office.pass(20_000);
  assert.equal(ada.disk.tables.mail.outgoing.size, 0);
  assert.deepEqual(office.texts(ben), ["hello"]);
});

Deno.test("parcels that overtake each other are shown in the order in which they were written", async () => {
  const office = await opened(["ada", "ben"], { gapMs: 30_000 });
  const [ada, ben] = [office.post("ada"), office.post("ben")];
  const held: MailboxMessage[] = [];
  office.tap = (from, _to, message) => {
    if (from !== ada || message.type !== "deposit") return undefined;
    held.push(message);
    return [];
  };
  office.connectAll();
  for (const text of ["one", "two", "three"]) await office.write(ada, [ben], text);
  office.tap = null;
  for (const message of held.reverse()) {
    office.tell(ben, { type: "peerMessage", from: ada.id, message });
    await office.settle();
  }
  const received = ben.events.filter((event) => event.type === "messageReceived");
  const order = received.map(({ message }) =>
    [...ben.disk.tables.mail.messages.values()].find((row) => row.message === message)?.text
  );
  assert.deepEqual(order, ["one", "two", "three"]);
});

Deno.test("a parcel that never comes holds up those behind it only so long", async () => {
  const office = await opened(["ada", "ben"], { gapMs: 30_000, answerMs: 10_000 * DAY_MS });
  const [ada, ben] = [office.post("ada"), office.post("ben")];
  let drop = true;
  office.tap = (from, _to, message) =>
    from === ada && message.type === "deposit" && drop ? [] : undefined;
  office.connectAll();
  await office.write(ada, [ben], "lost on the way");
  drop = false;
  await office.write(ada, [ben], "arrives");
  assert.deepEqual(office.texts(ben), []);
  await office.pass(64_000);
  assert.ok(office.texts(ben).includes("arrives"));
  assert.ok(office.warnings(ben).includes("gap"));
});

Deno.test("the same idempotency key gives the first answer again, and another message is refused", async () => {
  const office = await opened(["ada", "ben"]);
  const [ada, ben] = [office.post("ada"), office.post("ben")];
  const message = { to: [ben.id], text: "once" };
  const first = await office.send(ada, message, "key");
  const again = await office.send(ada, message, "key");
  assert.ok(first.type === "done" && again.type === "done");
  assert.equal(again.value.message, first.value.message);
  const other = await office.send(ada, { ...message, text: "other" }, "key");
  assert.ok(other.type === "refused" && other.reason === "invalid");
});

Deno.test("a device that is off gets its mail from carriers that cannot read it, and copies are forgotten", async () => {
  const office = await opened(["ada", "ben", "cleo", "dan", "eva", "fay"], { carryAfterMs: 2_000 });
  const [ada, ben, ...carriers] = office.posts as [
    typeof office.posts[0],
    typeof office.posts[0],
    ...typeof office.posts,
  ];
  for (const carrier of carriers) office.connect(ada, carrier);
  const message = await office.write(ada, [ben], "secret of the garden");
  await office.pass(10_000);
  const keepers = carriers.filter(({ disk }) => disk.tables.mail.carried.size > 0);
  assert.equal(keepers.length, 3);
  assert.equal(office.state(ada, message, ben), "carried");
  const plain = new TextEncoder().encode("secret of the garden").toHex();
  for (const { disk } of keepers) {
    for (const { parcel } of disk.tables.mail.carried.values()) {
      assert.ok(!parcel.toHex().includes(plain));
    }
  }
  for (const carrier of carriers) office.disconnect(ada, carrier);
  office.connect(ben, keepers[0]!);
  await office.settle();
  assert.deepEqual(office.texts(ben), ["secret of the garden"]);
  assert.equal(keepers[0]!.disk.tables.mail.carried.size, 0);
  // The receipt goes back the same way; then the other carriers are told.
  await office.pass(10_000);
  for (const keeper of keepers) office.connect(ada, keeper);
  await office.pass(10_000);
  assert.equal(office.state(ada, message, ben), "delivered");
  for (const { disk } of keepers) {
    const kept = [...disk.tables.mail.carried.values()].filter(({ sender }) => sender === ada.id);
    assert.deepEqual(kept, []);
  }
});

Deno.test("a carrier that says it keeps a copy and drops it costs nothing but time", async () => {
  const office = await opened(["ada", "ben", "liar"], { carryAfterMs: 2_000 });
  const [ada, ben, liar] = [office.post("ada"), office.post("ben"), office.post("liar")];
  office.connect(ada, liar);
  const message = await office.write(ada, [ben], "still here");
  await office.pass(10_000);
  assert.equal(office.state(ada, message, ben), "carried");
  liar.disk.tables.mail.carried.clear();
  office.connect(ada, ben);
  await office.settle();
  assert.deepEqual(office.texts(ben), ["still here"]);
  assert.equal(office.state(ada, message, ben), "delivered");
});

Deno.test("a group is encrypted to its members only, and one that is revoked is taken out", async () => {
  const office = await opened(["ada", "ben", "cleo", "dan"]);
  const [ada, ben, cleo, dan] = ["ada", "ben", "cleo", "dan"].map((name) => office.post(name)) as [
    typeof office.posts[0],
    typeof office.posts[0],
    typeof office.posts[0],
    typeof office.posts[0],
  ];
  office.connectAll();
  await office.settle();
  const first = await office.write(ada, [ben, cleo], "for three");
  assert.equal(first.protection, "mls");
  assert.deepEqual(office.texts(ben), ["for three"]);
  assert.deepEqual(office.texts(dan), []);
  office.revoke(cleo);
  await office.settle();
  const { conversation } = first;
  const second = await office.send(ben, { conversation, text: "for two" });
  assert.ok(second.type === "done" && second.value.protection === "mls");
  assert.deepEqual(office.texts(ada), ["for two"]);
  assert.deepEqual(office.texts(cleo), ["for three"]);
  assert.equal(second.value.deliveries.length, 1);
});

Deno.test("a member who does not lead has its leader change the group", async () => {
  const office = await together(["ada", "ben", "cleo", "dan"]);
  const [ada, ben, cleo, dan] = office.posts;
  const { conversation } = await office.write(ada!, [ben!, cleo!], "hello");
  const outcome = await office.ask<ConversationView>(ben!, (ref) => ({
    type: "changeConversation",
    conversation,
    change: { title: "Garden", add: [dan!.id] },
    replyTo: ref as never,
  }));
  assert.equal(outcome.type, "done");
  for (const { disk } of [ada!, ben!, cleo!, dan!]) {
    const row = disk.tables.mail.conversations.get(conversation);
    assert.equal(row?.title, "Garden");
    assert.ok(row?.members.includes(dan!.id));
  }
  const reply = await office.send(dan!, { conversation, text: "thank you" });
  assert.ok(reply.type === "done" && reply.value.protection === "mls");
  assert.ok([ada!, ben!, cleo!].every((post) => office.texts(post).includes("thank you")));
});

Deno.test("keys of a group are renewed after enough messages, by the leader and by the others", async () => {
  const office = await together(["ada", "ben"], { renewMessages: 3 });
  const [ada, ben] = [office.post("ada"), office.post("ben")];
  const first = await office.write(ada, [ben], "0");
  const epochOf = (post: typeof ada) =>
    post.disk.tables.mail.groups.get(first.conversation)?.epoch ?? 0;
  const before = epochOf(ada);
  for (let i = 1; i <= 12; i++) {
    await office.write(i % 2 === 0 ? ada : ben, [i % 2 === 0 ? ben : ada], `${i}`);
  }
  assert.ok(epochOf(ada) >= before + 3, `epoch is ${epochOf(ada)}, was ${before}`);
  assert.equal(epochOf(ben), epochOf(ada));
  assert.equal(office.texts(ben).length + office.texts(ada).length, 13);
});

Deno.test("a device that lost its state of a group is added again, and what it missed comes again", async () => {
  const office = await together(["ada", "ben"], SOON);
  const [ada, ben] = [office.post("ada"), office.post("ben")];
  await office.write(ada, [ben], "before");
  ben.disk.tables.mail.groups.clear();
  await office.write(ada, [ben], "after");
  await office.pass(120_000);
  assert.deepEqual(office.texts(ben), ["before", "after"]);
  assert.equal(ben.disk.tables.mail.groups.size, 1);
});

Deno.test("a message that did not arrive in time is expired, for its sender too, and holds up nothing", async () => {
  const office = await opened(["ada", "ben"]);
  const [ada, ben] = [office.post("ada"), office.post("ben")];
  const sent = await office.send(ada, { to: [ben.id], text: "quick", validMs: 5_000 });
  assert.ok(sent.type === "done");
  await office.pass(10_000);
  assert.equal(office.state(ada, sent.value, ben), "expired");
  await office.write(ada, [ben], "later");
  office.connect(ada, ben);
  await office.settle();
  assert.deepEqual(office.texts(ben), ["later"]);
});

Deno.test("an attachment comes whole, and a message to a device without keys waits for them", async () => {
  const office = new PostOffice(["ada", "ben"]);
  const [ada, ben] = [office.post("ada"), office.post("ben")];
  await office.open();
  office.connectAll();
  const body = Uint8Array.from({ length: 700_000 }, (_, i) => i & 255);
  const attachments = [{ name: "photo.jpg", mediaType: "image/jpeg", body }];
  const sent = await office.send(ada, { to: [ben.id], text: "look", attachments });
  assert.ok(sent.type === "done" && sent.value.attachments[0]?.complete);
  const parts = [...ben.disk.tables.mail.parts.values()].filter(({ part }) => part >= 0);
  assert.equal(parts.length, 3);
});

Deno.test("requests that cannot be are refused with what was expected", async () => {
  const office = await opened(["ada", "ben"], { outgoingMax: 1 });
  const [ada, ben] = [office.post("ada"), office.post("ben")];
  const reasons: string[] = [];
  for (
    const message of [
      { to: [], text: "x" },
      { to: [ben.id], text: "" },
      { to: [ben.id], text: "x".repeat(65_537) },
      { to: ["b".repeat(52) as typeof ben.id], text: "x" },
      { to: [ben.id], text: "x", validMs: 1 },
      { conversation: "00".repeat(16) as MessageView["conversation"], text: "x" },
    ]
  ) {
    const outcome = await office.send(ada, message);
    reasons.push(outcome.type === "refused" ? outcome.reason : "done");
  }
  assert.deepEqual(reasons, ["invalid", "invalid", "tooLarge", "notFound", "invalid", "notFound"]);
  await office.write(ada, [ben], "fits");
  const full = await office.send(ada, { to: [ben.id], text: "too much" });
  assert.ok(full.type === "refused" && full.reason === "busy");
  office.allow(ada, []);
  const forbidden = await office.send(ada, { to: [ben.id], text: "x" });
  assert.ok(forbidden.type === "refused" && forbidden.reason === "notPermitted");
});

Deno.test("what waits is known after a restart, and the status says how much", async () => {
  const office = await opened(["ada", "ben"]);
  const [ada, ben] = [office.post("ada"), office.post("ben")];
  for (let i = 0; i < 20; i++) await office.write(ada, [ben], `${i}`);
  office.restart(ada);
  await office.settle();
  office.tell(ada, { type: "getMailStatus", replyTo: { path: "asker-status" } });
  await office.settle();
  const status = ada.answers.get("asker-status") as unknown as MailStatus;
  assert.ok(status.queued >= 20);
  office.connect(ada, ben);
  await office.settle();
  assert.equal(office.texts(ben).length, 20);
});

Deno.test("a broker keeps mail for a device that nobody reaches, without reading it", async () => {
  const broker = new MailBroker();
  const office = await opened(["ada", "ben"], { carryAfterMs: 2_000 }, broker);
  const [ada, ben] = [office.post("ada"), office.post("ben")];
  const message = await office.write(ada, [ben], "over the broker");
  await office.pass(10_000);
  assert.deepEqual(office.texts(ben), ["over the broker"]);
  // The receipt comes back the same way.
  await office.pass(10_000);
  assert.equal(office.state(ada, message, ben), "delivered");
  assert.equal(broker.kept.size, 0);
  assert.deepEqual(broker.rejected, []);
});

Deno.test("what a broker brings is refused like everything else that is wrong", async () => {
  const broker = new MailBroker();
  const office = await opened(["ada", "ben"], { carryAfterMs: 2_000 }, broker);
  const ben = office.post("ben");
  office.tell(ben, {
    type: "mailCollected",
    kept: {
      subject: "any",
      bytes: new Uint8Array(10),
      delivery: 1,
      keptAtMs: 0,
      acknowledge() {},
      reject: (reason) => void broker.rejected.push(reason),
    },
  });
  await office.settle();
  assert.ok(office.warnings(ben).includes("malformed"));
  assert.deepEqual(broker.rejected, ["malformed"]);
});

Deno.test("a device that takes no part in messages is not written to", async () => {
  const office = await opened(["ada", "ben"]);
  const [ada, ben] = [office.post("ada"), office.post("ben")];
  office.allow(ben, ["relay"]);
  const outcome = await office.send(ada, { to: [ben.id], text: "hello?" });
  assert.ok(outcome.type === "refused" && outcome.reason === "notPermitted");
});

Deno.test("a device whose disk was put back begins a new numbering and is added to its groups again", async () => {
  const office = await together(["ada", "ben"], SOON);
  const [ada, ben] = [office.post("ada"), office.post("ben")];
  await office.write(ada, [ben], "before");
  const series = ben.disk.tables.mail.sending.get(ada.id)?.series;
  ben.disk.tables.settings.set(RESTORED_SETTING, "true");
  office.restart(ben);
  await office.settle();
  office.connect(ada, ben);
  await office.pass(20_000);
  assert.equal(ben.disk.tables.mail.groups.size, 1);
  await office.write(ben, [ada], "from ben");
  await office.write(ada, [ben], "from ada");
  await office.pass(60_000);
  assert.notEqual(ben.disk.tables.mail.sending.get(ada.id)?.series, series);
  assert.deepEqual(office.texts(ada), ["from ben"]);
  assert.deepEqual(office.texts(ben), ["before", "from ada"]);
});
