/** The pairing actor: two nodes that pair, and strangers who try to. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { RendezvousReply } from "../../platform/transport.ts";
import { deviceIdOf, type MeshId } from "../../protocols/ids.ts";
import { codeTicket, formatLink, linkTicket, parseInvite } from "../../protocols/pairing/invite.ts";
import { sealAt } from "../../protocols/pairing/transcript.ts";
import { decodeRequest, encodeMessage } from "../../protocols/pairing/wire.ts";
import { inviterSide } from "../protocols/pairing/support.ts";
import { continueJoining, startJoining } from "../../protocols/pairing/joiner.ts";
import { nodeSigner } from "../../platform/node_crypto.ts";
import { seededRandom } from "../../platform/seeded_random.ts";
import { crypto, TestClock, TestNetwork, type TestNode, testNode } from "./pairing_support.ts";

interface World {
  readonly clock: TestClock;
  readonly network: TestNetwork;
  node(name: string, options?: Parameters<typeof testNode>[2]): TestNode;
}

async function inWorld(check: (world: World) => Promise<void>): Promise<void> {
  const clock = new TestClock();
  const network = new TestNetwork(clock);
  const nodes: TestNode[] = [];
  const node: World["node"] = (name, options) => {
    const made = testNode(network, name, options);
    nodes.push(made);
    return made;
  };
  try {
    await check({ clock, network, node });
  } finally {
    for (const one of nodes) await one.stop();
  }
}

async function only(node: TestNode) {
  const pairings = await node.pairings();
  assert.equal(pairings.length, 1, JSON.stringify(pairings));
  return pairings[0]!;
}

const wrongDigit = (code: string) => code.slice(0, -1) + (code.endsWith("0") ? "1" : "0");

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

Deno.test("one wrong code burns the invite, also for the right code", () =>
  inWorld(async ({ clock, node }) => {
    const [hub, thief, phone] = [node("hub"), node("thief"), node("phone")];
    const invite = await hub.invite();
    for (const joiner of [thief, phone]) joiner.sight(hub);
    await clock.advance(0);
    await thief.accept(wrongDigit(invite.code));
    await clock.advance(3_000);
    const failed = await only(thief);
    assert.equal(failed.phase, "failed");
    assert.match(failed.problem!, /burned/);
    assert.deepEqual((await hub.invites()).map((one) => one.state), ["burned"]);
    assert.ok(hub.events.some((event) => event.type === "warning"));
    for (const secret of [invite.code, invite.link]) {
      await phone.accept(secret);
      await clock.advance(3_000);
    }
    const phases = (await phone.pairings()).map((one) => one.phase);
    assert.deepEqual(phases, ["failed", "failed"]);
    assert.deepEqual(await hub.pairings(), []);
  }));

Deno.test("what the inviter says about a wrong code is not lost behind devices that know nothing of it", () =>
  inWorld(async ({ clock, node }) => {
    const [hub, phone] = [node("hub"), node("phone")];
    const others = ["a", "b", "c", "d"].map((name) => node(name));
    for (const other of others) await other.invite();
    const invite = await hub.invite();
    for (const seen of [hub, ...others]) phone.sight(seen);
    await clock.advance(0);
    await phone.accept(wrongDigit(invite.code));
    await clock.advance(10_000);
    const failed = await only(phone);
    assert.equal(failed.phase, "failed");
    assert.match(failed.problem!, /wrong/);
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

Deno.test("guesses made at the same time count as one", () =>
  inWorld(async ({ clock, node }) => {
    const hub = node("hub");
    const invite = await hub.invite();
    const digits = invite.code.replace("-", "");
    const thieves = Array.from({ length: 4 }, (_, index) => node(`thief ${index}`));
    for (const thief of thieves) thief.sight(hub);
    await clock.advance(0);
    for (const [index, thief] of thieves.entries()) {
      // The last one has the right code: one step too late.
      const guess = index === 3 ? digits : digits.slice(0, 2) + `00000${index}`;
      await thief.accept(guess);
    }
    await clock.advance(5_000);
    for (const thief of thieves) assert.equal((await only(thief)).phase, "failed");
  }));

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

Deno.test("a stranger's requests are never answered with more than a refusal, whatever they are", () =>
  inWorld(async ({ clock, network, node }) => {
    const hub = node("hub");
    await hub.invite();
    const replies: RendezvousReply[] = [];
    const bodies = fc.sample(
      fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.uint8Array({ minLength: 60_000 })),
      { seed: 4, numRuns: 60 },
    );
    for (const body of bodies) {
      network.ask("hub", "stranger", new Uint8Array(body), (reply) => void replies.push(reply));
    }
    await clock.advance(10);
    assert.equal(replies.length, bodies.length);
    assert.ok(replies.every((reply) => reply.type === "refused"));
  }));

Deno.test("a flood from one address is turned away while another still pairs", () =>
  inWorld(async ({ clock, network, node }) => {
    const [hub, phone] = [node("hub"), node("phone")];
    const invite = await hub.invite();
    const ticket = codeTicket(crypto, invite.code.replace("-", ""));
    const signer = nodeSigner(new Uint8Array(32).fill(1));
    const counts = { reply: 0, refused: 0, failed: 0 };
    for (let index = 0; index < 200; index++) {
      const random = seededRandom(`flood ${index}`);
      const options = { crypto, random, signer, displayName: "x", ticket, inviter: null };
      const { request } = startJoining(options);
      network.ask("hub", "10.0.0.66", request, (reply) => void counts[reply.type]++);
    }
    await clock.advance(10);
    assert.deepEqual(counts, { reply: 6, refused: 194, failed: 0 });
    await phone.accept(invite.link);
    await clock.advance(2_000);
    assert.equal((await only(phone)).phase, "confirming");
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

Deno.test("invites are bounded in number and time", () =>
  inWorld(async ({ node }) => {
    const hub = node("hub");
    await assert.rejects(hub.invite(1_000), /expected 60000 to 86400000/);
    for (let index = 0; index < 32; index++) await hub.invite();
    await assert.rejects(hub.invite(), /32 invites are open/);
    assert.equal(new Set((await hub.invites()).map((one) => one.inviteId)).size, 32);
  }));

Deno.test("a sealed message that was sent before is refused", () =>
  inWorld(async ({ clock, network, node }) => {
    const [hub, phone] = [node("hub"), node("phone")];
    await phone.accept((await hub.invite()).link);
    await clock.advance(5_000);
    const polls = network.sent.filter((one) => {
      const request = decodeRequest(one.body);
      return request.ok && request.message.type === "sealed";
    });
    assert.ok(polls.length >= 3);
    const replies: string[] = [];
    for (const old of polls.slice(0, 2)) {
      network.ask("hub", "recorder", old.body, (reply) => void replies.push(reply.type));
    }
    await clock.advance(0);
    assert.deepEqual(replies, ["refused", "refused"]);
    assert.equal((await only(hub)).phase, "confirming");
  }));

Deno.test("an invite that expires during the handshake lets nobody in", () =>
  inWorld(async ({ clock, network, node }) => {
    const hub = node("hub");
    // Longer than the minute after which closed invites are swept, so that only the check at use can notice.
    const invite = await hub.invite(65_000);
    await clock.advance(61_000);
    const ticket = codeTicket(crypto, invite.code.replace("-", ""));
    const signer = nodeSigner(new Uint8Array(32).fill(1));
    const random = seededRandom("late");
    const hello = startJoining({
      crypto,
      random,
      signer,
      displayName: "late",
      ticket,
      inviter: null,
    });
    const replies: RendezvousReply[] = [];
    const ask = async (body: Uint8Array) => {
      network.ask("hub", "late", body, (reply) => void replies.push(reply));
      await clock.advance(0);
      return replies.at(-1)!;
    };
    const welcome = await ask(hello.request);
    assert.ok(welcome.type === "reply");
    const share = continueJoining(hello.state, welcome.body);
    assert.ok(share.type === "send");
    await clock.advance(5_000);
    assert.equal((await ask(share.request)).type, "refused");
  }));

Deno.test("a joiner adopts nothing before its own person has confirmed", () =>
  inWorld(async ({ clock, network, node }) => {
    const phone = node("phone");
    const secret = new Uint8Array(16).fill(8);
    const inviteId = new Uint8Array(8).fill(1);
    const signer = nodeSigner(new Uint8Array(32).fill(2));
    const answer = inviterSide({
      crypto,
      random: seededRandom("pushy"),
      signer,
      displayName: "pushy",
      mesh: "ab".repeat(32) as MeshId,
      role: "submind",
      ticket: linkTicket(crypto, inviteId, secret),
    });
    let paired: Extract<ReturnType<typeof answer>, { type: "paired" }>["paired"] | undefined;
    network.of("pushy").serve("pair", (request) => {
      const message = decodeRequest(request.body);
      assert.ok(message.ok);
      if (message.message.type !== "sealed") {
        const step = answer(request.body);
        assert.ok(step.type === "reply" || step.type === "paired");
        if (step.type === "paired") paired = step.paired;
        return request.reply(step.reply);
      }
      const { counter } = message.message;
      const { session, keys } = paired!;
      const plaintext = encodeMessage({ type: "admitted", pages: 1 });
      const sealed = sealAt(crypto, { key: keys.inviter, session, counter, plaintext });
      request.reply(encodeMessage({ type: "sealed", counter, sealed }));
    });
    const link = formatLink({
      inviteId,
      inviter: deviceIdOf(signer.publicKey),
      addresses: ["pushy"],
      secret,
      expiresAtMs: clock.wallMs() + 60_000,
    });
    await phone.accept(link);
    await clock.advance(5_000);
    const one = await only(phone);
    assert.equal(one.phase, "failed");
    assert.match(one.problem!, /before its person had confirmed/);
    assert.deepEqual(phone.joined, []);
  }));
