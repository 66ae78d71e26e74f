import assert from "node:assert/strict";
import fc from "fast-check";
import { seededRandom } from "../../../platform/seeded_random.ts";
import { type DeviceId, deviceIdOf } from "../../../protocols/ids.ts";
import { ProbeOrder } from "../../../protocols/liveness/probe_order.ts";
import { ringView, WATCHED_EACH_SIDE } from "../../../protocols/liveness/ring.ts";

const ids = Array.from({ length: 40 }, (_, i) => deviceIdOf(new Uint8Array(32).fill(i))).sort();

/** The ids at these distances from `self`, over the end of the ring. */
function at(self: number, ...distances: number[]): DeviceId[] {
  return distances.map((distance) => ids[(self + distance + ids.length) % ids.length]!);
}

Deno.test("from every place of the ring the nearest on both sides are watched, over its end too", () => {
  for (const [self, id] of ids.entries()) {
    const view = ringView(id, ids.filter((other) => other !== id));
    assert.deepEqual(view.neighbours, at(self, 1, -1));
    assert.deepEqual([...view.watched].sort(), at(self, 1, 2, 3, 4, -1, -2, -3, -4).sort());
    assert.deepEqual(view.others, at(self, ...ids.slice(3).map((_, i) => i + 2)));
  }
});

Deno.test("whom we watch, and who watches, have at least three watched ones in common", () => {
  // So there are helpers for an indirect probe wherever all keep sessions with those they watch.
  for (const distance of [1, 2, 3, WATCHED_EACH_SIDE]) {
    const [self, target] = [ids[0]!, ids[distance]!];
    const ours = ringView(self, ids.filter((id) => id !== self)).watched;
    const theirs = ringView(target, ids.filter((id) => id !== target)).watched;
    assert.ok(theirs.has(self), "watching is mutual");
    const common = [...ours].filter((id) => theirs.has(id));
    assert.ok(common.length >= 3, `${common.length} at distance ${distance}`);
  }
});

Deno.test("every peer is a neighbour or another, once, in whatever order they come", () => {
  fc.assert(fc.property(fc.uniqueArray(fc.constantFrom(...ids.slice(1))), (peers) => {
    const { neighbours, others, watched } = ringView(ids[0]!, peers);
    assert.deepEqual([...neighbours, ...others].sort(), [...peers].sort());
    assert.ok([...watched].every((peer) => peers.includes(peer)));
    assert.deepEqual(ringView(ids[0]!, [...peers].reverse()), { neighbours, others, watched });
  }));
});

Deno.test("of those who are let through each comes once a round", () => {
  const random = seededRandom(5);
  const order = new ProbeOrder();
  for (const id of ids) order.add(id, random);
  const picked = new Set(ids.slice(0, 8));
  for (let round = 0; round < 5; round++) {
    const probed = Array.from({ length: 8 }, () => order.next(random, (id) => picked.has(id)));
    assert.deepEqual(new Set(probed), picked);
  }
  assert.equal(order.next(random, () => false), null);
});
