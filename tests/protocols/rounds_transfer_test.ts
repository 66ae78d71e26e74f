/** A vector arrives whole whatever is lost, repeated or out of order, and never more is asked for than a window. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { BlockId, ContentHash } from "../../protocols/ids.ts";
import { PART_BYTES, type RequestParts, type VectorPart } from "../../protocols/rounds/messages.ts";
import {
  acceptPart,
  askAgain,
  isWhole,
  nextRequest,
  partCount,
  PARTS_IN_FLIGHT_MAX,
  partsOf,
  receiveVector,
} from "../../protocols/rounds/transfer.ts";

const hash = "ab".repeat(32) as ContentHash;
const run = "cd".repeat(32) as BlockId;
const name = { run, hash };
const source = (length: number) =>
  Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 13)) & 255);

Deno.test("a vector arrives whole whatever is lost, repeated or out of order", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 12 * PART_BYTES }),
      fc.infiniteStream(
        fc.constantFrom("deliver", "deliver", "deliver", "lose", "repeat", "later"),
      ),
      (length, fates) => {
        const from = source(length);
        const to = receiveVector(run, { hash, bytes: length });
        let waiting: VectorPart[] = [];
        for (let rounds = 0; !isWhole(to); rounds++) {
          assert.ok(rounds < 200, "it never arrives");
          let request: RequestParts | null;
          let asked = 0;
          while ((request = nextRequest(to)) !== null) {
            waiting.push(...partsOf(name, from, request));
            asked += request.count;
          }
          assert.ok(to.asked <= PARTS_IN_FLIGHT_MAX);
          const now = waiting;
          waiting = [];
          if (asked === 0 && now.length === 0) askAgain(to);
          for (const part of now) {
            const fate = fates.next().value;
            if (fate === "later") waiting.push(part);
            if (fate === "deliver" || fate === "repeat") acceptPart(to, part);
            if (fate === "repeat") assert.equal(acceptPart(to, part), "duplicate");
          }
        }
        assert.equal(nextRequest(to), null);
        assert.ok(from.every((byte, i) => byte === to.bytes[i]));
      },
    ),
    { numRuns: 60 },
  );
});

Deno.test("a part of the wrong length or from beyond the end is unexpected and changes nothing", () => {
  const to = receiveVector(run, { hash, bytes: PART_BYTES + 10 });
  assert.equal(partCount(PART_BYTES + 10), 2);
  const part = (index: number, length: number): VectorPart => ({
    type: "vectorPart",
    run,
    hash,
    index,
    bytes: new Uint8Array(length).fill(1),
  });
  assert.equal(acceptPart(to, part(2, 10)), "unexpected");
  assert.equal(acceptPart(to, part(1, 11)), "unexpected");
  assert.equal(acceptPart(to, part(0, 10)), "unexpected");
  assert.equal(to.here, 0);
  assert.ok(to.bytes.every((byte) => byte === 0));
  assert.equal(acceptPart(to, part(1, 10)), "taken");
});

Deno.test("who asks beyond the end gets nothing", () => {
  assert.deepEqual(partsOf(name, source(10), { first: 1, count: 16 }), []);
  assert.equal(partsOf(name, source(10), { first: 0, count: 16 }).length, 1);
});
