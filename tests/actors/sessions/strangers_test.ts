/** What those get who are in no mesh with us. */
import assert from "node:assert/strict";
import { STRANGERS_MAX } from "../../../actors/sessions/strangers.ts";
import { beginAsInitiator, continueHandshake } from "../../../protocols/session/handshake.ts";
import { nodeCrypto } from "../../../platform/node_crypto.ts";
import { labelledRandom, testDevice } from "../../protocols/session/support.ts";
import { pair, up } from "./pair_support.ts";
import { MESH } from "./world.ts";

Deno.test("sessions never answer a stranger with more than a one-time key", async () => {
  const { a, net, time, stop } = await pair();
  const mallory = testDevice("mallory");
  const path = net.knock("anna");
  const answers: Uint8Array[] = [];
  let closed = "";
  path.listen((event) => {
    if (event.type === "frame") answers.push(event.frame);
    if (event.type === "closed") closed = event.reason;
  });
  const options = {
    crypto: nodeCrypto(),
    signer: mallory.signer,
    random: labelledRandom("mallory"),
    mesh: MESH,
    binding: path.binding,
    isAdmitted: () => true,
    expected: null,
  };
  const begun = beginAsInitiator(options);
  path.send(begun.send);
  await time.run(10);
  const step = continueHandshake(begun.state, answers[0]!, options);
  assert.ok(step.type === "continue");
  path.send(step.send);
  await time.run(10);
  assert.equal(answers.length, 1);
  assert.equal(closed, "closed");
  assert.deepEqual(up(a), []);
  await stop();
});

Deno.test("sessions turn away more strangers than they can handle and forget silent ones", async () => {
  const { net, time, a, b, stop } = await pair();
  const paths = Array.from({ length: STRANGERS_MAX + 5 }, () => net.knock("anna"));
  let closed = 0;
  for (const path of paths) path.listen((event) => event.type === "closed" && (closed += 1));
  await time.run(10);
  assert.equal(closed, 5);
  await time.run(5_010);
  assert.equal(closed, STRANGERS_MAX + 5);
  a.sight(b);
  b.sight(a);
  await time.run(3_000);
  assert.deepEqual(up(a), [b.device.id]);
  await stop();
});
