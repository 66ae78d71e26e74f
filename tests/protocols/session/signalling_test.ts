/** Signalling messages: what is signed, and what is refused. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { nodeCrypto } from "../../../platform/node_crypto.ts";
import {
  CANDIDATES_MAX,
  decodeSignal,
  encodeSignal,
  fingerprintOf,
  type SignalMessage,
  verifySignal,
  webrtcBinding,
  withoutCandidates,
} from "../../../protocols/session/signalling.ts";
import { testDevice } from "./support.ts";

const crypto = nodeCrypto();
const anna = testDevice("anna");
const id = new Uint8Array(16).fill(1);
const from = anna.signer.publicKey;
const offer: SignalMessage = {
  type: "offer",
  id,
  meshTag: "0a1b2c3d",
  from,
  to: new Uint8Array(32),
  sdp: "v=0\r\n",
};
const answer: SignalMessage = {
  type: "answer",
  id,
  from,
  offerHash: new Uint8Array(32),
  sdp: "v=0\r\n",
  candidates: ["candidate:1"],
};
const candidates: SignalMessage = { type: "candidates", id, from, candidates: [] };

Deno.test("signalling messages come back as they were, signed by their sender", () => {
  for (const message of [offer, answer, candidates]) {
    const decoded = decodeSignal(encodeSignal(message, anna.signer).bytes);
    assert.ok(decoded.ok);
    assert.deepEqual(decoded.signal.message, message);
    assert.equal(decoded.signal.from, anna.id);
    assert.equal(verifySignal(decoded.signal, crypto), true);
  }
});

Deno.test("a signalling message signed by another device does not verify", () => {
  const decoded = decodeSignal(encodeSignal(offer, testDevice("mallory").signer).bytes);
  assert.ok(decoded.ok);
  assert.equal(verifySignal(decoded.signal, crypto), false);
});

Deno.test("no byte of a signalling message can be changed without being noticed", () => {
  const { bytes } = encodeSignal(answer, anna.signer);
  for (let at = 0; at < bytes.length; at++) {
    const changed = bytes.slice();
    changed[at]! ^= 1;
    const decoded = decodeSignal(changed);
    assert.ok(!decoded.ok || !verifySignal(decoded.signal, crypto), `byte ${at}`);
  }
});

Deno.test("signalling messages with unknown fields, wrong lengths or too many candidates are refused by name", () => {
  for (
    const [change, named] of [
      [{ extra: 1 }, "extra"],
      [{ id: new Uint8Array(15) }, "id"],
      [{ from: new Uint8Array(33) }, "from"],
      [{ candidates: Array(CANDIDATES_MAX + 1).fill("x") }, "candidates"],
      [{ sdp: "x".repeat(8_193) }, "sdp"],
      [{ type: "other" }, "type"],
    ] as const
  ) {
    const decoded = decodeSignal(
      encodeSignal({ ...answer, ...change } as never, anna.signer).bytes,
    );
    assert.ok(!decoded.ok && decoded.reason.includes(named), JSON.stringify(decoded));
  }
});

Deno.test("whatever bytes come, decoding a signal never throws", () => {
  const { bytes } = encodeSignal(offer, anna.signer);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(bytes.length), (noise, at) => {
      decodeSignal(noise);
      decodeSignal(new Uint8Array([...bytes.subarray(0, at), ...noise]));
    }),
    { seed: 9, numRuns: 1_000 },
  );
});

Deno.test("a description has one SHA-256 fingerprint or none that counts", () => {
  const value = Array(32).fill("AB").join(":");
  const line = `a=fingerprint:sha-256 ${value}\r\n`;
  assert.equal(fingerprintOf(`v=0\r\n${line}m=x\r\n${line}`)?.toHex(), "ab".repeat(32));
  const other = line.replaceAll("AB", "CD");
  for (
    const sdp of [
      "",
      line + other,
      "a=fingerprint:sha-1 AA:BB\r\n",
      `${line}a=fingerprint:sha-512 AA\r\n`,
      "a=fingerprint:sha-256 AB:CD\r\n",
    ]
  ) {
    assert.equal(fingerprintOf(sdp), undefined, sdp);
  }
});

Deno.test("the binding is the same at both ends and names both certificates", () => {
  const [a, b] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
  assert.deepEqual(webrtcBinding(crypto, a, b), webrtcBinding(crypto, b, a));
  assert.notDeepEqual(webrtcBinding(crypto, a, b), webrtcBinding(crypto, a, a));
});

Deno.test("candidates are taken out of a description and nothing else is", () => {
  assert.equal(
    withoutCandidates(
      "v=0\r\na=candidate:1 1 UDP 1 1.2.3.4 5 typ host\r\na=mid:0\r\na=end-of-candidates\r\n",
    ),
    "v=0\r\na=mid:0\r\n",
  );
});
