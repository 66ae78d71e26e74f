/** Mail in every store, and the two adapters beside each other. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { MemoryDisk, openMemoryStore } from "../../store/memory_store.ts";
import type { MailChange } from "../../store/mail.ts";
import { mailContract, messageRow } from "../contracts/mail_contract.ts";
import { memoryPlace, openStore, sqlitePlace, withFolder } from "./folders.ts";

mailContract("memory store", memoryPlace);
mailContract("sqlite store", sqlitePlace);

Deno.test("both stores answer every query alike", async () => {
  const change = fc.record({
    number: fc.integer({ min: 1, max: 9 }),
    clock: fc.integer({ min: 0, max: 3 }),
    read: fc.constantFrom(0, 1),
    expiresAtMs: fc.option(fc.integer({ min: 1, max: 5 })),
    remove: fc.boolean(),
  });
  await withFolder(async (directory) => {
    const sqlite = await openStore(directory);
    const memory = openMemoryStore();
    await fc.assert(
      fc.asyncProperty(fc.array(change, { maxLength: 12 }), async (wanted) => {
        const changes = wanted.map(({ number, remove, ...fields }): MailChange => {
          const put = messageRow(number, fields);
          const { author, message } = put;
          return remove
            ? { table: "messages", remove: { author, message } }
            : { table: "messages", put };
        });
        await Promise.all([sqlite.mail.commit(changes), memory.mail.commit(changes)]);
        for (
          const query of [
            { limit: 5 },
            { where: { read: 0 }, order: ["clock", "number"] as const, limit: 9 },
            { atMost: { column: "expiresAtMs", value: 3 } as const, limit: 9 },
            { order: ["clock", "number"] as const, descending: true, after: [2, 4], limit: 9 },
            { where: { expiresAtMs: null }, limit: 9 },
          ]
        ) {
          const rows = async (store: typeof memory) =>
            (await store.mail.list("messages", query)).map((row) => ({ ...row }));
          assert.deepEqual(await rows(sqlite), await rows(memory));
        }
        assert.deepEqual(
          await sqlite.mail.totals("messages"),
          await memory.mail.totals("messages"),
        );
      }),
      { numRuns: 50 },
    );
    await sqlite.close();
  });
});

Deno.test("a loss of power takes back whole steps of mail that nobody had heard of", async () => {
  const disk = new MemoryDisk({ undoTransactionsMax: 8 });
  const { mail } = openMemoryStore({ disk });
  await mail.commit([{ table: "messages", put: messageRow(1) }]);
  const heard = disk.mark();
  await mail.commit([
    { table: "messages", put: messageRow(2) },
    { table: "messages", put: messageRow(1, { text: "changed" }) },
  ]);
  disk.crash(heard);
  const rows = await openMemoryStore({ disk }).mail.list("messages", { limit: 9 });
  assert.deepEqual(rows.map(({ text }) => text), [messageRow(1).text]);
});

Deno.test("a backup holds the mail, and a store opened from it goes on with it", async () => {
  const backups = new Map<string, MemoryDisk>();
  const store = openMemoryStore({ backups });
  await store.mail.commit([{ table: "messages", put: messageRow(1) }]);
  await store.backup("old");
  await store.mail.commit([{ table: "messages", put: messageRow(2) }]);
  const old = openMemoryStore({ disk: backups.get("old")! });
  assert.equal((await old.mail.totals("messages")).rows, 1);
});
