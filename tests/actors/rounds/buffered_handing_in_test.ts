/** A device whose run has a buffer of updates: when it trains, to whom it hands in, and how often. */
import assert from "node:assert/strict";
import { seededRandom } from "../../../platform/seeded_random.ts";
import {
  actorOf,
  count,
  type Device,
  devices,
  parameters,
  planOf,
  STALENESS_MAX,
} from "./buffered_support.ts";
import type { RunActor } from "./run_actor.ts";
import { run, said } from "./support.ts";

const [, first, second] = devices as [Device, Device, Device];

/** A device that trains, and the coordinator whom it follows. */
function participant() {
  const after = model();
  const { actor, peers, registry } = actorOf(planOf(2), {
    fresh: false,
    examples: {
      training: {
        exampleLength: 2,
        count: 3,
        inputs: new Float32Array(6),
        labels: new Uint8Array(3),
      },
      test: null,
    },
    deps: {
      trainer: {
        train: () => Promise.resolve({ parameters: after, loss: 1, steps: 1, examples: 3 }),
        evaluate: () => Promise.reject(new Error("nobody measures in this test")),
        close: () => Promise.resolve(),
      },
    },
  });
  return { actor, peers, registry };
}

function model() {
  return Float32Array.from({ length: count }, (_, i) => i / 10);
}

function beat(
  actor: RunActor,
  from: Device,
  { term = 0, round = 1, attempt = 1, phase = "training" },
) {
  const message = {
    ...{ type: "coordinatorBeat" as const, run, term, round, attempt },
    ...{ ready: 0, submitted: 0, fetched: 0 },
    phase: phase as "training" | "publishing",
  };
  return actor.tell({ type: "peerMessage", from: from.id, message });
}

/** The ledger says yes, and the device trains and signs. */
async function train(actor: RunActor) {
  const { part } = actor.state;
  assert.equal(part?.phase, "training");
  const secret = seededRandom("secret").bytes(32);
  actor.tell({
    type: "charged",
    round: part.key.round,
    release: 0,
    answer: { ok: true, secret },
  });
  const effects = [];
  for (let step = 0; step < 20 && actor.pendingTasks().length > 0; step++) {
    effects.push(...await actor.runTask());
  }
  return effects;
}

const submissions = (effects: ReturnType<typeof said>) =>
  effects.flatMap((message) => message.type === "gradientSubmission" ? [message] : []);

Deno.test("a device trains when a buffer is open, hands in once to each, and again to the next coordinator", async () => {
  const { actor } = participant();
  assert.equal(actor.state.part, null, "nobody has opened a buffer");
  beat(actor, first, { phase: "publishing" });
  assert.equal(actor.state.part, null, "no buffer is open");
  beat(actor, first, {});
  const [handed, ...more] = submissions(said(await train(actor), first.id));
  assert.deepEqual(more, []);
  assert.deepEqual(
    [handed?.round, handed?.attempt, handed?.modelHash, handed?.weight],
    [1, 0, parameters, 1],
  );
  assert.deepEqual(submissions(said(beat(actor, first, {}), first.id)), []);
  assert.equal(actor.state.part, null, "from one version it trains once");
  // Another attempt of the same coordinator, and another coordinator.
  const again = submissions(said(beat(actor, first, { attempt: 2 }), first.id));
  const other = submissions(said(beat(actor, second, { term: 1, attempt: 2 }), second.id));
  for (const [one] of [again, other]) {
    assert.deepEqual([one?.update, one?.signature], [handed?.update, handed?.signature]);
  }
});

Deno.test("an update is served to whom it was handed in, and to nobody else", async () => {
  const { actor } = participant();
  beat(actor, first, {});
  const [handed] = submissions(said(await train(actor), first.id));
  const ask = (device: Device) =>
    said(
      actor.tell({
        type: "peerMessage",
        from: device.id,
        message: { type: "requestParts", run, hash: handed!.update.hash, first: 0, count: 1 },
      }),
      device.id,
    ).map(({ type }) => type);
  assert.deepEqual(ask(second), []);
  assert.deepEqual(ask(first), ["vectorPart"]);
});

Deno.test("a device that hears of a session lost hands in again when its coordinator is back", async () => {
  const { actor, peers, registry } = participant();
  beat(actor, first, {});
  assert.equal(submissions(said(await train(actor), first.id)).length, 1);
  const away = peers.map((peer) => ({ ...peer, up: peer.deviceId !== first.id }));
  actor.tell({ type: "peersChanged", peers: away, registry });
  const effects = actor.tell({ type: "peersChanged", peers, registry });
  assert.equal(submissions(said(effects, first.id)).length, 1);
  assert.deepEqual(submissions(said(beat(actor, first, {}), first.id)), [], "once is enough");
});

Deno.test("an update that was refused is not offered to that buffer again, but to another try", async () => {
  const { actor } = participant();
  beat(actor, first, {});
  await train(actor);
  const key = { run, round: 1, term: 0, attempt: 1 };
  const message = { type: "submissionRefused", ...key, reason: "no" } as const;
  actor.tell({ type: "peerMessage", from: first.id, message });
  assert.deepEqual(submissions(said(beat(actor, first, {}), first.id)), []);
  assert.equal(submissions(said(beat(actor, first, { attempt: 2 }), first.id)).length, 1);
});

Deno.test("a device without examples says so once, and trains nothing", () => {
  const { actor } = actorOf(planOf(2), { fresh: false });
  const [answer] = said(beat(actor, first, {}), first.id);
  assert.ok(answer?.type === "decline");
  assert.equal(answer.why, "noData");
  assert.deepEqual(said(beat(actor, first, {}), first.id), []);
});

Deno.test("an update grows old in the making: too old, it is never handed in", async () => {
  const { actor } = participant();
  beat(actor, first, {});
  const round = STALENESS_MAX + 2;
  beat(actor, first, { round });
  assert.deepEqual(submissions(said(await train(actor), first.id)), []);
});
