import assert from "node:assert/strict";
import fc from "fast-check";
import { parseRange, slicedStream } from "../../gateway/byte_range.ts";
import { addText, withGateway } from "./gateway_fixture.ts";

Deno.test("a range header means what RFC 9110 says", () => {
  // Examples of section 14.1.2, for a representation of 10,000 bytes, and their edges.
  for (
    const [header, bytes, expected] of [
      ["bytes=0-499", 10_000, { first: 0, last: 499 }],
      ["bytes=500-999", 10_000, { first: 500, last: 999 }],
      ["bytes=-500", 10_000, { first: 9_500, last: 9_999 }],
      ["bytes=9500-", 10_000, { first: 9_500, last: 9_999 }],
      ["bytes=9999-20000", 10_000, { first: 9_999, last: 9_999 }],
      ["bytes=-20000", 10_000, { first: 0, last: 9_999 }],
      ["bytes=10000-", 10_000, "unsatisfiable"],
      ["bytes=-0", 10_000, "unsatisfiable"],
      ["bytes=0-", 0, "unsatisfiable"],
      ["bytes=5-4", 10_000, undefined],
      ["bytes=0-0,-1", 10_000, undefined],
      ["bytes=-", 10_000, undefined],
      ["seconds=0-1", 10_000, undefined],
      [undefined, 10_000, undefined],
    ] as const
  ) assert.deepEqual(parseRange(header, bytes), expected, header ?? "no header");
});

Deno.test("a sliced stream is the slice, however the stream is cut", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uint8Array({ minLength: 1, maxLength: 9 }), { minLength: 1, maxLength: 9 }),
      fc.nat(),
      fc.nat(),
      async (pieces, a, b) => {
        const whole = Uint8Array.from(pieces.flatMap((piece) => [...piece]));
        const [first = 0, last = 0] = [a % whole.length, b % whole.length].toSorted((x, y) =>
          x - y
        );
        const part = slicedStream(ReadableStream.from(pieces), { first, last });
        const bytes = new Uint8Array(await new Response(part).arrayBuffer());
        assert.deepEqual(bytes, whole.slice(first, last + 1));
      },
    ),
    { seed: 14, numRuns: 300 },
  );
});

Deno.test("a part of a body is sent as asked, and all of it when the part is of another version", () =>
  withGateway(async (fixture) => {
    const id = await addText(fixture, "White clover feeds bees");
    const path = `/v1/blocks/${id}/body`;
    const part = await fixture.request(path, { headers: { Range: "bytes=6-11" } });
    assert.equal(part.status, 206);
    assert.equal(part.headers.get("Content-Range"), "bytes 6-11/23");
    assert.equal(part.headers.get("Content-Length"), "6");
    assert.equal(await part.text(), "clover");
    const stale = { Range: "bytes=6-11", "If-Range": '"other"' };
    const whole = await fixture.request(path, { headers: stale });
    assert.equal(whole.status, 200);
    assert.equal(whole.headers.get("Accept-Ranges"), "bytes");
    assert.equal(await whole.text(), "White clover feeds bees");
    const beyond = await fixture.request(path, { headers: { Range: "bytes=23-" } });
    assert.equal(beyond.status, 416);
    assert.equal(beyond.headers.get("Content-Range"), "bytes */23");
    assert.equal((await beyond.json()).reason, "rangeNotSatisfiable");
  }));
