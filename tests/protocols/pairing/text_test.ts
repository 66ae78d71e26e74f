/** Invites as text, messages as bytes, blocks in pages. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { encodeCanonical } from "../../../protocols/codec.ts";
import { createBlock } from "../../../protocols/blocks/encode.ts";
import { fittingName } from "../../../protocols/pairing/display_name.ts";
import {
  drawCode,
  formatCode,
  formatLink,
  LINK_PREFIX,
  parseInvite,
} from "../../../protocols/pairing/invite.ts";
import { PAIRING_LIMITS } from "../../../protocols/pairing/messages.ts";
import { blocksOf, pagesOf } from "../../../protocols/pairing/pages.ts";
import * as wire from "../../../protocols/pairing/wire.ts";
import type { BlockId } from "../../../protocols/ids.ts";
import { crypto, idOf, mesh, signerFor, testRandom } from "./support.ts";

const link = {
  inviteId: new Uint8Array(8).fill(1),
  inviter: idOf("hub"),
  addresses: ["http://192.168.1.7:7464", "http://[fe80::1%25eth0]:7464"],
  secret: new Uint8Array(16).fill(2),
  expiresAtMs: 1_800_000_000_000,
};

Deno.test("a link is read as it was written, also with spaces around it", () => {
  const text = formatLink(link);
  assert.ok(text.startsWith(LINK_PREFIX) && text.length < 250, `${text.length} characters`);
  const parsed = parseInvite(`  ${text}\n`);
  assert.deepEqual(parsed, { type: "link", link });
});

Deno.test("a code is read however it is typed", () => {
  const code = drawCode(7, testRandom("code"));
  assert.match(code, /^07[0-9]{6}$/);
  for (const typed of [code, formatCode(code), `${code.slice(0, 4)} ${code.slice(4)} `]) {
    assert.deepEqual(parseInvite(typed), { type: "code", digits: code });
  }
});

Deno.test("what is no invite is refused with what was expected", () => {
  for (
    const [typed, pattern] of [
      ["4821-773", /eight digits like 4821-7730/],
      ["", /eight digits/],
      ["https://example.org", /starts with kiana:pair/],
      ["kiana:pair?i=???", /base64url/],
      ["kiana:pair?i=AA", /damaged/],
      ["kiana:other", /expected kiana:pair/],
      [LINK_PREFIX + "A".repeat(5_000), /longer than/],
      [formatLink(link).slice(0, -4), /damaged/],
    ] as const
  ) {
    const parsed = parseInvite(typed);
    assert.ok(parsed.type === "invalid", typed);
    assert.match(parsed.reason, pattern);
  }
});

Deno.test("no bytes make a decoder throw, and what decodes encodes to the same bytes", () => {
  const decoders = [
    wire.decodeRequest,
    wire.decodeReply,
    wire.decodeOpening,
    wire.decodeJoinerMessage,
    wire.decodeInviterMessage,
  ];
  const samples = [
    wire.encodeMessage({
      type: "hello",
      version: 1,
      kind: "link",
      selector: new Uint8Array(8),
      nonce: new Uint8Array(16),
      commitment: new Uint8Array(32),
    }),
    wire.encodeMessage({ type: "sealed", counter: 5, sealed: new Uint8Array(20) }),
    wire.encodeMessage({ type: "page", page: 1, blocks: [new Uint8Array(3)] }),
    wire.encodeMessage({ type: "ended", reason: "no" }),
  ];
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array({ maxLength: 200 }),
        fc.tuple(fc.constantFrom(...samples), fc.nat(), fc.nat(255)).map(([bytes, at, value]) => {
          const changed = bytes.slice();
          changed[at % changed.length] = value;
          return changed;
        }),
      ),
      (bytes) => {
        for (const decode of decoders) {
          const decoded = decode(new Uint8Array(bytes));
          if (decoded.ok) assert.deepEqual(encodeCanonical(decoded.message), new Uint8Array(bytes));
        }
      },
    ),
    { seed: 99, numRuns: 2_000 },
  );
});

Deno.test("decoders refuse unknown fields, other versions and what is too large", () => {
  const hello = {
    type: "hello",
    version: 1,
    kind: "code",
    selector: Uint8Array.of(48),
    nonce: new Uint8Array(16),
    commitment: new Uint8Array(32),
  };
  assert.ok(wire.decodeRequest(encodeCanonical(hello)).ok);
  for (
    const change of [
      { more: 1 },
      { version: 2 },
      { kind: "qr" },
      { nonce: new Uint8Array(15) },
      { selector: new Uint8Array(9) },
    ]
  ) {
    assert.ok(!wire.decodeRequest(encodeCanonical({ ...hello, ...change })).ok);
  }
  const large = {
    type: "sealed",
    counter: 0,
    sealed: new Uint8Array(PAIRING_LIMITS.sealedBytes + 1),
  };
  assert.ok(!wire.decodeReply(encodeCanonical(large)).ok);
});

Deno.test("names that would move the cursor or turn the line round are refused", () => {
  for (const displayName of ["a\u001b[2J", "a\nb", "a\u202eb", "x".repeat(64)]) {
    const bytes = wire.encodeJoinerIdentity({ deviceId: idOf("phone"), displayName });
    assert.ok(!wire.decodeJoinerIdentity(bytes).ok, JSON.stringify(displayName));
  }
  assert.equal(fittingName("a\u001b[2J\u202eb" + "é".repeat(40)), "a[2Jb" + "é".repeat(29));
  const fine = wire.encodeJoinerIdentity({ deviceId: idOf("phone"), displayName: "Omas Küche 🍳" });
  assert.ok(wire.decodeJoinerIdentity(fine).ok);
});

Deno.test("a page of the largest size fits into one message", () => {
  const blocks = Array.from({ length: 6 }, () => new Uint8Array(PAIRING_LIMITS.blockBytes));
  const inner = wire.encodeMessage({ type: "page", page: 511, blocks });
  assert.ok(inner.length + 16 <= PAIRING_LIMITS.sealedBytes);
});

Deno.test("registry blocks survive paging in order", () => {
  const blocks = Array.from({ length: 300 }, (_, index) =>
    createBlock({
      mesh: index === 0 ? null : mesh,
      sequence: index + 1,
      previous: index === 0 ? null : "cd".repeat(32) as BlockId,
      parents: [],
      kind: index === 0 ? "founding" : "member",
      target: null,
      topic: "",
      tags: [],
      mediaType: "application/cbor",
      timeMs: index,
      bodyBytes: 500,
      payload: new Uint8Array(500).fill(index),
      signer: signerFor("hub"),
      crypto,
    }));
  const pages = pagesOf(blocks);
  assert.ok(pages !== undefined && pages.length > 1);
  const back = pages.flatMap((page) => {
    const outcome = blocksOf(page, crypto);
    assert.ok(outcome.ok);
    return outcome.blocks;
  });
  assert.deepEqual(back.map((block) => block.id), blocks.map((block) => block.id));
  assert.ok(!blocksOf([new Uint8Array(3)], crypto).ok);
});
