/** Bodies and chunks: the layout at its edges, and the streaming way equal to the one in memory. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  BODY_BYTES_MAX,
  CHUNK_BYTES,
  INLINE_BODY_BYTES_MAX,
} from "../../protocols/blocks/block.ts";
import {
  BodySplitter,
  chunksOf,
  isChunk,
  joinBody,
  splitBody,
} from "../../protocols/blocks/body.ts";
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
    split.chunks.forEach(({ bytes }, i) => assert.ok(isChunk(references[i]!, bytes, testCrypto)));
    assert.equal(
      split.chunks.length,
      length <= INLINE_BODY_BYTES_MAX ? 0 : Math.ceil(length / CHUNK_BYTES),
    );
    const joined = joinBody(split, split.payload, split.chunks.map(({ bytes }) => bytes));
    assert.ok(Buffer.from(joined).equals(body));
  }
});

Deno.test("a body that comes piece by piece is laid out as if it were in memory", () => {
  const length = fc.constantFrom(...EDGES);
  fc.assert(
    fc.property(
      length,
      fc.array(fc.integer({ min: 1, max: 300_000 }), { maxLength: 8 }),
      (length, pieces) => {
        const body = bodyOf(length);
        const splitter = new BodySplitter(testCrypto);
        const hashes: string[] = [];
        let offset = 0;
        for (const piece of [...pieces, length]) {
          for (const chunk of splitter.add(body.subarray(offset, offset + piece))) {
            hashes.push(
              chunk.hash,
            );
          }
          offset = Math.min(offset + piece, length);
        }
        const end = splitter.end();
        for (const chunk of end.chunks) hashes.push(chunk.hash);
        const whole = splitBody(body, testCrypto);
        assert.ok(Buffer.from(end.payload).equals(whole.payload));
        assert.equal(end.bodyBytes, length);
        assert.deepEqual(hashes, whole.chunks.map(({ hash }) => hash));
      },
    ),
    { seed: 12, numRuns: 40 },
  );
});

Deno.test("a chunk of another length or content is not the chunk", () => {
  const split = splitBody(bodyOf(CHUNK_BYTES + 1), testCrypto);
  const [first, last] = chunksOf(split, split.payload);
  assert.ok(!isChunk(first!, split.chunks[1]!.bytes, testCrypto));
  assert.ok(!isChunk(last!, new Uint8Array([1]), testCrypto));
  assert.equal(last!.bytes, 1);
});

Deno.test("the largest body has a list of hashes that just fits inline", () => {
  assert.equal(payloadBytesOf(BODY_BYTES_MAX), INLINE_BODY_BYTES_MAX);
  const splitter = new BodySplitter(testCrypto);
  const lie = { length: BODY_BYTES_MAX + 1 } as Uint8Array;
  assert.throws(() => splitter.add(lie), RangeError);
  assert.throws(() => splitBody(lie, testCrypto), RangeError);
});
