/** QUIC offers and answers: their bytes, what is signed, and what is refused. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { nodeCrypto } from "../../../platform/node_crypto.ts";
import {
  decodeQuicSignal,
  encodeQuicSignal,
  QUIC_CANDIDATES_MAX,
  quicBinding,
  type QuicSignal,
  verifyQuicSignal,
} from "../../../protocols/session/quic_signalling.ts";
import { decodeSignal, encodeSignal } from "../../../protocols/session/signalling.ts";
import vector from "../../fixtures/quic/offer_and_answer.json" with { type: "json" };
import { testDevice } from "./support.ts";

const crypto = nodeCrypto();
const anna = testDevice("anna");
const ben = testDevice("ben");
const fill = (value: number, bytes = 32) => new Uint8Array(bytes).fill(value);
const offer: QuicSignal = {
  type: "quicOffer",
  id: fill(1, 16),
  meshTag: "0a1b2c3d",
  from: anna.signer.publicKey,
  to: ben.signer.publicKey,
  certificateHash: fill(2),
  commitment: fill(3),
  port: 7464,
  candidates: [{ host: "192.168.1.7", port: 7464 }, { host: "fe80::1", port: 7464 }],
};
const answer: QuicSignal = {
  type: "quicAnswer",
  id: fill(1, 16),
  from: ben.signer.publicKey,
  offerHash: crypto.sha256(encodeQuicSignal(offer, anna.signer).body),
  certificateHash: fill(4),
  commitment: fill(5),
  port: 7465,
  candidates: [],
};

Deno.test("QUIC offer, answer and binding have the documented bytes", () => {
  const made = {
    offer: encodeQuicSignal(offer, anna.signer).bytes.toHex(),
    answer: encodeQuicSignal(answer, ben.signer).bytes.toHex(),
    binding: quicBinding(crypto, { id: offer.id, offer, answer }).toHex(),
  };
  if (Deno.env.get("SUBMIND_WRITE_FIXTURES") === "1") {
    const file = new URL("../../fixtures/quic/offer_and_answer.json", import.meta.url);
    Deno.writeTextFileSync(file, JSON.stringify({ ...vector, ...made }, null, 2) + "\n");
  }
  const { offer: offerHex, answer: answerHex, binding } = vector;
  assert.deepEqual(made, { offer: offerHex, answer: answerHex, binding });
});

Deno.test("QUIC signals come back as they were, signed by their sender and nobody else", () => {
  for (const [message, device] of [[offer, anna], [answer, ben]] as const) {
    const decoded = decodeQuicSignal(encodeQuicSignal(message, device.signer).bytes);
    assert.ok(decoded.ok);
    assert.deepEqual(decoded.signal.message, message);
    assert.equal(decoded.signal.from, device.id);
    assert.equal(verifyQuicSignal(decoded.signal, crypto), true);
    const forged = decodeQuicSignal(
      encodeQuicSignal(message, testDevice("mallory").signer).bytes,
    );
    assert.ok(forged.ok && !verifyQuicSignal(forged.signal, crypto));
  }
});

Deno.test("no byte of a QUIC signal can be changed without being noticed", () => {
  const { bytes } = encodeQuicSignal(answer, ben.signer);
  for (let at = 0; at < bytes.length; at++) {
    const changed = bytes.slice();
    changed[at]! ^= 1;
    const decoded = decodeQuicSignal(changed);
    assert.ok(!decoded.ok || !verifyQuicSignal(decoded.signal, crypto), `byte ${at}`);
  }
});

Deno.test("a QUIC signal is no WebRTC signal and the other way round", () => {
  assert.equal(decodeSignal(encodeQuicSignal(offer, anna.signer).bytes).ok, false);
  const webrtc = encodeSignal({
    type: "offer",
    id: fill(1, 16),
    meshTag: "0a1b2c3d",
    from: anna.signer.publicKey,
    to: ben.signer.publicKey,
    sdp: "v=0\r\n",
  }, anna.signer).bytes;
  assert.equal(decodeQuicSignal(webrtc).ok, false);
});

Deno.test("QUIC signals with names for addresses, wrong ports, unknown fields or too many candidates are refused", () => {
  const refused: readonly object[] = [
    { ...offer, candidates: [{ host: "router.example", port: 1 }] },
    { ...offer, candidates: [{ host: "fe80::1%eth0", port: 1 }] },
    { ...offer, candidates: [{ host: "10.0.0.1", port: 0 }] },
    { ...offer, candidates: [{ host: "10.0.0.1", port: 65_536 }] },
    { ...offer, candidates: Array(QUIC_CANDIDATES_MAX + 1).fill({ host: "10.0.0.1", port: 1 }) },
    { ...offer, certificateHash: fill(2, 31) },
    { ...offer, surprise: 1 },
  ];
  for (const message of refused) {
    const { bytes } = encodeQuicSignal(message as QuicSignal, anna.signer);
    assert.equal(decodeQuicSignal(bytes).ok, false, JSON.stringify(message));
  }
});

Deno.test("the binding names every part of both messages that identifies an end", () => {
  const base = { id: offer.id, offer, answer };
  const bindings = [
    base,
    { ...base, id: fill(9, 16) },
    { ...base, offer: { ...offer, certificateHash: fill(9) } },
    { ...base, offer: { ...offer, commitment: fill(9) } },
    { ...base, answer: { ...answer, certificateHash: fill(9) } },
    { ...base, answer: { ...answer, commitment: fill(9) } },
    { ...base, offer: answer, answer: offer },
  ].map((meeting) => quicBinding(crypto, meeting).toHex());
  assert.equal(new Set(bindings).size, bindings.length);
});

Deno.test("whatever bytes come, decoding a QUIC signal never throws", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
    decodeQuicSignal(bytes);
  }));
  const { bytes } = encodeQuicSignal(offer, anna.signer);
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.nat(255), fc.nat(bytes.length), (at, value, end) => {
      const changed = bytes.slice(0, end);
      if (at < changed.length) changed[at] = value;
      decodeQuicSignal(changed);
    }),
  );
});
