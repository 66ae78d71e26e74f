/** What a device sends about rounds beyond its rate is not read, counted, and told of; honest devices never come near it. */
import assert from "node:assert/strict";
import { TestActor, testActor } from "../../../actors/kernel/testkit.ts";
import type { LoadedRuns, RoundsCommand } from "../../../actors/rounds/commands.ts";
import { MESSAGE_RATE, TELL_EVERY_MS } from "../../../actors/rounds/rate_limit.ts";
import { rounds } from "../../../actors/rounds/rounds.ts";
import type { RoundsState } from "../../../actors/rounds/state.ts";
import { nodeSigner } from "../../../platform/node_crypto.ts";
import { seededRandom } from "../../../platform/seeded_random.ts";
import { deviceIdOf } from "../../../protocols/ids.ts";
import type { RoundsMessage } from "../../../protocols/rounds/messages.ts";
import { published } from "../members_support.ts";
import { callTo } from "./run_actor.ts";
import { dependencies, other, planBlock, privatePlan, registryOf, run, self } from "./support.ts";

const plan = privatePlan();
const honest = deviceIdOf(nodeSigner(new Uint8Array(32).fill(7)).publicKey);
const call = callTo(plan, [self, other]);

function device(): TestActor<RoundsCommand, RoundsState> {
  const actor = testActor<RoundsCommand, RoundsState>(rounds(dependencies(plan)), {
    random: seededRandom(4),
  });
  const value: LoadedRuns = {
    blocks: [planBlock(plan)],
    joined: new Set([run]),
    ledger: undefined,
    secrets: new Map(),
    reputation: new Map(),
  };
  actor.settleTask({ ok: true, value });
  actor.state.registry = registryOf([self, other, honest]);
  return actor;
}

/** Says the same so often; how many of them the run gets to read, and what is told of it. */
function floods(
  actor: TestActor<RoundsCommand, RoundsState>,
  { from = other, message = call, times }: {
    readonly from?: typeof other;
    readonly message?: RoundsMessage;
    readonly times: number;
  },
) {
  const child = actor.state.runs.get(run)!.child!;
  let read = 0;
  const warnings: string[] = [];
  for (let i = 0; i < times; i++) {
    const effects = actor.tell({ type: "peerMessage", from, message });
    read += TestActor.sentTo(effects, child).filter(({ type }) => type === "peerMessage").length;
    for (const event of published(effects, "nodeEvents") as { message?: string }[]) {
      if (event.message !== undefined) warnings.push(event.message);
    }
  }
  return { read, warnings };
}

Deno.test("whoever floods with messages about rounds is read as far as its rate, counted, and told of once a minute", () => {
  const actor = device();
  const { perSecond, burst } = MESSAGE_RATE;
  const flood = floods(actor, { times: burst + 500 });
  assert.equal(flood.read, burst);
  assert.deepEqual(flood.warnings, [
    `${other.slice(0, 8)} sends more messages about rounds than it may; 1 were not read so far`,
  ]);
  assert.equal(actor.state.messages.excess.get(other)?.dropped, 500);
  assert.equal(floods(actor, { from: honest, times: 10 }).read, 10, "others are heard as ever");
  actor.advance(1_000);
  assert.deepEqual(floods(actor, { times: perSecond + 100 }), { read: perSecond, warnings: [] });
  actor.advance(TELL_EVERY_MS);
  assert.match(floods(actor, { times: burst + 1 }).warnings[0]!, /; 601 were not read so far$/);
  assert.equal(actor.state.reputation.size, 0, "no signature proves it, so no points are lost");
});

Deno.test("parts of vectors have no rate: a device sends them because it was asked", () => {
  const message = {
    type: "vectorPart",
    run,
    hash: call.model.hash,
    index: 0,
    bytes: new Uint8Array(4),
  } as const;
  const times = MESSAGE_RATE.burst + 100;
  assert.equal(floods(device(), { message, times }).read, times);
});
