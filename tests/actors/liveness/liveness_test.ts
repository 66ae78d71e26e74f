/** The liveness actor alone: what it sends, believes and publishes. Time moves because the test moves it. */
import assert from "node:assert/strict";
import { TestActor, testActor, testRef } from "../../../actors/kernel/testkit.ts";
import type { LivenessCommand, LivenessView } from "../../../actors/liveness/commands.ts";
import { liveness } from "../../../actors/liveness/liveness.ts";
import { type LivenessState, PROBE_INTERVAL_MS } from "../../../actors/liveness/state.ts";
import { membershipChanged } from "../../../actors/members/commands.ts";
import { peerSessions, type SessionsCommand } from "../../../actors/sessions/commands.ts";
import { seededRandom } from "../../../platform/seeded_random.ts";
import { type DeviceId, deviceIdOf, type MeshId } from "../../../protocols/ids.ts";
import type { LivenessMessage, Rumour } from "../../../protocols/liveness/messages.ts";
import { decodeLivenessMessage } from "../../../protocols/liveness/wire.ts";
import type { Member } from "../../../protocols/registry/registry.ts";

const ids = Array.from({ length: 7 }, (_, i) => deviceIdOf(new Uint8Array(32).fill(i + 1))).sort();
const [self, a, b, c] = ids as [DeviceId, DeviceId, DeviceId, DeviceId];
const sessions = testRef<SessionsCommand>("sessions");
type Actor = TestActor<LivenessCommand, LivenessState>;
type Effects = ReturnType<Actor["tell"]>;

function start(members: readonly DeviceId[] = ids): Actor {
  const actor = testActor(
    liveness({ self, sessions, partnersOf: (_member, others) => new Set(others) }),
    { random: seededRandom(7) },
  );
  admit(actor, members);
  for (const id of members) {
    if (id === self) continue;
    actor.publish(peerSessions, { type: "up", deviceId: id, resumed: false });
    tell(actor, id, { type: "gossip", rumours: [rumour(id)] });
  }
  live(actor, 500);
  return actor;
}

function admit(
  actor: Actor,
  members: readonly DeviceId[],
  revoked: readonly DeviceId[] = [],
): void {
  const entries = members.map((deviceId) =>
    [deviceId, { deviceId, revoked: revoked.includes(deviceId) } as Member] as const
  );
  actor.publish(membershipChanged, {
    registry: { mesh: "" as MeshId, founder: self, members: new Map(entries), heads: [] },
  });
}

function tell(actor: Actor, from: DeviceId, message: LivenessMessage): Effects {
  return actor.tell({ type: "peerMessage", from, message });
}

function rumour(subject: DeviceId, change: Partial<Rumour> = {}): Rumour {
  return { subject, state: "alive", incarnation: 1, accusers: [], ...change };
}

/** Messages sent, with whom they were sent to. */
function sent(effects: Effects): readonly { to: DeviceId; message: LivenessMessage }[] {
  return TestActor.sentTo(effects, sessions).flatMap((command) => {
    if (command.type !== "sendToPeer") return [];
    const decoded = decodeLivenessMessage(command.body);
    assert.ok(decoded.ok);
    return [{ to: command.to, message: decoded.message }];
  });
}

function only<Type extends LivenessMessage["type"]>(effects: Effects, type: Type) {
  return sent(effects).flatMap(({ to, message }) =>
    message.type === type
      ? [{ to, message: message as Extract<LivenessMessage, { type: Type }> }]
      : []
  );
}

function stateOf(actor: Actor, id: DeviceId): string {
  return actor.state.members.get(id)?.rumour?.state ?? "unknown";
}

/** Answers every probe but those of the silent, until `ms` have passed. */
function live(actor: Actor, ms: number, silent: readonly DeviceId[] = []): Effects {
  const all: Effects[number][] = [];
  const take = (effects: Effects): void => {
    all.push(...effects);
    for (const { to, message } of sent(effects)) {
      if (message.type === "ping" && !silent.includes(to)) {
        take(tell(actor, to, { type: "ack", sequence: message.sequence, rumours: [] }));
      } else if (message.type === "pingRequest" && !silent.includes(to)) {
        const { sequence, target } = message;
        take(tell(
          actor,
          to,
          silent.includes(target)
            ? { type: "nack", sequence, noSession: false }
            : { type: "ack", sequence, rumours: [] },
        ));
      }
    }
  };
  for (let passed = 0; passed < ms; passed += 10) take(actor.advance(10));
  return all;
}

Deno.test("every peer is probed in turn, and nobody who answers is suspected", () => {
  const actor = start();
  const effects = live(actor, PROBE_INTERVAL_MS * 12);
  const probed = only(effects, "ping").map(({ to }) => to);
  assert.deepEqual([...new Set(probed)].sort(), ids.slice(1));
  assert.equal(actor.state.counts.suspicionsRaised, 0);
});

Deno.test("a peer that does not answer is asked for by others, then suspected, then dead, and the rest of us hear of it", () => {
  const actor = start();
  const effects = live(actor, 20_000, [a]);
  const helpers = only(effects, "pingRequest");
  assert.ok(helpers.length >= 3 && helpers.every(({ message }) => message.target === a));
  const said = sent(effects).flatMap(({ to, message }) =>
    "rumours" in message ? message.rumours.map((rumour) => ({ to, ...rumour })) : []
  ).filter(({ subject }) => subject === a);
  assert.ok(said.some(({ to, state }) => state === "suspect" && to === a), "it hears of it itself");
  const suspect = said.find(({ state }) => state === "suspect")!;
  assert.deepEqual(suspect.accusers, [self]);
  assert.ok(said.some(({ to, state }) => state === "dead" && to !== a));
  assert.equal(stateOf(actor, a), "dead");
  const published = effects.flatMap((effect) =>
    effect.type === "publish" && effect.topic === "livenessChanged" ? [effect.event] : []
  );
  assert.deepEqual(published, [
    { deviceId: a, state: "suspect", incarnation: 1 },
    { deviceId: a, state: "dead", incarnation: 1 },
  ]);
});

Deno.test("a peer that others still reach is not suspected when its session with us is lost", () => {
  const actor = start();
  const effects = actor.publish(peerSessions, { type: "down", deviceId: a });
  assert.equal(only(effects, "pingRequest").length, 5, "others are asked at once");
  for (const { to, message } of only(effects, "pingRequest")) {
    tell(actor, to, { type: "ack", sequence: message.sequence, rumours: [] });
  }
  live(actor, 10_000);
  assert.equal(stateOf(actor, a), "alive");
});

Deno.test("confirmations of others shorten a suspicion; without them it lasts six times as long", () => {
  const quiet = start();
  // As far as we can hear it is there, and yet somebody accuses it.
  tell(quiet, b, { type: "gossip", rumours: [rumour(a, { state: "suspect", accusers: [b] })] });
  const { least, most } = view(quiet).suspicionMs;
  assert.equal(most, 6 * least);
  live(quiet, most - 20);
  assert.equal(stateOf(quiet, a), "suspect");
  live(quiet, 40);
  assert.equal(stateOf(quiet, a), "dead");

  const confirmed = start();
  const accusers = ids.slice(2, 6);
  tell(confirmed, b, { type: "gossip", rumours: [rumour(a, { state: "suspect", accusers })] });
  live(confirmed, least - 20);
  assert.equal(stateOf(confirmed, a), "suspect");
  live(confirmed, 40);
  assert.equal(stateOf(confirmed, a), "dead");
});

Deno.test("whoever hears that a peer is suspected asks it at once, and tells it so", () => {
  const actor = start();
  const suspicion = rumour(a, { state: "suspect", accusers: [b] });
  const [ping] = only(tell(actor, b, { type: "gossip", rumours: [suspicion] }), "ping");
  assert.equal(ping?.to, a);
  assert.deepEqual(ping?.message.rumours, [suspicion]);
});

Deno.test("a device refutes what is said of it in the very answer, with a higher incarnation", () => {
  const actor = start();
  const rumours = [rumour(self, { state: "suspect", incarnation: 4, accusers: [b] })];
  const [ack] = only(tell(actor, b, { type: "ping", sequence: 9, rumours }), "ack");
  assert.deepEqual(ack?.message.rumours, [rumour(self, { incarnation: 5 })]);
  assert.equal(actor.state.health, 1, "we may be the ones who hear badly");
});

Deno.test("whoever has not heard of a refutation yet hears of it in the answer", () => {
  const actor = start();
  const rumours = [rumour(self, { state: "suspect", incarnation: 4, accusers: [b] })];
  tell(actor, b, { type: "gossip", rumours });
  live(actor, 5_000);
  const [ack] = only(tell(actor, c, { type: "ping", sequence: 9, rumours }), "ack");
  assert.deepEqual(ack?.message.rumours, [rumour(self, { incarnation: 5 })]);
});

Deno.test("a refuted suspicion ends, and the refuted may be suspected anew only for its new incarnation", () => {
  const actor = start();
  tell(actor, b, { type: "gossip", rumours: [rumour(a, { state: "suspect", accusers: [b] })] });
  tell(actor, a, { type: "gossip", rumours: [rumour(a, { incarnation: 2 })] });
  tell(actor, c, { type: "gossip", rumours: [rumour(a, { state: "suspect", accusers: [c] })] });
  assert.equal(stateOf(actor, a), "alive");
  assert.equal(actor.timers().has(`suspicion/${a}`), false);
  assert.equal(actor.state.counts.suspicionsRefuted, 1);
});

Deno.test("a peer with a session is doubted before it is believed dead; others are believed", () => {
  const actor = start();
  actor.publish(peerSessions, { type: "down", deviceId: b });
  tell(actor, c, { type: "gossip", rumours: [rumour(a, { state: "dead" })] });
  tell(actor, c, { type: "gossip", rumours: [rumour(b, { state: "dead" })] });
  assert.deepEqual([stateOf(actor, a), stateOf(actor, b)], ["suspect", "dead"]);
});

Deno.test("an old list of beliefs makes nobody dead who was alive, and brings back what we missed", () => {
  const actor = start();
  actor.publish(peerSessions, { type: "down", deviceId: b });
  const d = ids[4]!;
  const effects = tell(actor, c, {
    type: "beliefs",
    answerWanted: true,
    rumours: [rumour(b, { state: "dead" }), rumour(d, { incarnation: 3 }), rumour(c)],
  });
  assert.equal(stateOf(actor, b), "suspect");
  assert.equal(actor.state.members.get(d)?.rumour?.incarnation, 3);
  const [answer] = only(effects, "beliefs");
  const subjects = answer?.message.rumours.map(({ subject }) => subject).sort();
  assert.deepEqual(subjects, [self, a, ids[5], ids[6]].sort(), "what the other did not know");
});

Deno.test("equal digests cost nothing; different ones one list, and not one after the other", () => {
  const actor = start();
  const [own] = only(
    actor.publish(peerSessions, { type: "up", deviceId: a, resumed: false }),
    "digest",
  );
  assert.ok(own !== undefined);
  live(actor, 3_000);
  assert.equal(only(tell(actor, a, { ...own.message, rumours: [] }), "beliefs").length, 0);
  const other: LivenessMessage = { type: "digest", count: 1, sum: 1, rumours: [] };
  assert.equal(only(tell(actor, a, other), "beliefs").length, 1);
  assert.equal(only(tell(actor, b, other), "beliefs").length, 0);
});

Deno.test("a session that begins tells the peer what is believed of it, so that it can refute", () => {
  const actor = start();
  live(actor, 20_000, [a]);
  actor.publish(peerSessions, { type: "down", deviceId: a });
  const [hello] = only(
    actor.publish(peerSessions, { type: "up", deviceId: a, resumed: false }),
    "digest",
  );
  assert.deepEqual(hello?.message.rumours.slice(0, 2), [
    rumour(self),
    rumour(a, { state: "dead" }),
  ]);
});

Deno.test("a revoked member vanishes, and nobody can bring it back", () => {
  const actor = start();
  admit(actor, ids, [a]);
  tell(actor, b, { type: "gossip", rumours: [rumour(a, { incarnation: 9 })] });
  assert.deepEqual(tell(actor, a, { type: "ping", sequence: 1, rumours: [] }), []);
  assert.ok(!view(actor).members.some(({ deviceId }) => deviceId === a));
  const probed = only(live(actor, 20_000), "ping").map(({ to }) => to);
  assert.ok(!probed.includes(a));
});

Deno.test("an incarnation far beyond what is known is no honest one", () => {
  const actor = start();
  tell(actor, b, { type: "gossip", rumours: [rumour(a, { state: "dead", incarnation: 2 ** 40 })] });
  assert.equal(stateOf(actor, a), "alive");
});

Deno.test("a device that stood still accuses nobody of the silence, and grows patient", () => {
  const actor = start();
  // Its timers come late, before the messages that waited with them.
  for (let i = 0; i < 10; i++) {
    const nowMs = 500 + i * 5_000;
    actor.tell({ type: "probeDue", dueMs: nowMs - 5_000 });
    for (const { target, sequence } of [...actor.state.probes.values()]) {
      actor.tell({ type: "answerDue", target, sequence, dueMs: nowMs - 10_000 });
    }
  }
  assert.equal(actor.state.counts.suspicionsRaised, 0);
  assert.ok(actor.state.health > 0);
});

Deno.test("helpers pass pings on, and say when they cannot or got no answer", () => {
  const actor = start();
  const asked = tell(actor, a, { type: "pingRequest", sequence: 77, target: b, rumours: [] });
  const [ping] = only(asked, "ping");
  assert.equal(ping?.to, b);
  const answered = tell(actor, b, { type: "ack", sequence: ping!.message.sequence, rumours: [] });
  assert.deepEqual(only(answered, "ack").map(({ to, message }) => [to, message.sequence]), [[
    a,
    77,
  ]]);

  tell(actor, a, { type: "pingRequest", sequence: 78, target: b, rumours: [] });
  const [silent] = only(actor.advance(400), "nack");
  assert.deepEqual([silent?.to, silent?.message], [a, {
    type: "nack",
    sequence: 78,
    noSession: false,
  }]);

  actor.publish(peerSessions, { type: "down", deviceId: b });
  const refused = tell(actor, a, { type: "pingRequest", sequence: 79, target: b, rumours: [] });
  assert.deepEqual(only(refused, "nack")[0]?.message, {
    type: "nack",
    sequence: 79,
    noSession: true,
  });
});

Deno.test("pings on behalf of others are bounded", () => {
  const actor = start();
  for (let sequence = 0; sequence < 100; sequence++) {
    tell(actor, a, { type: "pingRequest", sequence, target: b, rumours: [] });
  }
  assert.equal(actor.state.relays.size, 64);
});

Deno.test("who leaves says so to everybody it has a session with, and is not suspected", () => {
  const actor = start();
  const replyTo = testRef<null>("asker");
  const effects = actor.tell({ type: "leave", replyTo });
  const farewell = rumour(self, { state: "left" });
  assert.deepEqual(only(effects, "gossip").map(({ to }) => to).sort(), ids.slice(1));
  assert.ok(only(effects, "gossip").every(({ message }) => message.rumours[0]!.state === "left"));
  assert.deepEqual(TestActor.sentTo(actor.advance(100), replyTo), [null]);

  const other = start();
  tell(other, a, { type: "gossip", rumours: [{ ...farewell, subject: a }] });
  other.publish(peerSessions, { type: "down", deviceId: a });
  live(other, 20_000, [a]);
  assert.equal(stateOf(other, a), "left");
});

Deno.test("the view tells every member's state and the times in force", () => {
  const actor = start();
  live(actor, 5_000);
  const { members, ...figures } = view(actor);
  assert.equal(members.length, ids.length);
  assert.ok(members.every(({ state, forMs }) => state === "alive" && forMs > 0));
  assert.equal(figures.localHealth, 0);
  assert.equal(figures.probeIntervalMs, PROBE_INTERVAL_MS);
  assert.ok(figures.probesSent > 5 && figures.probesFailed === 0);
});

function view(actor: Actor): LivenessView {
  const replyTo = testRef<LivenessView>("asker");
  return TestActor.sentTo(actor.tell({ type: "getLiveness", replyTo }), replyTo)[0]!;
}
