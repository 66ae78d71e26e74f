/** Whom a device chooses in meshes of all sizes. */
import assert from "node:assert/strict";
import { deviceIdOf } from "../../../protocols/ids.ts";
import type { DeviceId } from "../../../protocols/ids.ts";
import {
  choosePeers,
  CHOSEN_MAX,
  EVERYBODY_MAX,
  pairRank,
  SESSIONS_MAX,
} from "../../../actors/sessions/peer_choice.ts";
import { seededRandom } from "../../../platform/seeded_random.ts";

function devices(count: number, seed = "devices"): readonly DeviceId[] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, () => deviceIdOf(random.bytes(32)));
}

function choices(all: readonly DeviceId[]): Map<DeviceId, ReadonlySet<DeviceId>> {
  return new Map(
    all.map((self) => [self, choosePeers(self, all.filter((peer) => peer !== self))]),
  );
}

/** Sessions both ways: a session exists when either end chose it. */
function sessionsOf(chosen: Map<DeviceId, ReadonlySet<DeviceId>>): Map<DeviceId, Set<DeviceId>> {
  const sessions = new Map([...chosen.keys()].map((id) => [id, new Set<DeviceId>()]));
  for (const [self, peers] of chosen) {
    for (const peer of peers) {
      sessions.get(self)?.add(peer);
      sessions.get(peer)?.add(self);
    }
  }
  return sessions;
}

function reached(sessions: ReadonlyMap<DeviceId, ReadonlySet<DeviceId>>): number {
  const [start] = sessions.keys();
  const seen = new Set(start === undefined ? [] : [start]);
  for (const id of seen) for (const peer of sessions.get(id) ?? []) seen.add(peer);
  return seen.size;
}

Deno.test("a device in a small mesh chooses everybody", () => {
  const [self, ...peers] = devices(EVERYBODY_MAX + 1);
  assert.deepEqual(choosePeers(self!, peers), new Set(peers));
});

Deno.test("chosen sessions connect meshes of every size, and nobody has more than it accepts", () => {
  for (const count of [17, 18, 19, 40, 300, 1_000]) {
    const all = devices(count, `mesh of ${count}`);
    const chosen = choices(all);
    for (const peers of chosen.values()) {
      assert.equal(peers.size, count <= EVERYBODY_MAX + 1 ? count - 1 : CHOSEN_MAX);
    }
    const sessions = sessionsOf(chosen);
    assert.equal(reached(sessions), count);
    const most = Math.max(...[...sessions.values()].map((peers) => peers.size));
    assert.ok(most <= SESSIONS_MAX, `${most} sessions in a mesh of ${count}`);
  }
});

Deno.test("chosen sessions stay connected when a third of the devices fails at once", () => {
  const all = devices(300, "failures");
  const sessions = sessionsOf(choices(all));
  const alive = new Set(all.filter((_, index) => index % 3 !== 0));
  const left = new Map(
    [...sessions].filter(([id]) => alive.has(id)).map(([id, peers]) =>
      [id, new Set([...peers].filter((peer) => alive.has(peer)))] as const
    ),
  );
  assert.equal(reached(left), alive.size);
});

Deno.test("the choice does not depend on the order of the candidates", () => {
  const [self, ...peers] = devices(100);
  assert.deepEqual(choosePeers(self!, peers), choosePeers(self!, peers.toReversed()));
});

Deno.test("one newcomer changes at most one neighbour on one side and one shortcut", () => {
  const [self, newcomer, ...peers] = devices(200);
  const before = choosePeers(self!, peers);
  const after = choosePeers(self!, [...peers, newcomer!]);
  const lost = [...before].filter((peer) => !after.has(peer));
  assert.ok(lost.length <= 2, `${lost.length} sessions were given up`);
});

Deno.test("pair ranks are the same from both ends and spread evenly", () => {
  const all = devices(200);
  let low = 0;
  let pairs = 0;
  for (const [index, a] of all.entries()) {
    for (const b of all.slice(index + 1)) {
      assert.equal(pairRank(a, b), pairRank(b, a));
      if (pairRank(a, b) < 2 ** 31) low++;
      pairs++;
    }
  }
  assert.ok(Math.abs(low / pairs - 0.5) < 0.02);
});
