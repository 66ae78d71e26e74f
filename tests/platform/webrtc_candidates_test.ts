/** Which addresses a connection tells, when the library is slower to say them than to say that it is done. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { allCandidates } from "../../platform/webrtc_candidates.ts";

const HOST = "candidate:1 1 UDP 2122317823 192.168.1.7 50000 typ host";
const RELAY = "candidate:4 1 UDP 8331263 203.0.113.11 49170 typ relay raddr 0.0.0.0 rport 0";
const description = (...lines: readonly string[]) =>
  ["v=0", "m=application 9 UDP/DTLS/SCTP webrtc-datachannel", ...lines, "a=setup:active", ""].join(
    "\r\n",
  );

Deno.test("a candidate that only the description has is told as well", () => {
  assert.deepEqual(allCandidates([], description(`a=${HOST}`, `a=${RELAY}`)), [HOST, RELAY]);
  assert.deepEqual(allCandidates([RELAY], description(`a=${HOST}`)), [RELAY, HOST]);
});

Deno.test("one that both have is told once, however it is written, and without its zone", () => {
  const zoned = "candidate:1 1 UDP 2116026367 fe80::1%eth0 34838 typ host";
  const plain = "candidate:7 1 udp 2116026367 FE80::1 34838 typ host";
  assert.deepEqual(allCandidates([`a=${zoned}`], description(`a=${plain}`)), [
    "candidate:1 1 UDP 2116026367 fe80::1 34838 typ host",
  ]);
});

Deno.test("nothing but candidates comes out of any description, and none twice", () => {
  const line = fc.oneof(fc.string(), fc.constantFrom(HOST, RELAY, `a=${HOST}`, "a=candidate:x"));
  fc.assert(fc.property(fc.array(line), fc.array(line), (told, described) => {
    const found = allCandidates(told, description(...described));
    assert.ok(found.every((one) => one === HOST || one === RELAY));
    assert.equal(new Set(found).size, found.length);
  }));
});
