/** Sessions with several kinds of paths: the best one wins, better ones replace worse ones while messages flow, and nothing flaps. */
import assert from "node:assert/strict";
import type { PathKind } from "../../../platform/transport.ts";
import {
  betterTransports,
  dialOrder,
  kindWaitMs,
  pathRank,
} from "../../../actors/sessions/path_choice.ts";
import { seededRandom } from "../../../platform/seeded_random.ts";
import { sighted } from "./pair_support.ts";
import { type TestKind, testKind, type TestNetwork } from "./test_network.ts";
import type { TestNode } from "./world.ts";

const world = (kinds: TestKind[], seed = "") => sighted((net) => net.kinds = kinds, seed);

const numbered = (number: number) => {
  const out = new Uint8Array(3_000);
  new DataView(out.buffer).setUint32(0, number);
  return out;
};
const numbers = (node: TestNode) =>
  node.received.map(({ body }) => new DataView(body.buffer, body.byteOffset).getUint32(0));
const ups = (node: TestNode) =>
  node.events.flatMap((event) => event.type === "sessionUp" ? [event.path] : []);
const changes = (node: TestNode) =>
  node.events.flatMap((event) =>
    event.type === "pathChanged" ? [[event.from, event.path, event.relayed] as const] : []
  );
const openKinds = (net: TestNetwork): PathKind[] => [
  ...new Set(net.paths.filter(({ closed }) => !closed).map(({ kind }) => kind)),
];

Deno.test("a path is ranked by technology and by whether somebody else carries it", () => {
  const ranks = [
    pathRank({ kind: "quic", relayed: false }),
    pathRank({ kind: "webrtc", relayed: false }),
    pathRank({ kind: "webrtc", relayed: true }),
    pathRank({ kind: "nats", relayed: true }),
  ];
  assert.deepEqual(ranks, ranks.toSorted());
  assert.equal(new Set(ranks).size, 4);
  assert.equal(pathRank({ kind: "simulated", relayed: true }), ranks[2]);
});

Deno.test("kinds that failed lately are dialled last, and only kinds that can be better are tried for that", () => {
  const rested = { failures: 0, notBeforeMs: 0 };
  const failed = { failures: 3, notBeforeMs: 900 };
  assert.deepEqual(dialOrder([failed, rested, rested], 100), [1, 2, 0]);
  assert.deepEqual(dialOrder([failed, rested, rested], 900), [0, 1, 2]);
  const kinds: PathKind[] = ["quic", "webrtc", "webrtc", "nats"];
  assert.deepEqual(betterTransports(kinds, pathRank({ kind: "nats", relayed: true })), [0, 1]);
  assert.deepEqual(betterTransports(kinds, pathRank({ kind: "webrtc", relayed: false })), [0]);
  assert.deepEqual(betterTransports(kinds, pathRank({ kind: "quic", relayed: false })), []);
  const random = seededRandom("waits");
  for (let failures = 1; failures < 40; failures++) {
    const waitMs = kindWaitMs(failures, random);
    const ceiling = Math.min(300_000, 1_000 * 2 ** (failures - 1));
    assert.ok(waitMs >= ceiling / 2 && waitMs <= ceiling, `${failures}: ${waitMs}`);
  }
});

Deno.test("sessions dial the best kind first and leave the others alone when it answers", async () => {
  const kinds = [testKind("quic"), testKind("webrtc"), testKind("nats", { relayed: true })];
  const { a, b, time, net, stop } = await world(kinds);
  await time.run(60_000);
  assert.deepEqual([ups(a), ups(b)], [["quic"], ["quic"]]);
  assert.deepEqual(kinds.map(({ dials }) => dials), [1, 0, 0]);
  assert.equal(net.open, 1);
  await stop();
});

Deno.test("sessions do not wait for a kind that is silent: the next one connects meanwhile", async () => {
  const kinds = [testKind("quic", { works: false, dialMs: 4_000 }), testKind("webrtc")];
  const { a, time, stop } = await world(kinds);
  await time.run(1_900);
  const [first] = a.events.filter((event) => event.type === "sessionUp");
  assert.ok(first?.type === "sessionUp" && first.path === "webrtc");
  await stop();
});

Deno.test("sessions remember which kind failed, so that coming back does not wait for it again", async () => {
  const kinds = [testKind("quic", { works: false, dialMs: 4_000 }), testKind("webrtc")];
  const { a, time, net, stop } = await world(kinds);
  await time.run(10_000);
  for (let round = 0; round < 3; round++) {
    const before = time.nowMs;
    net.breakKind(kinds[1]!);
    while (a.sessionEvents.at(-1)?.type !== "up" && time.nowMs - before < 5_000) await time.run(10);
    // The wait before a redial, a dial, and no stagger.
    assert.ok(time.nowMs - before < 1_700, `round ${round}: ${time.nowMs - before} ms`);
    await time.run(5_000);
  }
  await stop();
});

Deno.test("a session over a broker moves to a direct path when one appears, and loses, repeats and reorders nothing", async () => {
  for (let seed = 0; seed < 12; seed++) {
    const kinds = [
      testKind("quic", { works: false, latencyMs: 5 + seed % 7 * 10 }),
      // Slower than the path before: what is said there overtakes what is said here.
      testKind("webrtc", { works: false, latencyMs: 1 + seed * 6 }),
      testKind("nats", { relayed: true, latencyMs: 1 }),
    ];
    const { a, b, net, time, stop } = await world(kinds, `move ${seed}`);
    await time.run(4_000);
    assert.deepEqual(ups(a), ["nats"]);
    const random = seededRandom(`flow ${seed}`);
    let sent = 0;
    for (let step = 0; step < 400; step++) {
      if (step === 60) kinds[1]!.works = true;
      if (step === 220) kinds[0]!.works = true;
      a.send(b, numbered(sent));
      b.send(a, numbered(sent));
      sent += 1;
      await time.run(random.below(200));
    }
    await time.run(30_000);
    const all = Array.from({ length: sent }, (_, index) => index);
    assert.deepEqual(numbers(b), all, `seed ${seed}`);
    assert.deepEqual(numbers(a), all, `seed ${seed}`);
    for (const node of [a, b]) {
      // Nobody above noticed: the session never went down.
      assert.deepEqual(node.sessionEvents.length, 1, `seed ${seed}`);
      assert.deepEqual(changes(node), [["nats", "webrtc", false], ["webrtc", "quic", false]]);
    }
    assert.deepEqual(openKinds(net), ["quic"]);
    assert.equal(net.open, 1);
    await stop();
  }
});

Deno.test("a direct path that breaks falls back to a relayed one and comes back, and nothing is lost", async () => {
  for (let seed = 0; seed < 10; seed++) {
    const kinds = [testKind("quic"), testKind("nats", { relayed: true })];
    const { a, b, net, time, stop } = await world(kinds, `fall ${seed}`);
    await time.run(4_000);
    let sent = 0;
    for (let step = 0; step < 300; step++) {
      if (step % 100 === 30) {
        kinds[0]!.works = false;
        net.breakKind(kinds[0]!);
      }
      if (step % 100 === 70) kinds[0]!.works = true;
      a.send(b, numbered(sent++));
      await time.run(100);
    }
    await time.run(60_000);
    assert.deepEqual(numbers(b), Array.from({ length: sent }, (_, index) => index));
    assert.equal(a.sessionEvents.at(-1)?.type, "up");
    assert.deepEqual(openKinds(net), ["quic"]);
    await stop();
  }
});

Deno.test("a path is not replaced by one that is no better, however often that is offered", async () => {
  const kinds = [testKind("webrtc"), testKind("nats", { relayed: true })];
  const { a, b, time, net, stop } = await world(kinds);
  await time.run(4_000);
  for (let round = 0; round < 20; round++) {
    for (const [node, other] of [[a, b], [b, a]] as const) {
      node.system.tell(node.sessions, { type: "connectNow", deviceId: other.device.id });
      node.sight(other);
    }
    await time.run(3_000);
  }
  assert.deepEqual([changes(a), changes(b)], [[], []]);
  assert.deepEqual([ups(a), ups(b)], [["webrtc"], ["webrtc"]]);
  assert.equal(net.dials, 1);
  await stop();
});

Deno.test("a relayed path is looked at again with growing waits, and costs little while nothing better appears", async () => {
  const kinds = [testKind("quic", { works: false }), testKind("webrtc", { relayed: true })];
  const { a, b, time, stop } = await world(kinds);
  await time.run(3_600_000);
  assert.deepEqual([changes(a), changes(b)], [[], []]);
  // Two ends, two kinds, one attempt in 150 to 300 s at the end.
  assert.ok(kinds[0]!.dials > 20 && kinds[0]!.dials < 80, String(kinds[0]!.dials));
  await stop();
});

Deno.test("a change of the own network replaces a dead path at once and leaves a living one alone", async () => {
  const kinds = [testKind("quic"), testKind("nats", { relayed: true })];
  const { a, b, time, net, stop } = await world(kinds);
  await time.run(4_000);
  a.moved();
  await time.run(5_000);
  assert.equal(kinds[0]!.dials, 1, "the path still answers");
  const before = time.nowMs;
  net.cut();
  a.moved();
  b.send(a, numbered(1));
  while (a.received.length === 0 && time.nowMs - before < 10_000) await time.run(10);
  // Without the hint, silence is doubted only after a second and a quarter.
  assert.ok(time.nowMs - before < 1_200, `${time.nowMs - before} ms`);
  assert.deepEqual([a.sessionEvents.length, b.sessionEvents.length], [1, 1]);
  await stop();
});
