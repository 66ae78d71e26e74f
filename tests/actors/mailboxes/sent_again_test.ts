/** Messages that were not acknowledged go again, and stay in the group of their conversation. */
import assert from "node:assert/strict";
import type { GroupRow } from "../../../store/mail.ts";
import { opened, SOON, together } from "./post_office.ts";

Deno.test("a message stays in its group however often it is sent again", async () => {
  const office = await together(["ada", "ben"], { resendMs: 1_000 });
  const [ada, ben] = [office.post("ada"), office.post("ben")];
  await office.write(ada, [ben], "before");
  const contents: string[] = [];
  office.tap = (from, _to, message) => {
    if (from === ben && message.type === "deposit") return [];
    if (from === ada && message.type === "deposit") {
      const rows = [...ada.disk.tables.mail.outgoing.values()];
      contents.push(...rows.filter((row) => row.message !== null).map(({ content }) => content));
    }
    return undefined;
  };
  await office.write(ada, [ben], "unanswered");
  await office.pass(120_000);
  assert.ok(contents.length >= 5, `${contents.length} tries`);
  assert.deepEqual([...new Set(contents)], ["group"]);
  assert.deepEqual(office.texts(ben), ["before", "unanswered"]);
});

for (const behind of ["ada", "ben"] as const) {
  Deno.test(`what ${behind} writes with a state of long ago arrives, within a group, as soon as both have met in a new epoch`, async () => {
    const office = await together(["ada", "ben"], { ...SOON, renewMessages: 1 });
    const [ada, ben] = [office.post("ada"), office.post("ben")];
    const [writer, reader] = behind === "ada" ? [ada, ben] : [ben, ada];
    await office.write(writer, [reader], "first");
    const [[key, old]] = [...writer.disk.tables.mail.groups] as [[string, GroupRow]];
    for (let i = 0; i < 8; i++) await office.write(reader, [writer], `later ${i}`);
    writer.disk.tables.mail.groups.set(key, old);
    await office.write(writer, [reader], "from long ago");
    await office.pass(200_000);
    const found = [...reader.disk.tables.mail.messages.values()]
      .find(({ text }) => text === "from long ago");
    assert.equal(found?.protection, "mls");
  });
}

Deno.test("what was taken is not handed over again while that is being noted", async () => {
  const office = await opened(["ada", "ben"], { windowParcels: 4 });
  const [ada, ben] = [office.post("ada"), office.post("ben")];
  for (let i = 0; i < 12; i++) await office.send(ada, { to: [ben.id], text: `message ${i}` });
  const queued = ada.disk.tables.mail.outgoing.size;
  let handedOver = 0;
  office.tap = (from, _to, message) => {
    if (from === ada && message.type === "deposit") handedOver += message.parcels.length;
    return undefined;
  };
  office.connect(ada, ben);
  await office.settle();
  await office.pass(100);
  assert.equal(office.texts(ben).length, 12);
  assert.equal(handedOver, queued);
});
