/** Bodies and chunks: the layout at its edges. */
import assert from "node:assert/strict";
import {
  BODY_BYTES_MAX,
  CHUNK_BYTES,
  INLINE_BODY_BYTES_MAX,
} from "../../protocols/blocks/block.ts";
import { chunksOf, splitBody } from "../../protocols/blocks/body.ts";
import { payloadBytesOf } from "../../protocols/blocks/limits.ts";
import { testCrypto } from "./blocks_support.ts";

function bodyOf(length: number): Uint8Array {
  const body = new Uint8Array(length);
  for (let i = 0; i < length; i += 97) body[i] = (i * 31) & 255;
  return body;
}

const EDGES = [
  0,
  1,
  INLINE_BODY_BYTES_MAX,
  INLINE_BODY_BYTES_MAX + 1,
  CHUNK_BYTES - 1,
  CHUNK_BYTES,
  CHUNK_BYTES + 1,
  3 * CHUNK_BYTES + 5,
];

Deno.test("bodies up to 64 KiB travel inside, larger ones as chunks of 256 KiB", () => {
  for (const length of EDGES) {
    const body = bodyOf(length);
    const split = splitBody(body, testCrypto);
    assert.equal(split.bodyBytes, length);
    assert.equal(split.payload.length, payloadBytesOf(length));
    const references = chunksOf(split, split.payload);
    assert.deepEqual(references.map(({ hash }) => hash), split.chunks.map(({ hash }) => hash));
    assert.deepEqual(
      references.map(({ bytes }) => bytes),
      split.chunks.map(({ bytes }) => bytes.length),
    );
    assert.equal(
      split.chunks.length,
      length <= INLINE_BODY_BYTES_MAX ? 0 : Math.ceil(length / CHUNK_BYTES),
    );
    const pieces = split.chunks.length === 0 ? [split.payload] : split.chunks.map((c) => c.bytes);
    assert.ok(Buffer.concat(pieces).equals(body));
  }
});

Deno.test("the largest body has a list of hashes that just fits inline", () => {
  assert.equal(payloadBytesOf(BODY_BYTES_MAX), INLINE_BODY_BYTES_MAX);
  const lie = { length: BODY_BYTES_MAX + 1 } as Uint8Array;
  assert.throws(() => splitBody(lie, testCrypto), RangeError);
});
