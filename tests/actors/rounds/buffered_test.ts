/** A buffer of updates: who may bring what into it, and when it becomes a version. */
import assert from "node:assert/strict";
import { parameterBytes } from "../../../learning/parameters.ts";
import type { RoundFault } from "../../../learning/screening/reputation_effects.ts";
import type { Registry } from "../../../protocols/registry/registry.ts";
import { onOpenedForBuffer } from "../../../actors/rounds/buffered_part.ts";
import type { RunDependencies } from "../../../actors/rounds/run_state.ts";
import type { BlockId, ContentHash, DeviceId } from "../../../protocols/ids.ts";
import type { GradientSubmission } from "../../../protocols/rounds/messages.ts";
import {
  bytesOf,
  type Change,
  coordinator,
  count,
  type Device,
  devices,
  give,
  handIn,
  hashOf,
  nextVersion,
  parameters,
  PHASE_MS,
  planOf,
  submissionOf,
  submit,
  TRAIN_MS,
} from "./buffered_support.ts";
import type { RunActor } from "./run_actor.ts";
import { run, said, self } from "./support.ts";

const [liar, first, second, third, fourth] = devices as [Device, Device, Device, Device, Device];
const NOWHERE = "cd".repeat(32) as ContentHash;

/** Makes a version of two updates. */
async function versionOf(actor: RunActor, a: Device, b: Device, number = 50) {
  handIn(actor, a, number);
  handIn(actor, b, number + 1);
  return await nextVersion(actor);
}

Deno.test("a coordinator with a buffer calls nobody: its beat says that the buffer is open", () => {
  const { effects } = coordinator(2);
  for (const { id } of devices) {
    const heard = said(effects, id).map((message) =>
      message.type === "coordinatorBeat" ? message.phase : message.type
    );
    assert.ok(heard.includes("training"));
    assert.ok(!heard.includes("roundStart"), heard.join());
  }
});

Deno.test("a full buffer becomes a version at once, and the result names the version of each update", async () => {
  const { actor } = coordinator(2);
  handIn(actor, first, 1);
  assert.equal(actor.state.lead?.phase, "training");
  handIn(actor, second, 2);
  const made = await nextVersion(actor);
  assert.deepEqual(
    made.submissions.map(({ device, base, weight }) => ({ device, base, weight })),
    [first, second].map(({ id }) => id).sort().map((device) => (
      { device, base: { round: 0, parameters }, weight: 1 }
    )),
  );
  assert.equal(actor.state.lead?.phase, "training");
  assert.equal(actor.state.lead.key?.round, 2);
});

Deno.test("a late update is in a later version, with its age; once it is too old it is refused", async () => {
  const { actor } = coordinator(2);
  const base = { round: 0, parameters };
  await versionOf(actor, first, second, 10);
  await versionOf(actor, first, second, 20);
  handIn(actor, third, 3, { base });
  handIn(actor, first, 30);
  const made = await nextVersion(actor);
  assert.equal(made.round, 3);
  assert.deepEqual(made.submissions.find(({ device }) => device === third.id)?.base, base);
  const late = submit(actor, fourth, submissionOf(actor, fourth, bytesOf(4), { base }));
  const [answer] = said(late, fourth.id);
  assert.ok(answer?.type === "submissionRefused");
  assert.match(answer.reason, /it is 3 versions old, expected at most 2/);
});

Deno.test("a stale update moves the model by its share of 1/√(1+s)", async () => {
  const { actor } = coordinator(2);
  const base = { round: 0, parameters };
  await versionOf(actor, first, second, 10);
  const before = actor.state.head!.model!.parameters.slice();
  handIn(actor, third, 3, { base });
  handIn(actor, first, 30);
  await nextVersion(actor);
  const [late, prompt] = [3, 30].map((number) => new Float32Array(bytesOf(number).buffer));
  actor.state.head!.model!.parameters.forEach((value, i) => {
    const expected = before[i]! + (late![i]! / Math.SQRT2 + prompt![i]!) / 2;
    assert.ok(Math.abs(value - expected) < 1e-6, `${value}, expected ${expected}`);
  });
});

const wrong: readonly (readonly [what: string, Change, RegExp])[] = [
  ["from a version that is none of the chain", {
    base: { round: 1, parameters: NOWHERE },
  }, /its base is cdcd.*, version 1 is/],
  ["from a version to come", { base: { round: 9, parameters: NOWHERE } }, /which is not made/],
  ["signed for another version", { signedRound: 1 }, /signature does not hold/],
  ["of more weight than others", { weight: 7 }, /weighs 7, expected 0 and 1/],
  ["of another attempt", { attempt: 3 }, /of attempt 3/],
];
for (const [what, change, reason] of wrong) {
  Deno.test(`an update ${what} is refused with a reason, read once, and keeps nobody from the version`, async () => {
    const { actor } = coordinator(2);
    await versionOf(actor, first, second, 10);
    const message = submissionOf(actor, liar, bytesOf(1), change);
    const [answer, ...more] = said(submit(actor, liar, message), liar.id);
    assert.ok(answer?.type === "submissionRefused", JSON.stringify(answer));
    assert.match(answer.reason, reason);
    assert.deepEqual(more, [], "nothing of it is fetched");
    assert.deepEqual(submit(actor, liar, message), []);
    const made = await versionOf(actor, first, second, 20);
    assert.equal(made.counts.refused, 1);
    assert.ok(made.submissions.every(({ device }) => device !== liar.id));
  });
}

for (
  const [what, bytes, reason, fault] of [
    ["with NaN", nanBytes(), /not finite/, "notFinite"],
    ["of another shape", bytesOf(1).slice(4), /bytes, expected/, null],
  ] as readonly (readonly [string, Uint8Array<ArrayBuffer>, RegExp, RoundFault | null])[]
) {
  Deno.test(`an update ${what} takes no place in the buffer`, async () => {
    const { actor } = coordinator(2);
    const effects = [
      ...submit(actor, liar, submissionOf(actor, liar, bytes)),
      ...give(actor, liar, bytes),
    ];
    const answer = said(effects, liar.id).find(({ type }) => type === "submissionRefused");
    assert.ok(answer?.type === "submissionRefused");
    assert.match(answer.reason, reason);
    assert.deepEqual(
      actor.state.lead?.faults.map((one) => one.fault),
      fault === null ? [] : [fault],
    );
    const made = await versionOf(actor, first, second);
    assert.equal(made.submissions.length, 2);
  });
}

Deno.test("an update that is in a version is not taken again, by whatever version it was trained from before", async () => {
  const { actor } = coordinator(2);
  const base = { round: 0, parameters };
  const replayed = submissionOf(actor, first, bytesOf(10));
  await versionOf(actor, first, second, 10);
  assert.deepEqual(submit(actor, first, replayed), []);
  assert.deepEqual(submit(actor, first, submissionOf(actor, first, bytesOf(77), { base })), []);
  // It may go on with what is new.
  handIn(actor, first, 20);
  handIn(actor, second, 21);
  const made = await nextVersion(actor);
  assert.ok(made.submissions.every((one) => one.base?.round === 1));
});

Deno.test("another block that claims to have made our version does not make its updates new again", async () => {
  const { actor } = coordinator(2);
  const replayed = submissionOf(actor, first, bytesOf(10));
  const made = await versionOf(actor, first, second, 10);
  const submissions = made.submissions.filter(({ device }) => device !== first.id);
  const block = "ff".repeat(32) as BlockId;
  const committed = { block, author: liar.id, atMs: 1, result: { ...made, submissions } };
  actor.tell({ type: "resultCommitted", committed });
  await versionOf(actor, second, third, 20);
  assert.deepEqual(actor.state.buffered.lineage.map(({ submissions }) => submissions.length), [
    2,
    2,
  ]);
  assert.deepEqual(submit(actor, first, replayed), []);
});

Deno.test("a device that starts again takes what led to its version from the block it has, and from nobody who may not publish", async () => {
  const { actor } = coordinator(2);
  const made = await versionOf(actor, first, second, 10);
  const { state } = actor;
  const block = state.head!.block!;
  const of = (id: string, author: DeviceId) => ({
    block: id as BlockId,
    author,
    atMs: 1,
    result: { ...made, submissions: made.submissions.slice(id === block ? 0 : 1) },
  });
  const coordinates = {
    deviceId: self,
    revoked: false,
    permissions: new Set(["learn.coordinate"]),
  };
  state.registry = { members: new Map([[self, coordinates]]) } as unknown as Registry;
  const read = (...committed: readonly ReturnType<typeof of>[]) => {
    state.buffered.lineage = [];
    state.waiting.clear();
    for (const one of committed) state.waiting.set(one.block, one);
    onOpenedForBuffer(state, { opened: planOf(2) } as RunDependencies);
    return state.buffered.lineage.map(({ submissions }) => submissions.length);
  };
  assert.deepEqual(read(of(block, self), of("ff".repeat(32), self)), [2]);
  assert.deepEqual(read(of("ff".repeat(32), liar.id)), []);
});

Deno.test("a device that floods is read once in a buffer, and nothing of the rest is kept", () => {
  const { actor } = coordinator(2);
  submit(actor, liar, submissionOf(actor, liar, bytesOf(0)));
  for (let i = 1; i < 200; i++) {
    const message: GradientSubmission = {
      ...submissionOf(actor, liar, bytesOf(1)),
      update: { hash: hashOf(Uint8Array.of(i)), bytes: 4 * count },
    };
    assert.deepEqual(submit(actor, liar, message), []);
  }
  assert.equal(actor.state.lead?.submissions.size, 1);
  assert.equal(actor.state.incoming.size, 1);
});

Deno.test("whoever offers an update again and again and never has it is read twice in a buffer", () => {
  const { actor } = coordinator(2);
  const offer = (number: number) => {
    const bytes = bytesOf(number);
    const [request] = said(submit(actor, liar, submissionOf(actor, liar, bytes)), liar.id);
    const hash = hashOf(bytes);
    const message = { type: "vectorMissing", run, hash } as const;
    actor.tell({ type: "peerMessage", from: liar.id, message });
    return request?.type;
  };
  assert.equal(offer(1), "requestParts");
  assert.equal(offer(2), "requestParts", "it may have been away for a moment");
  assert.equal(offer(3), undefined);
  handIn(actor, first, 1);
  assert.equal(actor.state.lead?.phase, "training");
});

Deno.test("whoever offers an update and sends nothing gives its place to the next", async () => {
  const { actor } = coordinator(2);
  const silent = [liar, first];
  const waiting = [third, fourth];
  const offer = (device: Device, number: number) =>
    said(submit(actor, device, submissionOf(actor, device, bytesOf(number))), device.id);
  for (const device of silent) assert.equal(offer(device, devices.indexOf(device)).length, 1);
  for (const device of waiting) {
    assert.deepEqual(offer(device, devices.indexOf(device)), [], "there is no room for more");
  }
  const effects = [...Array(PHASE_MS / 1_000 + 1)].flatMap(() => actor.advance(1_000));
  for (const { id } of silent) {
    const answer = said(effects, id).find(({ type }) => type === "submissionRefused");
    assert.ok(answer?.type === "submissionRefused");
    assert.match(answer.reason, /did not come/);
  }
  for (const device of waiting) {
    assert.ok(said(effects, device.id).some(({ type }) => type === "requestParts"));
    give(actor, device, bytesOf(devices.indexOf(device)));
  }
  const made = await nextVersion(actor);
  assert.deepEqual(
    made.submissions.map(({ device }) => device),
    waiting.map(({ id }) => id).sort(),
  );
});

Deno.test("a device without points left brings nothing into a buffer", () => {
  const { actor } = coordinator(2, [liar.id]);
  assert.deepEqual(submit(actor, liar, submissionOf(actor, liar, bytesOf(1))), []);
});

Deno.test("a buffer that stays too empty is opened again; one that holds enough becomes a version when its time is over", async () => {
  const { actor } = coordinator(4);
  handIn(actor, first, 1);
  const attempt = actor.state.lead!.key!.attempt;
  const effects = actor.fireTimer("phase");
  assert.ok(said(effects, first.id).some(({ type }) => type === "roundAbandoned"));
  actor.fireTimer("call");
  if (actor.state.lead!.phase === "recovering") actor.fireTimer("phase");
  assert.equal(actor.state.lead!.key!.attempt, attempt + 1);
  handIn(actor, first, 1);
  handIn(actor, second, 2);
  assert.equal(actor.state.lead!.phase, "training", "others may still come");
  assert.equal(actor.timers().get("phase"), TRAIN_MS);
  actor.fireTimer("phase");
  assert.equal((await nextVersion(actor)).submissions.length, 2);
});

Deno.test("a buffer does not wait for devices that are away", async () => {
  const { actor } = coordinator(4);
  handIn(actor, first, 1);
  handIn(actor, second, 2);
  const { registry } = actor.state;
  const peers = [...actor.state.peers.values()].map((peer) => ({
    ...peer,
    up: peer.deviceId === first.id || peer.deviceId === second.id,
  }));
  actor.tell({ type: "peersChanged", peers, registry });
  assert.equal((await nextVersion(actor)).submissions.length, 2);
});

function nanBytes(): Uint8Array<ArrayBuffer> {
  const values = new Float32Array(count);
  values[1] = NaN;
  return new Uint8Array(parameterBytes(values));
}

Deno.test("the same updates make the same version, in whatever order they come and whoever gathers them again", async () => {
  const made = [];
  for (const order of [[0, 1, 2], [2, 0, 1], [1, 2, 0]]) {
    const { actor } = coordinator(3);
    // One of them was handed in before, to a buffer that came to nothing.
    handIn(actor, devices[order[0]!]!, order[0]!);
    actor.fireTimer("phase");
    actor.fireTimer("call");
    if (actor.state.lead!.phase === "recovering") actor.fireTimer("phase");
    for (const i of order) handIn(actor, devices[i]!, i);
    const { result, aggregate, submissions: counted } = await nextVersion(actor);
    made.push({ result, aggregate, counted });
  }
  assert.equal(made[0]!.counted.length, 3);
  assert.deepEqual(made[1], made[0]);
  assert.deepEqual(made[2], made[0]);
});
