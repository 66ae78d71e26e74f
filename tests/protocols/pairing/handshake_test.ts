/** The pairing handshake and those who attack it. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { codeTicket, linkTicket } from "../../../protocols/pairing/invite.ts";
import { continueInviting, welcomeJoiner } from "../../../protocols/pairing/inviter.ts";
import {
  continueJoining,
  type JoinerStep,
  startJoining,
} from "../../../protocols/pairing/joiner.ts";
import { signedText, wordsOf } from "../../../protocols/pairing/transcript.ts";
import { decodeRequest, encodeMessage } from "../../../protocols/pairing/wire.ts";
import {
  crypto,
  idOf,
  inviterOptions,
  inviterSide,
  joinerOptions,
  mesh,
  pair,
  signerFor,
  ticket,
} from "./support.ts";

Deno.test("two honest sides end with the same words, keys and each other's identity", () => {
  const { joiner, inviter } = pair(joinerOptions("phone", ticket), inviterOptions("hub", ticket));
  assert.ok(joiner.type === "paired" && inviter.type === "paired");
  assert.deepEqual(joiner.paired.words, inviter.paired.words);
  assert.equal(joiner.paired.words.length, 4);
  assert.deepEqual(joiner.paired.keys, inviter.paired.keys);
  assert.deepEqual(joiner.paired.remote, {
    deviceId: idOf("hub"),
    displayName: "hub",
    mesh,
    role: "submind",
  });
  assert.deepEqual(inviter.paired.remote, { deviceId: idOf("phone"), displayName: "phone" });
});

Deno.test("words differ from pairing to pairing", () => {
  const seen = new Set<string>();
  for (let run = 0; run < 8; run++) {
    const { joiner } = pair(joinerOptions(`phone ${run}`, ticket), inviterOptions("hub", ticket));
    assert.ok(joiner.type === "paired");
    seen.add(joiner.paired.words.join(" "));
  }
  assert.equal(seen.size, 8);
});

Deno.test("a wrong code is noticed by the inviter and tells the guesser nothing more", () => {
  const wrong = codeTicket(crypto, "48217731");
  const { joiner, inviter } = pair(joinerOptions("thief", wrong), inviterOptions("hub", ticket));
  assert.equal(inviter.type, "wrongSecret");
  assert.equal(joiner.type, "send");
});

Deno.test("an inviter without the secret cannot make a joiner believe it", () => {
  const wrong = codeTicket(crypto, "48210000");
  const answer = inviterSide(inviterOptions("impostor", wrong));
  const { joiner } = pair(joinerOptions("phone", ticket), inviterOptions("hub", ticket), {
    request: (bytes) => (answer(bytes), bytes),
    reply: (bytes, index) => {
      if (index < 2) return bytes;
      return encodeMessage({ type: "proven", tag: new Uint8Array(32), sealed: bytes.slice(0, 40) });
    },
  });
  assert.ok(joiner.type === "failed");
  assert.match(joiner.reason, /does not know the secret/);
});

Deno.test("a link accepts only the device that made it", () => {
  const secret = new Uint8Array(16).fill(3);
  const link = linkTicket(crypto, new Uint8Array(8), secret);
  const right = pair(joinerOptions("phone", link, idOf("hub")), inviterOptions("hub", link));
  assert.equal(right.joiner.type, "paired");
  const other = pair(joinerOptions("phone", link, idOf("hub")), inviterOptions("copy", link));
  assert.ok(other.joiner.type === "failed");
  assert.match(other.joiner.reason, /another device/);
});

Deno.test("a man in the middle who knows the code is betrayed by the words", () => {
  const left = pair(joinerOptions("phone", ticket), inviterOptions("mallory", ticket));
  const right = pair(joinerOptions("mallory", ticket), inviterOptions("hub", ticket));
  assert.ok(left.joiner.type === "paired" && right.inviter.type === "paired");
  assert.notDeepEqual(left.joiner.paired.words, right.inviter.paired.words);
});

Deno.test("a man in the middle with key shares of his own fails at the confirmation tag", () => {
  const mallory = startJoining(joinerOptions("mallory", codeTicket(crypto, "48210001")));
  assert.ok(mallory.type === "send");
  const { inviter } = pair(joinerOptions("phone", ticket), inviterOptions("hub", ticket), {
    request: (bytes, index) => {
      const request = decodeRequest(bytes);
      if (index !== 1 || !request.ok || request.message.type !== "share") return bytes;
      // Another valid group element: the generator of a different run.
      const share = Uint8Array.fromHex(
        "2c3c6b8c4f3800e7aef6864025b4ed79bd599117e427c41bd47d93d654b4a51c",
      );
      return encodeMessage({ ...request.message, share });
    },
  });
  assert.equal(inviter.type, "wrongSecret");
});

Deno.test("no single changed bit in any message leads to a pairing", () => {
  fc.assert(
    fc.property(
      fc.boolean(),
      fc.integer({ min: 0, max: 2 }),
      fc.nat(),
      (toInviter, at, position) => {
        const flip = (bytes: Uint8Array, index: number) => {
          if (index !== at) return bytes;
          const changed = bytes.slice();
          changed[(position >> 3) % changed.length]! ^= 1 << (position & 7);
          return changed;
        };
        const tamper = toInviter ? { request: flip } : { reply: flip };
        const { joiner, inviter } = pair(
          joinerOptions("phone", ticket),
          inviterOptions("hub", ticket),
          tamper,
        );
        const both = joiner.type === "paired" && inviter.type === "paired";
        assert.ok(!both, `bit ${position} of ${toInviter ? "request" : "reply"} ${at}`);
      },
    ),
    { seed: 20261121, numRuns: 120 },
  );
});

Deno.test("an identity replayed from another run does not open this run's commitment", () => {
  const recorded: Uint8Array[] = [];
  pair(joinerOptions("phone", ticket), inviterOptions("hub", ticket), {
    request: (bytes) => (recorded.push(bytes), bytes),
  });
  const { inviter } = pair(joinerOptions("tablet", ticket), inviterOptions("hub 2", ticket), {
    request: (bytes, index) => {
      const [now, then] = [decodeRequest(bytes), decodeRequest(recorded[index]!)];
      assert.ok(now.ok && then.ok);
      if (now.message.type !== "proof" || then.message.type !== "proof") return bytes;
      return encodeMessage({ ...now.message, sealed: then.message.sealed });
    },
  });
  assert.equal(inviter.type, "failed");
});

Deno.test("a whole recorded run played again ends at the confirmation tag", () => {
  const recorded: Uint8Array[] = [];
  pair(joinerOptions("phone", ticket), inviterOptions("hub", ticket), {
    request: (bytes) => (recorded.push(bytes), bytes),
  });
  const hub = inviterOptions("hub", ticket);
  const answer = inviterSide({ ...hub, random: inviterOptions("later", ticket).random });
  const welcome = answer(recorded[0]!);
  assert.ok(welcome.type === "reply");
  const replay = (bytes: Uint8Array) => {
    const request = decodeRequest(bytes);
    assert.ok(request.ok && request.message.type !== "hello");
    // The run's name is sent in the clear, so a replayer can put in the new one.
    return answer(encodeMessage({ ...request.message, session: welcome.state.runId }));
  };
  assert.equal(replay(recorded[1]!).type, "reply");
  assert.equal(replay(recorded[2]!).type, "wrongSecret");
});

Deno.test("requests out of turn fail", () => {
  const answer = inviterSide(inviterOptions("hub", ticket));
  const hello = startJoining(joinerOptions("phone", ticket)).request;
  answer(hello);
  const proof = encodeMessage({
    type: "proof",
    session: new Uint8Array(16),
    tag: new Uint8Array(32),
    sealed: new Uint8Array(16),
  });
  assert.equal(answer(proof).type, "failed");
});

Deno.test("an inviter cannot open another identity than it committed to", () => {
  const options = inviterOptions("hub", ticket);
  let joiner: JoinerStep = startJoining(joinerOptions("phone", ticket));
  assert.ok(joiner.type === "send");
  const hello = decodeRequest(joiner.request);
  assert.ok(hello.ok && hello.message.type === "hello");
  const welcome = welcomeJoiner(options, hello.message);
  joiner = continueJoining(joiner.state, welcome.reply);
  assert.ok(joiner.type === "send");
  const share = decodeRequest(joiner.request);
  assert.ok(share.ok && share.message.type === "share");
  const shared = continueInviting(welcome.state, share.message);
  assert.ok(shared.type === "reply" && shared.state.phase === "shared");
  joiner = continueJoining(joiner.state, shared.reply);
  assert.ok(joiner.type === "send");
  const proof = decodeRequest(joiner.request);
  assert.ok(proof.ok && proof.message.type === "proof");
  // Having seen the joiner's blind, a searcher for equal words would now choose among identities.
  const blind = new Uint8Array(32).fill(9);
  const changed = { ...shared.state, opening: { ...shared.state.opening, blind } };
  const proven = continueInviting(changed, proof.message);
  assert.ok(proven.type === "paired");
  joiner = continueJoining(joiner.state, proven.reply);
  assert.ok(joiner.type === "failed");
  assert.match(joiner.reason, /prove who it is/);
});

Deno.test("nobody can claim a key that is not theirs, on either side", () => {
  const victim = signerFor("victim").publicKey;
  const thief = joinerOptions("thief", ticket);
  const claiming = { ...thief, signer: { publicKey: victim, sign: thief.signer.sign } };
  assert.equal(pair(claiming, inviterOptions("hub", ticket)).inviter.type, "failed");
  const hub = inviterOptions("thief", ticket);
  const impostor = { ...hub, signer: { publicKey: victim, sign: hub.signer.sign } };
  assert.equal(pair(joinerOptions("phone", ticket), impostor).joiner.type, "failed");
});

Deno.test("a signature of one side is none of the other", () => {
  const transcript = new Uint8Array(32);
  assert.notDeepEqual(signedText("joiner", transcript), signedText("inviter", transcript));
});

Deno.test("the words depend on everything both sides brought in, and not on signatures", () => {
  const bytes = (value: number) => new Uint8Array(32).fill(value);
  const opening = (blind: number, identity: number, signature = 0) => ({
    blind: bytes(blind),
    identity: bytes(identity),
    signature: bytes(signature),
  });
  const words = (transcript: number, joiner: ReturnType<typeof opening>, inviter = opening(3, 4)) =>
    wordsOf(crypto, { transcript: bytes(transcript), joiner, inviter }).join(" ");
  const base = words(0, opening(1, 2));
  const others = [
    words(9, opening(1, 2)),
    words(0, opening(9, 2)),
    words(0, opening(1, 9)),
    words(0, opening(1, 2), opening(9, 4)),
    words(0, opening(1, 2), opening(3, 9)),
  ];
  assert.equal(new Set([base, ...others]).size, 6);
  assert.equal(words(0, opening(1, 2, 7), opening(3, 4, 8)), base);
});
