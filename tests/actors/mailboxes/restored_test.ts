/** Mailboxes of a device whose disk was put back. */
import assert from "node:assert/strict";
import { RESTORED_SETTING } from "../../../store/store.ts";
import { opened, type Post, SOON } from "./post_office.ts";

/** Keeps what a disk holds of mail; the function that comes back puts it back. */
function keepMail({ disk }: Post): () => void {
  const kept = Object.values(disk.tables.mail as unknown as Record<string, Map<string, unknown>>)
    .map((rows) => [rows, new Map(rows)] as const);
  return () => {
    for (const [rows, before] of kept) {
      rows.clear();
      for (const [key, row] of before) rows.set(key, row);
    }
  };
}

Deno.test("what is written to a device whose disk was put back is shown soon, also from whom it no longer knows", async () => {
  const office = await opened(["ada", "ben", "cleo"], SOON);
  office.connectAll();
  const [ada, ben, cleo] = office.posts as [Post, Post, Post];
  await office.write(ada, [ben], "kept");
  const putBack = keepMail(ben);
  for (const from of [ada, cleo]) {
    for (let i = 1; i <= 3; i++) await office.write(from, [ben], "gone with the disk");
  }
  putBack();
  ben.disk.tables.settings.set(RESTORED_SETTING, "true");
  office.restart(ben);
  await office.settle();
  for (const other of [ada, cleo]) office.connect(other, ben);
  await office.settle();
  const [first, second] = [
    await office.write(ada, [ben], "from ada"),
    await office.write(cleo, [ben], "from cleo"),
  ];
  await office.pass(200_000);
  assert.deepEqual([...office.texts(ben)].sort(), ["from ada", "from cleo", "kept"]);
  assert.equal(office.state(ada, first, ben), "delivered");
  assert.equal(office.state(cleo, second, ben), "delivered");
  assert.equal(ben.disk.tables.mail.waiting.size, 0);
});

Deno.test("what waited for its turn when the disk was copied is shown, too", async () => {
  const office = await opened(["ada", "ben"], SOON);
  office.connectAll();
  const [ada, ben] = office.posts as [Post, Post];
  await office.write(ada, [ben], "first");
  let lost = 0;
  office.tap = (from, _to, { type }) =>
    from === ada && type === "deposit" && lost++ === 0 ? [] : undefined;
  await office.write(ada, [ben], "overtaken");
  await office.write(ada, [ben], "early");
  office.tap = null;
  assert.deepEqual(office.texts(ben), ["first"]);
  ben.disk.tables.settings.set(RESTORED_SETTING, "true");
  office.restart(ben);
  await office.settle();
  office.connect(ada, ben);
  await office.pass(200_000);
  assert.deepEqual([...office.texts(ben)].sort(), ["early", "first", "overtaken"]);
});
