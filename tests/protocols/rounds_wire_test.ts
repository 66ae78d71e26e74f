/** What members say about rounds survives the wire unchanged, and nothing else is accepted. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { type BlockId, type ContentHash, type DeviceId, deviceIdOf } from "../../protocols/ids.ts";
import {
  PART_BYTES,
  PHASE_BYTES_MAX,
  type RoundsMessage,
  VECTOR_BYTES_MAX,
} from "../../protocols/rounds/messages.ts";
import {
  decodeRoundsMessage,
  encodeRoundsMessage,
  ROUNDS_BYTES_MAX,
} from "../../protocols/rounds/wire.ts";

/** Plain objects, as decoding makes them. */
const record = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }) =>
  fc.record<T>(model, { noNullPrototype: true }) as fc.Arbitrary<T>;
const hash = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) =>
  bytes.toHex() as ContentHash & BlockId
);
const device = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(deviceIdOf);
const devices = fc.uniqueArray(device, { minLength: 1, maxLength: 5 }).map((ids): DeviceId[] =>
  ids.sort()
);
const bytes = (maxLength: number) => fc.uint8Array({ maxLength });
const attempt = {
  run: hash as fc.Arbitrary<BlockId>,
  round: fc.integer({ min: 1, max: 100_000 }),
  term: fc.nat(2 ** 32 - 1),
  attempt: fc.nat(2 ** 32 - 1),
};
const offer = record({
  hash: hash as fc.Arbitrary<ContentHash>,
  bytes: fc.integer({ min: 1, max: VECTOR_BYTES_MAX }),
});
const reason = fc.string({ unit: "grapheme", maxLength: 20 });
const signature = fc.uint8Array({ minLength: 64, maxLength: 64 });
const count = fc.nat(1_024);

const message: fc.Arbitrary<RoundsMessage> = fc.oneof(
  record({
    type: fc.constant("roundStart" as const),
    ...attempt,
    model: offer,
    version: fc.option(hash as fc.Arbitrary<BlockId>),
    called: devices,
    withinMs: fc.integer({ min: 1, max: 86_400_000 }),
  }),
  record({
    type: fc.constant("roundStart" as const),
    ...attempt,
    model: offer,
    version: fc.option(hash as fc.Arbitrary<BlockId>),
    called: devices,
    withinMs: fc.integer({ min: 1, max: 86_400_000 }),
    second: device,
  }),
  record({
    type: fc.constant("hereIAm" as const),
    ...attempt,
    phase: fc.constantFrom("idle" as const, "unmasked" as const),
    checkpoint: fc.constant(null),
    bound: devices,
  }),
  record({
    type: fc.constant("peerReady" as const),
    ...attempt,
    modelHash: hash as fc.Arbitrary<ContentHash>,
    keys: bytes(200),
  }),
  record({
    type: fc.constant("decline" as const),
    ...attempt,
    why: fc.constantFrom(
      "optedOut" as const,
      "noData" as const,
      "budget" as const,
      "busy" as const,
      "staleModel" as const,
      "cannot" as const,
    ),
    reason,
  }),
  record({
    type: fc.constant("securePhase" as const),
    ...attempt,
    phase: fc.constantFrom(
      "roster" as const,
      "shares" as const,
      "unmask" as const,
      "key" as const,
      "part" as const,
      "present" as const,
      "presentBoth" as const,
      "open" as const,
      "total" as const,
    ),
    body: bytes(500),
  }),
  record({ type: fc.constant("trainNow" as const), ...attempt }),
  record({
    type: fc.constant("gradientSubmission" as const),
    ...attempt,
    update: offer,
    modelHash: hash as fc.Arbitrary<ContentHash>,
    weight: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
    proofOfWork: fc.maxSafeNat(),
    signature,
  }),
  record({ type: fc.constant("submissionRefused" as const), ...attempt, reason }),
  record({
    type: fc.constant("modelUpdate" as const),
    ...attempt,
    version: hash as fc.Arbitrary<BlockId>,
    aggregate: offer,
  }),
  record({ type: fc.constant("roundAbandoned" as const), ...attempt, reason }),
  record({
    type: fc.constant("coordinatorBeat" as const),
    ...attempt,
    phase: fc.constantFrom("waiting" as const, "training" as const, "finished" as const),
    ready: count,
    submitted: count,
    fetched: count,
  }),
  record({ type: fc.constant("whereAreYou" as const), ...attempt }),
  record({
    type: fc.constant("hereIAm" as const),
    ...attempt,
    phase: fc.constantFrom("idle" as const, "ready" as const, "unmasked" as const),
    checkpoint: fc.option(offer),
  }),
  record({ type: fc.constant("keepCheckpoint" as const), ...attempt, checkpoint: offer }),
  record({
    type: fc.constant("checkpointKept" as const),
    ...attempt,
    hash: hash as fc.Arbitrary<ContentHash>,
  }),
  record({
    type: fc.constant("runMembership" as const),
    run: hash as fc.Arbitrary<BlockId>,
    joined: fc.boolean(),
    round: fc.nat(100_000),
    company: fc.nat(1_024),
  }),
  record({
    type: fc.constant("runCompany" as const),
    run: hash as fc.Arbitrary<BlockId>,
    devices,
  }),
  record({
    type: fc.constant("requestParts" as const),
    run: hash as fc.Arbitrary<BlockId>,
    hash: hash as fc.Arbitrary<ContentHash>,
    first: fc.nat(511),
    count: fc.integer({ min: 1, max: 16 }),
  }),
  record({
    type: fc.constant("vectorPart" as const),
    run: hash as fc.Arbitrary<BlockId>,
    hash: hash as fc.Arbitrary<ContentHash>,
    index: fc.nat(511),
    bytes: bytes(1_000),
  }),
  record({
    type: fc.constant("gridPlace" as const),
    run: hash as fc.Arbitrary<BlockId>,
    round: fc.integer({ min: 1, max: 100_001 }),
    step: fc.nat(4),
    places: fc.array(fc.nat(15), { maxLength: 3 }),
    model: fc.option(offer, { nil: null }),
    gives: fc.boolean(),
  }),
  record({
    type: fc.constant("vectorMissing" as const),
    run: hash as fc.Arbitrary<BlockId>,
    hash: hash as fc.Arbitrary<ContentHash>,
  }),
);

Deno.test("every message about rounds is read as it was written", () => {
  fc.assert(
    fc.property(message, (value) => {
      assert.deepEqual(decodeRoundsMessage(encodeRoundsMessage(value)), {
        ok: true,
        message: value,
      });
    }),
    { numRuns: 500 },
  );
});

Deno.test("damaged messages about rounds are refused or mean something else, and never throw", () => {
  fc.assert(
    fc.property(message, fc.nat(), fc.integer({ min: 1, max: 255 }), (value, at, flip) => {
      const encoded = encodeRoundsMessage(value);
      encoded[at % encoded.length]! ^= flip;
      const decoded = decodeRoundsMessage(encoded);
      if (decoded.ok) assert.notDeepEqual(decoded.message, value);
      assert.equal(decodeRoundsMessage(encoded.subarray(0, at % encoded.length)).ok, false);
    }),
    { numRuns: 500 },
  );
});

Deno.test("the largest phase message and the largest part fit, and no larger ones", () => {
  const base = {
    run: "aa".repeat(32) as BlockId,
    round: 1,
    term: 0,
    attempt: 0,
  };
  const phase = (length: number): RoundsMessage => ({
    type: "securePhase",
    ...base,
    phase: "roster",
    body: new Uint8Array(length),
  });
  assert.ok(decodeRoundsMessage(encodeRoundsMessage(phase(PHASE_BYTES_MAX))).ok);
  assert.equal(decodeRoundsMessage(encodeRoundsMessage(phase(PHASE_BYTES_MAX + 1))).ok, false);
  assert.equal(decodeRoundsMessage(new Uint8Array(ROUNDS_BYTES_MAX + 1)).ok, false);
  const part = (length: number): RoundsMessage => ({
    type: "vectorPart",
    run: base.run,
    hash: "bb".repeat(32) as ContentHash,
    index: 0,
    bytes: new Uint8Array(length),
  });
  assert.ok(decodeRoundsMessage(encodeRoundsMessage(part(PART_BYTES))).ok);
  assert.equal(decodeRoundsMessage(encodeRoundsMessage(part(PART_BYTES + 1))).ok, false);
});

Deno.test("a list of called devices that is not ascending is refused", () => {
  const a = deviceIdOf(new Uint8Array(32).fill(1));
  const b = deviceIdOf(new Uint8Array(32).fill(2));
  const [low, high] = [a, b].sort() as [DeviceId, DeviceId];
  const start = (called: readonly DeviceId[]): RoundsMessage => ({
    type: "roundStart",
    run: "aa".repeat(32) as BlockId,
    round: 1,
    term: 0,
    attempt: 0,
    model: { hash: "bb".repeat(32) as ContentHash, bytes: 4 },
    version: null,
    called,
    withinMs: 1_000,
  });
  assert.ok(decodeRoundsMessage(encodeRoundsMessage(start([low, high]))).ok);
  assert.equal(decodeRoundsMessage(encodeRoundsMessage(start([high, low]))).ok, false);
  assert.equal(decodeRoundsMessage(encodeRoundsMessage(start([low, low]))).ok, false);
});
