/** The pairing actor: two nodes that pair by link or code, whatever is lost on the way, or end it together. */
import assert from "node:assert/strict";
import { formatLink, parseInvite } from "../../protocols/pairing/invite.ts";
import { inWorld, only } from "./pairing_support.ts";

Deno.test("two people pair by link: equal words, both confirm, the registry arrives", () =>
  inWorld(async ({ clock, node }) => {
    const [hub, phone] = [node("hub"), node("phone")];
    const invite = await hub.invite();
    const accepted = await phone.accept(invite.link);
    assert.ok(accepted.type === "done" && accepted.value.phase === "connecting");
    await clock.advance(2_000);
    const [left, right] = [await only(hub), await only(phone)];
    assert.equal(left.phase, "confirming");
    assert.equal(right.phase, "confirming");
    assert.equal(left.words.length, 4);
    assert.deepEqual(left.words, right.words);
    assert.equal(left.remoteDisplayName, "phone");
    assert.equal(right.remoteDeviceId, hub.deviceId);

    await phone.confirm(right.pairingId);
    await clock.advance(3_000);
    assert.equal((await only(hub)).phase, "confirming");
    assert.deepEqual(hub.admitted, []);
    await hub.confirm(left.pairingId);
    await clock.advance(5_000);
    assert.deepEqual(hub.admitted, [phone.deviceId]);
    assert.equal((await only(phone)).phase, "completed");
    assert.equal((await only(hub)).phase, "completed");
    assert.deepEqual(phone.joined[0]!.map((block) => block.header.kind), ["founding", "member"]);
    assert.deepEqual((await hub.invites()).map((one) => one.state), ["used"]);
    const phases = phone.events.flatMap((event) =>
      event.type === "pairingChanged" ? [event.phase] : []
    );
    assert.deepEqual(phases, ["connecting", "confirming", "waitingForOther", "completed"]);
  }));

Deno.test("a typed code finds the right one of several devices and burns no other's invite", () =>
  inWorld(async ({ clock, node }) => {
    const [hub, other, phone] = [node("hub"), node("other"), node("phone")];
    const invite = await hub.invite();
    const foreign = await other.invite();
    assert.notEqual(invite.code.slice(0, 2), foreign.code.slice(0, 2));
    for (const seen of [hub, other]) phone.sight(seen);
    await clock.advance(0);
    await phone.accept(invite.code);
    await clock.advance(3_000);
    const mine = await only(phone);
    assert.equal(mine.phase, "confirming", mine.problem ?? "");
    assert.equal(mine.remoteDeviceId, hub.deviceId);
    assert.deepEqual((await other.invites()).map((one) => one.state), ["open"]);
  }));

Deno.test("a link whose first address is somebody else's by now is tried with the others", () =>
  inWorld(async ({ clock, node }) => {
    const [hub, phone, other] = [node("hub"), node("phone"), node("other")];
    await other.invite();
    const parsed = parseInvite((await hub.invite()).link);
    assert.ok(parsed.type === "link");
    const addresses = [other.name, phone.name, hub.name];
    await phone.accept(formatLink({ ...parsed.link, addresses }));
    await clock.advance(5_000);
    assert.equal((await only(phone)).phase, "confirming", (await only(phone)).problem ?? "");
    assert.equal((await only(phone)).remoteDeviceId, hub.deviceId);
  }));

Deno.test("people who see different words end the pairing on both sides", () =>
  inWorld(async ({ clock, node }) => {
    for (const rejecting of ["hub", "phone"]) {
      const [hub, phone] = [node(`hub ${rejecting}`), node(`phone ${rejecting}`)];
      const invite = await hub.invite();
      await phone.accept(invite.link);
      await clock.advance(2_000);
      const [left, right] = [await only(hub), await only(phone)];
      if (rejecting === "hub") {
        await phone.confirm(right.pairingId);
        await hub.confirm(left.pairingId, false);
      } else {
        await hub.confirm(left.pairingId);
        await phone.confirm(right.pairingId, false);
      }
      await clock.advance(5_000);
      assert.equal((await only(hub)).phase, "refused");
      assert.equal((await only(phone)).phase, "refused");
      assert.deepEqual(hub.admitted, []);
      const again = await hub.confirm(left.pairingId);
      assert.equal(again.type, "refused");
    }
  }));

Deno.test("lost replies are asked for again and change nothing", () =>
  inWorld(async ({ clock, network, node }) => {
    const [hub, phone] = [node("hub"), node("phone")];
    let count = 0;
    network.onReply = (reply) => ++count % 2 === 0 ? reply : undefined;
    const invite = await hub.invite();
    await phone.accept(invite.link);
    await clock.advance(40_000);
    await hub.confirm((await only(hub)).pairingId);
    await phone.confirm((await only(phone)).pairingId);
    await clock.advance(60_000);
    assert.equal((await only(phone)).phase, "completed");
    assert.deepEqual(hub.admitted, [phone.deviceId]);
  }));

Deno.test("a pairing that nobody confirms ends by itself", () =>
  inWorld(async ({ clock, node }) => {
    const [hub, phone] = [node("hub"), node("phone")];
    await phone.accept((await hub.invite()).link);
    await clock.advance(700_000);
    for (const side of [hub, phone]) {
      const one = await only(side);
      assert.ok(one.phase === "failed" || one.phase === "refused", one.phase);
    }
    assert.deepEqual(hub.admitted, []);
  }));

Deno.test("what cannot be joined is refused with what to do", () =>
  inWorld(async ({ node }) => {
    const phone = node("phone");
    const code = await phone.accept("1234-5678");
    assert.ok(code.type === "refused" && code.reason === "unavailable");
    const text = await phone.accept("hello");
    assert.ok(text.type === "refused" && text.reason === "invalid");
    const unknown = await phone.confirm("nothing");
    assert.ok(unknown.type === "refused" && unknown.reason === "notFound");
  }));

Deno.test("a device that has a mesh joins no other one", () =>
  inWorld(async ({ node }) => {
    const [hub, phone] = [node("hub"), node("phone")];
    const invite = await hub.invite();
    await phone.invite();
    const outcome = await phone.accept(invite.link);
    assert.ok(outcome.type === "refused" && outcome.reason === "alreadyMember");
    assert.deepEqual(await phone.pairings(), []);
  }));
