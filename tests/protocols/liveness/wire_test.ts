import assert from "node:assert/strict";
import fc from "fast-check";
import { encodeCanonical } from "../../../protocols/codec.ts";
import { deviceIdOf } from "../../../protocols/ids.ts";
import {
  BELIEFS_MAX,
  type LivenessMessage,
  type Rumour,
  RUMOURS_MAX,
} from "../../../protocols/liveness/messages.ts";
import { decodeLivenessMessage, encodeLivenessMessage } from "../../../protocols/liveness/wire.ts";

const key = new Uint8Array(32).fill(3);
const [a, b] = [deviceIdOf(key), deviceIdOf(new Uint8Array(32).fill(4))].sort() as [
  ReturnType<typeof deviceIdOf>,
  ReturnType<typeof deviceIdOf>,
];
const rumours: readonly Rumour[] = [
  { subject: a, state: "suspect", incarnation: 7, accusers: [a, b] },
  { subject: b, state: "left", incarnation: 0, accusers: [] },
];

const MESSAGES: readonly LivenessMessage[] = [
  { type: "ping", sequence: 2 ** 32 - 1, rumours },
  { type: "ack", sequence: 0, rumours: [] },
  { type: "pingRequest", sequence: 5, target: a, rumours },
  { type: "nack", sequence: 5, noSession: true },
  { type: "gossip", rumours },
  { type: "digest", count: 3, sum: 99, rumours },
  { type: "beliefs", answerWanted: true, rumours },
];

Deno.test("every liveness message survives its encoding", () => {
  for (const message of MESSAGES) {
    assert.deepEqual(decodeLivenessMessage(encodeLivenessMessage(message)), { ok: true, message });
  }
});

Deno.test("a malformed liveness message is refused with the place that does not fit", () => {
  const rumour = (state: number, accusers: readonly Uint8Array[]) => [key, state, 1, accusers];
  const cases: readonly (readonly [object, RegExp])[] = [
    [["nonsense"], /message type is nonsense/],
    [["ping", -1, []], /1: /],
    [["ping", 1, Array.from({ length: RUMOURS_MAX + 1 }, () => rumour(0, []))], /2: /],
    [["gossip", [rumour(4, [])]], /1\.0\.1: /],
    [["gossip", [rumour(1, [])]], /exactly where there is a suspicion/],
    [["gossip", [rumour(2, [key])]], /exactly where there is a suspicion/],
    [["gossip", [rumour(1, [key, key])]], /ascending/],
    [["gossip", [[new Uint8Array(31), 0, 1, []]]], /32 bytes/],
    [["nack", 1], /nack|expected|Too small/i],
  ];
  for (const [value, expected] of cases) {
    const outcome = decodeLivenessMessage(encodeCanonical(value));
    assert.ok(!outcome.ok);
    assert.match(outcome.reason, expected);
  }
});

Deno.test("everything that may be believed fits into one message", () => {
  const many = Array.from({ length: BELIEFS_MAX }, (_, i): Rumour => {
    const key = new Uint8Array(32);
    new DataView(key.buffer).setUint32(0, i);
    return { subject: deviceIdOf(key), state: "alive", incarnation: 2 ** 30, accusers: [] };
  });
  const bytes = encodeLivenessMessage({ type: "beliefs", answerWanted: false, rumours: many });
  assert.ok(decodeLivenessMessage(bytes).ok);
});

Deno.test("no bytes at all make the decoder throw", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
    assert.equal(typeof decodeLivenessMessage(bytes).ok, "boolean");
  }));
  // Nor does a message with one byte changed.
  fc.assert(fc.property(fc.nat(6), fc.nat(400), fc.nat(255), (which, at, value) => {
    const bytes = encodeLivenessMessage(MESSAGES[which]!);
    bytes[at % bytes.length] = value;
    assert.equal(typeof decodeLivenessMessage(bytes).ok, "boolean");
  }));
});
