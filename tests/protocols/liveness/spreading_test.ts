import assert from "node:assert/strict";
import fc from "fast-check";
import { seededRandom } from "../../../platform/seeded_random.ts";
import { type DeviceId, deviceIdOf } from "../../../protocols/ids.ts";
import { Dissemination } from "../../../protocols/liveness/dissemination.ts";
import { ProbeOrder } from "../../../protocols/liveness/probe_order.ts";

const ids = Array.from({ length: 12 }, (_, i) => deviceIdOf(new Uint8Array(32).fill(i)));
const [a, b, c, d] = ids as [DeviceId, DeviceId, DeviceId, DeviceId];

Deno.test("nobody is told twice, nor what it told us, nor of itself", () => {
  const news = new Dissemination();
  news.add(a, b, true);
  assert.deepEqual(news.take(b, 10, 9), []);
  assert.deepEqual(news.take(a, 10, 9), []);
  assert.deepEqual(news.take(c, 10, 9), [a]);
  assert.deepEqual(news.take(c, 10, 9), []);
  news.noteKnows(a, d);
  assert.deepEqual(news.take(d, 10, 9), []);
});

Deno.test("a rumour is told as often as it may be, then forgotten", () => {
  const news = new Dissemination();
  news.add(a, null, false);
  assert.equal(ids.slice(1).flatMap((peer) => news.take(peer, 10, 4)).length, 4);
  assert.equal(news.size, 0);
});

Deno.test("what is news again is told again", () => {
  const news = new Dissemination();
  news.add(a, null, false);
  assert.deepEqual(news.take(b, 10, 1), [a]);
  news.add(a, null, true);
  assert.deepEqual(news.take(b, 10, 1), [a]);
});

Deno.test("accusations go before newcomers, and no message gets more than fits", () => {
  const news = new Dissemination();
  for (const id of ids.slice(2, 10)) news.add(id, null, false);
  news.add(b, null, true);
  const told = news.take(a, 4, 9);
  assert.equal(told.length, 4);
  assert.equal(told[0], b);
  assert.equal(new Set([...told, ...news.take(a, 10, 9)]).size, 9);
});

Deno.test("within two rounds everybody is probed, whoever comes and goes", () => {
  fc.assert(fc.property(
    fc.integer(),
    fc.array(fc.record({ at: fc.nat(40), who: fc.nat(5), add: fc.boolean() }), { maxLength: 10 }),
    (seed, changes) => {
      const random = seededRandom(seed);
      const order = new ProbeOrder();
      for (const id of ids) order.add(id, random);
      const fixed = ids.slice(6);
      const lastAt = new Map(fixed.map((id) => [id, 0]));
      for (let step = 1; step <= 60; step++) {
        for (const { at, who, add } of changes) {
          if (at !== step) continue;
          if (add) order.add(ids[who]!, random);
          else order.remove(ids[who]!);
        }
        const next = order.next(random)!;
        if (lastAt.has(next)) lastAt.set(next, step);
        for (const [id, last] of lastAt) {
          assert.ok(step - last <= 2 * ids.length + changes.length, `${id} waits since ${last}`);
        }
      }
    },
  ));
});

Deno.test("with nobody to probe there is no next one", () => {
  const order = new ProbeOrder();
  const random = seededRandom(1);
  assert.equal(order.next(random), null);
  order.add(a, random);
  order.add(a, random);
  assert.deepEqual([order.next(random), order.next(random)], [a, a]);
  order.remove(a);
  order.remove(a);
  assert.equal(order.next(random), null);
});
