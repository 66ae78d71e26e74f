/** A device in sums with a second party: whom it gives its parts, and for which sets it gives its word. */
import assert from "node:assert/strict";
import { smallClaims } from "../../../learning/secure/small_round.ts";
import { decodeSumVectorFor, digest } from "./two_servers_values.ts";
import { encodeSurvivorClaim } from "../../../learning/secure/wire.ts";
import { nodeCrypto } from "../../../platform/node_crypto.ts";
import type { DeviceId } from "../../../protocols/ids.ts";
import { MemoryDisk, openMemoryStore } from "../../../store/memory_store.ts";
import { memoryVectors } from "../../../store/memory_vectors.ts";
import { peerOf, type RunActor, told, zeroExamples } from "./run_actor.ts";
import { other, registryOf, run, said, self } from "./support.ts";
import {
  attemptWith,
  call,
  members,
  others,
  phase,
  start,
  sumOf,
  train,
} from "./two_servers_support.ts";

const crypto = nodeCrypto({ workersMax: 0 });
const SECOND = others[1]!.id;

/** Hashes of what everybody handed in: of our device what it did, of others anything. */
function inputs(own: string, set: readonly DeviceId[]): Map<DeviceId, Uint8Array> {
  return new Map(set.map((device) => [
    device,
    device === self ? Uint8Array.fromHex(own) : digest(device),
  ]));
}

/** Called, trained, handed in. */
async function handedIn(actor: RunActor, key = attemptWith(SECOND), devices = members) {
  const [ready] = call(actor, key, SECOND, { called: devices });
  assert.equal(ready?.type, "peerReady", JSON.stringify(ready));
  const sum = sumOf(key, SECOND, devices);
  const effects = await train(actor, key, sum.roster);
  const submission = said(effects, other).find((one) => one.type === "gradientSubmission");
  assert.ok(submission?.type === "gradientSubmission", JSON.stringify(said(effects)));
  return { key, sum, effects, own: submission.update.hash };
}

/** Our device is asked for its word for a set of the attempt. */
function asked(
  actor: RunActor,
  { key, sum, own }: Awaited<ReturnType<typeof handedIn>>,
  set: readonly DeviceId[],
  from = other,
) {
  const body = encodeSurvivorClaim(smallClaims(sum.view, inputs(own, set), crypto).claimFor(self));
  return phase(actor, key, "survivors", body, from);
}

Deno.test("a device takes part when the second party is the one by the rule, and with no other", () => {
  const key = attemptWith(SECOND);
  assert.equal(call(start(), key, SECOND)[0]?.type, "peerReady");
  for (const second of [others[2]!.id, other, self, undefined]) {
    const [answer] = call(start(), key, second);
    assert.ok(answer?.type === "decline" && /second party/.test(answer.reason));
  }
});

Deno.test("a second party that may not coordinate, or that a device has no session with, gets nothing", () => {
  const key = attemptWith(SECOND);
  const mayNot = start();
  const registry = registryOf(members);
  (registry.members.get(SECOND) as { permissions: ReadonlySet<string> }).permissions = new Set([
    "learn.join",
  ]);
  mayNot.tell({ type: "peersChanged", peers: others.map(({ id }) => peerOf(id)), registry });
  assert.equal(call(mayNot, key, SECOND)[0]?.type, "decline");
  const apart = start();
  apart.tell({
    type: "peersChanged",
    peers: others.map(({ id }) => peerOf(id, { up: id !== SECOND })),
    registry: registryOf(members),
  });
  const [answer] = call(apart, key, SECOND);
  assert.ok(answer?.type === "decline" && /no session/.test(answer.reason));
});

Deno.test("coordinator and second party get one part each, which together are the update and alone are not", async () => {
  const actor = start();
  const { key, sum, effects, own } = await handedIn(actor);
  const toSecond = said(effects, SECOND);
  assert.deepEqual(toSecond.map((one) => one.type === "securePhase" && one.phase), ["part"]);
  const seed = toSecond[0]!;
  assert.ok(seed.type === "securePhase" && seed.body.length === 32);
  const [part] = said(told(actor, { type: "requestParts", run, hash: own, first: 0, count: 8 }));
  assert.ok(part?.type === "vectorPart");
  const update = decodeSumVectorFor(sum, part.bytes, seed.body);
  assert.ok(update.every((value) => Math.abs(value - 0.25) < 1e-3), update.join());
  const alone = decodeSumVectorFor(sum, part.bytes, new Uint8Array(32));
  assert.ok(alone.some((value) => Math.abs(value - 0.25) > 1e-3));
  const toOthers = [other, others[2]!.id, others[3]!.id].flatMap((id) => said(effects, id));
  assert.ok(!toOthers.some((one) => one.type === "securePhase" && one.phase === "part"));
  assert.equal(actor.state.part!.small!.secondPart, null, "it keeps no seed");
  assert.equal(key.attempt, actor.state.part!.key.attempt);
});

Deno.test("a device gives its word for one set of an attempt, again when it is asked again, and for no other", async () => {
  const actor = start();
  const given = await handedIn(actor);
  const set = members.filter((device) => device !== others[3]!.id);
  const [word] = await asked(actor, given, set);
  assert.ok(word?.type === "securePhase" && word.phase === "consistency");
  const [again] = await asked(actor, given, set);
  assert.deepEqual(again, word);
  assert.deepEqual(await asked(actor, given, members), []);
});

Deno.test("a set without the device itself, with another part of it, or of too few gets no word", async () => {
  const actor = start();
  const given = await handedIn(actor);
  const few = [self, other, SECOND].sort();
  for (const [set, own] of [[few, given.own], [members, "00".repeat(32)]] as const) {
    const [answer] = await asked(actor, { ...given, own: own as typeof given.own }, set);
    assert.ok(answer?.type === "decline", JSON.stringify(answer));
  }
});

Deno.test("without noise the word binds to its set, over restarts too: other calls are declined, however late they come", async () => {
  const disk = new MemoryDisk();
  const first = start({ store: openMemoryStore({ disk }) });
  const given = await handedIn(first);
  const set = members.filter((device) => device !== others[3]!.id);
  await asked(first, given, set);
  const actor = start({ store: openMemoryStore({ disk }) });
  actor.state.signed = first.state.signed;
  actor.state.signedAtMs = 0;
  actor.advance(120_000);
  const { term } = actor.state;
  const more = attemptWith(SECOND, { after: given.key.attempt, term: term + 1 });
  const [declined] = call(actor, more, SECOND);
  assert.ok(declined?.type === "decline" && declined.why === "busy", JSON.stringify(declined));
  const fewer = set.filter((device) => device !== SECOND);
  const others2 = others[2]!.id;
  const less = attemptWith(others2, { after: more.attempt, called: fewer, term: term + 1 });
  const [still] = call(actor, less, others2, { called: fewer });
  assert.ok(still?.type === "decline" && still.why === "busy", JSON.stringify(still));
  const same = attemptWith(SECOND, { after: less.attempt, called: set, term: term + 1 });
  assert.equal((await handedIn(actor, same, set)).own.length, 64);
  assert.deepEqual(actor.state.part!.release, 0, "it is the same update");
});

Deno.test("after a restart a device hands in the update that it has given its word for, whatever it could learn from by then", async () => {
  const disk = {
    store: openMemoryStore({ disk: new MemoryDisk() }),
    vectors: memoryVectors(),
  };
  const first = start(disk);
  const given = await handedIn(first);
  await asked(first, given, members);
  const actor = start(disk);
  actor.state.signed = first.state.signed;
  actor.state.examples = zeroExamples(3);
  const again = attemptWith(SECOND, { after: given.key.attempt });
  await handedIn(actor, again);
  assert.equal(actor.state.part!.vector, first.state.signed!.vector);
});

Deno.test("under another coordinator the set may be summed without the one that might know its sum, once", async () => {
  const actor = start();
  const given = await handedIn(actor);
  await asked(actor, given, members);
  const successor = others[2]!.id;
  const rest = members.filter((device) => device !== other);
  const key = attemptWith(SECOND, {
    after: given.key.attempt,
    called: rest,
    coordinator: successor,
    term: 1,
  });
  const [ready] = call(actor, key, SECOND, { called: rest, from: successor });
  assert.equal(ready?.type, "peerReady", JSON.stringify(ready));
  const sum = sumOf(key, SECOND, rest);
  const body = { type: "securePhase", ...key, phase: "roster", body: sum.roster } as const;
  const effects = [...told(actor, body, successor)];
  while (actor.pendingTasks().length > 0) effects.push(...await actor.runTask());
  const submission = said(effects, successor).find((one) => one.type === "gradientSubmission");
  assert.ok(submission?.type === "gradientSubmission");
  const own = submission.update.hash;
  const [word] = await asked(actor, { key, sum, own, effects }, rest, successor);
  assert.ok(word?.type === "securePhase" && word.phase === "consistency", JSON.stringify(word));
  assert.deepEqual(actor.state.signed?.set, rest);
  assert.equal(actor.state.signed?.coordinator, null, "nobody else may be left out now");
});
