/** What the mail of every Store promises. */
import assert from "node:assert/strict";
import type { DeviceId } from "../../protocols/ids.ts";
import type { ConversationId, MessageId } from "../../protocols/mailbox/content.ts";
import type { ParcelId } from "../../protocols/mailbox/parcel.ts";
import { MAIL_ROWS_MAX, type MailChange, type MessageRow } from "../../store/mail.ts";
import { InvariantError } from "../../platform/invariant.ts";
import type { Store } from "../../store/store.ts";
import type { StorePlace } from "./store_contract_support.ts";

const ada = "a".repeat(52) as DeviceId;
const garden = "01".repeat(16) as ConversationId;

/** A message for tests; the same number gives the same one. */
export function messageRow(number: number, fields: Partial<MessageRow> = {}): MessageRow {
  return {
    author: ada,
    message: number.toString(16).padStart(32, "0") as MessageId,
    conversation: garden,
    number,
    clock: number,
    timeMs: 1_000 + number,
    receivedAtMs: 2_000 + number,
    expiresAtMs: null,
    own: 0,
    protection: "mls",
    read: 0,
    text: `Message ${number} – äöü`,
    attachments: null,
    ...fields,
  };
}

const put = (number: number, fields: Partial<MessageRow> = {}): MailChange => ({
  table: "messages",
  put: messageRow(number, fields),
});

/** Registers the suite for stores that `makePlace` makes. */
export function mailContract(
  name: string,
  makePlace: () => Promise<Pick<StorePlace, "open" | "remove">>,
): void {
  function contract(
    promise: string,
    check: (store: Store, place: Pick<StorePlace, "open" | "remove">) => Promise<void>,
  ) {
    Deno.test(`${name}: mail ${promise}`, async () => {
      const place = await makePlace();
      const store = await place.open();
      try {
        await check(store, place);
      } finally {
        await store.close();
        await place.remove();
      }
    });
  }

  contract("gives back every column as it was put, also after a restart", async (store, place) => {
    const row = messageRow(1, { attachments: new Uint8Array([0, 255, 7]), expiresAtMs: 2 ** 42 });
    await store.mail.commit([{ table: "messages", put: row }]);
    await store.close();
    const again = await place.open();
    const found = await again.mail.get("messages", { author: ada, message: row.message });
    await again.close();
    assert.deepEqual({ ...found }, row);
  });

  contract("puts a row in the place of the one with its key", async ({ mail }) => {
    await mail.commit([put(1), put(1, { text: "changed" }), put(2)]);
    const rows = await mail.list("messages", { limit: 9 });
    assert.deepEqual(rows.map(({ text }) => text), ["changed", messageRow(2).text]);
  });

  contract("removes by key, and an unknown key is no mistake", async ({ mail }) => {
    await mail.commit([put(1), put(2)]);
    const { message } = messageRow(1);
    await mail.commit([
      { table: "messages", remove: { author: ada, message } },
      { table: "messages", remove: { author: ada, message: "ff".repeat(16) as MessageId } },
    ]);
    assert.deepEqual(await mail.totals("messages"), { rows: 1, bytes: 0 });
  });

  contract("changes all tables of a commit or none", async ({ mail }) => {
    const bad = put(2, { text: null as unknown as string });
    const parcel = new Uint8Array(3);
    const carried: MailChange = {
      table: "carried",
      put: {
        id: "0a".repeat(32) as ParcelId,
        sender: ada,
        recipient: ada,
        expiresAtMs: 1,
        atMs: 1,
        bytes: 3,
        parcel,
      },
    };
    await mail.commit([carried]);
    assert.deepEqual(await mail.totals("carried", { sender: ada }), { rows: 1, bytes: 3 });
    if (name.startsWith("sqlite")) {
      await assert.rejects(mail.commit([put(1), bad]));
      assert.deepEqual(await mail.totals("messages"), { rows: 0, bytes: 0 });
    }
  });

  contract("pages through an order without missing or repeating a row", async ({ mail }) => {
    const numbers = [5, 3, 9, 1, 7, 2, 8, 4, 6];
    await mail.commit(numbers.map((number) => put(number, { clock: Math.ceil(number / 2) })));
    const order = ["clock", "author", "number"] as const;
    const found: number[] = [];
    let after: (string | number)[] | undefined;
    for (;;) {
      const rows = await mail.list("messages", {
        where: { conversation: garden },
        order,
        descending: true,
        ...(after && { after }),
        limit: 2,
      });
      if (rows.length === 0) break;
      found.push(...rows.map(({ number }) => number));
      const last = rows.at(-1)!;
      after = [last.clock, last.author, last.number];
    }
    assert.deepEqual(found, [9, 8, 7, 6, 5, 4, 3, 2, 1]);
  });

  contract("finds what is due and never what has no date", async ({ mail }) => {
    await mail.commit([
      put(1, { expiresAtMs: 10 }),
      put(2),
      put(3, { expiresAtMs: 11 }),
      put(4, { expiresAtMs: 12 }),
    ]);
    const rows = await mail.list("messages", {
      atMost: { column: "expiresAtMs", value: 11 },
      order: ["expiresAtMs"],
      limit: 9,
    });
    assert.deepEqual(rows.map(({ number }) => number), [1, 3]);
  });

  contract("takes what the caller's list held when it was called", async ({ mail }) => {
    const changes = [put(1)];
    const committed = mail.commit(changes);
    changes.push(put(2));
    await committed;
    assert.equal((await mail.totals("messages")).rows, 1);
  });

  contract("refuses queries without a bound", async ({ mail }) => {
    for (const limit of [0, MAIL_ROWS_MAX + 1]) {
      // deno-lint-ignore require-await -- the check throws or rejects
      await assert.rejects(async () => mail.list("messages", { limit }), (error) => {
        return error instanceof InvariantError || error instanceof RangeError;
      });
    }
  });

  contract(
    "is part of a backup's promise: rows of every table survive a close",
    async (store, place) => {
      await store.mail.commit([
        {
          table: "requests",
          put: { request: "r", asked: "00", message: messageRow(1).message, atMs: 1 },
        },
        { table: "streams", put: { sender: ada, series: "00".repeat(8), next: 7, atMs: 2 } },
        { table: "sending", put: { recipient: ada, series: "00".repeat(8), next: 7 } },
      ]);
      await store.close();
      const again = await place.open();
      assert.equal(
        (await again.mail.get("streams", { sender: ada, series: "00".repeat(8) }))?.next,
        7,
      );
      assert.equal((await again.mail.get("sending", { recipient: ada }))?.next, 7);
      await again.close();
    },
  );
}
