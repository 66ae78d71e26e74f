/** How many invites a device keeps, and which it forgets. */
import assert from "node:assert/strict";
import type { Outcome } from "../../actors/handle.ts";
import { TestClock, TestNetwork, testNode } from "./pairing_support.ts";

Deno.test("however many invites were closed today, one more can be made, and the oldest are forgotten", async () => {
  const clock = new TestClock();
  const hub = testNode(new TestNetwork(clock), "hub");
  await clock.advance(0);
  const made: string[] = [];
  for (let index = 0; index < 258; index++) {
    const { inviteId } = await hub.invite();
    made.push(inviteId);
    const cancelled = await hub.ask<Outcome<null>>((replyTo) => ({
      type: "cancelInvite",
      inviteId,
      replyTo,
    }));
    assert.equal(cancelled.type, "done");
    await clock.advance(1);
  }
  const known = (await hub.invites()).map(({ inviteId }) => inviteId);
  assert.deepEqual(new Set(known), new Set(made.slice(-256)));
  const stored = await hub.store.settings.entries("pairing/invite/");
  assert.equal(stored.length, 256);
  await hub.stop();
});
