/** Who is the second party of an attempt: the same for all who are called, and not one that has just failed. */
import assert from "node:assert/strict";
import { COMPANY_MAX, SEATS } from "../../../actors/rounds/company.ts";
import { SILENCE_MS } from "../../../actors/rounds/terms.ts";
import { type DeviceId, deviceIdOf } from "../../../protocols/ids.ts";
import type { RoundsMessage, RoundStart } from "../../../protocols/rounds/messages.ts";
import { openedRun, peerOf } from "./run_actor.ts";
import { other, registryOf, said, self } from "./support.ts";
import { attemptWith, call, members, others, plan, start } from "./two_servers_support.ts";

const SECOND = others[1]!.id;
const DECLINE = { type: "decline", why: "cannot", reason: "none" } as const;

Deno.test("a device that knows of other seats finds the same second party: it follows from who was called", () => {
  const key = attemptWith(SECOND);
  const actor = start();
  actor.tell({
    type: "peersChanged",
    peers: others.map(({ id }) => peerOf(id)),
    registry: registryOf(members),
    seats: new Set([self, other, others[2]!.id]),
  });
  const [answer] = call(actor, key, SECOND);
  assert.equal(answer?.type, "peerReady", JSON.stringify(answer));
});

/** Our device coordinates, has seats in mind, and calls. */
function coordinating(devices: readonly DeviceId[], seats?: ReadonlySet<DeviceId>) {
  const registry = registryOf([self, ...devices]);
  const actor = openedRun(plan, { registry, startedBy: self });
  const peers = (away?: DeviceId) =>
    actor.tell({
      type: "peersChanged",
      peers: devices.map((device) => peerOf(device, { up: device !== away })),
      registry,
      ...(seats !== undefined && { seats }),
    });
  const calls = (effects: Parameters<typeof said>[0]) =>
    said(effects).filter((one): one is RoundStart => one.type === "roundStart")
      .filter((one, i, all) => all.findIndex(({ attempt }) => attempt === one.attempt) === i);
  peers();
  actor.advance(SILENCE_MS);
  let first: readonly RoundStart[] = [];
  for (let tries = 0; first.length === 0 && tries < 20; tries++) {
    first = calls(actor.advance(100));
  }
  return { actor, peers, calls, first };
}

Deno.test("a second party that comes and goes is not named again at once, and later each time", () => {
  const devices = others.map(({ id }) => id);
  const { actor, peers, calls, first } = coordinating(devices);
  const flapping = first[0]!.second!;
  const waiting = [...first];
  const times: number[] = [];
  for (let ms = 0; ms < 20_000; ms += 100) {
    waiting.push(...calls(actor.advance(100)));
    const one = waiting.pop();
    if (one === undefined) continue;
    const { run, round, term, attempt, second } = one;
    const key = { run, round, term, attempt };
    const modelHash = one.model.hash;
    const all = (message: RoundsMessage) =>
      devices.flatMap((from) => actor.tell({ type: "peerMessage", from, message }));
    all({ type: "peerReady", ...key, modelHash, keys: new Uint8Array() });
    actor.tell({ type: "peerMessage", from: self, message: { ...DECLINE, ...key } });
    assert.equal(actor.state.lead?.phase, "training");
    if (second === flapping) {
      times.push(ms);
      // It goes in the middle of the attempt, and is back a moment later.
      waiting.push(...calls([...peers(flapping), ...peers()]));
    } else waiting.push(...calls([...all({ ...DECLINE, ...key }), ...peers()]));
  }
  assert.ok(times.length > 1 && times.length <= 6, `named ${times.length} times in 20 s`);
});

Deno.test("of a large company only those with a seat are named, and attempts are left out for that", () => {
  const devices = Array.from(
    { length: 2 * COMPANY_MAX },
    (_, i) => deviceIdOf(new Uint8Array(32).fill(5).map((byte, at) => at === 0 ? i : byte)),
  );
  const seats = new Set([self, ...devices.slice(0, SEATS - 1)]);
  const { first } = coordinating(devices, seats);
  assert.equal(first.length, 1);
  assert.ok(seats.has(first[0]!.second!));
});
