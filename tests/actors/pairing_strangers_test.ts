/** Strangers who guess, flood, repeat, come late or push: what a pairing node gives away, and what it does not take. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { RendezvousReply } from "../../platform/transport.ts";
import { deviceIdOf, type MeshId } from "../../protocols/ids.ts";
import { codeTicket, formatLink, linkTicket } from "../../protocols/pairing/invite.ts";
import { sealAt } from "../../protocols/pairing/transcript.ts";
import { decodeRequest, encodeMessage } from "../../protocols/pairing/wire.ts";
import { inviterSide } from "../protocols/pairing/support.ts";
import { continueJoining, startJoining } from "../../protocols/pairing/joiner.ts";
import { nodeSigner } from "../../platform/node_crypto.ts";
import { seededRandom } from "../../platform/seeded_random.ts";
import { crypto, inWorld, only, wrongDigit } from "./pairing_support.ts";

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
