/** Who is followed, who takes over and when, and what nobody may do to a run by large numbers or large vectors. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { isEarlier, SILENCE_MS } from "../../../actors/rounds/terms.ts";
import type { BlockId, ContentHash, DeviceId } from "../../../protocols/ids.ts";
import { published } from "../members_support.ts";
import {
  callTo,
  openedRun,
  peerOf,
  type RunActor,
  signedResult,
  told,
  zeroExamples,
} from "./run_actor.ts";
import { other, privatePlan, registryOf, run, said, self } from "./support.ts";

/** A device that listens, beside one other that may coordinate. */
function start(): RunActor {
  const plan = privatePlan();
  const actor = openedRun(plan, { registry: registryOf([self, other]) });
  peers(actor, [self, other]);
  return actor;
}

function peers(actor: RunActor, mayCoordinate: readonly DeviceId[]): void {
  actor.tell({
    type: "peersChanged",
    peers: [peerOf(other, { coordinates: mayCoordinate.includes(other) })],
    registry: registryOf(mayCoordinate),
  });
}

function beat(actor: RunActor, change: Partial<{ term: number; attempt: number; round: number }>) {
  const message = {
    type: "coordinatorBeat",
    run,
    round: 1,
    term: 0,
    attempt: 1,
    phase: "training",
    ready: 0,
    submitted: 0,
    fetched: 0,
    ...change,
  } as const;
  return actor.tell({ type: "peerMessage", from: other, message });
}

Deno.test("terms go round: a candidate that jumps ahead stops nobody from taking the next one", () => {
  assert.ok(isEarlier(3, 4) && !isEarlier(4, 4) && !isEarlier(5, 4));
  assert.ok(!isEarlier(0, 2 ** 32 - 1), "zero follows the last number");
  const actor = start();
  beat(actor, { term: 2 ** 32 - 1 });
  assert.equal(actor.state.term, 0, "one before the first is earlier");
  beat(actor, { term: 2 ** 31 - 1 });
  assert.deepEqual([actor.state.term, actor.state.coordinator], [2 ** 31 - 1, other]);
  const asked = said(actor.advance(SILENCE_MS + 10)).filter(({ type }) => type === "whereAreYou");
  assert.equal(asked[0]?.type === "whereAreYou" && asked[0].term, 2 ** 31);
});

Deno.test("of any two terms one is later for everybody, also when a jump has put them exactly half a circle apart", () => {
  const term = fc.integer({ min: 0, max: 2 ** 32 - 1 });
  const apart = fc.oneof(term, fc.constantFrom(1, 2 ** 31 - 1, 2 ** 31, 2 ** 31 + 1, 2 ** 32 - 1));
  fc.assert(fc.property(term, apart, (a, ahead) => {
    const b = (a + ahead) % 2 ** 32;
    assert.equal(isEarlier(a, b) !== isEarlier(b, a), a !== b, `${a} and ${b}`);
  }));
  const actor = start();
  actor.advance(2 * SILENCE_MS);
  const { term: own } = actor.state;
  assert.ok(actor.state.lead !== null, "nobody else was heard");
  beat(actor, { term: own + 2 ** 31 });
  assert.equal(actor.state.lead, null, "the later one leads");
  assert.deepEqual([actor.state.term, actor.state.coordinator], [own + 2 ** 31, other]);
  beat(actor, { term: own });
  assert.equal(actor.state.term, own + 2 ** 31);
});

Deno.test("a coordinator that falls silent is followed within 3 s of its last word, to the moment", () => {
  const actor = start();
  actor.advance(640);
  beat(actor, {});
  assert.deepEqual(said(actor.advance(SILENCE_MS - 10)), []);
  assert.ok(said(actor.advance(20)).some(({ type }) => type === "whereAreYou"));
});

Deno.test("an attempt of another round moves nothing, and one far ahead no further than the numbers last", () => {
  const actor = start();
  beat(actor, { attempt: 500, round: 9 });
  assert.equal(actor.state.attempt, 0);
  beat(actor, { attempt: 3 });
  assert.equal(actor.state.attempt, 3);
  beat(actor, { attempt: 2 ** 32 - 1 });
  assert.equal(actor.state.attempt, 1_024);
  for (let i = 0; i < 5_000; i++) beat(actor, { attempt: actor.state.attempt + 1_024 });
  assert.equal(actor.state.attempt, 1_024, "however often it is said");
  for (let second = 0; second < 60; second++) {
    actor.advance(1_000);
    for (let i = 0; i < 100; i++) beat(actor, { attempt: 2 ** 32 - 1 });
  }
  assert.ok(actor.state.attempt <= 1_024 + 60 * 32, `${actor.state.attempt}`);
});

Deno.test("a device comes after a coordinator that somebody has moved far ahead, and takes part in its rounds", () => {
  const plan = privatePlan();
  const examples = () => zeroExamples(4);
  const actor = openedRun(plan, { registry: registryOf([self, other]), examples });
  peers(actor, [self, other]);
  const ready: number[] = [];
  for (let second = 0; second < 120 && ready.length === 0; second++) {
    beat(actor, { attempt: 4_000 });
    const answers = said(told(actor, callTo(plan, [self, other], { attempt: 4_000 + second })));
    ready.push(...answers.flatMap((one) => one.type === "peerReady" ? [one.attempt] : []));
    actor.advance(1_000);
  }
  assert.equal(ready.length, 1);
});

Deno.test("a device that may no longer coordinate is not followed, and stops doing so itself", () => {
  const actor = start();
  beat(actor, { term: 1 });
  peers(actor, [self]);
  beat(actor, { term: 2 });
  assert.equal(actor.state.term, 1);
  actor.advance(SILENCE_MS + 10);
  assert.ok(actor.state.lead !== null);
  peers(actor, []);
  assert.equal(actor.state.lead, null);
  actor.advance(20_000);
  assert.equal(actor.state.lead, null);
});

Deno.test("a coordinator that offers one checkpoint after another fills no memory", () => {
  const actor = start();
  beat(actor, {});
  for (let i = 0; i < 20; i++) {
    actor.tell({
      type: "peerMessage",
      from: other,
      message: {
        type: "keepCheckpoint",
        run,
        round: 1,
        term: 0,
        attempt: 1,
        checkpoint: { hash: i.toString(16).padStart(64, "0") as ContentHash, bytes: 1_000_000 },
      },
    });
  }
  assert.equal(actor.state.incoming.size, 1);
});

Deno.test("where two attempts are signed and our own checkpoint leads nowhere, the other attempt's is fetched", () => {
  const asksAfter = (failures: number) => {
    const actor = start();
    actor.state.signed = { round: 1, attempt: 1, release: 0 };
    const offer = { hash: "1".repeat(64) as ContentHash, bytes: 1_000 };
    actor.state.checkpoint = { round: 1, attempt: 1, offer };
    actor.advance(SILENCE_MS + 1_000);
    assert.equal(actor.state.lead?.phase, "recovering");
    actor.state.lead.failures = failures;
    const answer = {
      type: "hereIAm",
      run,
      round: 1,
      term: actor.state.term,
      attempt: 2,
      phase: "unmasked",
      checkpoint: { hash: "2".repeat(64) as ContentHash, bytes: 1_000 },
    } as const;
    const effects = actor.tell({ type: "peerMessage", from: other, message: answer });
    return said(effects).flatMap((one) => one.type === "requestParts" ? [one.hash[0]] : []);
  };
  assert.deepEqual([0, 1, 2, 3].map(asksAfter), [[], [], ["2"], ["2"]]);
});

Deno.test("whoever names a version, stays connected, and sends nothing of it holds nobody up for good", async () => {
  const actor = start();
  const hash = "cd".repeat(32) as ContentHash;
  const result = signedResult({ round: 2, parent: hash, result: hash });
  const committed = { block: "ef".repeat(32) as BlockId, author: other, atMs: 1, result };
  const isAsked = (effects: ReturnType<RunActor["tell"]>) =>
    said(effects).some(({ type }) => type === "requestParts");
  actor.tell({ type: "resultCommitted", committed });
  assert.ok(isAsked(await actor.runTask()));
  const seconds = [...Array(12)].map(() => actor.advance(1_000));
  assert.ok(seconds.slice(0, 11).some(isAsked), "it may not have been heard");
  assert.equal(actor.state.adopting, null);
  assert.equal(actor.state.incoming.size, 0);
});

Deno.test("whoever coordinates shows how its round goes on its own device, too, as often as the others hear it", () => {
  const actor = start();
  const shown = (effects: ReturnType<RunActor["tell"]>) =>
    published(effects, "nodeEvents").filter((event) =>
      (event as { readonly type: string }).type === "roundProgress"
    );
  const begun = actor.advance(SILENCE_MS + 1_000);
  assert.ok(actor.state.lead !== null, "nobody else was heard");
  const effects = [...begun, ...actor.advance(3_000)];
  const heard = said(effects).flatMap((message) =>
    message.type === "coordinatorBeat"
      ? [{ ...message, type: "roundProgress", term: undefined, attempt: undefined }]
      : []
  );
  assert.ok(heard.length >= 3, `${heard.length} beats`);
  assert.equal(JSON.stringify(shown(effects)[0]), JSON.stringify(heard[0]));
  assert.equal(shown(effects).length, heard.length);
});
