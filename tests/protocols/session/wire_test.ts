/** Session frames and envelopes byte by byte, as the document states them. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { decodeEnvelope, encodeEnvelope } from "../../../protocols/envelope.ts";
import type { SessionFrame } from "../../../protocols/session/messages.ts";
import { decodeFrame, encodeFrame } from "../../../protocols/session/wire.ts";

const VECTORS: readonly (readonly [SessionFrame, string])[] = [
  [
    { type: "data", offset: 0x0102_0304_0506, acknowledged: 7, bytes: Uint8Array.of(0xaa, 0xbb) },
    "11010203040506000000000007aabb",
  ],
  [{ type: "ack", acknowledged: 258 }, "12000000000102"],
  [{ type: "ping", token: 0xdead_beef, acknowledged: 1 }, "13deadbeef000000000001"],
  [{ type: "pong", token: 1, acknowledged: 0 }, "1400000001000000000000"],
  [{ type: "goodbye", reason: "stopping" }, "1500"],
  [{ type: "goodbye", reason: "violation" }, "1502"],
  [{
    type: "resume",
    localId: new Uint8Array(16).fill(0x11),
    remoteId: new Uint8Array(16).fill(0x22),
    received: 3,
    boot: new Uint8Array(8).fill(0x44),
    lastPath: new Uint8Array(8).fill(0x55),
  }, `10${"11".repeat(16)}${"22".repeat(16)}000000000003${"44".repeat(8)}${"55".repeat(8)}`],
];

Deno.test("session frames have the documented bytes", () => {
  for (const [frame, hex] of VECTORS) {
    assert.equal(encodeFrame(frame).toHex(), hex);
    assert.deepEqual(decodeFrame(Uint8Array.fromHex(hex)), { type: "frame", frame });
  }
});

Deno.test("session frames of a wrong length are refused with the length expected", () => {
  for (const [frame, hex] of VECTORS) {
    const bytes = Uint8Array.fromHex(hex);
    if (frame.type === "data") {
      assert.equal(decodeFrame(bytes.subarray(0, 13)).type, "invalid");
      continue;
    }
    assert.equal(decodeFrame(bytes.subarray(0, bytes.length - 1)).type, "invalid");
    assert.equal(decodeFrame(Uint8Array.fromHex(hex + "00")).type, "invalid");
  }
});

Deno.test("whatever bytes come, a frame that decodes encodes to the same bytes", () => {
  const start = fc.constantFrom(0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x00);
  fc.assert(
    fc.property(start, fc.uint8Array({ maxLength: 60 }), (kind, rest) => {
      const bytes = Uint8Array.of(kind, ...rest);
      const outcome = decodeFrame(bytes);
      if (outcome.type === "frame") assert.deepEqual(encodeFrame(outcome.frame), bytes);
    }),
    { seed: 5, numRuns: 2_000 },
  );
});

Deno.test("an envelope has the documented bytes", () => {
  const envelope = {
    protocol: "gossip",
    version: 1,
    requestId: 0x0102_0304,
    body: Uint8Array.of(9),
  } as const;
  assert.equal(encodeEnvelope(envelope).toHex(), "02010102030409");
  assert.deepEqual(decodeEnvelope(Uint8Array.fromHex("02010102030409")), {
    type: "envelope",
    envelope,
  });
});

Deno.test("envelopes with an unknown protocol, version 0 or a cut header are refused", () => {
  for (const hex of ["", "0101000000", "090100000000", "010000000000"]) {
    assert.equal(decodeEnvelope(Uint8Array.fromHex(hex)).type, "invalid");
  }
});
