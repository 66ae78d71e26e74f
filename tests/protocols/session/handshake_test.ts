/** Who may open a session, and what everybody else learns. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { nodeCrypto } from "../../../platform/node_crypto.ts";
import { type DeviceId, parseMeshId } from "../../../protocols/ids.ts";
import {
  beginAsInitiator,
  beginAsResponder,
  continueHandshake,
  type HandshakeOptions,
  type HandshakeStep,
} from "../../../protocols/session/handshake.ts";
import { labelledRandom, type TestDevice, testDevice } from "./support.ts";

const crypto = nodeCrypto();
const mesh = parseMeshId("ab".repeat(32))!;
const anna = testDevice("anna");
const ben = testDevice("ben");
const mallory = testDevice("mallory");
const members: ReadonlySet<DeviceId> = new Set([anna.id, ben.id]);

function options(device: TestDevice, change: Partial<HandshakeOptions> = {}): HandshakeOptions {
  return {
    crypto,
    signer: device.signer,
    random: labelledRandom(device.id),
    mesh,
    binding: Uint8Array.of(1, 2, 3),
    isAdmitted: (id) => members.has(id),
    expected: null,
    ...change,
  };
}

/** Runs both sides to the end; says what each came to and which frames travelled. */
function run(initiator: HandshakeOptions, responder: HandshakeOptions) {
  const begun = beginAsInitiator(initiator);
  const frames = [begun.send];
  let ours: HandshakeStep = { type: "continue", state: begun.state, send: begun.send };
  let theirs: HandshakeStep = { type: "continue", state: beginAsResponder(), send: begun.send };
  for (let turn = 0; turn < 4; turn++) {
    const sender: HandshakeStep = turn % 2 === 0 ? ours : theirs;
    if (sender.type === "failed" || sender.send === null) break;
    const receiver: HandshakeStep = turn % 2 === 0 ? theirs : ours;
    if (receiver.type !== "continue") break;
    const side = turn % 2 === 0 ? responder : initiator;
    const step = continueHandshake(receiver.state, sender.send, side);
    if (step.type !== "failed" && step.send !== null) frames.push(step.send);
    if (turn % 2 === 0) theirs = step;
    else ours = step;
  }
  return { initiator: ours, responder: theirs, frames };
}

Deno.test("handshake lets two members recognise each other over one channel", () => {
  const { initiator, responder, frames } = run(options(anna), options(ben));
  assert.ok(initiator.type === "established" && responder.type === "established");
  assert.equal(initiator.established.remote, ben.id);
  assert.equal(responder.established.remote, anna.id);
  assert.deepEqual(frames.map((frame) => [frame[0], frame.length]), [[1, 33], [2, 49], [3, 113], [
    4,
    113,
  ]]);
  const sealed = initiator.established.channel.send.seal(Uint8Array.of(5));
  assert.deepEqual(responder.established.channel.receive.open(sealed), Uint8Array.of(5));
});

Deno.test("handshake frames never show a public key in the clear", () => {
  const { frames } = run(options(anna), options(ben));
  const travelled = frames.map((frame) => frame.toHex()).join("");
  for (const device of [anna, ben]) {
    assert.ok(!travelled.includes(device.signer.publicKey.toHex()));
  }
});

Deno.test("handshake reveals nothing of the responder to a device that is not admitted", () => {
  const { responder, frames } = run(options(mallory, { isAdmitted: () => true }), options(ben));
  assert.equal(responder.type, "failed");
  // The last frame is the stranger's own: ben has answered only with a one-time key.
  assert.deepEqual(frames.map((frame) => frame[0]), [1, 2, 3]);
});

Deno.test("handshake fails when the device is another than the one dialled", () => {
  const { initiator } = run(options(anna, { expected: mallory.id }), options(ben));
  assert.equal(initiator.type, "failed");
});

Deno.test("handshake fails between different meshes and between different path bindings", () => {
  for (const change of [{ mesh: parseMeshId("cd".repeat(32))! }, { binding: Uint8Array.of(9) }]) {
    const { initiator, frames } = run(options(anna), options(ben, change));
    assert.equal(initiator.type, "failed");
    assert.deepEqual(frames.map((frame) => frame[0]), [1, 2]);
  }
});

Deno.test("handshake refuses a signature made for another handshake", () => {
  const replay: HandshakeOptions = options(anna, {
    signer: {
      publicKey: anna.signer.publicKey,
      sign: () => anna.signer.sign(new TextEncoder().encode("kiana session v1 initiator\0old")),
    },
  });
  const { responder } = run(replay, options(ben));
  assert.ok(responder.type === "failed" && responder.reason.includes("signature"));
});

Deno.test("handshake refuses to connect a device with itself", () => {
  assert.equal(run(options(anna), options(anna)).responder.type, "failed");
});

Deno.test("handshake answers arbitrary frames with a failure, never a throw", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 200 }),
      fc.integer({ min: 0, max: 5 }),
      (bytes, kind) => {
        const frame = bytes.slice();
        if (frame.length > 0) frame[0] = kind;
        const state = beginAsInitiator(options(anna)).state;
        assert.equal(continueHandshake(state, frame, options(anna)).type, "failed");
        const step = continueHandshake(beginAsResponder(), frame, options(ben));
        if (step.type === "continue") {
          assert.equal(frame.length, 33);
          assert.equal(continueHandshake(step.state, frame, options(ben)).type, "failed");
        }
      },
    ),
    { seed: 7, numRuns: 200 },
  );
});
