/** Whoever does not take part and is called all the same says so at once. */
import assert from "node:assert/strict";
import { type TestActor, testActor } from "../../../actors/kernel/testkit.ts";
import type { LoadedRuns, RoundsCommand } from "../../../actors/rounds/commands.ts";
import { rounds } from "../../../actors/rounds/rounds.ts";
import type { RoundsState } from "../../../actors/rounds/state.ts";
import { seededRandom } from "../../../platform/seeded_random.ts";
import { clearRound } from "./clear_round.ts";
import { callTo, told } from "./run_actor.ts";
import {
  dependencies,
  other,
  planBlock,
  privatePlan,
  registryOf,
  run,
  said,
  self,
} from "./support.ts";

const plan = privatePlan();
const call = callTo(plan, [self, other]);

/** A device that knows the run, and has joined it or not. */
function device(joined: boolean): TestActor<RoundsCommand, RoundsState> {
  const actor = testActor<RoundsCommand, RoundsState>(rounds(dependencies(plan)), {
    random: seededRandom(4),
  });
  const value: LoadedRuns = {
    blocks: [planBlock(plan)],
    joined: new Set(joined ? [run] : []),
    ledger: undefined,
    secrets: new Map(),
    reputation: new Map(),
  };
  actor.settleTask({ ok: true, value });
  actor.state.registry = registryOf([self, other]);
  return actor;
}

/** What it answers to a call. */
function answers(actor: TestActor<RoundsCommand, RoundsState>) {
  return said(actor.tell({ type: "peerMessage", from: other, message: call }));
}

function optedOut(reason: string) {
  const { round, term, attempt } = call;
  return { type: "decline", run, round, term, attempt, why: "optedOut", reason };
}

Deno.test("a device that has left a run declines the call of a coordinator that has not heard of it, at once", () => {
  assert.deepEqual(answers(device(false)), [
    optedOut("this device has left the run, or never joined it"),
  ]);
  assert.deepEqual(answers(device(true)), [], "its run answers");
});

Deno.test("a device that lost the permission to learn declines, and one that has not read its disk says nothing", () => {
  const forbidden = device(true);
  const registry = registryOf([other]);
  const members = new Map(registry.members);
  members.set(self, { ...members.get(other)!, permissions: new Set() } as never);
  forbidden.state.registry = { ...registry, members };
  assert.deepEqual(answers(forbidden), [optedOut("this device may not take part in learning")]);
  const starting = device(false);
  starting.state.loaded = false;
  assert.deepEqual(answers(starting), []);
});

Deno.test("a coordinator does not wait for whoever has opted out: it trains with the others at once", () => {
  const { call: begin, liar: leaver, honest } = clearRound(plan, {
    others: 4,
    updateFor: () => new Uint8Array(0),
  });
  const { actor, effects } = begin();
  const start = said(effects, leaver.id).find(({ type }) => type === "roundStart");
  assert.ok(start?.type === "roundStart");
  const { round, term, attempt, model } = start;
  const key = { run, round, term, attempt };
  told(actor, { type: "decline", ...key, why: "noData", reason: "none" }, self);
  for (const { id } of honest) {
    const keys = new Uint8Array(0);
    told(actor, { type: "peerReady", ...key, modelHash: model.hash, keys }, id);
  }
  assert.equal(actor.state.lead?.phase, "calling", "one has not answered");
  const reason = "this device has left the run, or never joined it";
  told(actor, { type: "decline", ...key, why: "optedOut", reason }, leaver.id);
  assert.equal(actor.state.lead?.phase, "training");
});
