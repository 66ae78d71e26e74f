/** Long work on this thread, in turns: the network is heard while it goes on. */
import assert from "node:assert/strict";
import { messageTurns } from "../../platform/mls_crypto_primitives.ts";
import { nodeCrypto } from "../../platform/node_crypto.ts";
import { nodeSigner } from "../../platform/node_signer.ts";
import { othersTurn } from "../../platform/turns.ts";
import type { SignedMessage } from "../../platform/ports.ts";
import { busy, progressWhenHeard } from "./heard_support.ts";

/** Turns until a socket is looked at where nothing is done about it; a few milliseconds each in these tests. */
const UNSEEN_TURNS = 59;
const SIGNATURES_PER_TURN = 64;

/** As many as take more turns than that; `reached` says how far whoever reads them has come. */
function counted<T extends object>(make: (index: number) => T) {
  let reached = 0;
  const items = Array.from({ length: (UNSEEN_TURNS + 3) * SIGNATURES_PER_TURN }, (_, i) => make(i));
  const watched = new Proxy(items, {
    get(target, key, receiver) {
      if (typeof key === "string" && /^\d+$/.test(key)) reached = Number(key);
      return Reflect.get(target, key, receiver);
    },
  });
  return { items: watched, turns: () => reached / SIGNATURES_PER_TURN };
}

const signer = nodeSigner(new Uint8Array(32).fill(9));

Deno.test("sockets are heard while many signatures are verified on this thread", async () => {
  const message = new Uint8Array(100);
  const one: SignedMessage = {
    publicKey: signer.publicKey,
    message,
    signature: signer.sign(message),
  };
  const { items, turns } = counted(() => one);
  const crypto = nodeCrypto({ workersMax: 0 });
  const heardAfter = await progressWhenHeard(() => crypto.verifyMany(items), turns);
  assert.ok(heardAfter <= 0.6 * UNSEEN_TURNS, `${heardAfter} turns`);
});

Deno.test("sockets are heard while many messages are signed on this thread", async () => {
  const { items, turns } = counted((index) => new Uint8Array(4_096).fill(index));
  const heardAfter = await progressWhenHeard(() => signer.signMany(items), turns);
  assert.ok(heardAfter <= 0.6 * UNSEEN_TURNS, `${heardAfter} turns`);
});

Deno.test("sockets are heard while many messages of a group are opened one after the other", async () => {
  let messages = 0;
  const turn = messageTurns();
  const heardAfter = await progressWhenHeard(async (isHeard) => {
    while (!isHeard()) {
      busy(0.2);
      await turn();
      messages++;
    }
  }, () => messages / 16);
  assert.ok(heardAfter <= 0.6 * UNSEEN_TURNS, `${heardAfter} turns`);
});

Deno.test("sockets are heard while several kinds of work go on beside each other", async () => {
  let turns = 0;
  const heardAfter = await progressWhenHeard(async (isHeard) => {
    const work = async () => {
      while (!isHeard()) {
        busy(1);
        await othersTurn();
        turns++;
      }
    };
    await Promise.all([work(), work(), work()]);
  }, () => turns / 3);
  assert.ok(heardAfter <= 0.6 * UNSEEN_TURNS, `${heardAfter} turns of each`);
});
