/** Invites: when they let somebody in, how many a device keeps, and which it forgets. */
import assert from "node:assert/strict";
import { parseInvite } from "../../protocols/pairing/invite.ts";
import type { Outcome } from "../../actors/handle.ts";
import { inWorld, only, TestClock, TestNetwork, testNode } from "./pairing_support.ts";

Deno.test("an expired, a cancelled and a used invite let nobody in", () =>
  inWorld(async ({ clock, node }) => {
    const [hub, phone] = [node("hub"), node("phone")];
    const expired = await hub.invite(60_000);
    const cancelled = await hub.invite();
    await hub.ask((replyTo) => ({
      type: "cancelInvite",
      inviteId: cancelled.inviteId,
      replyTo,
    }));
    await clock.advance(61_000);
    const used = await hub.invite();
    const guest = node("guest");
    await guest.accept(used.link);
    await clock.advance(2_000);
    assert.equal((await only(guest)).phase, "confirming");
    for (const invite of [expired, cancelled, used]) {
      await phone.accept(invite.link);
      await clock.advance(3_000);
    }
    for (const one of await phone.pairings()) {
      assert.equal(one.phase, "failed");
      assert.match(one.problem!, /no such invite/);
    }
    const states = (await hub.invites()).map((one) => one.state);
    assert.deepEqual(states, ["expired", "cancelled", "used"]);
  }));

Deno.test("open invites survive a restart without their secrets being in the store", () =>
  inWorld(async ({ clock, node }) => {
    const first = node("hub");
    const invite = await first.invite();
    const stored = JSON.stringify(await first.store.settings.entries(""));
    assert.ok(stored.includes(invite.inviteId));
    assert.ok(!stored.includes(invite.code.replace("-", "")));
    const parsed = parseInvite(invite.link);
    assert.ok(parsed.type === "link" && !stored.includes(parsed.link.secret.toHex()));
    await first.stop();
    const hub = node("hub", { store: first.store });
    await hub.ask((replyTo) => ({
      type: "createInvite",
      options: { role: "guest" },
      replyTo,
    }));
    const listed = await hub.invites();
    assert.deepEqual(listed.map((one) => [one.state, one.link, one.code]), [
      ["open", "", ""],
      ["open", "", ""],
    ]);
    const phone = node("phone");
    await phone.accept(invite.link);
    await clock.advance(2_000);
    assert.equal((await only(phone)).phase, "confirming");
  }));

Deno.test("invites are bounded in number and time", () =>
  inWorld(async ({ node }) => {
    const hub = node("hub");
    await assert.rejects(hub.invite(1_000), /expected 60000 to 86400000/);
    for (let index = 0; index < 32; index++) await hub.invite();
    await assert.rejects(hub.invite(), /32 invites are open/);
    assert.equal(new Set((await hub.invites()).map((one) => one.inviteId)).size, 32);
  }));

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
