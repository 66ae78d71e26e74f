/** A device that loses power in a secure sum: it comes back into the same attempt, says the same, and never more than it would have said. */
import assert from "node:assert/strict";
import { partSetting } from "../../../actors/rounds/kept_parts.ts";
import * as server from "../../../learning/secure/server.ts";
import { acceptReveal } from "../../../learning/secure/unmask.ts";
import * as wire from "../../../learning/secure/wire.ts";
import { MemoryDisk } from "../../../store/memory_store.ts";
import { callTo, told } from "./run_actor.ts";
import { other, run, said, self } from "./support.ts";
import { DEPENDENCIES } from "../../learning/secure_support.ts";
import {
  answer,
  call,
  claim,
  good,
  members,
  plan,
  revealed,
  start,
  step,
  submit,
  train,
} from "./restarts_support.ts";

/** The whole of our device's part; `restarts` says before which of its steps it loses power. */
async function play(restarts: { readonly sign: boolean; readonly reveal: boolean }) {
  const disk = new MemoryDisk();
  let actor = await start(disk);
  const sum = call(actor, 1);
  await train(actor, sum);
  await submit(actor, sum);
  if (restarts.sign) actor = await start(disk);
  const signature = answer(await claim(actor, sum), "consistency");
  if (restarts.reveal) actor = await start(disk);
  assert.deepEqual(answer(await claim(actor, sum), "consistency"), signature, "asked again");
  if (restarts.reveal) actor = await start(disk);
  const shares = answer(await revealed(actor, sum, signature), "unmask");
  const reveal = wire.decodeReveal(shares);
  assert.ok(reveal.ok);
  good(acceptReveal(sum.state, self, reveal.message, DEPENDENCIES));
  return { signature, shares };
}

Deno.test("a device that loses power after it has handed in its vector signs and reveals as if nothing had been, bit by bit", async () => {
  const straight = await play({ sign: false, reveal: false });
  assert.deepEqual(await play({ sign: true, reveal: false }), straight);
  assert.deepEqual(await play({ sign: false, reveal: true }), straight);
  assert.deepEqual(await play({ sign: true, reveal: true }), straight);
});

Deno.test("what is on the disk does not open this device's own vector; once it has signed, of each neighbour only what it may reveal is left", async () => {
  const disk = new MemoryDisk();
  const actor = await start(disk);
  const sum = call(actor, 1);
  await train(actor, sum);
  const secrets = actor.state.part!.sum!;
  assert.ok(secrets.phase === "shared");
  const onDisk = () => {
    const stored = JSON.parse(disk.tables.settings.get(partSetting(run)) ?? "{}");
    return (stored.parts ?? []).map(({ sum }: { sum: string }) =>
      Uint8Array.fromBase64(sum).toHex()
    ).join("\n");
  };
  await submit(actor, sum);
  const masked = onDisk();
  const kept = actor.state.part!.kept!;
  assert.ok(masked.includes(kept.heldShares.toHex()));
  for (const secret of [secrets.maskSecret, secrets.shareSecret, secrets.seed]) {
    assert.ok(!masked.includes(secret.toHex()));
  }
  await claim(actor, sum);
  const signed = onDisk();
  for (let at = 0; at < kept.heldShares.length; at += 64) {
    const seedShare = kept.heldShares.subarray(at, at + 32).toHex();
    const maskShare = kept.heldShares.subarray(at + 32, at + 64).toHex();
    // Everybody survived.
    assert.ok(signed.includes(seedShare) && !signed.includes(maskShare));
  }
});

Deno.test("a device whose disk does not keep its part hands in nothing", async () => {
  const actor = await start(new MemoryDisk());
  const sum = call(actor, 1);
  await train(actor, sum);
  assert.deepEqual(said(await actor.runTask()), []);
  const [message] = said(actor.settleTask({ ok: false, error: new Error("the disk is full") }));
  assert.ok(message?.type === "decline" && /disk/.test(message.reason), JSON.stringify(message));
});

Deno.test("a device whose disk does not keep its word says none, and is in the next attempt as if it had not been asked", async () => {
  const disk = new MemoryDisk();
  const actor = await start(disk);
  const first = call(actor, 1);
  await train(actor, first);
  await submit(actor, first);
  const body = wire.encodeSurvivorClaim(server.survivorClaimFor(first.state, self)!);
  told(actor, { type: "securePhase", ...first.key, phase: "survivors", body });
  const [message] = said(actor.settleTask({ ok: false, error: new Error("the disk is full") }));
  assert.ok(message?.type === "decline" && /its word/.test(message.reason));
  const second = call(actor, 2);
  await train(actor, second);
  await submit(actor, second);
  assert.deepEqual(await claim(actor, first), []);
  const signature = answer(await claim(actor, second), "consistency");
  assert.ok(answer(await revealed(actor, second, signature), "unmask").length > 0);
  assert.deepEqual((await start(disk)).state.kept.map(({ attempt }) => attempt), [2]);
});

Deno.test("a device that has signed, and lost power, signs for no other survivors and joins no other attempt", async () => {
  const disk = new MemoryDisk();
  const first = await start(disk);
  const sum = call(first, 1);
  await train(first, sum);
  await submit(first, sum);
  await claim(first, sum);
  const actor = await start(disk);
  const signed = server.survivorClaimFor(sum.state, self)!;
  const survivors = signed.survivors.map((bits) => bits ^ 1 << members.indexOf(other));
  const body = wire.encodeSurvivorClaim({ ...signed, survivors });
  const [refusal] = await step(actor, sum.key, "survivors", body);
  assert.ok(refusal?.type === "decline", JSON.stringify(refusal));
  const rest = members.filter((device) => device !== other);
  const [declined] = said(told(actor, callTo(plan, rest, { ...sum.key, attempt: 2 })));
  assert.ok(declined?.type === "decline" && declined.why === "busy", JSON.stringify(declined));
});

Deno.test("a word on the disk without the part that it was about binds, and nothing else is signed", async () => {
  const disk = new MemoryDisk();
  const first = await start(disk);
  const sum = call(first, 1);
  await train(first, sum);
  await submit(first, sum);
  const before = disk.tables.settings.get(partSetting(run))!;
  await claim(first, sum);
  // As if the two had not been written together.
  disk.tables.settings.set(partSetting(run), before);
  const actor = await start(disk);
  assert.equal(actor.state.signed?.attempt, 1);
  assert.deepEqual([actor.state.part, actor.state.kept], [null, []]);
  assert.deepEqual(await claim(actor, sum), []);
});

Deno.test("an attempt that was given up is finished after all by devices that have joined another one since, and then only that", async () => {
  const disk = new MemoryDisk();
  let actor = await start(disk);
  const first = call(actor, 1);
  await train(actor, first);
  await submit(actor, first);
  const second = call(actor, 2);
  await train(actor, second);
  await submit(actor, second);
  assert.equal(actor.state.part?.key.attempt, 2);
  actor = await start(disk);
  assert.ok(answer(await claim(actor, first), "consistency").length > 0);
  assert.equal(actor.state.part?.key.attempt, 1);
  const stored = JSON.parse(disk.tables.settings.get(partSetting(run))!);
  assert.equal(stored.parts.length, 1, "what was superseded is gone from the disk");
  assert.deepEqual(await claim(actor, second), []);
  actor = await start(disk);
  assert.deepEqual(await claim(actor, second), []);
  assert.deepEqual(actor.state.kept.map(({ attempt }) => attempt), [1]);
});

Deno.test("what a disk has made of a part is left out when it cannot be read", async () => {
  for (const damaged of ["null", "{}", '{"round":1,"parts":[{"sum":"x"}]}', "[1]"]) {
    const disk = new MemoryDisk();
    disk.tables.settings.set(partSetting(run), damaged);
    const actor = await start(disk);
    assert.deepEqual([actor.state.part, actor.state.kept], [null, []]);
  }
});
