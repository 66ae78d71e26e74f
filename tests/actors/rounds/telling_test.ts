/** A coordinator of very many devices tells them what a phase has for each a few at a time: turns stay short, and what waits for the network is bounded. */
import assert from "node:assert/strict";
import { TestActor } from "../../../actors/kernel/testkit.ts";
import { softmaxRegression } from "../../../learning/engine/networks.ts";
import { sumRoundOf } from "../../../learning/runs/secure_round.ts";
import * as client from "../../../learning/secure/client.ts";
import * as wire from "../../../learning/secure/wire.ts";
import type { DeviceId } from "../../../protocols/ids.ts";
import type { RoundsMessage, SecurePhase } from "../../../protocols/rounds/messages.ts";
import { opened } from "../../learning/proof_support.ts";
import { good, play, players, sumRound } from "../../learning/secure_support.ts";
import { beginningOf, type Effects, openedRun, peerOf, type RunActor } from "./run_actor.ts";
import { registryOf, said, self, sessions } from "./support.ts";

const MIB = 1_024 * 1_024;
/** More than a turn may make, and a roster more. */
const TURN_BYTES_MAX = MIB / 4 + MIB / 16;
const WINDOW_BYTES_MAX = 4 * MIB + MIB / 16;

const plan = opened(softmaxRegression({ inputs: 2, classes: 2 }), {
  participation: { least: 3, most: 1_000, fraction: 1, overSelection: 0 },
  aggregation: { type: "secure", encoding: { range: 1, bits: 16 } },
  deadlines: { readyMs: 60_000, trainMs: 60_000, phaseMs: 60_000 },
});
const { parameters: modelHash } = beginningOf(plan);

/** Our device coordinates and takes no part; it has just heard the last of so many devices that are ready. */
function sharing(count: number): { readonly actor: RunActor; readonly first: Effects } {
  const devices = players(count, { seed: "telling" });
  const ids = devices.map(({ device }) => device);
  const registry = registryOf([self, ...ids]);
  const actor = openedRun(plan, { registry, fresh: true });
  const peers = ids.map((id) => peerOf(id));
  actor.tell({ type: "peersChanged", peers, registry });
  const call = said(actor.advance(0), ids[0]).find(({ type }) => type === "roundStart");
  assert.ok(call?.type === "roundStart");
  const { run, round, term, attempt, called } = call;
  const key = { run, round, term, attempt };
  const hear = (from: DeviceId, message: RoundsMessage) =>
    actor.tell({ type: "peerMessage", from, message });
  hear(self, { type: "decline", ...key, why: "noData", reason: "it has nothing to learn from" });
  let first: Effects = [];
  for (const { device, deps } of devices) {
    const sum = sumRoundOf(plan, { ...key, modelHash, devices: called.length })!;
    const { message } = good(client.advertise({ round: sum, device }, deps));
    const keys = wire.encodeAdvertisement(message);
    first = hear(device, { type: "peerReady", ...key, modelHash, keys });
  }
  assert.equal(actor.state.lead?.phase, "sharing");
  return { actor, first };
}

/** Who was told something of this phase, and in how many bytes. */
function told(effects: Effects, phase: SecurePhase["phase"]) {
  return TestActor.sentTo(effects, sessions).flatMap((command) => {
    if (command.type !== "sendToPeer") return [];
    const [message] = said([{ type: "send", to: sessions.path, message: command }]);
    const fits = message?.type === "securePhase" && message.phase === phase;
    return fits ? [{ to: command.to, bytes: command.body.length }] : [];
  });
}

function bytesOf(all: readonly { readonly bytes: number }[]): number {
  return all.reduce((sum, { bytes }) => sum + bytes, 0);
}

Deno.test("rosters of very many devices leave in many short turns, and the others have theirs in between", () => {
  const { actor, first } = sharing(100);
  const turns = [told(first, "roster")];
  while (actor.timers().get("telling") === 0) {
    turns.push(told(actor.fireTimer("telling"), "roster"));
  }
  assert.ok(turns.length > 2, `${turns.length} turns`);
  for (const turn of turns) assert.ok(bytesOf(turn) <= TURN_BYTES_MAX, `${bytesOf(turn)} bytes`);
  const devices = turns.flat().map(({ to }) => to);
  assert.equal(new Set(devices).size, 100);
  assert.equal(devices.length, 100);
});

Deno.test("no more than 4 MiB wait for answers; each answer makes room, and so does a second of silence", () => {
  const { actor, first } = sharing(300);
  const begun = [...told(first, "roster")];
  while (actor.timers().get("telling") === 0) {
    begun.push(...told(actor.fireTimer("telling"), "roster"));
  }
  assert.ok(begun.length < 300, "some wait");
  assert.ok(bytesOf(begun) <= WINDOW_BYTES_MAX, `${bytesOf(begun)} bytes`);
  // Answers of which nothing else follows: nobody in this test has shared anything.
  const { key } = actor.state.lead!;
  const body = new Uint8Array(1);
  const answer = { type: "securePhase", ...key!, phase: "shares", body } as const;
  const after = begun.slice(0, 4).flatMap(({ to }) =>
    told(actor.tell({ type: "peerMessage", from: to, message: answer }), "roster")
  );
  assert.ok(after.length >= 3 && after.length <= 5, `${after.length} follow`);
  const rest = told(actor.advance(1_000), "roster");
  assert.equal(begun.length + after.length + rest.length, 300);
});

Deno.test("who has revealed is not asked again; who has not is, after a while, or when it comes back", () => {
  const devices = players(5, { seed: "asked" });
  const members = devices.map(({ device }) => device).sort();
  const round = sumRound();
  const ending = play({
    round,
    players: devices,
    values: () => new Uint32Array(round.length),
    present: () => true,
  });
  assert.ok(ending.ended === "sum");
  const { server } = ending;
  const registry = registryOf([self, ...members]);
  const actor = openedRun(plan, { registry, fresh: true });
  const isUp = (away?: DeviceId) => members.map((id) => peerOf(id, { up: id !== away }));
  actor.tell({ type: "peersChanged", peers: isUp(), registry });
  actor.advance(0);
  // All have signed, and two have revealed.
  const lead = actor.state.lead!;
  server.phase = "signing";
  server.revealers.clear();
  lead.phase = "signing";
  lead.groups = [{ members, server, failed: false }];
  const { key } = lead;
  const due = { type: "phaseDue", phase: "signing", ...key! } as const;
  assert.deepEqual(told(actor.tell(due), "unmaskRequest").map(({ to }) => to), members);
  server.revealers.add(0).add(1);
  const open = members.slice(2);
  const asked = (effects: Effects) => told(effects, "unmaskRequest").map(({ to }) => to);
  assert.deepEqual(asked(actor.advance(4_000)), [], "they are given time");
  actor.tell({ type: "peersChanged", peers: isUp(open[0]), registry });
  assert.deepEqual(asked(actor.advance(3_000)), open.slice(1));
  actor.tell({ type: "peersChanged", peers: isUp(), registry });
  assert.deepEqual(asked(actor.advance(1_000)), open.slice(0, 1), "the one that is back");
});
