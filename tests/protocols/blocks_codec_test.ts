/** Blocks as bytes: equal to the general encoder, strict when read, and never wrong by mutation. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Block } from "../../protocols/blocks/block.ts";
import { decodeBlock, decodeHeader } from "../../protocols/blocks/decode.ts";
import {
  createBlock,
  encodeBlock,
  encodeHeader,
  signedMessageOf,
} from "../../protocols/blocks/encode.ts";
import {
  BLOCK_KINDS,
  compareUtf8,
  HEADER_BYTES_MAX,
  utf8Length,
} from "../../protocols/blocks/limits.ts";
import { decodeCanonical, encodeCanonical, isWireText } from "../../protocols/codec.ts";
import { type BlockId, publicKeyOf } from "../../protocols/ids.ts";
import { TEST_MESH, testBlock, testCrypto, testSigner } from "./blocks_support.ts";

const author = testSigner(1);

const hash = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) =>
  bytes.toHex() as BlockId
);
const plainText = (maxLength: number) =>
  fc.string({ unit: "binary", maxLength }).filter((text) =>
    // deno-lint-ignore no-control-regex -- control characters are what must not be in it
    isWireText(text) && !/[\u0000-\u001f\u007f-\u009f/]/.test(text)
  );
/** Any valid block of any kind with a small body. */
const anyBlock: fc.Arbitrary<Block> = fc.record({
  kind: fc.constantFrom(...BLOCK_KINDS),
  sequence: fc.oneof(fc.integer({ min: 2, max: 1000 }), fc.integer({ min: 2, max: 2 ** 53 - 1 })),
  previous: hash,
  parents: fc.uniqueArray(hash, { maxLength: 16 }),
  target: hash,
  topic: plainText(30),
  tags: fc.uniqueArray(plainText(12).filter((tag) => tag !== ""), { maxLength: 32 }),
  mediaType: fc.constantFrom("text/plain", "text/plain; charset=utf-8", "a/b", "image/svg+xml"),
  timeMs: fc.integer({ min: 0, max: 253_402_300_799_999 }),
  payload: fc.uint8Array({ maxLength: 300 }),
}).map((fields) => {
  const founding = fields.kind === "founding";
  return createBlock({
    ...fields,
    mesh: founding ? null : TEST_MESH,
    sequence: founding ? 1 : fields.sequence,
    previous: founding ? null : fields.previous,
    parents: founding ? [] : fields.parents,
    target: fields.kind === "supersede" || fields.kind === "tombstone" ? fields.target : null,
    bodyBytes: fields.payload.length,
    signer: author,
    crypto: testCrypto,
  });
});

/** The header as the general encoder takes it: the documented positions. */
function positions({ header }: Block): readonly unknown[] {
  const bytes = (id: string | null) => id === null ? null : Uint8Array.fromHex(id);
  return [
    1,
    bytes(header.mesh),
    publicKeyOf(header.author),
    header.sequence,
    bytes(header.previous),
    header.parents.map(bytes),
    header.kind,
    bytes(header.target),
    header.topic,
    [...header.tags],
    header.mediaType,
    header.timeMs,
    header.bodyBytes,
    bytes(header.payloadHash),
  ];
}

Deno.test("blocks have the bytes that the general encoder gives, and are read back equal", () => {
  fc.assert(
    fc.property(anyBlock, fc.boolean(), (made, hasPayload) => {
      const block = hasPayload ? made : { ...made, payload: null };
      assert.equal(block.headerBytes.toHex(), encodeCanonical(positions(block)).toHex());
      const bytes = encodeBlock(block);
      assert.equal(
        bytes.toHex(),
        encodeCanonical([block.headerBytes, block.signature, block.payload]).toHex(),
      );
      const outcome = decodeBlock(bytes, testCrypto);
      assert.ok(outcome.ok, outcome.ok ? "" : outcome.reason);
      assert.deepEqual(outcome.block, block);
      assert.ok(testCrypto.verify(signedMessageOf(outcome.block)));
    }),
    { seed: 3, numRuns: 300 },
  );
});

Deno.test("the header reader accepts nothing that the general decoder refuses", () => {
  let accepted = 0;
  fc.assert(
    fc.property(anyBlock, mutations(), (block, edits) => {
      const bytes = mutate(block.headerBytes, edits);
      const outcome = decodeHeader(bytes);
      if (!outcome.ok) return;
      accepted++;
      assert.ok(decodeCanonical(bytes, { bytesMax: 4096 }).ok, bytes.toHex());
      assert.equal(encodeHeader(outcome.header).toHex(), bytes.toHex());
    }),
    { seed: 4, numRuns: 4000 },
  );
  assert.ok(accepted > 200, `only ${accepted} mutations were accepted: the test proves little`);
});

Deno.test("a changed block is refused, has another id or a signature that does not fit", () => {
  fc.assert(
    fc.property(anyBlock, mutations(), (block, edits) => {
      const original = encodeBlock(block);
      const bytes = mutate(original, edits);
      const outcome = decodeBlock(bytes, testCrypto);
      if (!outcome.ok || bytes.toHex() === original.toHex()) return;
      assert.equal(encodeBlock(outcome.block).toHex(), bytes.toHex());
      assert.ok(!testCrypto.verify(signedMessageOf(outcome.block)));
    }),
    { seed: 5, numRuns: 2000 },
  );
});

Deno.test("arbitrary bytes never crash the decoder", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      assert.equal(decodeBlock(bytes, testCrypto).ok, false);
      assert.equal(decodeHeader(bytes).ok, false);
    }),
    { seed: 6, numRuns: 2000 },
  );
});

Deno.test("decodeBlock refuses a payload that is not the one of the header", () => {
  const block = testBlock(author);
  const other = new TextEncoder().encode("Tomatoes want shade");
  for (const payload of [other.subarray(0, 18), other, new Uint8Array()]) {
    assert.equal(decodeBlock(encodeBlock({ ...block, payload }), testCrypto).ok, false);
  }
});

Deno.test("headers break their limits by one and are refused", () => {
  const positionsOf = positions(testBlock(author, { sequence: 2 }));
  const id = (byte: number) => new Uint8Array(32).fill(byte);
  const broken: readonly (readonly [position: number, value: unknown, why: string])[] = [
    [0, 2, "version"],
    [1, null, "no mesh"],
    [2, new Uint8Array(31), "short author"],
    [3, 0, "sequence 0"],
    [3, 1, "sequence 1 with previous"],
    [4, null, "no previous"],
    [5, Array.from({ length: 17 }, (_, i) => id(i)), "17 parents"],
    [5, [id(2), id(1)], "parents descending"],
    [5, [id(1), id(1)], "parents twice"],
    [6, "gossip", "unknown kind"],
    [6, "supersede", "supersede without target"],
    [6, "founding", "founding with a mesh"],
    [7, id(1), "put with target"],
    [8, "a".repeat(129), "long topic"],
    [8, "ü".repeat(65), "long topic in bytes"],
    [8, "/a", "topic with empty part"],
    [8, "a//b", "topic with empty part"],
    [8, "a\nb", "topic with control character"],
    [9, Array.from({ length: 33 }, (_, i) => `t${String(i).padStart(2, "0")}`), "33 tags"],
    [9, ["b", "a"], "tags descending"],
    [9, ["a", "a"], "tags twice"],
    [9, ["\u{10000}", "\uffff"], "tags in the order of UTF-16"],
    [9, [""], "empty tag"],
    [9, ["t".repeat(65)], "long tag"],
    [10, "text", "no media type"],
    [10, `text/${"x".repeat(123)}`, "long media type"],
    [11, 253_402_300_800_000, "time in the year 10000"],
    [11, -1, "negative time"],
    [12, 512 * 1024 * 1024 + 1, "body too long"],
    [13, id(1).subarray(1), "short hash"],
  ];
  assert.ok(decodeHeader(encodeCanonical(positionsOf)).ok);
  for (const [position, value, why] of broken) {
    const changed = positionsOf.with(position, value);
    assert.equal(decodeHeader(encodeCanonical(changed)).ok, false, why);
  }
  assert.equal(decodeHeader(encodeCanonical([...positionsOf, 1])).ok, false, "15 fields");
  const member = positionsOf.with(6, "member").with(12, 1025);
  assert.equal(decodeHeader(encodeCanonical(member)).ok, false, "long member body");
});

Deno.test("the largest possible block fits into the limits", () => {
  const block = testBlock(author, {
    sequence: 2 ** 53 - 1,
    parents: Array.from({ length: 16 }, (_, i) => i.toString(16).repeat(64) as BlockId),
    kind: "supersede",
    target: "33".repeat(32) as BlockId,
    topic: "t".repeat(128),
    tags: Array.from({ length: 32 }, (_, i) => String(i).padStart(64, "0")),
    mediaType: `text/${"x".repeat(122)}`,
    timeMs: 253_402_300_799_999,
    payload: new Uint8Array(65_536),
  });
  const bytes = encodeBlock(block);
  assert.ok(decodeBlock(bytes, testCrypto).ok);
  assert.equal(block.headerBytes.length, HEADER_BYTES_MAX);
});

Deno.test("texts are measured and ordered by their UTF-8 bytes", () => {
  const text = fc.string({ unit: "binary", maxLength: 8 });
  const encoder = new TextEncoder();
  fc.assert(
    fc.property(text, text, (a, b) => {
      assert.equal(utf8Length(a), encoder.encode(a).length);
      const expected = Buffer.compare(encoder.encode(a), encoder.encode(b));
      assert.equal(Math.sign(compareUtf8(a, b)), expected);
    }),
    { seed: 7, numRuns: 2000 },
  );
});

interface Edit {
  readonly at: number;
  readonly byte: number;
  readonly kind: number;
}

function mutations(): fc.Arbitrary<readonly Edit[]> {
  const edit = fc.record({ at: fc.nat(), byte: fc.nat(255), kind: fc.nat(4) });
  return fc.array(edit, { minLength: 1, maxLength: 3 });
}

function mutate(original: Uint8Array, edits: readonly Edit[]): Uint8Array {
  const bytes = [...original];
  for (const { at, byte, kind } of edits) {
    const index = at % Math.max(bytes.length, 1);
    if (kind === 0) bytes[index] = byte;
    else if (kind === 1) bytes[index] = (bytes[index] ?? 0) ^ (1 << (byte & 7));
    else if (kind === 2) bytes.splice(index, 1);
    else if (kind === 3) bytes.splice(index, 0, byte);
    else bytes.length = index;
  }
  return Uint8Array.from(bytes);
}

Deno.test("a second form of the same block is refused: longer heads, bytes behind it", () => {
  const block = testBlock(author);
  // Position 4, the sequence 1, written in two bytes.
  const at = 2 + 34 + 34;
  assert.equal(block.headerBytes[at], 1);
  const longer = [...block.headerBytes.subarray(0, at), 0x18, 1];
  const header = Uint8Array.from([...longer, ...block.headerBytes.subarray(at + 1)]);
  assert.equal(decodeHeader(header).ok, false);
  const bytes = encodeBlock(block);
  assert.ok(decodeBlock(bytes, testCrypto).ok);
  assert.equal(decodeBlock(Uint8Array.from([...bytes, 0]), testCrypto).ok, false);
});
