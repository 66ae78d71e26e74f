/** What every GroupCrypto adapter must do with messages: late, early, in any order, each once. */
import assert from "node:assert/strict";
import {
  APPLICATION_BYTES_MAX,
  FORWARD_STEPS_MAX,
  PAST_EPOCHS_KEPT,
} from "../../platform/group_crypto.ts";
import { everyoneTakes, type GroupBench, utf8 } from "./group_crypto_support.ts";

/** Registers the promises about messages. */
export function groupMessagesContract(bench: GroupBench): void {
  const { group, test } = bench;

  test("messages of one epoch are read in any order, each once", async () => {
    const [anna, ben] = await group(2);
    const messages: Uint8Array[] = [];
    for (let i = 0; i < 40; i++) messages.push(await anna!.says(`${i}`));
    const order = messages.map((_, i) => (i * 17 + 39) % 40);
    for (const i of order) {
      assert.equal(await ben!.hears(messages[i]!), `${anna!.id}: ${i}`);
    }
    for (const message of messages) {
      assert.equal((await ben!.takes(message)).type, "unreadable");
    }
  });

  test("a message too far ahead in its epoch is refused without work", async () => {
    const [anna, ben] = await group(2);
    // The same state again and again would be cheaper, but numbers only grow by sending.
    let last = await anna!.says("0");
    for (let i = 1; i <= FORWARD_STEPS_MAX + 1; i++) last = await anna!.says(`${i}`);
    assert.equal((await ben!.takes(last)).type, "unreadable");
  });

  test(`messages of the last ${PAST_EPOCHS_KEPT} epochs are read late, older ones never`, async () => {
    const [anna, ben] = await group(2);
    const late = await anna!.says("late");
    const tooLate = await anna!.says("too late");
    for (let i = 0; i < PAST_EPOCHS_KEPT; i++) {
      await everyoneTakes([ben!], await anna!.change(), anna!);
    }
    const outcome = await ben!.takes(late);
    assert.ok(outcome.type === "application" && outcome.epoch === 1, JSON.stringify(outcome));
    assert.equal((await ben!.takes(late)).type, "unreadable", "and not twice");
    await everyoneTakes([ben!], await anna!.change(), anna!);
    assert.equal((await ben!.takes(tooLate)).type, "unreadable");
  });

  test("what belongs to an epoch to come is told apart and can be read later", async () => {
    const [anna, ben] = await group(2);
    const first = await anna!.change();
    const second = await anna!.change();
    const message = await anna!.says("from epoch 3");
    assert.deepEqual(await ben!.takes(message), { type: "ahead", epoch: 3 });
    assert.deepEqual(await ben!.takes(second.commit), { type: "ahead", epoch: 2 });
    await everyoneTakes([ben!], first, anna!);
    await everyoneTakes([ben!], second, anna!);
    assert.equal(await ben!.hears(message), `${anna!.id}: from epoch 3`);
    assert.equal((await ben!.takes(first.commit)).type, "unreadable", "a commit is taken once");
  });

  test("the largest message arrives", async () => {
    const [anna, ben] = await group(2);
    const plaintext = new Uint8Array(APPLICATION_BYTES_MAX).map((_, i) => i * 31);
    const { message } = await anna!.device.crypto.encrypt(anna!.state, plaintext);
    const outcome = await ben!.takes(message);
    assert.ok(outcome.type === "application");
    assert.deepEqual(outcome.plaintext, plaintext);
    assert.ok(message.length < plaintext.length + 1_024);
  });

  test("calls leave the state they were given as it is: one that failed may be tried again", async () => {
    const [anna, ben] = await group(2);
    const before = [anna!.state.slice(), ben!.state.slice()];
    const { message } = await anna!.device.crypto.encrypt(anna!.state, utf8("one"));
    const change = await anna!.device.crypto.change(anna!.state, { add: [], remove: [] });
    await ben!.device.crypto.process(ben!.state, message);
    await ben!.device.crypto.process(ben!.state, change.commit);
    assert.deepEqual([anna!.state, ben!.state], before);
    assert.equal(await ben!.hears(message), `${anna!.id}: one`);
  });
}
