/** The Noise part against the published vectors. */
import assert from "node:assert/strict";
import { nodeCrypto } from "../../../platform/node_crypto.ts";
import {
  NOISE_REKEY_MESSAGES,
  type NoiseChannel,
  NoiseCipher,
  noiseInitiate,
  noiseRespond,
} from "../../../protocols/session/noise.ts";
import vectors from "../../fixtures/noise/nn_25519_chachapoly_sha256.json" with { type: "json" };
import { fixedRandom, labelledRandom } from "./support.ts";

const crypto = nodeCrypto();
const hex = (text: string) => Uint8Array.fromHex(text);

for (const vector of vectors.vectors) {
  Deno.test(`Noise NN gives the published messages of ${vector.source}`, () => {
    const [first, second, ...transport] = vector.messages;
    assert.ok(first !== undefined && second !== undefined);
    const initiator = noiseInitiate({
      crypto,
      random: fixedRandom(hex(vector.init_ephemeral)),
      prologue: hex(vector.init_prologue),
      payload: hex(first.payload),
    });
    assert.equal(initiator.message.toHex(), first.ciphertext);
    const responder = noiseRespond({
      crypto,
      random: fixedRandom(hex(vector.resp_ephemeral)),
      prologue: hex(vector.resp_prologue),
      payload: hex(second.payload),
    }, initiator.message);
    assert.ok(responder !== undefined);
    assert.equal(responder.payload.toHex(), first.payload);
    assert.equal(responder.message.toHex(), second.ciphertext);
    const finished = initiator.finish(responder.message);
    assert.ok(finished !== undefined);
    assert.equal(finished.payload.toHex(), second.payload);
    assert.deepEqual(finished.channel.handshakeHash, responder.channel.handshakeHash);
    if (vector.handshake_hash !== undefined) {
      assert.equal(finished.channel.handshakeHash.toHex(), vector.handshake_hash);
    }
    for (const [index, message] of transport.entries()) {
      const ours: NoiseChannel = finished.channel;
      const theirs: NoiseChannel = responder.channel;
      const from = index % 2 === 0 ? ours : theirs;
      const to = index % 2 === 0 ? theirs : ours;
      assert.equal(from.send.seal(hex(message.payload)).toHex(), message.ciphertext);
      assert.equal(to.receive.open(hex(message.ciphertext))?.toHex(), message.payload);
    }
  });
}

Deno.test("Noise NN refuses a different prologue, a changed reply and a key of low order", () => {
  const random = labelledRandom("noise");
  const prologue = Uint8Array.of(1);
  const initiator = noiseInitiate({ crypto, random, prologue });
  const other = noiseRespond({ crypto, random, prologue: Uint8Array.of(2) }, initiator.message);
  assert.equal(initiator.finish(other!.message), undefined);

  const again = noiseInitiate({ crypto, random, prologue });
  const reply = noiseRespond({ crypto, random, prologue }, again.message)!.message;
  reply[40]! ^= 1;
  assert.equal(again.finish(reply), undefined);
  assert.equal(noiseRespond({ crypto, random, prologue }, new Uint8Array(32)), undefined);
});

Deno.test("Noise ciphers replace their key after 65,536 messages and go on together", () => {
  const key = labelledRandom("key").bytes(32);
  const sender = new NoiseCipher(crypto, key, { rekeys: true });
  const receiver = new NoiseCipher(crypto, key, { rekeys: true });
  const without = new NoiseCipher(crypto, key, { rekeys: false });
  const plaintext = Uint8Array.of(7);
  for (let count = 0; count < NOISE_REKEY_MESSAGES; count++) {
    const sealed = sender.seal(plaintext);
    assert.deepEqual(sealed, without.seal(plaintext));
    assert.deepEqual(receiver.open(sealed), plaintext);
  }
  const sealed = sender.seal(plaintext);
  assert.notDeepEqual(sealed, without.seal(plaintext));
  assert.deepEqual(receiver.open(sealed), plaintext);
});
