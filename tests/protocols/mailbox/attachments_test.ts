import assert from "node:assert/strict";
import { createDecipheriv } from "node:crypto";
import fc from "fast-check";
import { equalBytes } from "../../../protocols/codec.ts";
import {
  openAttachment,
  openPart,
  PART_PLAIN_BYTES,
  partsOf,
  sealAttachment,
} from "../../../protocols/mailbox/attachments.ts";
import { ATTACHMENT_BYTES_MAX, PART_BYTES } from "../../../protocols/mailbox/content.ts";
import { crypto, random } from "./support.ts";

const bodyOf = (bytes: number) => new Uint8Array(bytes).map((_, i) => i * 7 + (i >> 8));
const seal = (body: Uint8Array) => sealAttachment(body, { crypto, random });

Deno.test("attachments of every size around a part's come back as they were", () => {
  for (
    const bytes of [0, 1, PART_PLAIN_BYTES - 1, PART_PLAIN_BYTES, PART_PLAIN_BYTES + 1, 800_000]
  ) {
    const body = bodyOf(bytes);
    const sealed = seal(body);
    assert.equal(sealed.parts, partsOf(bytes));
    assert.equal(sealed.ciphertext.length, sealed.parts);
    assert.ok(sealed.ciphertext.every((part) => part.length <= PART_BYTES));
    const opened = openAttachment(sealed, sealed.ciphertext, crypto);
    assert.ok(opened !== undefined && equalBytes(opened, body), `${bytes} bytes`);
  }
  assert.equal(partsOf(ATTACHMENT_BYTES_MAX), 257);
});

Deno.test("parts that are missing, doubled, swapped, cut or changed are noticed", () => {
  const sealed = seal(bodyOf(3 * PART_PLAIN_BYTES));
  const [a, b, c] = sealed.ciphertext as [Uint8Array, Uint8Array, Uint8Array];
  const opened = (parts: readonly Uint8Array[], changes = {}) =>
    openAttachment({ ...sealed, ...changes }, parts, crypto);
  assert.ok(opened([a, b, c]) !== undefined);
  const wrong: readonly (readonly Uint8Array[])[] = [
    [],
    [a, b],
    [a, b, c, c],
    [b, a, c],
    [a, a, c],
    [a, b, c.slice(0, -1)],
    [a, b, new Uint8Array(0)],
    [a.with(5, a[5]! ^ 1), b, c],
  ];
  for (const parts of wrong) assert.ok(opened(parts) === undefined);
  // Even for whoever could give the blob another name: the construction itself tells.
  for (const parts of wrong) {
    const blob = crypto.sha256(...parts).toHex();
    assert.ok(opened(parts, { blob }) === undefined);
    assert.ok(opened(parts, { blob, parts: parts.length }) === undefined);
    const bytes = Math.max(0, (parts.length - 1) * PART_PLAIN_BYTES + 1);
    assert.ok(opened(parts, { blob, parts: parts.length, bytes }) === undefined);
  }
  assert.ok(opened([a, b, c], { bytes: sealed.bytes - 1 }) === undefined);
  assert.ok(opened([a, b, c], { blob: "00".repeat(32) }) === undefined);
  assert.ok(opened([a, b, c], { key: new Uint8Array(32) }) === undefined);
});

Deno.test("a part opens in its own place only", () => {
  const sealed = seal(bodyOf(2 * PART_PLAIN_BYTES));
  const [a, b] = sealed.ciphertext as [Uint8Array, Uint8Array];
  assert.ok(openPart(sealed, 0, a, crypto) !== undefined);
  assert.ok(openPart(sealed, 1, b, crypto) !== undefined);
  for (const [index, part] of [[1, a], [0, b], [2, a], [-1, a], [0.5, a]] as const) {
    assert.ok(openPart(sealed, index, part, crypto) === undefined);
  }
  assert.ok(openPart({ ...sealed, parts: 1 }, 0, a, crypto) === undefined, "taken for the last");
  assert.ok(
    openPart({ ...sealed, parts: 3 }, 1, b, crypto) === undefined,
    "taken for not the last",
  );
  assert.ok(openPart(sealed, 0, new Uint8Array(15), crypto) === undefined);
});

Deno.test("each file has its own key", () => {
  assert.notDeepEqual(seal(bodyOf(10)).key, seal(bodyOf(10)).key);
});

Deno.test("more than 64 MiB is refused before any work", () => {
  const tooLong = { length: ATTACHMENT_BYTES_MAX + 1 } as Uint8Array;
  assert.throws(() => seal(tooLong), /Cannot seal attachment/);
});

Deno.test("a part is ChaCha20-Poly1305 under its number, as node:crypto opens it", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (body) => {
      const sealed = seal(body);
      const part = sealed.ciphertext[0]!;
      const nonce = Uint8Array.fromHex("0000000000000000000000" + "01");
      const decipher = createDecipheriv("chacha20-poly1305", sealed.key, nonce, {
        authTagLength: 16,
      });
      decipher.setAuthTag(part.subarray(-16));
      decipher.setAAD(new TextEncoder().encode("kiana attachment v1"), {
        plaintextLength: body.length,
      });
      const plain = decipher.update(part.subarray(0, -16));
      decipher.final();
      assert.equal(new Uint8Array(plain).toHex(), body.toHex());
    }),
    { seed: 8, numRuns: 20 },
  );
});
