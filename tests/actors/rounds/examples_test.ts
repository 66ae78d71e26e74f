/** Devices without examples: they say so, the coordinator tells why its round waits, and whoever brings examples is in the next attempt. */
import assert from "node:assert/strict";
import { TestActor } from "../../../actors/kernel/testkit.ts";
import type { OpenedRun } from "../../../actors/rounds/commands.ts";
import { softmaxRegression } from "../../../learning/engine/networks.ts";
import type { RoundsMessage } from "../../../protocols/rounds/messages.ts";
import { opened } from "../../learning/proof_support.ts";
import {
  callTo,
  type Effects,
  openedRun,
  parent,
  peerOf,
  told,
  zeroExamples,
} from "./run_actor.ts";
import { other, registryOf, run, said, self } from "./support.ts";

const plan = opened(softmaxRegression({ inputs: 2, classes: 2 }), {
  aggregation: { type: "clear", rule: { name: "weightedMean", numbers: {} } },
  participation: { least: 2, most: 10, fraction: 1, overSelection: 0 },
});
const EXAMPLES = zeroExamples(1);

/** A device in a mesh of two; `fresh` began the run itself. */
function start(fresh: boolean, examples: () => OpenedRun["examples"]) {
  const registry = registryOf([self, other]);
  const actor = openedRun(plan, { registry, fresh, examples });
  const effects = [
    ...actor.tell({ type: "peersChanged", peers: [peerOf(other)], registry }),
    ...actor.advance(900),
  ];
  return { actor, effects };
}

/** What the node is told that the run waits for. */
function waitsFor(effects: Effects): string | null | undefined {
  return TestActor.sentTo(effects, parent)
    .flatMap((one) => one.type === "runReport" ? [one.report.waitingFor] : []).at(-1);
}

Deno.test("a device without examples declines and says why; with some it is ready at the next call", async () => {
  let found: OpenedRun["examples"] = { unavailable: "bring some with: submind learn data fetch" };
  let looks = 0;
  const { actor } = start(false, () => {
    looks++;
    return found;
  });
  looks = 0;
  const call = (attempt: number) =>
    said(told(actor, callTo(plan, [self, other], { attempt, withinMs: 10_000 })));
  const declines = (messages: readonly RoundsMessage[]) =>
    messages.flatMap((one) => one.type === "decline" ? [[one.why, one.reason]] : []);
  const none = [["noData", "bring some with: submind learn data fetch"]];
  assert.deepEqual(declines(call(1)), none);
  assert.deepEqual(declines(call(2)), none);
  const effects = await actor.runTask();
  assert.equal(looks, 1, "calls do not make it read more than once at a time");
  assert.match(waitsFor(effects) ?? "", /learn data fetch/);
  assert.deepEqual(declines(call(3)), none);
  found = EXAMPLES;
  assert.equal(waitsFor(await actor.runTask()), null);
  const [answer] = call(4);
  assert.equal(answer?.type, "peerReady");
  assert.equal(looks, 2);
});

Deno.test("why an attempt came to nothing is shown until the next one begins", () => {
  const { actor } = start(false, () => EXAMPLES);
  const key = { run, round: 1, term: 0, attempt: 1 };
  const call = (attempt: number) => callTo(plan, [self, other], { attempt, withinMs: 9 });
  told(actor, call(1));
  told(actor, {
    type: "roundAbandoned",
    ...key,
    reason: "1 devices were ready, expected at least 2",
  });
  assert.match(waitsFor(actor.advance(1_000)) ?? "", /1 devices were ready/);
  assert.equal(said(told(actor, call(2)))[0]?.type, "peerReady");
  assert.equal(waitsFor(actor.advance(1_000)), null);
});

Deno.test("a coordinator whose round waits tells what the devices say that take no part", () => {
  const { actor, effects } = start(true, () => ({ unavailable: "none" }));
  const called = said(effects).find(({ type }) => type === "roundStart");
  assert.ok(called?.type === "roundStart");
  const { round, term, attempt } = called;
  const reason = "pictures are 28 × 28, the plan expects 99 × 28";
  const message = { type: "decline", run, round, term, attempt, why: "noData", reason } as const;
  for (const from of [self, other]) actor.tell({ type: "peerMessage", from, message });
  assert.match(
    actor.state.waitingFor ?? "",
    /0 devices were ready, expected at least \d; one says: pictures are 28 × 28/,
  );
});
