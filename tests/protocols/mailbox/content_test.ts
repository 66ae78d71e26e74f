import assert from "node:assert/strict";
import fc from "fast-check";
import { encodeCanonical } from "../../../protocols/codec.ts";
import type { Content, ConversationId, MessageId } from "../../../protocols/mailbox/content.ts";
import {
  CONVERSATION_MEMBERS_MAX,
  PART_BYTES,
  RECEIPT_MESSAGES_MAX,
  STATEMENT_BYTES_MAX,
  STATEMENTS_MAX,
  TEXT_BYTES_MAX,
} from "../../../protocols/mailbox/content.ts";
import {
  CONTENT_BYTES_MAX,
  decodeContent,
  encodeContent,
  GROUP_BYTES_MAX,
  isFileName,
  problemOfContent,
} from "../../../protocols/mailbox/content_wire.ts";
import { partsOf } from "../../../protocols/mailbox/attachments.ts";
import { type ContentHash, deviceIdOf } from "../../../protocols/ids.ts";
import { alice, anyContent, bob, broken } from "./support.ts";

const id = new Uint8Array(16);
const hash = new Uint8Array(32);

Deno.test("every content survives its encoding", () => {
  fc.assert(
    fc.property(anyContent, (content) => {
      assert.equal(problemOfContent(content), undefined);
      assert.deepEqual(decodeContent(encodeContent(content)), { ok: true, message: content });
    }),
    { seed: 1, numRuns: 500 },
  );
});

Deno.test("the largest contents fit", () => {
  const conversation = "11".repeat(16) as ConversationId;
  const attachment = {
    name: "x".repeat(255),
    mediaType: `text/${"x".repeat(122)}`,
    bytes: 0,
    blob: "cd".repeat(32) as ContentHash,
    key: new Uint8Array(32),
    parts: 1,
  };
  const largest: readonly Content[] = [
    {
      type: "message",
      conversation,
      message: "22".repeat(16) as MessageId,
      number: 1,
      clock: 1,
      timeMs: 1,
      expiresAtMs: 1,
      text: "ü".repeat(TEXT_BYTES_MAX / 2),
      attachments: Array.from({ length: 16 }, () => attachment),
    },
    {
      type: "group",
      conversation,
      kind: "welcome",
      epoch: 1,
      bytes: new Uint8Array(GROUP_BYTES_MAX),
    },
    {
      type: "part",
      blob: "cd".repeat(32) as ContentHash,
      index: 0,
      count: 1,
      bytes: new Uint8Array(PART_BYTES),
    },
    {
      type: "receipt",
      conversation,
      state: "read",
      messages: Array.from({ length: RECEIPT_MESSAGES_MAX }, () => "33".repeat(16) as MessageId),
    },
    {
      type: "conversation",
      conversation,
      version: 1,
      title: "x".repeat(128),
      members: Array.from(
        { length: CONVERSATION_MEMBERS_MAX },
        (_, i) => deviceIdOf(new Uint8Array(32).fill(i)),
      ).sort(),
      leader: deviceIdOf(new Uint8Array(32)),
    },
    {
      type: "statements",
      conversation,
      statements: Array.from({ length: STATEMENTS_MAX }, () => ({
        body: new Uint8Array(STATEMENT_BYTES_MAX),
        signature: new Uint8Array(64),
      })),
    },
  ];
  for (const content of largest) {
    const encoded = encodeContent(content);
    assert.ok(encoded.length <= CONTENT_BYTES_MAX, `${content.type}: ${encoded.length}`);
    assert.ok(decodeContent(encoded).ok, content.type);
  }
});

Deno.test("a content that breaks a rule is refused with the place", () => {
  const message: readonly unknown[] = ["message", id, id, 1, 1, 0, null, "text", []];
  const file: readonly unknown[] = ["a.txt", "text/plain", 3, hash, hash, 1];
  const members = [alice, bob].toSorted((a, b) => a.id < b.id ? -1 : 1).map((one) => one.publicKey);
  const cases: readonly (readonly [unknown, RegExp])[] = [
    [["nonsense"], /content type is nonsense/],
    [{ type: "message" }, /content type is undefined/],
    [message.with(1, new Uint8Array(15)), /1: expected 16 bytes/],
    [message.with(3, 0), /3/],
    [message.with(4, 0), /4/],
    [message.with(7, ""), /a text or an attachment/],
    [message.with(7, "ü".repeat(TEXT_BYTES_MAX / 2) + "x"), /7/],
    [message.with(8, Array.from({ length: 17 }, () => file)), /8/],
    [message.with(8, [file.with(0, "../up")]), /plain name/],
    [message.with(8, [file.with(0, "a\u202egpj.exe")]), /plain name/],
    [message.with(8, [file.with(1, "text")]), /media type/],
    [message.with(8, [file.with(2, 64 * 1024 * 1024 + 1)]), /8\.0\.2/],
    [message.with(8, [file.with(4, new Uint8Array(31))]), /32 bytes/],
    [message.with(8, [file.with(5, 2)]), /parts do not fit the size/],
    [[...message, 1], /Too big|expected/],
    [["receipt", id, "seen", [id]], /2/],
    [["receipt", id, "read", []], /3/],
    [["part", hash, 2, 2, id], /beyond its count/],
    [["part", hash, 0, 1, new Uint8Array(PART_BYTES + 1)], /4/],
    [["part", hash, 0, partsOf(64 * 1024 * 1024) + 1, id], /3/],
    [["conversation", id, 1, "a\nb", members, members[0]], /control/],
    [["conversation", id, 1, "", members.toReversed(), members[0]], /ascending/],
    [["conversation", id, 1, "", [members[0], members[0]], members[0]], /ascending/],
    [["conversation", id, 1, "", members, hash], /leader is no member/],
    [["conversation", id, 1, "", members.slice(1), members[1]], /4/],
    [["group", id, "secret", 1, id], /2/],
    [["group", id, "commit", -1, id], /3/],
    [["group", id, "commit", 1, new Uint8Array(GROUP_BYTES_MAX + 1)], /4/],
  ];
  for (const [value, reason] of cases) {
    const decoded = decodeContent(encodeCanonical(value as object));
    assert.ok(!decoded.ok && reason.test(decoded.reason), JSON.stringify(decoded));
  }
});

Deno.test("names that a file system or a terminal takes for something else are none", () => {
  for (const name of ["a", "Übung 1.pdf", "…", ".hidden"]) assert.ok(isFileName(name), name);
  for (const name of ["", ".", "..", "a/b", "a\\b", "a\0", "\u001b[2J", "a\u2066b"]) {
    assert.ok(!isFileName(name), JSON.stringify(name));
  }
});

Deno.test("no bytes make the content decoder throw, and what it takes has one encoding", () => {
  const valid = fc.sample(anyContent, { seed: 2, numRuns: 40 }).map(encodeContent);
  fc.assert(
    fc.property(broken(valid), (bytes) => {
      const decoded = decodeContent(bytes);
      if (decoded.ok) assert.equal(encodeContent(decoded.message).toHex(), bytes.toHex());
      else assert.equal(typeof decoded.reason, "string");
    }),
    { seed: 6, numRuns: 4_000 },
  );
});
