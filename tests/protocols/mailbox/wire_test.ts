import assert from "node:assert/strict";
import fc from "fast-check";
import { encodeCanonical } from "../../../protocols/codec.ts";
import { ENVELOPE_BYTES_MAX, ENVELOPE_HEADER_BYTES } from "../../../protocols/envelope.ts";
import {
  DEPOSIT_BYTES_MAX,
  DEPOSIT_PARCELS_MAX,
  IDS_MAX,
  type MailboxMessage,
} from "../../../protocols/mailbox/messages.ts";
import { PARCEL_BYTES_MAX, type ParcelId } from "../../../protocols/mailbox/parcel.ts";
import {
  decodeMailboxMessage,
  encodeMailboxMessage,
  MAILBOX_MESSAGE_BYTES_MAX,
} from "../../../protocols/mailbox/wire.ts";
import { broken } from "./support.ts";

const id = "ab".repeat(32) as ParcelId;
const MESSAGES: readonly MailboxMessage[] = [
  { type: "deposit", parcels: [new Uint8Array([1, 2, 3]), new Uint8Array(0)] },
  { type: "taken", ids: [id, "cd".repeat(32) as ParcelId] },
  ...(["invalid", "expired", "notPermitted", "quota", "full", "unwilling"] as const).map(
    (reason) => ({ type: "refused" as const, id, reason }),
  ),
  { type: "discard", ids: [id] },
];

Deno.test("every mailbox message survives its encoding", () => {
  for (const message of MESSAGES) {
    assert.deepEqual(decodeMailboxMessage(encodeMailboxMessage(message)), { ok: true, message });
  }
});

Deno.test("the largest messages fit a session's envelope", () => {
  const most = Math.floor(DEPOSIT_BYTES_MAX / DEPOSIT_PARCELS_MAX);
  const largest: readonly MailboxMessage[] = [
    { type: "deposit", parcels: Array.from({ length: 128 }, () => new Uint8Array(most)) },
    { type: "deposit", parcels: [new Uint8Array(PARCEL_BYTES_MAX)] },
    { type: "taken", ids: Array.from({ length: IDS_MAX }, () => id) },
  ];
  for (const message of largest) {
    const encoded = encodeMailboxMessage(message);
    assert.ok(encoded.length <= MAILBOX_MESSAGE_BYTES_MAX);
    assert.ok(encoded.length + ENVELOPE_HEADER_BYTES <= ENVELOPE_BYTES_MAX);
    assert.ok(decodeMailboxMessage(encoded).ok);
  }
});

Deno.test("a malformed mailbox message is refused with the place that does not fit", () => {
  const half = new Uint8Array(DEPOSIT_BYTES_MAX / 2 + 1);
  const hash = new Uint8Array(32);
  const cases: readonly (readonly [unknown, RegExp])[] = [
    [["nonsense"], /message type is nonsense/],
    [["constructor", []], /message type is constructor/],
    [{ type: "deposit" }, /message type is undefined/],
    [["deposit", []], /1/],
    [["deposit", [half, half]], /bytes of parcels/],
    [["deposit", [new Uint8Array(PARCEL_BYTES_MAX + 1)]], /1\.0/],
    [["deposit", Array.from({ length: 129 }, () => id)], /1/],
    [["taken", []], /1/],
    [["taken", [new Uint8Array(31)]], /32 bytes/],
    [["taken", Array.from({ length: IDS_MAX + 1 }, () => hash)], /items|1/],
    [["refused", hash, "tired"], /2/],
    [["refused", hash], /./],
    [["discard", [hash], 1], /./],
  ];
  for (const [value, reason] of cases) {
    const decoded = decodeMailboxMessage(encodeCanonical(value as object));
    assert.ok(!decoded.ok && reason.test(decoded.reason), JSON.stringify(decoded));
  }
});

Deno.test("no bytes make the mailbox decoder throw, and what it takes has one encoding", () => {
  fc.assert(
    fc.property(broken(MESSAGES.map(encodeMailboxMessage)), (bytes) => {
      const decoded = decodeMailboxMessage(bytes);
      if (decoded.ok) assert.equal(encodeMailboxMessage(decoded.message).toHex(), bytes.toHex());
    }),
    { seed: 4, numRuns: 4_000 },
  );
});
