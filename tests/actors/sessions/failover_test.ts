/** A path that goes silent without a sign is replaced before anybody above notices; one that is only slow stays. */
import assert from "node:assert/strict";
import { seededRandom } from "../../../platform/seeded_random.ts";
import { sighted } from "./pair_support.ts";
import { type TestKind, testKind } from "./test_network.ts";
import type { TestTime } from "./test_time.ts";
import type { TestNode } from "./world.ts";

/** What is promised of a fail-over, ms. */
const FAILOVER_MS = 3_000;
const ALL_KINDS = () => [
  testKind("quic"),
  testKind("webrtc"),
  testKind("nats", { relayed: true, latencyMs: 20, dialMs: 150 }),
];

async function world(kinds: TestKind[], seed: string) {
  const nodes = await sighted((net) => net.kinds = kinds, seed);
  await nodes.time.run(5_000);
  return nodes;
}

const numbered = (number: number) => Uint8Array.of(0, number >> 8, number & 255);
const numbers = (node: TestNode) => node.received.map(({ body }) => body[1]! * 256 + body[2]!);
const upTo = (count: number) => Array.from({ length: count }, (_, index) => index);
const moves = (node: TestNode) =>
  node.events.flatMap((event) =>
    event.type === "pathChanged" ? [`${event.from} ${event.path}`] : []
  );

/** Sends one message each way every 50 ms until the newest of both has come; the time that took from `fromMs` on. */
async function untilThrough(
  { time, a, b, sent }: {
    readonly time: TestTime;
    readonly a: TestNode;
    readonly b: TestNode;
    readonly sent: number;
  },
): Promise<number> {
  const fromMs = time.nowMs;
  a.send(b, numbered(sent));
  b.send(a, numbered(sent));
  while (numbers(a).at(-1) !== sent || numbers(b).at(-1) !== sent) {
    if (time.nowMs - fromMs > 20_000) return Infinity;
    await time.run(10);
  }
  return time.nowMs - fromMs;
}

Deno.test("a direct path that goes silent is replaced by a relay within three seconds, the session stays up, nothing is lost or said twice", async () => {
  for (let seed = 0; seed < 20; seed++) {
    const kinds = ALL_KINDS();
    const { a, b, net, time, stop } = await world(kinds, `silent ${seed}`);
    await time.run(seededRandom(`when ${seed}`).below(2_000));
    for (let i = 0; i < 5; i++) {
      a.send(b, numbered(i));
      b.send(a, numbered(i));
      await time.run(30);
    }
    kinds[0]!.works = false;
    kinds[1]!.works = false;
    net.cut();
    const tookMs = await untilThrough({ time, a, b, sent: 5 });
    assert.ok(tookMs < FAILOVER_MS, `seed ${seed}: ${tookMs} ms`);
    for (const node of [a, b]) {
      assert.deepEqual(node.sessionEvents.map(({ type }) => type), ["up"], `seed ${seed}`);
      assert.deepEqual(moves(node), ["quic nats"]);
      assert.deepEqual(numbers(node), upTo(6));
    }
    // Better kinds are looked for again soon, whatever they did before.
    kinds[0]!.works = true;
    await time.run(12_000);
    assert.deepEqual([moves(a).at(-1), moves(b).at(-1)], ["nats quic", "nats quic"]);
    assert.equal(net.open, 1);
    await stop();
  }
});

Deno.test("a path of which one direction is dead is replaced within three seconds", async () => {
  for (const deaf of [0, 1]) {
    for (let seed = 0; seed < 8; seed++) {
      const kinds = ALL_KINDS();
      const { a, b, net, time, stop } = await world(kinds, `deaf ${seed}`);
      await time.run(seed * 130);
      kinds[0]!.works = false;
      kinds[1]!.works = false;
      const open = net.paths.filter(({ closed }) => !closed);
      open[deaf]!.silent = true;
      const tookMs = await untilThrough({ time, a, b, sent: 0 });
      assert.ok(tookMs < FAILOVER_MS, `end ${deaf}, seed ${seed}: ${tookMs} ms`);
      for (const node of [a, b]) {
        assert.deepEqual(node.sessionEvents.map(({ type }) => type), ["up"]);
        assert.deepEqual(numbers(node), [0]);
      }
      await stop();
    }
  }
});

Deno.test("a relay that goes silent is replaced by another relay within three seconds", async () => {
  for (let seed = 0; seed < 4; seed++) {
    const kinds = [
      testKind("quic", { works: false }),
      testKind("webrtc", { relayed: true, dialMs: 900 }),
      testKind("nats", { relayed: true, dialMs: 150 }),
    ];
    const { a, b, net, time, stop } = await world(kinds, `relay ${seed}`);
    await time.run(900_000 + seed * 170);
    kinds[1]!.works = false;
    net.cut();
    const tookMs = await untilThrough({ time, a, b, sent: 0 });
    assert.ok(tookMs < FAILOVER_MS, `seed ${seed}: ${tookMs} ms`);
    assert.deepEqual([moves(a).at(-1), moves(b).at(-1)], ["webrtc nats", "webrtc nats"]);
    // And back from the last resort, although direct ways had failed for a quarter of an hour.
    kinds[1]!.works = true;
    await time.run(12_000);
    assert.deepEqual([moves(a).at(-1), moves(b).at(-1)], ["nats webrtc", "nats webrtc"]);
    for (const node of [a, b]) assert.equal(node.sessionEvents.length, 1);
    await stop();
  }
});

Deno.test("a path that is silent for less than two seconds stays, and what was begun beside it is given up", async () => {
  let dials = 0;
  for (let seed = 0; seed < 12; seed++) {
    const kinds = ALL_KINDS();
    const { a, b, net, time, stop } = await world(kinds, `slow ${seed}`);
    kinds[0]!.works = false;
    kinds[1]!.works = false;
    for (let round = 0; round < 10; round++) {
      await time.run(4_000 + seed * 83 + round * 97);
      const open = net.paths.filter(({ closed }) => !closed);
      for (const path of open) path.late = [];
      // With up to a second since the last answer: long enough to be doubted, too short to be left.
      await time.run(950);
      for (const path of open) path.catchUp();
      await time.run(2_000);
    }
    for (const node of [a, b]) {
      assert.deepEqual(moves(node), [], `seed ${seed}`);
      assert.deepEqual(node.sessionEvents.map(({ type }) => type), ["up"]);
    }
    assert.equal(net.open, 1);
    dials += kinds[2]!.dials;
    await stop();
  }
  assert.ok(dials > 10, `${dials} dials: nothing was begun at all`);
});

Deno.test("a path that is ready beside a silent one is used at once when that one ends", async () => {
  const kinds = ALL_KINDS();
  const { a, b, net, time, stop } = await world(kinds, "ends");
  kinds[0]!.works = false;
  kinds[1]!.works = false;
  net.cut();
  const cutMs = time.nowMs;
  const relayed = () => net.paths.filter(({ kind, closed }) => kind === "nats" && !closed);
  while (relayed().length === 0) await time.run(10);
  await time.run(150);
  net.breakKind(kinds[0]!);
  const brokenMs = time.nowMs;
  assert.ok(brokenMs - cutMs < 1_950, "too late to show anything");
  const tookMs = await untilThrough({ time, a, b, sent: 0 });
  assert.ok(tookMs < 300, `${tookMs} ms`);
  await stop();
});

Deno.test("a path that finds a direct way for itself is told as a change", async () => {
  const kind = testKind("webrtc", { relayed: true });
  const { a, b, time, stop } = await world([kind], "direct");
  Object.assign(kind, { relayed: false });
  await time.run(2_000);
  for (const node of [a, b]) {
    const changes = node.events.filter((event) => event.type === "pathChanged");
    assert.deepEqual(changes.map(({ from, path, relayed }) => [from, path, relayed]), [
      ["webrtc", "webrtc", false],
    ]);
  }
  await stop();
});
