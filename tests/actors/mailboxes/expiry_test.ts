/** Until when a message may be shown: by the clock of whoever shows it, also when it came in time and had to wait here. */
import assert from "node:assert/strict";
import { decodeParcel } from "../../../protocols/mailbox/parcel_wire.ts";
import { crypto, opened, type Post, type PostOffice } from "./post_office.ts";

/** Lets everything pass but the first parcel with a message, which it gives back when it is asked. */
function keepFirst(office: PostOffice, from: Post): () => Uint8Array {
  const [id] = [...from.disk.tables.mail.outgoing.values()]
    .filter(({ message }) => message !== null).map(({ id }) => id);
  let kept: Uint8Array | undefined;
  office.tap = (sender, _to, message) => {
    if (sender !== from || message.type !== "deposit") return undefined;
    const isKept = (parcel: Uint8Array) => {
      const decoded = decodeParcel(parcel, crypto);
      return decoded.ok && decoded.message.id === id;
    };
    kept ??= message.parcels.find(isKept);
    const parcels = message.parcels.filter((parcel) => !isKept(parcel));
    return parcels.length === 0 ? [] : [{ ...message, parcels }];
  };
  return () => kept!;
}

for (const [waitsMs, shown] of [[30_000, ["first", "second"]], [90_000, ["first"]]] as const) {
  Deno.test(
    `a message for a minute that waited for the one before it is ${
      shown.length === 2 ? "shown within" : "not shown after"
    } that minute`,
    async () => {
      const office = await opened(["ada", "ben"]);
      const [ada, ben] = [office.post("ada"), office.post("ben")];
      await office.write(ada, [ben], "first");
      const sent = await office.send(ada, { to: [ben.id], text: "second", validMs: 60_000 });
      assert.ok(sent.type === "done");
      const kept = keepFirst(office, ada);
      office.connect(ada, ben);
      await office.settle();
      assert.equal(ben.disk.tables.mail.waiting.size, 1);
      await office.pass(waitsMs);
      assert.deepEqual(office.texts(ben), []);
      office.tap = null;
      office.tell(ben, {
        type: "peerMessage",
        from: ada.id,
        message: { type: "deposit", parcels: [kept()] },
      });
      await office.settle();
      assert.deepEqual(office.texts(ben), shown);
      await office.pass(60_000);
      assert.equal(
        office.state(ada, sent.value, ben),
        shown.length === 2 ? "delivered" : "expired",
      );
      assert.equal(ben.disk.tables.mail.waiting.size, 0);
    },
  );
}

Deno.test("a message that its recipient's slow clock lets in is delivered, also after its author was told that it is expired", async () => {
  const office = await opened(["ada", "ben"]);
  const [ada, ben] = [office.post("ada"), office.post("ben")];
  office.connect(ada, ben);
  // Receipts stay away until ada has given up.
  office.tap = (from, _to, message) => from === ben && message.type === "deposit" ? [] : undefined;
  const sent = await office.send(ada, { to: [ben.id], text: "quick", validMs: 5_000 });
  assert.ok(sent.type === "done");
  assert.deepEqual(office.texts(ben), ["quick"]);
  await office.pass(70_000);
  assert.equal(office.state(ada, sent.value, ben), "expired");
  office.tap = null;
  await office.pass(60_000);
  assert.equal(office.state(ada, sent.value, ben), "delivered");
});

Deno.test("the attachment of a message that was shown in time becomes whole, however long its parts are on their way", async () => {
  const office = await opened(["ada", "ben"]);
  const [ada, ben] = [office.post("ada"), office.post("ben")];
  const body = new Uint8Array(700_000);
  const attachments = [{ name: "photo.jpg", mediaType: "image/jpeg", body }];
  const sent = await office.send(ada, {
    to: [ben.id],
    text: "look",
    attachments,
    validMs: 60_000,
  });
  assert.ok(sent.type === "done");
  // Only small parcels come through.
  office.tap = (from, _to, message) => {
    if (from !== ada || message.type !== "deposit") return undefined;
    const parcels = message.parcels.filter(({ length }) => length < 10_000);
    return parcels.length === 0 ? [] : [{ ...message, parcels }];
  };
  office.connect(ada, ben);
  await office.pass(4_000);
  assert.deepEqual(office.texts(ben), ["look"]);
  await office.pass(120_000);
  office.tap = null;
  await office.pass(60_000);
  const parts = [...ben.disk.tables.mail.parts.values()].filter(({ part }) => part >= 0);
  assert.equal(parts.length, 3);
});
